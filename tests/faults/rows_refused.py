"""Rows about requests that are refused, sent elsewhere, or to be sent again later."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import places
from bodies import (
    CHUNKED,
    GOOD,
    GOOD_WHOLE,
    JSON,
    TEXT,
    ForEver,
    Wire,
    both,
    chunk,
    document,
    error,
    head,
    streamed,
    whole,
)
from far_end import Computed, Failure, Reply, Request, http_chunk, spoken
from rows import CLOCK, Expected, Row, bad, good

NOW = {"retry-after-ms": "1"}
RETRY = {"max_retries": 1}
NO_TOOLS = "this model takes no tools here"
KEY_ECHO = "Incorrect API key provided: {key}."


def refused(number: str, fault: str, status: int, body: Any, cell: str, call: str, *says: str, **more: Any) -> Row:
    """A refusal that is final."""
    reply = Failure(status, body, more.pop("headers", {}))
    sent = more.pop("sent", 1)
    call_says = more.pop("call_says", ())
    outcome = bad(cell, call, *says, sent=sent, call_says=call_says)
    return Row(number=number, fault=fault, stream=reply, plain=reply, settings=RETRY, **(outcome | more))


def busy(
    number: str, fault: str, status: int, *says: str, headers: dict[str, str] | None = None, body: Any = None
) -> Row:
    """A server that cannot just now, and then can."""
    no = Failure(status, body or error("busy"), NOW if headers is None and body is None else headers or {})
    return Row(
        number=number,
        fault=fault,
        stream=(no, GOOD),
        plain=(no, GOOD_WHOLE),
        settings=RETRY,
        **good(TEXT, *says, "1 retry", sent=2),
    )


def echo(request: Request) -> Reply:
    """A refusal that repeats the key, as some servers do."""
    key = request.headers.get("authorization", "").removeprefix("Bearer ")
    return Failure(401, error(KEY_ECHO.format(key=key), code="invalid_api_key"))


def elsewhere(status: int, where: str) -> Failure:
    return Failure(status, "", {"location": where})


def to_another_path(status: int) -> Computed:
    """A server that moved its path and answers there, whatever the method, as careless ones do."""
    moved = elsewhere(status, "/v2/v1/chat/completions")
    return Computed(lambda request: spoken(TEXT) if request.path.startswith("/v2") else moved)


def to_another_host(status: int) -> Computed:
    """A server that hands the request on to a host of another name, which would answer."""

    def reply(request: Request) -> Reply:
        name, _, port = request.headers["host"].partition(":")
        return spoken(TEXT) if name == "localhost" else elsewhere(status, f"http://localhost:{port}{request.path}")

    return Computed(reply)


def without_tools() -> Iterator[Row]:
    """Every form of saying that the model takes no tools: the error's text in different places."""
    said = "this model does not support tools"
    forbidden = {"type": "extra_forbidden", "loc": ["body", "tools"], "msg": "Extra inputs are not permitted"}
    forms: dict[str, tuple[str, int, Any]] = {
        "37a": ("400, in the SDK's form", 400, error(said)),
        "37b": ("400, the error is a string", 400, {"error": said}),
        "37c": ("422, a list of details", 422, {"detail": [forbidden]}),
        "37d": ("400, wrapped in a list", 400, [error(said)]),
        "37e": ("500, as llama.cpp without --jinja", 500, error("tools param requires --jinja flag", code=500)),
        "37f": ("404, as OpenRouter", 404, error("No endpoints found that support tool use.", code=404)),
        "37g": ("405, as a gateway", 405, error("Tool calling is not supported for model: x")),
        "37h": ("501, in plain text", 501, "Tool usage is only supported for Chat Completions API"),
        "37p": ("424, as a gateway hands it on", 424, error(said)),
        "37i": ("200, inside of the stream", 200, error(said, code=400)),
    }
    for number, (form, status, body) in forms.items():
        no = Failure(status, body) if status != 200 else None
        yield Row(
            number=number,
            fault=f"the model takes no tools: {form}",
            stream=Computed(_unless("tools", no or streamed(body))),
            plain=Computed(_unless("tools", no or whole(body))),
            tools=True,
            **good(TEXT, NO_TOOLS, sent=2),
        )


