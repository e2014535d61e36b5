"""Pictures of another host, in every form that Markdown has for them."""

from __future__ import annotations

from collections.abc import Iterator

_URLS = (
    "URL/a.png",
    "//AT/a.png",
    "HTTP://AT/a.png",
    "http:AT/a.png",
    "http:/AT/a.png",
    "http:\\\\AT/a.png",
    "http&colon;//AT/a.png",
    "http://u:p@AT/a.png",
    "URL/a.png?d=secret&x=#f",
    "&#104;ttp://AT/a.png",
    "\\/\\/AT/a.png",
)
_FORMS = (
    "![a]({})",
    "![]({})",
    '![a]({} "t")',
    "![a](<{}> 't')",
    "![a [b] c]({})",
    "![a\\]b]({})",
    "![a][pMARK]\n\n[pMARK]: {}",
    "![pMARK][]\n\n[pMARK]: <{}>",
    "![pMARK]\n\n[pMARK]: {} (t)",
    "[![a]({})](http://x.example)",
    "| a | b |\n|---|---|\n| ![a]({}) | x |",
    "- ![a]({})",
    "> ![a]({})",
    "# ![a]({})",
    "**![a]({})**",
    "1. > a\n   > ![a]({})",
    "~~![a]({})~~",
    "x![a]({})x",
    "![a](\n{}\n)",
    "![![b](x)]({})",
    "![*a* `b`]({})",
)
_LONE = (
    "\\![a](URL)",
    "!\\[a](URL) ![b](URL)",
    "&#33;[a](URL)",
    "!&#91;a](URL)",
    "![a](URL =100x20)",
    "![a](URL){{width=50}}",
    "![a](javascript:FIRE)",
    "![a](data:image/svg+xml,<svg onload=FIRE>)",
    "![a](data:text/html,<script>FIRE</script>)",
    '![a" onerror="FIRE](x)',
    "![a' onerror='FIRE](x)",
    '![a](x "t\\" onerror=FIRE x=\\"")',
    "![a](x 't\" onerror=\"FIRE')",
    '![a](x" onerror="FIRE)',
    '![a](<x" onerror="FIRE>)',
    '![a" onerror="FIRE](data:image/png;base64,AAAA)',
    '![a](data:image/png;base64,AAAA "t\' onerror=FIRE")',
    "![`](data:image/png;base64,AA)`<img src=x onerror=FIRE>`",
    "![a](&quot; onerror=&quot;FIRE)",
    "![<img src=x onerror=FIRE>](x)",
    "![a](<img src=x onerror=FIRE>)",
    "[a]: URL\n\n![a] ![a][] ![x][a]",
    "![A][ẞMARK]\n\n[ssMARK]: URL",
    "![[URL]]",
    "![a](URL",
)


def pictures() -> Iterator[str]:
    """Every address in some forms, and forms of their own."""
    for place, url in enumerate(_URLS):
        for form in (
            _FORMS if place == 0 else (_FORMS[place % 21], _FORMS[(3 * place + 1) % 21], _FORMS[(5 * place + 2) % 21])
        ):
            yield form.replace("{}", url)
    for form in _FORMS:
        yield form.replace("{}", "//AT/b.png")
    yield from (lone.replace("{{", "{").replace("}}", "}") for lone in _LONE)
