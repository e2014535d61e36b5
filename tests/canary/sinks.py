"""Every way of looking at what there is, once the key is known to the kernel: magics, objects, help, history, files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from canary.sources import VARIABLE, add

if TYPE_CHECKING:
    from canary.drive import Stage

_SQUEEZE = "import canary.squeeze as _squeeze, sys as _sys, os as _os\nfrom llm_magics import session as _session\n"
# A function, because a variable would be the person's own, and %whos shows those.
_KEY = "def key():\n    import pathlib, os\n    return pathlib.Path(os.environ['CANARY_KEY']).read_text()\n"

CELLS = {
    "%llm_config": "%llm_config",
    "%llm_config with a setting": "%llm_config temperature=0.5",
    "%llm_config NAME": "%llm_config far",
    "%llm_config --models": "%llm_config --models",
    "%llm_config --models PATTERN": "%llm_config --models *far*",
    "%llm_config --check": "%llm_config --check far",
    "%llm_config --save": "%llm_config --save",
    "%llm_config --add with a mistake": "%llm_config --add near base_url=nowhere",
    "--dry-run": "%%llm -m far --dry-run\nHi",
    "--dry-run of an unknown model": "%%llm -m nobody --dry-run\nHi",
    "help of %llm_config": "%llm_config?",
    "help of %%llm": "%%llm?",
    "%config": "%config LLMMagics",
    "%history": "%history -g",
    "%whos": "%whos",
    "a prompt that holds the key": _KEY + "\n%llm -m far Is {{ key() }} it?",
    "what is left of it": _SQUEEZE + "_squeeze.thing(_llm)",
    "the same, with leave": "%llm -m far --allow-secret Is {{ key() }} it?",
    "all of that answer": _SQUEEZE + "_squeeze.thing(_llm)",
    "the same, only shown": "%llm -m far --dry-run --allow-secret Is {{ key() }} it?",
    "a project's file that nobody allowed": "%%llm -m stranger\nHi",
    "an answer": "%%llm -m far\nHi",
    "%llm_config --caps": "%llm_config --caps",
    "its text": "%%llm -m far --as text\nHi",
    "an endpoint that knows another's key": "%%llm -m gateway\nHi",
    "a comparison": "compared = %llm -m far,gateway --judge gateway short Hi\ncompared",
    "all of it": _SQUEEZE + "_squeeze.thing(compared)",
    "its table": "print(compared.to_df().to_csv(), compared.stats(), compared.diff('far', 'gateway'))",
    "its files": "for end in 'csv', 'json', 'html', 'md':\n    compared.save(f'compared.{end}')",
    "its code": "%%llm -m far --as code\nHi",
    "its JSON in a variable": "%%llm -m far --as json --to found\nHi",
    "the variable": "found",
    "an answer assigned": "answer = %llm -m far Hi\nprint(answer, repr(answer), answer.model_dump_json())",
    "an answer among others": "%llm -m far Hi\nprint('more')",
    "an answer that is not shown": "%%llm -m far\nHi;",
    "_llm": "_llm",
    "all of _llm": _SQUEEZE + "_squeeze.thing(_llm)",
    "all of the session": _SQUEEZE + "_squeeze.thing(_session.current())",
    "all of its configuration": _SQUEEZE + "_squeeze.thing(_session.current().configuration)",
    "all of its connection": _SQUEEZE + "_squeeze.thing(_session.current().configuration.connection('far'))",
    "all of its manager": _SQUEEZE + "_squeeze.thing(_session.current().manager)",
    "all of the extension": _SQUEEZE + "_squeeze.thing(get_ipython()._llm_magics, depth=3)",
    "a client": _SQUEEZE + "_squeeze.outside(_session.current().manager.create_client('far'))",
    "warnings": "import warnings\nfrom llm_magics import ModelManager\n"
    "ModelManager({'models': {'far': {'base_url': 'http://127.0.0.1:9/v1', 'api_kye': 'x'}}}).create_client()",
}

# What tools do with the key: each a body, of a function that may call ``key()``.
TOOLS = {
    "gives": "return key()",
    "gives_more": "return {'a': ['x' * 30, key()], key(): 1}",
    "gives_much": "return 'x' * 460 + ' ' + key() + ' ' + key()",
    "prints": "import sys\n    print(key())\n    print('x' * 19_400, key(), file=sys.stderr)",
    "shows": "from IPython.display import HTML, display\n    display(key(), HTML(key()))",
    "raises": "raise LookupError(f'{key()} is not known')",
    "raises_more": "raise ExceptionGroup('two', [KeyError(key()), LookupError('x' * 490 + key())])",
    "exits": "raise SystemExit(key())",
    "tabulates": "import pandas\n    return pandas.DataFrame({'a': [key(), 'x' * 60 + key()], key(): [1, 2]})",
    "draws": "import matplotlib.figure\n    figure = matplotlib.figure.Figure()\n    return [figure, key()]",
    "waits": "import asyncio\n    await asyncio.sleep(0)\n    print(key())\n    raise LookupError(key())",
}
_TOOL = """@llm_magics.tool
{kind} {name}() -> str:
    \"""Do it.\"""
    {body}
"""
_SENDS = """@llm_magics.tool(side_effects=True)
def sends(text: str) -> str:
    \"""Send it.\"""
    return text
"""

