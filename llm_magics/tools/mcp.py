"""The tools of an MCP server: what it lists becomes tools, what it answers becomes a result. Both are strangers' words.

A server is not believed: what it says of a tool is made visible and cut before a model or a person reads it, what it
hints about a tool's harmlessness is not looked at, and its tools are always asked for first.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llm_magics.errors import short
from llm_magics.events import Picture
from llm_magics.schemas.json_schemas import as_list
from llm_magics.schemas.schema_check import check
from llm_magics.surrogates import sendable
from llm_magics.tools import Flag, Told, Tool

LONGEST = 2_000  # characters of a description
LARGEST = 20_000  # characters of a schema
DEEPEST = 40
MOST = 1_000  # tools of one server
PICTURE = 5_000_000  # bytes of a picture
NAME = re.compile(r"[A-Za-z0-9_./-]{1,128}")
_MARKS = {
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/jpeg": b"\xff\xd8\xff",
    "image/gif": b"GIF8",
    "image/webp": b"RIFF",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A tool as its server lists it, word for word.

    Attributes:
        target: the server's command or URL.
        server: the name that the person gave it.
    """

    server: str
    target: str
    name: str
    description: str
    schema: Mapping[str, Any]

    @property
    def full_name(self) -> str:
        """What people call it."""
        return f"{self.server}.{self.name}"

    @property
    def fingerprint(self) -> str:
        """What is remembered of a tool that someone approved."""
        whole = [self.target, self.name, self.description, self.schema]
        return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def read_listing(server: str, target: str, tools: Sequence[Mapping[str, Any]]) -> tuple[list[Listed], dict[str, str]]:
    """The tools of a listing that can be used; and of the others their names, made visible, and what is wrong."""
    found: dict[str, Listed] = {}
    left_out: dict[str, str] = {}
    for tool in tools:
        name = str(tool["name"])
        listed = Listed(
            server=server, target=target, name=name, description=tool["description"], schema=tool["inputSchema"]
        )
        wire = Tool(name=listed.full_name, description="", parameters={}, read=dict, run=dict).wire_name
        if wrong := _unfit(listed) or ("another tool has the same name" if wire in found else ""):
            left_out[visible(name)[:60]] = wrong
        elif len(found) == MOST:
            left_out["…"] = f"only {MOST:,} of its {len(tools):,} tools are taken"
            break
        else:
            found[wire] = listed
    return list(found.values()), left_out


def _unfit(listed: Listed) -> str:
    if not NAME.fullmatch(listed.name):
        return "its name has other characters than letters, digits and _ . / -"
    if _deep(listed.schema, DEEPEST):
        return "its arguments are nested too deeply"
    if len(written := json.dumps(listed.schema)) > LARGEST:
        return f"its arguments take {len(written):,} characters to describe; {LARGEST:,} is the most"
    return ""


