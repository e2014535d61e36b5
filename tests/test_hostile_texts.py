"""Payloads against what two parsers make of the rebuilt text; `tests/browser/test_payloads.py` tries them on pages."""

from __future__ import annotations

import random

import pytest
from payloads import FAMILIES, payloads
from test_safe_markdown import COMMONMARK, harm, nbconvert

from llm_magics.live import cut_at
from llm_magics.safe.markdown import rebuild

LISTENER = "127.0.0.1:9"


@pytest.mark.parametrize("family", FAMILIES)
def test_no_payload_leaves_anything_harmful_whole_or_cut_off(family: str) -> None:
    chance = random.Random(family)
    for payload in payloads():
        if payload.family != family:
            continue
        text = payload.text(payload.number, LISTENER)
        for shown in (text, text[: chance.randrange(len(text)) + 1], text[chance.randrange(len(text)) :]):
            written = rebuild(shown)
            assert harm(COMMONMARK.render(written)) == [], shown
            assert harm(nbconvert(written)) == [], shown


def test_a_growing_text_is_harmless_however_it_is_divided() -> None:
    chance = random.Random(0)
    texts = [payload.text(payload.number, LISTENER) for payload in payloads()]
    for _ in range(20):
        text = "\n".join(chance.sample(texts, 60))
        cut, reopen = cut_at(text)
        for part in (text[:cut], reopen + text[cut:]):
            assert harm(COMMONMARK.render(rebuild(part))) == []
