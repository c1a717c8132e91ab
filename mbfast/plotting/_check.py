"""Checks that functions which draw have in common."""

from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")


def members(name: str, values: Iterable[T], kind: type[T], *, least: int = 1) -> tuple[T, ...]:
    """Return the members of a sequence of one type, or raise a TypeError that names the argument."""
    found = tuple(values) if isinstance(values, Iterable) else None
    if found is None or len(found) < least or not all(isinstance(value, kind) for value in found):
        some = f"at least one {kind.__name__}" if least else f"{kind.__name__} values"
        raise TypeError(f"{name} must be {some}, in a sequence, got {values!r}")
    return found
