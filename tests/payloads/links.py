"""Links that run a script when they are followed, or lead where they do not say."""

from __future__ import annotations

from collections.abc import Iterator

_SCRIPTED = (
    "javascript:FIRE",
    "JaVaScRiPt:FIRE",
    "JAVASCRIPT:FIRE",
    "javascript://x.example/%0aFIRE",
    "javascript://x.example/%0aFIRE//x",
    "javascript:/*x*/FIRE",
    "javascript&colon;FIRE",
    "javascript&#58;FIRE",
    "javascript&#x3a;FIRE",
    "&#106;avascript:FIRE",
    "&#x6A&#x61;vascript:FIRE",
    "java&Tab;script:FIRE",
    "java&NewLine;script:FIRE",
    "java&#9;script:FIRE",
    "java&#0;script:FIRE",
    "&#1;javascript:FIRE",
    "&#32;javascript:FIRE",
    "\x01javascript:FIRE",
    "\\javascript:FIRE",
    "javascript\\:FIRE",
    "java%73cript:FIRE",
    "javascript%3AFIRE",
    "vbscript:FIRE",
    "livescript:FIRE",
    "data:text/html,<script>FIRE</script>",
    "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==#MARK",
    "data:image/svg+xml,<svg onload=FIRE>",
    "view-source:javascript:FIRE",
    "feed:javascript:FIRE",
    "blob:javascript:FIRE",
    "command:MARK.FIRE",
    "file:///etc/passwd#MARK",
    "filesystem:javascript:FIRE",
)
_FORMS = (
    "[a link]({})",
    "[a link](<{}>)",
    '[a link]({} "its title")',
    "[a link][rMARK]\n\n[rMARK]: {}",
    "[rMARK]\n\n[rMARK]: <{}> 'its title'",
    '<a href="{}">a link</a>',
)
_LONE = (
    "<javascript:FIRE>",
    "<JAVASCRIPT:FIRE>",
    "<x:javascript:FIRE>",
    "[a link](java\tscript:FIRE)",
    "[a link](<java\tscript:FIRE>)",
    "[a link](<java\nscript:FIRE>)",
    "[a\nlink](javascript:FIRE)",
    "[ ](javascript:FIRE)",
    "[a](javascript:FIRE 'x')",
    "[a](  javascript:FIRE  )",
    "[a](\njavascript:FIRE)",
    "[![x](x)](javascript:FIRE)",
    "[**a**](javascript:FIRE)",
    "[`a`](javascript:FIRE)",
    "[a\\](javascript:FIRE)](http://x.example)",
    "[\\[a\\](javascript:FIRE)](http://x.example)",
    "[a [b](javascript:FIRE) c](http://x.example)",
    "[<http://x.example>](javascript:FIRE)",
    "[a](http://x.example)[b](javascript:FIRE)",
    "[a]: javascript:FIRE\n\n[a][a]",
    "[a][]\n\n[a]: javascript:FIRE",
    "[^MARK](javascript:FIRE)",
    "- [x](javascript:FIRE)",
    "- [ ] [x](javascript:FIRE)",
    "> [x](javascript:FIRE)",
    "# [x](javascript:FIRE)",
    "| a |\n|---|\n| [x](javascript:FIRE) |",
    "**[x](javascript:FIRE)**",
    "~~[x](javascript:FIRE)~~",
    "1. > - [x](javascript:FIRE)",
    "x.[y](javascript:FIRE)",
    "http://x.example/[y](javascript:FIRE)",
    "www.x.example[y](javascript:FIRE)",
    "x@x.example[y](javascript:FIRE)",
    '[x](http://x.example/"onmouseover="FIRE)',
    "[x](http://x.example/'onmouseover='FIRE)",
    '[x](http://x.example/ "t\\" onmouseover=FIRE x=\\"")',
    "[x](http://x.example/ 't\" onmouseover=FIRE x=\"')",
    '[x](<http://x.example/" onmouseover="FIRE>)',
    '<http://x.example/"onmouseover="FIRE>',
    'http://x.example/"onmouseover="FIRE',
    '[x" onmouseover="FIRE](http://x.example)',
    "[x](&quot;onmouseover=&quot;FIRE)",
    "[x](#&quot; onmouseover=&quot;FIRE&quot;)",
)


def links() -> Iterator[str]:
    """Every scheme in some forms, and forms of their own."""
    for place, url in enumerate(_SCRIPTED):
        for form in (_FORMS[place % 5], _FORMS[(place + 2) % 5], _FORMS[5]):
            yield form.format(url)
    yield from _LONE