def _deep(value: Any, depth: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return not depth or any(_deep(one, depth - 1) for one in inner)


def tool_of(listed: Listed, call: Callable[[Listed, dict[str, Any]], Told], *, local: bool, changed: bool) -> Tool:
    """The tool; ``call`` runs it.

    Args:
        local: whether the server is a program on this machine: it has this user's rights, so it can read what they
            can. What is elsewhere sees only what it is sent.
        changed: whether it is another than the one that was approved: then no magic makes it run unasked.
    """
    flags: set[Flag] = {"reads_untrusted", "sends_out"}
    if local:
        flags.add("reads_private")
    return Tool(
        name=listed.full_name,
        description=described(listed.description),
        parameters=described_inside(listed.schema),
        read=lambda arguments: _read(arguments, listed.schema),
        run=lambda arguments: call(listed, arguments),
        policy="ask",
        flags=frozenset(flags),
        toolset=listed.server,
        fixed=changed,
    )


def _read(arguments: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    check(arguments, schema)
    return dict(arguments)


def described(text: str) -> str:
    """A description as models are told and people are shown it, which is the same: nothing in it is invisible."""
    text = visible(text).strip()
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def described_inside(schema: Any) -> Any:
    """A schema whose own descriptions hide nothing either; all that is a value in it stays as it is."""
    if isinstance(schema, list):
        return [described_inside(inner) for inner in schema]
    if not isinstance(schema, Mapping):
        return schema
    inside = {
        name: visible(inner)
        if name in ("description", "title") and isinstance(inner, str)
        else inner
        if name in ("const", "default", "enum", "examples")
        else described_inside(inner)
        for name, inner in schema.items()
    }
    return as_list(inside)  # servers refuse a whole request for one array that they cannot read


def visible(text: str) -> str:
    """Text in which control and format characters, and those that are nothing, are shown by their numbers."""
    text = sendable(text)
    return "".join(char if _shows(char) else f"⟨U+{ord(char):04X}⟩" for char in text)


def _shows(char: str) -> bool:
    # Besides: characters that are letters or marks by their kind and yet show as nothing.
    hidden = "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0"
    if "\ufe00" <= char <= "\ufe0e" or "\U000e0100" <= char <= "\U000e01ef" or char in hidden:
        return False
    return char in "\n\t" or unicodedata.category(char) not in ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp")


def difference(before: Listed, now: Listed) -> str:
    """What has changed since, as a unified diff of what is readable of a tool."""
    lines = difflib.unified_diff(_page(before), _page(now), "approved", "now", n=2, lineterm="")
    return "\n".join(lines)


def _page(listed: Listed) -> list[str]:
    schema = json.dumps(listed.schema, indent=1, ensure_ascii=False, sort_keys=True)
    parts = [f"server: {visible(listed.target)}", visible(listed.description), visible(schema)]
    return "\n".join(parts).split("\n")


# ---------------------------------------------------------------- results


def told(answer: Mapping[str, Any]) -> Told:
    """An answer of ``tools/call`` as a result; nothing is cut but pictures that are no pictures."""
    content = answer.get("content")
    parts = list(_parts(content if isinstance(content, list) else []))
    texts = [part for part in parts if isinstance(part, str)]
    structured = answer.get("structuredContent")
    if structured is not None and not any(_is_text(part) for part in content or ()):
        texts.append(json.dumps(structured, ensure_ascii=False))
    return Told(
        content="\n".join(texts),
        pictures=tuple(part for part in parts if isinstance(part, Picture)),
        failed=answer.get("isError") is True,
    )


def _is_text(part: Any) -> bool:
    return isinstance(part, Mapping) and part.get("type") == "text" and bool(part.get("text"))


def _parts(content: Sequence[Any]) -> Iterator[str | Picture]:
    for part in content:
        match part:
            case {"type": "text", "text": str(text)}:
                yield text
            case {"type": "image", "data": str(data), "mimeType": str(mime)}:
                picture, words = _picture(mime.lower(), data)
                yield words
                if picture:
                    yield picture
            case {"type": "audio", "data": str(data), "mimeType": str(mime)}:
                yield f"[A sound, {short(mime)}, about {len(data) * 3 // 4:,} bytes, which is not shown.]"
            case {"type": "resource_link", "uri": str(uri)}:
                yield f"[A resource, {short(str(part.get('name', '')))}, at {short(uri, 300)}.]"
            case {"type": "resource", "resource": {"uri": str(uri), "text": str(text)}}:
                yield f"[The resource {short(uri, 300)}:]\n{text}"
            case {"type": "resource", "resource": {"uri": str(uri)}}:
                yield f"[The resource {short(uri, 300)}, which is no text.]"
            case _:
                yield "[Something of a kind that is not known here.]"


def _picture(mime: str, data: str) -> tuple[Picture | None, str]:
    """A picture, where it is one of the kinds that are shown; and what the model is told of it."""
    if mime not in _MARKS:
        return None, f"[A picture of the kind {short(mime)}, which is not shown.]"
    if len(data) * 3 // 4 > PICTURE:
        return None, f"[A picture of more than {PICTURE:,} bytes, which is not shown.]"
    try:
        raw = base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if not raw.startswith(_MARKS[mime]) or (mime == "image/webp" and raw[8:12] != b"WEBP"):
        return None, f"[What is said to be a picture, {mime}, and is none.]"
    picture = Picture(mime, base64.b64encode(raw).decode())
    return picture, f"[A picture, {mime}, {len(raw):,} bytes, which the person is shown.]"