def bends() -> Iterator[Row]:
    """Single things that a model does not take: a cell goes without, `call_llm` hands the refusal to its caller."""
    said = "Unsupported parameter: '{}' is not supported with this model."
    things: dict[str, tuple[str, str, dict[str, Any]]] = {
        "37j": ("temperature", said, {"temperature": 0.2}),
        "37k": ("max_tokens", said + " Use 'max_completion_tokens' instead.", {"max_tokens": 9}),
        "37l": ("reasoning_effort", said, {"reasoning_effort": "low"}),
        "37m": ("top_p", said, {"top_p": 0.5}),
    }
    for number, (name, text, settings) in things.items():
        refusal = Failure(400, error(text.format(name), param=name, code="unsupported_parameter"))
        asked_otherwise = Computed(_unless(name, refusal))
        yield Row(
            number=number,
            fault=f"the model takes no {name}",
            stream=asked_otherwise,
            plain=asked_otherwise,
            settings=settings,
            cell=Expected(outcome="ok", text=TEXT, sent=2, says=[f"this model takes no {name} here"]),
            call=Expected(outcome="BadRequestError", says=[name]),
        )
    no_options = Failure(400, error("Extra inputs are not permitted, field: 'stream_options'"))
    no_stream = Failure(400, error("Unsupported value: 'stream' does not support true with this model."))
    for number, name, refusal in (("37n", "stream_options", no_options), ("37o", "streaming", no_stream)):
        yield Row(
            number=number,
            fault=f"the model takes no {name}",
            stream=Computed(_unless("stream_options" if name == "stream_options" else "stream", refusal)),
            plain=GOOD_WHOLE,
            cell=Expected(outcome="ok", text=TEXT, sent=2, says=[f"this model takes no {name} here"]),
            call=Expected(outcome="message", text=TEXT),
        )


def _unless(field: str, refusal: Reply) -> Any:
    return lambda request: refusal if request.asks_for(field) is not None else spoken(TEXT)


def retry_after() -> Iterator[Row]:
    """The forms of Retry-After; those that make no sense mean what no header means."""
    for letter, value in zip("abcdef", ("-5", "soon", "nan", "", "inf", "1e400"), strict=True):
        yield busy(f"47{letter}", f"429, Retry-After: {value or '(empty)'}", 429, headers={"retry-after": value})
    past = "Wed, 21 Oct 2015 07:28:00 GMT"
    yield busy("45b", "429, Retry-After: a date in the past", 429, headers={"retry-after": past})


def statuses() -> Iterator[Row]:
    """Statuses that may pass, and do not."""
    classes = {408: "APIStatusError", 409: "ConflictError", 425: "APIStatusError"}
    for letter, (status, kind) in zip("abc", classes.items(), strict=True):
        yield refused(
            f"42{letter}",
            f"{status}, again and again",
            status,
            error("not now"),
            "ServerFailed",
            kind,
            "not now",
            "attempt 2",
            sent=2,
            headers=NOW,
        )
    for letter, status in zip("abcde", (500, 502, 503, 504, 529), strict=True):
        yield refused(
            f"49{letter}",
            f"{status}, again and again",
            status,
            error("no good"),
            "ServerFailed",
            "InternalServerError",
            f"status {status}: no good",
            "attempt 2",
            sent=2,
            headers=NOW,
        )