# What ends up in files by mistake: keys where none belongs, or where nothing can be read.
FILES = {
    "unquoted.toml": "[models.far]\napi_key = {plain}\n",
    "unclosed.toml": '[models.far]\napi_key = "{plain}\n',
    "bare.toml": "sk-{plain}\n",
    "twice.toml": '[models.far]\napi_key = "{plain}"\napi_key = "{plain}"\n',
    "user.toml": '[models.far]\nbase_url = "http://user:{plain}@127.0.0.1:9/v1"\n',
    "query.toml": '[models.far]\nbase_url = "http://127.0.0.1:9/v1?key={plain}"\n',
    "address.toml": '[models.far]\nbase_url = "sk-{plain}"\n',
    "misspelt.toml": '[models.far]\napi_kye = "sk-{plain}"\n',
    "unknown.toml": 'sk-{plain} = "sk-{plain}"\n',
    "name.toml": '[models.far]\napi_key_env = "{plain}"\n',
    "named.toml": '[models."sk-{plain}"]\ntemperature = "hot"\n',
    "list.toml": '[models.far]\napi_key = ["{plain}"]\n',
    "headers.toml": '[models.far]\nbase_url = "http://127.0.0.1:9/v1"\nheaders = "{plain}"\n',
    "header.toml": '[models.far]\nbase_url = "http://127.0.0.1:9/v1"\nheaders = {{ X-Api-Key = ["{plain}"] }}\n',
    "number.toml": '[models.far]\ntemperature = "sk-{plain}"\n',
    "timeout.toml": 'timeout = "sk-{plain}"\n',
    "model.toml": '[models.far]\nbase_url = "http://127.0.0.1:9/v1"\nmodel = "sk-{plain}"\n',
    "models.toml": 'models = "sk-{plain}"\n',
    "newline.toml": '[models.far]\nbase_url = "http://127.0.0.1:9/v1"\napi_key = "{plain}\\n{plain}"\n',
    "unclosed.json": '{{"models": {{"far": {{"api_key": "{plain}}}}}}}',
    "twice.json": '{{"models": {{"far": {{"api_key": "{plain}", "api_key": "{plain}"}}}}}}',
    "top.json": '"sk-{plain}"',
    "tab.yaml": "models:\n\tfar:\n\t\tapi_key: {plain}\n",
    "twice.yaml": "models:\n  far:\n    api_key: {plain}\n    api_key: {plain}\n",
    "alias.yaml": "models:\n  far:\n    api_key: *{plain}\n",
    "tag.yaml": "models:\n  far:\n    api_key: !secret '{plain}'\n",
}

# The same in a dictionary, which is the caller's own; the error is ours.
DICTIONARIES = {
    "a key with a blank": "'api_key': key + ' '+ key",
    "a key with a newline": "'api_key': key + chr(10) + key",
    "a key with an accent": "'api_key': key + chr(233)",
    "a key of bytes": "'api_key': key.encode()",
    "a header with a newline": "'headers': {'Authorization': key + chr(10)}",
    "a header that is a list": "'headers': {'Authorization': [key]}",
    "a password in the address": "'base_url': 'http://u:' + key + '@127.0.0.1:9/v1'",
    "an address that is the key": "'base_url': 'sk-' + key",
    "a temperature that is the key": "'temperature': 'sk-' + key",
    "a setting named like the key": "'sk-' + key: 1",
    "a key for a name": "'api_key_env': key",
}


def look(on: Stage) -> None:
    """At all of it, after the server has begun to repeat the key in what it says."""
    key = on.canary.value
    on.far.reset()
    on.far.when(lambda request: request.path.endswith("/models")).fails(
        200, {"data": [{"id": "far-model"}, {"id": key}, {"id": f"model-{key[:20]}"}]}
    )
    on.far.refuses(
        "temperature", 400, {"error": {"message": f"Unrecognized request argument supplied: temperature ({key})"}}
    )
    on.far.answers(f"It is `{key}`.\n\n```python\nkey = '{key}'\n```\n\n```json\n{json.dumps(key)}\n```\n")
    stranger = f'[models.stranger]\nbase_url = "{on.other.base_url}"\napi_key_env = "{VARIABLE}"\n'
    on.plant(on.work / "llm_magics.toml", stranger)
    on.run(f"%llm_config --add gateway base_url={on.far.base_url}/ max_retries=0")
    for name, cell in CELLS.items():
        on.path = f"{on.source.name}: {name}"
        if "stranger" in cell:
            on.answer(cell, "n")
        else:
            on.run(cell)
        on.findings.count("looking")
    for name, text in (("completions", "%llm_config f"), ("completions of values", "_llm."), ("files", "open('")):
        on.path = f"{on.source.name}: {name}"
        on.exchange(on.client.complete(text, len(text)))
        on.exchange(on.client.inspect(text.partition(".")[0], 3, detail_level=1))
        on.findings.count("looking")


