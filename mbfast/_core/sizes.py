"""Sizes of memory and rates of networks, as numbers or as texts that people write."""

from __future__ import annotations

import re

from mbfast._core.validate import count_from, positive_number

_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4}
_UNITS |= {f"{unit}i": 1024**power for power, unit in enumerate("kmgt", 1)}
_AMOUNT = r"\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([kmgt]?i?)"
_SIZE, _RATE = (re.compile(_AMOUNT + end, re.IGNORECASE | re.ASCII) for end in (r"b?\s*", r"(b|bit)?(?:/s)?\s*"))


def memory_size(name: str, value: object) -> int:
    """Return bytes, of a whole number of them or a text such as "3GB", "2.5 GiB"; errors name the argument."""
    if isinstance(value, str):
        amount = _amount(_SIZE.fullmatch(value))
        if amount is None:
            raise ValueError(f'{name} must be a number of bytes, or a text such as "3GB" or "3 GiB", got {value!r:.60}')
        value = int(min(amount, 1e30))
    size = count_from(1, name, value)
    if size >= 1 << 62:
        raise ValueError(f"{name} must be less than 2**62 bytes, got {size:g}")
    return size


def byte_rate(name: str, value: float | str) -> float:
    """Return bytes per second, of a number of them or a text such as "1GB/s", "10 Gbit/s"; errors name the argument."""
    if isinstance(value, str):
        found = _RATE.fullmatch(value)
        amount = _amount(found)
        if found is None or amount is None:
            texts = '"1GB/s" or "10 Gbit/s"'
            raise ValueError(f"{name} must be a number of B/s, or a text such as {texts}, got {value!r:.60}")
        value = amount / (8 if (found[3] or "").lower() == "bit" else 1)
    return positive_number(name, value, unit="B/s")


def _amount(found: re.Match[str] | None) -> float | None:
    """Return the number with its prefix, or None if a text has none."""
    if found is None or found[2].lower() not in _UNITS:
        return None
    return float(found[1]) * _UNITS[found[2].lower()]
