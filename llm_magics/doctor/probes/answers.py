"""How a model answers: whole and as a stream, how fast, with what beside its text."""

from __future__ import annotations

import re

from llm_magics.doctor.checkup import NOTHING, TOKENS, Checkup, Row, counted, duration
from llm_magics.doctor.reach import Asked
from llm_magics.doctor.remedies import remedy
from llm_magics.errors import RateLimited, TimedOut
from llm_magics.usage import Tokens

SLOW = 3.0  # seconds without a first token that are worth a word
MANY, SPREAD = 6, 0.05  # pieces of a stream that came within this part of its time did not come one by one …
NOTICEABLE = 1.0  # … which matters once it takes this many seconds
WORDS = 5  # more than that no server sends as one piece of a stream
_EMPTY = "Is it a chat model, and does the server have its chat template?"


async def answer(c: Checkup) -> Row:
    asked = await c.plain()
    if asked.error is None:
        return c.fine(_summary(asked)) if not asked.outcome.reply.empty else c.wrong("an empty one", _EMPTY)
    failure = c.failure(asked)
    if not isinstance(failure, TimedOut | RateLimited) and (await c.streamed()).error is None:
        return c.wrong(failure.what, NOTHING.format("prompts are asked as streams"), handled=True)
    row = c.failed(asked)
    c.stopped = c.stopped or "it does not answer"
    return row


def _summary(asked: Asked) -> str:
    reply = asked.outcome.reply
    tokens = Tokens.of(reply.usage).output
    took = f", {counted(tokens, 'token')}" if tokens is not None else ""
    thought = ", all of it thinking" if reply.finish_reason == "length" and not reply.text.strip() else ""
    return f"in {duration(asked.seconds)}{took}{thought}"


async def max_tokens(c: Checkup) -> Row:
    if (row := c.refused("max_tokens")) is not None:
        return row
    spent = Tokens.of((await c.plain()).outcome.reply.usage).output
    if spent is not None and spent > 2 * TOKENS:
        what = f"taken, yet {spent} tokens came where {TOKENS} were allowed"
        return c.wrong(what, "Count on answers being longer than asked for.", handled=True)
    return c.fine("kept to")


async def stream(c: Checkup) -> Row:
    asked = await c.streamed()
    if asked.error is not None:
        return c.failed(asked)
    if (row := c.refused("streaming")) is not None:
        return row
    reply = asked.outcome.reply
    pieces = sum(count for _, count in asked.arrivals)
    if reply.empty:
        return c.wrong("an empty answer", _EMPTY)
    if pieces == 1 and len(reply.text.split()) > WORDS:
        return c.wrong("the answer came whole", NOTHING.format("it is shown when it is there"), handled=True)
    if _came_at_once(asked):
        todo = "Something in between holds streams back: switch its buffering off (nginx: proxy_buffering off)."
        if c.place.proxy:
            todo = f"Go past the proxy that {c.place.proxy} names: except {c.host} with NO_PROXY."
        return c.wrong(f"{counted(pieces, 'piece')}, all at once after {duration(asked.seconds)}", todo)
    end = reply.finish_reason or "none"
    return c.fine(f"{counted(pieces, 'piece')}, finish reason {end}{'' if reply.done else ', no [DONE]'}")


def _came_at_once(asked: Asked) -> bool:
    if len(asked.arrivals) == 0 or asked.seconds < NOTICEABLE or sum(n for _, n in asked.arrivals) < MANY:
        return False
    first, last = asked.arrivals[0][0], asked.arrivals[-1][0]
    return last - first < SPREAD * asked.seconds


async def usage(c: Checkup) -> Row:
    asked = await c.streamed()
    if asked.error is not None or not c.streams:
        return Row("", "–", "nothing came as a stream")
    if (row := c.refused("stream_options")) is not None:
        return row
    if asked.outcome.reply.usage is None:
        todo = NOTHING.format("what answers cost is not known")
        return c.wrong("a stream comes without token counts", todo, handled=True)
    found = Tokens.of(asked.outcome.reply.usage)
    told_in, told_out = ("?" if count is None else f"{count:,}" for count in (found.input, found.output))
    return c.fine(f"{told_in} tokens in, {told_out} out")


async def speed(c: Checkup) -> Row:
    asked = await c.streamed()
    if asked.error is not None or not asked.arrivals or not c.streams:
        return Row("", "–", "nothing came as a stream")
    first, last = asked.arrivals[0][0], asked.arrivals[-1][0]
    told = [f"connected in {duration(c.knocked)}", f"first token after {duration(first)}"]
    tokens = Tokens.of(asked.outcome.reply.usage).output
    if tokens is not None and tokens > 1 and last - first > SPREAD:
        told.append(f"{(tokens - 1) / (last - first):.0f} tokens/s")
    slow = ": slow, as while a model is being loaded" if first > SLOW else ""
    return c.fine(", ".join(told) + slow)


async def reasoning(c: Checkup) -> Row:
    replies = [asked.outcome.reply for asked in (await c.plain(), await c.streamed()) if asked.error is None]
    if any(re.search(r"</think(?:ing)?>|</thought>", reply.text) for reply in replies):
        return c.wrong("</think> stands in the answer", remedy("reasoning", c.server))
    apart = any(getattr(reply.message(), "reasoning_content", None) for reply in replies)
    return c.fine("comes apart from the answer" if apart else "none is sent")
