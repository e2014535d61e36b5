"""A failed attempt told without any library's types, and everything its server said as one text to look into."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

# What `haystack` puts between two texts, so that no pattern reaches from one into the next.
GAP = " ¦ "
MOST_TOLD = 3  # complaints of one list
LOOKED_INTO = 8_000  # characters from the beginning, and as many from the end
# How endpoints say that nothing is left to pay with, and that there is too much in a prompt.
_NO_CREDIT = re.compile(
    r"insufficient[_ ](?:quota|credit|balance|funds)|out of credit|exceeded your current quota"
    r"|billing[_ ](?:details|hard[_ ]limit|not[_ ]active)|credit balance is too low|account balance is not enough"
    r"|(?:used all available|doesn't have any|(?:has|have) no) credits"
)
# "Please try again in 1m2.5s.", and Google's detail of that name, whose next text is the pause.
_COME_BACK = re.compile(r"(?:(?:retry|try again) in|google\.rpc\.retryinfo ¦) ((?:\d+(?:\.\d+)?(?:ms|h|m|s))+)\b")
UNKNOWN_MODEL = re.compile(
    r"model_(?:not_found|decommissioned)|unknown model\b|not a valid model\b"
    r"|model\W{1,3}(?:[^\s¦]{1,120} )?(?:does(?: not|n't) exist|(?:is |was )?not found"
    r"|(?:has been|is|was) (?:decommissioned|retired|discontinued))"
)
NO_SUCH_KEY = re.compile(r"api[_ ]?key[_ ](?:is )?(?:not valid|invalid)|(?:invalid|incorrect|wrong)[_ ]api[_ ]?key")
WANTS_TLS = re.compile(r"http request (?:was sent )?to (?:an )?https (?:port|server)")
TOO_LONG = re.compile(
    r"context[_ ](?:length|size|window)|maximum context|reduce the length|too many (?:input |prompt )?tokens"
    r"|(?:prompt|input|request|payload|message)s? (?:entity )?(?:is |are )?(?:\w+ )?too (?:long|large)"
    r"|exceeds? the (?:maximum|model|context|available)[^.¦]{0,30}(?:tokens|context|length)"
)
# What an answer may have at most is more than the model can write, or than the prompt leaves room for.
TOO_MUCH_ASKED = re.compile(
    r"max_(?:completion_|new_|output_)?tokens['\"`]? ?(?:\([^)]{0,20}\) )?"
    r"(?:is too (?:large|high|big)|(?:must|should|has to|can) ?(?:be|not be|not exceed) ?(?:less|at most|smaller|lower"
    r"|greater|larger|more|<)|cannot (?:be (?:greater|larger|more)|exceed)|exceeds|(?:is )?greater than)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The facts of a failed attempt, told without any library's types.

    Attributes:
        status: HTTP status; None when the error came inside a stream, or no answer came at all.
        said: everything the server said, in lower case: its body's texts, however nested, and its raw text.
        message: what it said for people, as it said it.
        reached: whether an HTTP answer came.
        sent: whether the request may have reached the server; False when not even a connection was made.
        begun: whether the answer had begun to arrive.
        timed_out: whether it was patience that ended.
        lasting: whether another try would meet the same: a certificate nobody vouches for, or no HTTP server.
        headers: the answer's headers, names in lower case.
    """

    status: int | None
    said: str
    message: str = ""
    reached: bool = True
    sent: bool = True
    begun: bool = False
    timed_out: bool = False
    lasting: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def may_be_of_one_thing(self) -> bool:
        """Whether it can be about one part of the request: such refusals come under these statuses, and in streams."""
        return self.reached and self.status in {None, 400, 404, 405, 422, 424, 500, 501}

    @property
    def trouble(self) -> str:
        """Why another try is worth it, in a few words."""
        if not self.reached:
            return "no connection"
        return "rate limited" if self.status == 429 else f"the server said {self.status}"


def is_out_of_credit(said: str) -> bool:
    """Whether an endpoint says that nothing is left to pay with; a quota that soon is free again is a rate limit."""
    return bool(_NO_CREDIT.search(said)) and told_pause(said) is None


