"""Whether a server says that it does not take one parameter of a request, in any of the words that servers have for it.

What is wrong with a parameter's value, or with two of them together, is the user's business and no such word.
"""

from __future__ import annotations

import re

from llm_magics.refusals.refusal import GAP

_KIND = r"(?:param(?:eter)?|argument|field|name|key|propert(?:y|ie)|input|option)(?:s|\(s\))?"
_STRANGE = r"(?:unsupported|unknown|unrecogni[sz]ed|unexpected|extraneous|no such)"
_DOES_NOT = (
    r"(?:does not|doesn't|do not|don't|cannot|can't) (?:currently |yet )?"
    r"(?:support|accept|allow|take|recogni[sz]e)"
)
_IS_NOT = (
    r"(?:(?:(?:is|are) (?:currently )?not|isn't|aren't) (?:yet |currently )?"
    r"(?:supported|permitted|allowed|accepted|recogni[sz]ed|available|enabled)"
    r"|not supported|(?:is|are|has been|have been) (?:unsupported|unavailable|deprecated|no longer supported)"
    r"|(?:is|are) only (?:supported|available) (?:by|for|on|with)\b)"
)
# What follows where only some values are refused.
_SOME_VALUES = r"(?! ?(?:=|: must|(?:to|above|below|over|under|beyond|outside|values?|greater|less|larger|more|of)\b))"
_TOGETHER = r"at the same time|both be|mutually exclusive|combination"
_NOT_BESIDE = "".join(rf"(?<!{word} )(?<!{word} ['\"`])" for word in ("with", "and", "both"))
# What the rest of an error says whose ``param`` is the parameter.
_UNFIT = (
    r"unsupported|not supported|n[o']t support|unknown|unrecognized|unexpected|extra inputs|extra_forbidden"
    r"|not permitted|only the default|deprecated"
)


def is_unsupported(name: str, said: str) -> bool:
    """Whether this, in lower case, says that the parameter itself is not taken, rather than naming it on the way."""
    if name not in said and name.replace("_", "") not in said:
        return False  # before any pattern is compiled
    return not re.search(_TOGETHER, said) and any(re.search(form, said) for form in _forms(name))


def is_blamed(name: str, said: str) -> bool:
    """Whether this is an error whose ``param`` is this parameter, and which says that something is not taken."""
    if name not in said:
        return False
    alone = rf"{GAP}{name}(?:\.\w+)?(?:{GAP}|\Z)"
    return bool(re.search(alone, said) and re.search(_UNFIT, said)) and not re.search(_TOGETHER, said)


def _forms(name: str) -> list[str]:
    words = name.replace("_", "_?")  # presence_penalty, presencePenalty
    # The field itself: nothing inside of it, and nothing of that name inside of something else.
    it = rf"(?<![\w.\]/-])['\"`\[(]{{0,2}}(?:body[./]|#/)?{words}(?:\.type)?['\"`\])]{{0,2}}(?!\w|\[|\.\w)"
    after_others = r"(?:['\"`\[]?[\w.]{1,60}['\"`\]]?(?:, | and )){0,9}"
    listed = rf"\W{{0,3}}{after_others}{it}"
    return [
        # unknown field `seed`; Unsupported parameter(s): `tools`, `seed`; Unrecognized request argument supplied: seed
        rf"{_STRANGE} (?:request |keyword )?{_KIND}(?: supplied| provided| received| in request| in body)?{listed}",
        # Argument not supported on this model: presencePenalty
        rf"{_KIND} (?:is |are )?not supported(?: (?:on|by|for|with) [\w ]{{1,30}})?:{listed}(?! \w)",
        # does not support parameter reasoningEffort; doesn't support the temperature field
        rf"{_DOES_NOT} (?:the |this )?(?:{_KIND}:? )?{it}(?: {_KIND})?{_SOME_VALUES}",
        # does not support parameters: ['seed', 'stop'], {'seed': 1}
        rf"{_DOES_NOT} (?:the )?{_KIND}: ?[\[{{][^\]}}¦]{{0,300}}['\"]{name}['\"]",
        # `temperature` is deprecated for this model; parallel_tool_calls=False is not supported
        rf"{_NOT_BESIDE}{it}(?: {_KIND})?(?:=\w{{1,9}})? {_IS_NOT}{_SOME_VALUES}",
        # temperature: deprecated for this model
        rf"{it}: (?:deprecated|unsupported|not (?:supported|allowed|permitted|available))\b{_SOME_VALUES}",
        # does not support sampling parameters (temperature, top_p, top_k)
        rf"{_DOES_NOT} (?:the )?(?:\w+ )?{_KIND}:? \({after_others}{it}",
        # temperature is not a supported parameter; stream_options: unknown field
        rf"{it}(?:(?: is an?|:) {_STRANGE}| is not a (?:supported|known|valid)) {_KIND}",
        rf"{it}: this {_KIND} {_IS_NOT}{_SOME_VALUES}",
        # stream_options: Extra inputs are not permitted, and the same the other way round
        rf"{it}: (?:extra|additional|unexpected) (?:inputs?|fields?|propert\w+)",
        rf"(?:inputs?|fields?|properties) (?:are |is )?not permitted\W{{1,3}}field: {it}",
        rf"additional ?propert\w+\W{{1,3}}{it} (?:is |are )?not (?:allowed|permitted)",
        rf"\({after_others}{it} (?:was|were) unexpected\)",
        # the place of a validation error, in JSON and as Python writes it
        rf"{GAP}body\.{name}(?:\.\w+)?{GAP}(?:[^¦]*¦){{0,2}}[^¦]*(?:extra|not permitted|unexpected|unknown)",
        rf"'loc': [\[(]'body', '{name}'(?:, '\w+')?[\])], 'msg': '(?:extra|unexpected|unknown)",
        # 'temperature' does not support 0.2 with this model. Only the default (1) value is supported.
        rf"{it} (?:does not|doesn't) support\b",
        # invalid temperature: only 1 is allowed for this model; may only be set to 1 when thinking is enabled
        rf"{it}\W{{1,3}}only [\d.]+ is allowed",
        rf"{it} (?:may|can) only be (?:set to )?(?:the default|[\d.]+)",
        rf"{it} must be (?:set to )?(?:the default|\d+(?:\.\d+)?) (?:when|while|for|with|if)\b",
    ]