def mistakes(on: Stage) -> None:
    """Files and dictionaries that hold a key where none belongs."""
    on.far.reset()
    for name, text in FILES.items():
        on.path = f"{on.source.name}: {name}"
        path = on.plant(
            on.folder / "given" / name,
            text.format(plain=on.canary.plain),
        )
        if on.run(f"%llm_config --file {path}").reply.get("status") == "error":  # else the last error is another one's
            on.squeeze()
        on.run("%llm_config")
        on.run("%%llm -m far --dry-run\nHi")
        on.run("%llm_config --reset")
        on.findings.count("mistakes in files")
    on.plant(on.folder / "given" / "key.txt", on.canary.plain)
    on.run(f"def key():\n    return open({str(on.folder / 'given' / 'key.txt')!r}).read()")
    for name, text in DICTIONARIES.items():
        made = f"(lambda key: {{'models': {{'far': {{'base_url': '{on.far.base_url}', {text}}}}}}})(key())"
        for call in (
            *(f"ModelManager({made}).{method}()" for method in ("create_client", "settings")),
            f"call_llm('far', 'Hi', {made})",
        ):
            on.path = f"{on.source.name}: {name}: {call[:12]}"
            on.run(f"from llm_magics import ModelManager, call_llm\n({call}, None)[1]")
            on.squeeze()
            on.run("try:\n    " + call + "\nexcept Exception as error:\n    raise RuntimeError('it failed') from error")
            on.findings.count("mistakes in dictionaries")
    on.path = f"{on.source.name}: a ModelManager that holds a key"
    made = f"ModelManager({{'models': {{'far': {{'base_url': '{on.far.base_url}', 'api_key': key()}}}}}})"
    on.run(f"import canary.squeeze as _squeeze\n_squeeze.outside({made})")
    on.path = f"{on.source.name}: a key with a blank, typed"
    on.run(add(on))
    on.answer("%llm_config --ask-key far", f"{on.canary.plain} {on.canary.plain}")
    on.squeeze()
    on.findings.count("mistakes at the prompt")


def tools(on: Stage) -> None:
    """Tools that give, print and raise the key, and an endpoint that repeats it in its calls."""
    key = on.canary.value
    on.run(f"%xmode Verbose\nimport llm_magics\n{_KEY}")
    on.run(
        f"{add(on, f'api_key_env={VARIABLE} max_tool_result=500')}\n%llm_config max_tool_result=500 max_tool_repeats=2"
    )
    for name, body in TOOLS.items():
        on.run(_TOOL.format(kind="async def" if "await " in body else "def", name=name, body=body))
    on.run(_SENDS)
    for name in TOOLS:
        _converse(on, f"a tool that {name}", [(name, {})], f"%%llm -m far --tools {name}\nHi")
    for cell in ("%%llm -m far --tools sends\nHi", "%%llm -m far --no-stream --tools sends\nHi"):
        _converse(on, "a call that holds the key", [("sends", {"text": key})], cell, typed="y")
        wrong = [(f"sends_{key}", {}), ("sends", f"{key} is no JSON"), ("sends", {key: 1})]
        _converse(on, "calls that cannot be run, and hold the key", wrong, cell)
    _converse(on, "calls without an end", [("raises", {})] * 3, "%%llm -m far --tools raises\nHi")
    on.squeeze()
    on.far.reset()
    on.far.calls_tool("tabulates").fails(500, {"error": {"message": f"{key} was not taken"}})
    _look_back(on, "a failure behind a call", "%%llm -m far --tools tabulates\nHi")
    on.squeeze()
    on.run("gives.__doc__ = key()\nspeaks = llm_magics.tool(name='speaks')(gives)")
    for cell in ("%%llm -m far --dry-run --tools speaks\nHi", "%%llm -m far --tools speaks\nHi"):
        on.far.reset()
        _look_back(on, "a description that holds the key", cell)
    on.run("%llm_config --unset max_tool_result\n%llm_config --unset max_tool_repeats")


def _converse(on: Stage, name: str, calls: list[tuple[str, object]], cell: str, typed: str = "") -> None:
    on.far.reset()
    on.far.calls_tools(calls).answers("Done.")
    _look_back(on, name, cell, typed)


def _look_back(on: Stage, name: str, cell: str, typed: str = "") -> None:
    """Run a cell, then look at what it left, and at what the model was told."""
    on.path = f"{on.source.name}: {name}: {cell.splitlines()[0]}"
    if typed:
        on.answer(cell, typed)
    else:
        on.run(cell)
    on.run("%tb")
    on.run(
        _SQUEEZE
        + "print(repr(_llm))\n_squeeze.thing([_llm.message, _llm.steps, _llm.runs, _llm.messages, _llm.request])"
    )
    for chat in on.far.chats:
        on.findings.search(on.canary, json.dumps(chat.body).encode(), on.path, "what the model was told")
    on.findings.count("tools")