def told_pause(said: str) -> float | None:
    """The seconds after which an endpoint says, in words, that it is worth trying again."""
    found = _COME_BACK.search(said)
    if found is None:
        return None
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|h|m|s)", found[1])
    return sum(float(number) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[unit] for number, unit in parts)


# What errors call themselves that come without a status, inside of an answer.
_NAMED = {
    "authentication_error": 401,
    "context_length_exceeded": 400,
    "insufficient_quota": 429,
    "internal_server_error": 500,
    "invalid_api_key": 401,
    "model_not_found": 404,
    "overloaded": 529,
    "overloaded_error": 529,
    "permission_error": 403,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "server_error": 500,
    "service_unavailable": 503,
}


def status_in(body: Any) -> int | None:
    """The HTTP status that an error report inside of an answer stands for, where it says so."""
    if not isinstance(body, Mapping):
        return None
    for key in ("code", "status", "type"):
        said = str(body.get(key) or "").lower()
        if re.fullmatch(r"[45]\d\d", said):
            return int(said)
        if said in _NAMED:
            return _NAMED[said]
    return None


def haystack(*sources: Any) -> str:
    """Every text in these bodies, however nested, also in JSON inside of text; in lower case, blanks folded.

    What a validation error repeats of the request (``input``) is left out: it is the user's text, not the server's. The
    place it names (``loc``) is one text with dots. Of a very long error the beginning and the end are looked into.
    """
    texts = map(_ends, _texts(sources))
    return _ends(
        GAP + GAP.join(" ".join(_WRITTEN_INPUT.sub("", text).lower().replace("\\", "").split()) for text in texts)
    )


def _ends(text: str) -> str:
    """A text, or the beginning and the end of a very long one."""
    return text if len(text) <= 2 * LOOKED_INTO else text[:LOOKED_INTO] + GAP + text[-LOOKED_INTO:]


# The same in a list of such errors as Python writes it, up to the next one; vLLM sends that as its message.
_WRITTEN_INPUT = re.compile(r"'input': .*?(?=\}, \{'type': '|\Z)", re.DOTALL)


def message_in(body: Any, depth: int = 0) -> str:
    """What a body says for people, from wherever it puts it, also in JSON inside of text; nothing where it does not."""
    if depth > 20:
        return ""
    if isinstance(body, str):
        inner = _json_in(body) if depth < 12 else None
        return message_in(inner, depth + 1) or body
    if isinstance(body, Mapping):
        said = next((said for key in _SAYING if (said := message_in(body.get(key), depth + 1))), "")
        place = [str(name) for name in body.get("loc") or () if name != "body"] if _is_placed(body) else []
        said = f"{'.'.join(place)}: {said}" if said and place else said
        metadata = body.get("metadata")  # OpenRouter's, with what the provider behind it said
        raw = message_in(metadata.get("raw"), depth + 1) if isinstance(metadata, Mapping) else ""
        return ": ".join(part for part in (said, raw) if part)
    told = [message_in(item, depth + 1) for item in body[:MOST_TOLD]] if isinstance(body, list) else []
    return "; ".join(dict.fromkeys(filter(None, told)))


def _is_placed(body: Mapping[str, Any]) -> bool:
    """Whether it is a validation error, which names the field it is about."""
    return isinstance(body.get("loc"), list | tuple)


_SAYING = ("message", "error", "detail", "msg", "error_msg", "error_message", "errors")


def _texts(value: Any, depth: int = 0) -> Iterator[str]:
    if depth > 20:
        return
    if isinstance(value, str):
        inner = _json_in(value) if depth < 12 else None
        if inner is None:
            yield value
        else:
            yield from _texts(inner, depth + 1)
    elif isinstance(value, Mapping):
        if _is_placed(value):
            yield ".".join(map(str, value["loc"]))
        for key, inner in value.items():
            if key not in ("input", "loc"):
                yield from _texts(inner, depth + 1)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner, depth + 1)


def _json_in(text: str) -> Any:
    """The list or object that a text is in JSON; None for any other text."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict | list) else None
