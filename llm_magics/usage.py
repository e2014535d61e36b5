"""What an answer took: token counts as servers give them, and its cost where a price is known.

An unknown price is None, never 0. A price comes from the endpoint itself, else from the model's own settings
(``price_in``, ``price_out``), else from the package genai-prices, where that is installed and knows provider and model.
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llm_magics.config import is_loopback
from llm_magics.events import Cost

MILLION = 1_000_000
MOST = 10**12  # tokens, or dollars: what says more, or is infinite, is no count of anything
PRICE_LIST = "genai_prices"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Counts of one answer; None where the endpoint did not tell. The last two are parts of the first two."""

    input: int | None = None
    output: int | None = None
    reasoning: int | None = None
    cached: int | None = None

    @classmethod
    def of(cls, usage: Mapping[str, Any] | None) -> Tokens:
        """What a ``usage`` object says."""
        usage = usage or {}
        return cls(
            input=_count(usage, "prompt_tokens"),
            output=_count(usage, "completion_tokens"),
            reasoning=_count(usage.get("completion_tokens_details"), "reasoning_tokens"),
            cached=_count(usage.get("prompt_tokens_details"), "cached_tokens"),
        )


def cost_of(
    usage: Mapping[str, Any] | None, *, model: str, base_url: str, settings: Mapping[str, Any] | None = None
) -> Cost | None:
    """The cost of an answer; None where its price, or its token counts, are not known.

    Args:
        usage: the ``usage`` object of the answer.
        model: the server's name of the model.
        base_url: where it was asked.
        settings: may hold ``price_in`` and ``price_out``, in US dollars per million tokens.
    """
    told = (usage or {}).get("cost")  # OpenRouter's, in credits, each of which is a dollar
    if isinstance(told, int | float) and not isinstance(told, bool) and 0 <= told <= MOST:
        return Cost(amount=float(told), source="endpoint")
    tokens = Tokens.of(usage)
    if tokens.input is None or tokens.output is None:
        return None
    price_in, price_out = ((settings or {}).get(name) for name in ("price_in", "price_out"))
    if price_in is not None and price_out is not None:
        amount = (tokens.input * price_in + tokens.output * price_out) / MILLION
        return Cost(amount=amount, source="configuration")
    return None if is_loopback(base_url) else _listed(tokens, model, base_url)


def _listed(tokens: Tokens, model: str, base_url: str) -> Cost | None:
    """What the price list says, if there is one."""
    try:
        from genai_prices import Usage, calc_price
    except ImportError:
        return None
    used = Usage(input_tokens=tokens.input, output_tokens=tokens.output, cache_read_tokens=tokens.cached)
    try:
        found = calc_price(used, model, provider_api_url=base_url)
    except (LookupError, ValueError):  # the latter for counts that contradict each other
        return None
    return Cost(amount=float(found.total_price), source=PRICE_LIST)


def warm_up(base_urls: list[str]) -> None:
    """Begin to read the price list, which takes a second, while the models answer."""
    if all(map(is_loopback, base_urls)) or importlib.util.find_spec(PRICE_LIST) is None:
        return
    threading.Thread(target=importlib.import_module, args=(PRICE_LIST,), name="llm_magics-prices", daemon=True).start()


def _count(holder: Any, name: str) -> int | None:
    value = holder.get(name) if isinstance(holder, Mapping) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST else None
