"""Fenced code: what draws it, and what gets out of it."""

from __future__ import annotations

from collections.abc import Iterator

_LIVE = "<img src=x onerror=FIRE>"


def diagrams() -> Iterator[str]:
    """Fences that a front end draws from their code."""
    drawings = (
        'graph TD\n A["<img src=x onerror=FIRE>"] --> B',
        'graph TD\n A["<img src=URL>"]',
        'graph TD\n A["<script>FIRE</script>"]',
        'graph TD\n A-->B\n click A href "javascript:FIRE" "x"',
        'graph TD\n A-->B\n click A "javascript:FIRE"',
        "graph TD\n A-->B\n click A call __fired(MARK)",
        'graph TD\n A@{ img: "URL", label: "x" }',
        "graph TD\n A[x]\n style A fill:url(URL)",
        '%%{init: {"securityLevel": "loose", "flowchart": {"htmlLabels": true}}}%%\ngraph TD\n A["' + _LIVE + '"]',
        '%%{init: {"themeCSS": "*{background:url(URL)}"}}%%\ngraph TD\n A',
        '%%{init: {"fontFamily": "x;}*{background:url(URL)}"}}%%\ngraph TD\n A',
        '---\nconfig:\n  securityLevel: loose\n---\ngraph TD\n A["' + _LIVE + '"]',
        f"sequenceDiagram\n A->>B: {_LIVE}",
        "sequenceDiagram\n participant A\n link A: x @ javascript:FIRE\n A->>A: y",
        f"classDiagram\n class A~{_LIVE}~",
        f'pie title {_LIVE}\n "a" : 1',
        f'gantt\n title {_LIVE}\n section a\n b :c, 2024-01-01, 1d\n click c href "javascript:FIRE"',
        f"stateDiagram-v2\n [*] --> A : {_LIVE}",
        f"journey\n title {_LIVE}",
        f"timeline\n title {_LIVE}\n 2024 : {_LIVE}",
        f"mindmap\n root(({_LIVE}))",
        _LIVE,
    )
    for drawing in drawings:
        yield f"```mermaid\n{drawing}\n```"
    for word in (
        "Mermaid",
        "mermaid x",
        " mermaid",
        "mermaid-x",
        "{.mermaid}",
        "math",
        "geojson",
        "stl",
        "svg",
        "html",
    ):
        yield f"```{word}\n{_LIVE}\n```"
    yield f"~~~mermaid\n{drawings[0]}\n~~~"
    yield f"<div class=mermaid>\n{drawings[0]}\n</div>"
    yield f'<pre class="mermaid">\n{drawings[3]}\n</pre>'


def fences() -> Iterator[str]:
    """Fences whose end or whose words parsers see in different places."""
    yield from (
        f"```\nx\n```\n{_LIVE}",
        f"```\nx\n ```\n{_LIVE}",
        f"```\nx\n   ```\n{_LIVE}",
        f"```\nx\n```   \n{_LIVE}",
        f"```\nx\n```\t\n{_LIVE}",
        f"```\nx\n````\n{_LIVE}",
        f"````\n```\n````\n{_LIVE}",
        f"~~~\n```\n~~~\n{_LIVE}",
        f"```x`y\n{_LIVE}\n```",
        f"~~~x~y\n{_LIVE}\n~~~",
        f"`` ```\n{_LIVE}\n``` ``",
        f"> ```\n{_LIVE}",
        f"> ```\n> x\n\n{_LIVE}",
        f"- ```\n{_LIVE}\n",
        f"- ```\n  x\n\n{_LIVE}\n",
        f"1. a\n```\nx\n```\n{_LIVE}",
        f"x\n```\n```\n{_LIVE}",
        f"```\r\nx\r\n```\r\n{_LIVE}",
        f"```\rx\r```\r{_LIVE}",
        f"```\u2028x\u2028```\u2028\n\n{_LIVE}",
        f"```\nx\n\t```\n\n\n{_LIVE}",
        f"    ```\n{_LIVE}\n",
        f"\t```\n\n{_LIVE}\n",
        f"```html\n</code></pre>{_LIVE}\n```",
        f"```\n</code></pre>{_LIVE}\n```",
        '```" onmouseover="FIRE\nx\n```',
        '```"><img/src=x/onerror=FIRE>\nx\n```',
        "```'onmouseover='FIRE'\nx\n```",
        "```&quot;onmouseover=&quot;FIRE\nx\n```",
        "```<img src=x onerror=FIRE>\nx\n```",
        "```{.python onmouseover=FIRE}\nx\n```",
        f"`{_LIVE}`",
        f"``{_LIVE}``",
        f"`a` {_LIVE} `b`",
        f"`` ` {_LIVE} ` ``",
        f"`a\n\n{_LIVE} b`",
        f"\\`{_LIVE}\\`",
        f"`\\`{_LIVE}`",
        f"&#96;{_LIVE}&#96;",
        f"`{_LIVE}``",
        f"<pre>{_LIVE}</pre>",
        f"<code>{_LIVE}</code>",
        f"<pre><code>\n\n{_LIVE}</code></pre>",
        f"    x\n{_LIVE}",
        f"a\n    {_LIVE}",
    )
