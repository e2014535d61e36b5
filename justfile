# What one does here all day. `just` alone checks what can be checked in a minute.

python := ".venv/bin/python"

default: check

# style and likely mistakes
lint:
    {{python}} -m ruff check

types:
    {{python}} -m mypy

# everything but the browser; `just test -k name` for some of it
test *options:
    {{python}} -m pytest -m "not browser" {{options}}

# JupyterLab and Notebook in Chromium
browser *options:
    {{python}} -m pytest -m browser {{options}}

# run the notebooks from top to bottom, as nothing but a check
notebooks:
    for book in notebooks/*.ipynb; do {{python}} -m jupyter execute "$book" --output="$(mktemp -d)/$(basename "$book")"; done

# what it costs, as ratios against the bare SDK
bench *options:
    {{python}} tests/benchmarks/run.py {{options}}

# the fault matrix as a page: with the Pythons given, else with one made for each major of the SDK
faults *pythons:
    {{python}} tests/faults/page.py {{pythons}}

# the README's picture
picture:
    {{python}} tests/browser/picture.py docs/first_answer.png docs/tools.png

check: lint types test

# the gate, as it runs before a merge
ci:
    bash .ci/run
