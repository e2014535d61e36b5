"""A plainly asked sum gets its result, worked out without eval and within bounds nobody has to wait for."""

from __future__ import annotations

import ast
import math
import re

_ASKED = re.compile(
    r"(?:(?:please|hey|hi),? )?(?:can you )?"
    r"(?:(?:what is|what'?s|what’s|how much is|calculate|compute|evaluate|work out|solve)\b)?"
    r"(?P<sum>.*?)[ ,]*(?:please)?[ ?!.=]*$",
    re.IGNORECASE,
)
_SPOKEN = (
    (r"(?<=\d),(?=\d{3}\b)", ""),
    (r"(\d)\s*(?:%|percent)\s*of\b", r"\1/100*"),
    (r"\bplus\b", "+"),
    (r"\bminus\b|−|–", "-"),
    (r"\bmultiplied\s+by\b|\btimes\b|×|·|(?<=\d)\s*x\s*(?=\d)", "*"),
    (r"\bdivided\s+by\b|÷|\bover\b", "/"),
    (r"\bto\s+the\s+power\s+of\b|\^", "**"),
    (r"\bsquared\b", "**2"),
    (r"\bmod(?:ulo)?\b", "%"),
)
_SUM = re.compile(r"[0-9+\-*/().%\s]*[0-9)]\s*[+\-*/%][0-9+\-*/().%\s]*[0-9.)]\s*")
_LONGEST = 200
_MOST_BITS = 4096

_TOO_LARGE = "That number would be too large for me to work out."
_BY_ZERO = "Division by zero has no result."


class _TooLargeError(ArithmeticError):
    """The result is beyond what is worked out here."""


def worked_out(question: str) -> str | None:
    """The answer to a sum, in Markdown; None when the question is not just a sum."""
    asked = _ASKED.match(" ".join(question[: 2 * _LONGEST].split()))
    written = asked["sum"].strip(" :,") if asked else ""
    expression = _in_signs(written)
    if len(expression) > _LONGEST or not _SUM.fullmatch(expression) or _is_a_date(expression):
        return None
    try:
        result = _value(ast.parse(expression.strip(), mode="eval").body)
    except ZeroDivisionError:
        return _BY_ZERO
    except (_TooLargeError, OverflowError):
        return _TOO_LARGE
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
    return f"`{written}` = **{_shown(result)}**"


def _in_signs(written: str) -> str:
    for spoken, sign in _SPOKEN:
        written = re.sub(spoken, sign, written, flags=re.IGNORECASE)
    return written


def _is_a_date(expression: str) -> bool:
    """`2025-12-24` is a date and `555-0100` a telephone number, not something to subtract."""
    return re.fullmatch(r"\d{4}-\d{2}-\d{2}|0\d+[-/]\d+|\d+-0\d+", expression.strip()) is not None


def _value(node: ast.expr) -> int | float:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return _bounded(node.value)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd | ast.USub):
        value = _value(node.operand)
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.BinOp):
        return _bounded(_combined(node.op, _value(node.left), _value(node.right)))
    raise ValueError("not a sum")


def _combined(sign: ast.operator, left: int | float, right: int | float) -> int | float:
    match sign:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
        case ast.Div():
            return left / right
        case ast.FloorDiv():
            return left // right
        case ast.Mod():
            return left % right
        case ast.Pow():
            return _power(left, right)
    raise ValueError("not a sum")


def _power(base: int | float, exponent: int | float) -> int | float:
    # the size of an integer power is known beforehand, so a hopeless one is never begun
    if isinstance(base, int) and isinstance(exponent, int) and base.bit_length() * abs(exponent) > _MOST_BITS:
        raise _TooLargeError
    power = base**exponent
    if isinstance(power, complex):
        raise ValueError("not a real number")
    assert isinstance(power, int | float)
    return power


def _bounded(value: int | float) -> int | float:
    if isinstance(value, int):
        if value.bit_length() > _MOST_BITS:
            raise _TooLargeError
    elif not math.isfinite(value):
        raise _TooLargeError
    return value


def _shown(value: int | float) -> str:
    if isinstance(value, float):
        return f"{value:.12g}"
    return str(value)
