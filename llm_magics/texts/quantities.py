"""Numbers as people and models write them: ``1,234.5``, ``1.234,5``, ``1e-3``, ``48 %``, ``5 km``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Context, Decimal

LONGEST = 200  # characters of one number; what is longer is no quantity but a row of digits
TOLERANCE = 0.01  # of the larger one, for numbers that were measured rather than counted
_PLAIN = re.compile(r"\d+(?P<fraction>\.\d+)?|\.\d+")
_GROUPED = (  # with separators of thousands, and what separates the fraction
    (re.compile(r"(?!0)\d{1,3}(?:,\d{2,3})*,\d{3}(?:\.\d+)?"), ",", "."),
    (re.compile(r"(?!0)\d{1,3}(?:\.\d{3}){2}(?:,\d+)?|(?!0)\d{1,3}\.\d{3},\d+"), ".", ","),
    (re.compile(r"(?!0)\d{1,3}(?:'\d{3})+(?:[.,]\d+)?"), "'", ","),
    (re.compile(r"(?!0)\d{1,3}(?:_\d{3})+(?:\.\d+)?"), "_", "."),
    (re.compile(r"\d+,\d+"), "", ","),
)
# Each unit: what it measures, and how much of it.
_PREFIXED = {"m": "m", "g": "g", "s": "s", "W": "W", "Hz": "Hz", "V": "V", "J": "J", "Pa": "Pa", "B": "B", "L": "L"}
_PREFIXES = {"n": -9, "µ": -6, "μ": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12}
UNITS: dict[str, tuple[str, Decimal]] = {
    **{p + unit: (kind, Decimal(10) ** n) for unit, kind in _PREFIXED.items() for p, n in _PREFIXES.items()},
    **{f"{p}iB": ("B", Decimal(1024) ** n) for n, p in enumerate("KMGT", 1)},
    "KB": ("B", Decimal(1000)),
    "cm": ("m", Decimal("0.01")),
    "hPa": ("Pa", Decimal(100)),
    "l": ("L", Decimal(1)),
    "ml": ("L", Decimal("0.001")),
    "t": ("g", Decimal(10) ** 6),
    "min": ("s", Decimal(60)),
    "h": ("s", Decimal(3600)),
    "°C": ("°C", Decimal(1)),
    "°F": ("°F", Decimal(1)),
    "%": ("", Decimal("0.01")),
    "‰": ("", Decimal("0.001")),
}
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺−", "0123456789-+-")
_EXPONENT = r"[eE][-+−]?\d{1,4}|[ ]?[×x·*][ ]?10(?:(?:\^|\*\*)[-+−]?\d{1,4}|[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,4})"
_UNIT = "|".join(re.escape(unit) for unit in sorted(UNITS, key=len, reverse=True))
# A sign belongs to a number where nothing stands before it that it would be a dash for.
PATTERN = rf"""
    (?P<sign>(?<![^\s(\[{{=:,;<>~≈$€£"'/|])[-+−])?
    (?P<digits>\d(?:[\d.,'’_\u00a0\u2009\u202f]*\d)?|(?<![\w.])\.\d+)
    (?P<exponent>{_EXPONENT})?
    (?:[ \u00a0\u2009\u202f]?(?P<unit>{_UNIT})(?!\w))?
    (?![\d_A-Za-zÀ-ÖØ-öø-ɏͰ-ӿ])
"""
_QUANTITY = re.compile(PATTERN, re.X)
_CAREFUL = Context(prec=28, traps=[])


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with what it counts.

    Attributes:
        value: in the unit's base; a percentage is a hundredth.
        kind: what its unit measures, ``""`` without one.
        is_whole: whether it was written as a whole number, as counts and years are.
        text: as it was written.
    """

    value: Decimal
    kind: str
    is_whole: bool
    text: str

    @property
    def spelled(self) -> str:
        """One spelling for all of the same value.

        >>> read("1,234.50").spelled, read("1.23450e3").spelled, read("5000 m").spelled, read("5 km").spelled
        ('1234.5', '1234.5', '5000m', '5000m')
        """
        if self.value == 0:
            return "0" + self.kind
        exponent = self.value.adjusted()
        digits = str(self.value.copy_abs().scaleb(-exponent, _CAREFUL)) if abs(exponent) > LONGEST else ""
        shown = f"{digits}e{exponent}" if digits else f"{self.value.copy_abs():f}"
        shown = shown.rstrip("0").rstrip(".") if "." in shown and not digits else shown
        return ("-" if self.value < 0 else "") + shown + self.kind


def read(text: str) -> Quantity | None:
    """The quantity that a text is, or None.

    >>> read("48 %").value, read("1e-3").value, read("1.234,5").value, read("3rd")
    (Decimal('0.48'), Decimal('0.001'), Decimal('1234.5'), None)
    """
    match = _QUANTITY.fullmatch(text) if len(text) <= LONGEST else None
    return found(match) if match else None


def found(match: re.Match[str]) -> Quantity | None:
    """What a match of `PATTERN` says; None where its digits are no number, as in ``1.2.3``."""
    if len(match[0]) > LONGEST or (digits := _digits(match["digits"])) is None:
        return None
    if digits.isdigit() and digits[0] == "0" and len(digits) > 1:  # a code, such as of a phone or a spy
        return None
    exponent = match["exponent"] or ""
    power = exponent.translate(_SUPERSCRIPTS).lstrip("eE ×x·*")
    power = power if exponent[:1] in ("e", "E") else power.removeprefix("10").lstrip("^*")
    sign = "-" if match["sign"] in ("-", "−") else ""
    value = Decimal(f"{sign}{digits}" + (f"e{power}" if power else ""))
    kind, factor = UNITS.get(match["unit"] or "", ("", Decimal(1)))
    whole = digits.isdigit() and not power and match["unit"] not in ("%", "‰")
    return Quantity(value if factor == 1 else value * factor, kind, whole, match[0])


def same(left: Quantity, right: Quantity, tolerance: float | None) -> bool:
    """Whether two are equal, within ``tolerance`` of the larger.

    None is `TOLERANCE` where one of them has a fraction; whole numbers are counts and years, and must be equal.
    """
    if left.kind != right.kind:
        return False
    if left.value == right.value:
        return True
    if tolerance is None:
        tolerance = 0 if left.is_whole and right.is_whole else TOLERANCE
    return apart(left, right) <= tolerance


def apart(left: Quantity, right: Quantity) -> float:
    """How far two are from each other, in parts of the larger one.

    >>> round(apart(read("0.48"), read("0.51")), 3)
    0.059
    """
    larger = max(left.value.copy_abs(), right.value.copy_abs())
    if not larger:
        return 0.0
    return float(_CAREFUL.divide(_CAREFUL.subtract(left.value, right.value).copy_abs(), larger))


def percent(share: float) -> str:
    """A share in words that are short: ``6 %``, ``0.3 %``."""
    shown = 100 * share
    return f"{shown:.0f} %" if shown >= 1 else f"{shown:.1g} %"


def _digits(written: str) -> str | None:
    """Digits as Python reads them, or None."""
    if _PLAIN.fullmatch(written):
        return written
    plain = re.sub("[’\u00a0\u2009\u202f]", "'", written)
    for pattern, separator, point in _GROUPED:
        if pattern.fullmatch(plain):
            bare = plain.replace(separator, "") if separator else plain
            return bare.replace(point, ".")
    return None