REFUSED = [
    refused("36a", "400", 400, error("n must be 1", param="n"), "RequestRefused", "BadRequestError", "n must be 1"),
    refused("36b", "400 with an empty body", 400, "", "RequestRefused", "BadRequestError", "status 400"),
    refused(
        "36c",
        "400 with codes alone",
        400,
        error(code="invalid_value", param="n"),
        "RequestRefused",
        "BadRequestError",
        "invalid_value",
    ),
    refused(
        "36d", "400 with a web page", 400, "<h1>Bad</h1>", "RequestRefused", "BadRequestError", "status 400", "Bad"
    ),
    refused(
        "36e",
        "422 with a list of details",
        422,
        {"detail": [{"loc": ["body", "n"], "msg": "must be 1"}]},
        "RequestRefused",
        "UnprocessableEntityError",
        "must be 1",
    ),
    refused(
        "36f",
        "400 of a TLS server that is asked in plain HTTP",
        400,
        "<html><title>400</title><h1>The plain HTTP request was sent to HTTPS port</h1></html>",
        "RequestRefused",
        "BadRequestError",
        "wants TLS: The plain HTTP",
        "https://",
    ),
    refused(
        "36g",
        "400 with a body made to be slow to read",
        400,
        "<" * 200_000,
        "RequestRefused",
        "BadRequestError",
        "status 400",
    ),
    refused(
        "36h",
        "400 with a complaint made to be slow to read",
        400,
        "does not support parameters: [" * 20_000,
        "RequestRefused",
        "BadRequestError",
        "status 400",
    ),
    refused(
        "36i",
        "400 with a title beside its message",
        400,
        {"statusCode": 400, "error": "Bad Request", "message": ["n must be 1"]},
        "RequestRefused",
        "BadRequestError",
        "n must be 1",
    ),
    refused(
        "36j",
        "424, what a model behind a gateway refused",
        424,
        error("'n' must be 1"),
        "RequestRefused",
        "APIStatusError",
        "must be 1",
    ),
    *without_tools(),
    *bends(),
    refused("38a", "401", 401, error("no such key"), "KeyRefused", "AuthenticationError", "does not accept the key"),
    refused(
        "38c",
        "400, as Gemini says that it does not know the key",
        400,
        [error("API key not valid. Please pass a valid API key.", status="INVALID_ARGUMENT")],
        "KeyRefused",
        "BadRequestError",
        "does not accept the key",
    ),
    Row(
        number="38b",
        fault="401, and the body repeats the key",
        stream=Computed(echo),
        plain=Computed(echo),
        **bad("KeyRefused", "AuthenticationError", "does not accept the key", "***", call_says=["***"]),
    ),
    refused(
        "39", "403", 403, error("Country not supported"), "KeyRefused", "PermissionDeniedError", "Country not supported"
    ),
    refused(
        "39b",
        "403 with a web page",
        403,
        "<html><title>Just a moment...</title></html>",
        "KeyRefused",
        "PermissionDeniedError",
        "Just a moment",
        "in between",
    ),
    refused(
        "39c",
        "407 of a proxy",
        407,
        "<html><h1>Proxy Authentication Required</h1></html>",
        "ConnectionFailed",
        "APIStatusError",
        "status 407",
        "Sign in",
    ),
    refused(
        "39d",
        "511 of a network that wants a login",
        511,
        "<html><h1>Sign in to this network</h1></html>",
        "ConnectionFailed",
        "InternalServerError",
        "status 511",
        "Sign in",
    ),
    refused(
        "40",
        "404, the model is not known",
        404,
        error("The model `x` does not exist", code="model_not_found"),
        "ModelNotFound",
        "NotFoundError",
        "does not exist",
        "%llm_config --models",
    ),
    refused(
        "40b",
        "404, as Ollama says it",
        404,
        error('model "x" not found, try pulling it first'),
        "ModelNotFound",
        "NotFoundError",
        "try pulling it first",
    ),
    Row(
        number="41",
        fault="404, the base URL lacks /v1",
        stream=(),
        plain=(),
        place=places.without_v1,
        **bad("ModelNotFound", "NotFoundError", "/v1", sent=0),
    ),
    refused(
        "43a", "413", 413, "<html>Request Entity Too Large</html>", "PromptTooLong", "APIStatusError", "is too long"
    ),
    refused(
        "43b",
        "400 context_length_exceeded",
        400,
        error("This model's maximum context length is 8192 tokens", code="context_length_exceeded"),
        "PromptTooLong",
        "BadRequestError",
        "is too long",
        "8192",
    ),
    refused(
        "43c",
        "500, as llama.cpp says that the context is full",
        500,
        error("the request exceeds the available context size"),
        "PromptTooLong",
        "InternalServerError",
        "is too long",
    ),
    busy("44", "429, Retry-After: 1", 429, "rate limited: next try in 1 s", headers={"retry-after": "1"}),
    busy(
        "45a",
        "429, Retry-After: a date, by the server's own clock",
        429,
        "rate limited: next try in 1 s",
        headers={"retry-after": "Wed, 21 Oct 2015 07:28:01 GMT", "date": "Wed, 21 Oct 2015 07:28:00 GMT"},
    ),
    refused(
        "46a",
        "429, Retry-After: 3600",
        429,
        error("tomorrow"),
        "RateLimited",
        "RateLimitError",
        "3600 s",
        "attempt 1",
        headers={"retry-after": "3600"},
    ),
    refused(
        "46b",
        "429, Retry-After: 70",
        429,
        error("later"),
        "RateLimited",
        "RateLimitError",
        "70 s",
        "attempt 1",
        headers={"retry-after": "70"},
    ),
    *retry_after(),
    busy(
        "46c",
        "429, the pause in words, beside a word of billing",
        429,
        "rate limited",
        body=error("Rate limit reached. Please try again in 20ms. Visit https://x/account/billing."),
    ),
    refused(
        "48",
        "429 insufficient_quota",
        429,
        error("You exceeded your current quota", code="insufficient_quota"),
        "OutOfCredit",
        "RateLimitError",
        "Out of credit",
    ),
    refused("48b", "402", 402, error("Insufficient balance"), "OutOfCredit", "APIStatusError", "Out of credit"),
    *statuses(),
    refused(
        "49f",
        "x-should-retry: false",
        503,
        error("never"),
        "ServerFailed",
        "InternalServerError",
        "never",
        headers={"x-should-retry": "false"},
    ),
    Row(
        number="49g",
        fault="500 with a body that breaks off",
        stream=Wire([head(JSON, "content-length: 100", status="500 Oops"), b'{"error":']),
        plain=Wire([head(JSON, "content-length: 100", status="500 Oops"), b'{"error":']),
        **bad("ConnectionFailed", "APIConnectionError", "broke: peer closed connection"),
    ),
    Row(
        number="49h",
        fault="500 with a body that drips for ever",
        stream=ForEver(head(JSON, CHUNKED, status="500 Oops"), http_chunk(b" "), 0.1),
        plain=ForEver(head(JSON, CHUNKED, status="500 Oops"), http_chunk(b" "), 0.1),
        settings={"timeout": CLOCK, "max_retries": 0},
        **bad("TimedOut", "APITimeoutError", "said nothing for 0.8 s"),
    ),
    Row(
        number="49i",
        fault="500 with a body that floods",
        stream=ForEver(head(JSON, CHUNKED, status="500 Oops"), http_chunk(b'"' * 500_000), 0),
        plain=ForEver(head(JSON, CHUNKED, status="500 Oops"), http_chunk(b'"' * 500_000), 0),
        settings={"max_retries": 0},
        **bad("ServerFailed", "InternalServerError", '"""""'),
    ),
    Row(
        number="50",
        fault="503, 503, and then an answer",
        stream=(Failure(503, error("busy"), NOW), Failure(503, error("busy"), NOW), GOOD),
        plain=(Failure(503, error("busy"), NOW), Failure(503, error("busy"), NOW), GOOD_WHOLE),
        settings={"max_retries": 2},
        **good(TEXT, "503", "2 retries", sent=3),
    ),
    *(
        Row(
            number=f"77{letter}",
            fault=f"{status} to another path of the same server",
            stream=to_another_path(status),
            plain=to_another_path(status),
            **good(TEXT, sent=2),
        )
        for letter, status in zip("ab", (307, 308), strict=True)
    ),
    *(
        Row(
            number=f"78{letter}",
            fault=f"{status} to another path, which makes a GET of the POST",
            stream=to_another_path(status),
            plain=to_another_path(status),
            **bad("RequestRefused", "APIStatusError", "elsewhere", "/v2/"),
        )
        for letter, status in zip("abc", (301, 302, 303), strict=True)
    ),
    *(
        Row(
            number=f"79{letter}",
            fault=f"{status} to another host",
            stream=to_another_host(status),
            plain=to_another_host(status),
            **bad("RequestRefused", "APIStatusError", "elsewhere", "http://localhost:", "If you trust that host"),
        )
        for letter, status in zip("abc", (302, 307, 308), strict=True)
    ),
    Row(
        number="80",
        fault="a redirect to itself, for ever",
        stream=elsewhere(307, "/v1/chat/completions"),
        plain=elsewhere(307, "/v1/chat/completions"),
        cell=Expected(outcome="RequestRefused", says=["elsewhere"], sent=None),
        call=Expected(outcome="APIStatusError", sent=None),
    ),
    Row(
        number="80b",
        fault="a redirect to a port that cannot be",
        stream=elsewhere(307, "http://127.0.0.1:99999/v1"),
        plain=elsewhere(307, "http://127.0.0.1:99999/v1"),
        **bad("RequestRefused", "APIStatusError", "elsewhere"),
    ),
    Row(
        number="83a",
        fault="another model than was asked for",
        **both([{**chunk(TEXT, finish="stop"), "model": "other-model"}], {**document(), "model": "other-model"}),
        **good(TEXT, "asked far-model, got other-model"),
    ),
    Row(
        number="83b",
        fault="a dated name of the model that was asked for",
        **both(
            [{**chunk(TEXT, finish="stop"), "model": "far-model-2026-01-01"}],
            {**document(), "model": "far-model-2026-01-01"},
        ),
        **good(TEXT),
    ),
]
