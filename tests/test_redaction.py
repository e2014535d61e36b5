"""Keys taken out of texts in every form, of streams cut anywhere, of errors and their frames, and of logs."""

from __future__ import annotations

import base64
import copy
import itertools
import logging
import pickle
import pprint
import traceback
import urllib.parse
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llm_magics import logs, scrub
from llm_magics.redaction import PIECE, StreamRedactor, redactor
from llm_magics.secrets import Secret

KEY = "sk-Qm9v/IQ7xZp+4LwT2cRb8=Yd6"
WORDS = st.text(alphabet="abc sk-Q.\n", max_size=30)


def streamed(text: str, cuts: list[int]) -> list[str]:
    """The parts that are shown of a text that comes in parts cut at these places."""
    stream = StreamRedactor(redactor([KEY], answers=True))
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return [*(stream.feed(text[a:b]) for a, b in itertools.pairwise(places)), stream.close()]


FORMS = {
    "as it is": KEY,
    "in upper case": KEY.upper(),
    "backwards": KEY[::-1],
    "in hex": KEY.encode().hex().upper(),
    "url-encoded": urllib.parse.quote(KEY, safe=""),
    "url-encoded throughout": "".join(f"%{byte:02X}" for byte in KEY.encode()),
    "in JSON": "".join(f"\\u{byte:04x}" for byte in KEY.encode()),
    "in JSON in JSON": "".join(f"\\\\u{byte:04x}" for byte in KEY.encode()),
    "with escaped slashes": KEY.replace("/", "\\/"),
    "in HTML": "".join(f"&#{byte};" for byte in KEY.encode()),
    "in base64 for addresses": base64.urlsafe_b64encode(KEY.encode()).decode().rstrip("="),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_key_is_found_in_every_form(form: str) -> None:
    assert redactor([KEY]).text(f"before {form} after") == "before *** after"


@given(st.integers(0, len(KEY) - PIECE), WORDS, WORDS)
def test_any_piece_of_twelve_characters_is_taken_out(start: int, before: str, after: str) -> None:
    piece = KEY[start : start + PIECE]
    assert piece not in redactor([KEY]).text(before + piece + after)


@given(st.text(), st.lists(st.integers(0, 100)))
@example("Sk-K\u212a \u0130", [1])
def test_a_text_without_keys_passes_a_stream_as_it_is(text: str, cuts: list[int]) -> None:
    assert "".join(streamed(text, cuts)) == text


@given(WORDS, WORDS, st.lists(st.integers(0, 200)), st.sampled_from([KEY, FORMS["in base64 for addresses"]]))
def test_a_key_cut_anywhere_is_not_shown(before: str, after: str, cuts: list[int], form: str) -> None:
    shown = "".join(streamed(before + form + after, cuts))
    assert "***" in shown
    assert not [at for at in range(len(form) - PIECE) if form[at : at + PIECE] in shown]


def test_a_stream_holds_back_no_more_than_what_may_be_a_key() -> None:
    stream = StreamRedactor(redactor([KEY], answers=True))
    assert [stream.feed(part) for part in ("H", "i. ", "sk-Q", "m9", " is no key")] == [
        "H", "i. ", "", "", "sk-Qm9 is no key"
    ]  # fmt: skip


def test_answers_keep_words_that_someone_took_for_a_key() -> None:
    assert redactor(["lm-studio"], answers=True).text("Install lm-studio.") == "Install lm-studio."
    assert redactor(["lm-studio"]).text("bad key lm-studio") == "bad key ***"


def test_a_redactor_shows_no_key() -> None:
    known = redactor([KEY])
    shown = [repr(known), pprint.pformat(known), *(repr(getattr(known, name)) for name in dir(known))]
    assert KEY[:PIECE] not in "".join(shown)
    for write in (pickle.dumps, copy.copy):
        with pytest.raises(TypeError):
            write(known)


# ---------------------------------------------------------------- errors


class OddError(Exception):
    """An error of somebody else's, with fields."""


def failing(key: str) -> None:
    try:
        raise OddError(f"first {key}")
    except OddError as error:
        later = OddError(f"bad {key}", {"said": [key]})
        later.body = {"key": key}  # type: ignore[attr-defined]
        later.add_note(f"sent {key}")
        raise later from error


def test_an_error_and_its_causes_lose_the_key_and_keep_their_frames() -> None:
    try:
        failing(KEY)
    except OddError as error:
        scrubbed = scrub.scrubbed(error, redactor([KEY]))
        assert scrubbed is error
        told = "".join(traceback.format_exception(error)) + repr([vars(error), error.args, vars(error.__cause__)])
    assert KEY not in told.replace(f"{KEY!r}", "")
    assert "in failing" in told


def test_a_callers_own_frames_keep_their_variables() -> None:
    def prompts() -> Any:
        mine = "still here"
        raise OddError(mine)

    called = scrub.without_variables(lambda: prompts())
    with pytest.raises(OddError) as caught:
        called()
    assert caught.traceback[-1].frame.f_locals["mine"] == "still here"


# ---------------------------------------------------------------- logs


def test_the_http_libraries_log_no_key_also_in_tracebacks(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("httpcore.http11")
    logs.guard([Secret(KEY)])
    with caplog.at_level(logging.DEBUG):
        log.debug("receive_response_headers.complete return_value=%r", [(b"www-authenticate", KEY.encode())])
        try:
            raise OddError(f"illegal status line: {KEY}")
        except OddError:
            log.debug("it failed", exc_info=True)
        log.debug("100% of it")
    assert KEY not in caplog.text
    assert "illegal status line: ***" in caplog.text
    assert "100% of it" in caplog.text
