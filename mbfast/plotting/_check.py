"""Checks that functions which draw have in common."""

from collections.abc import Iterable
from typing import TypeVar

from mbfast._core.validate import whole_number

T = TypeVar("T")


def members(name: str, values: Iterable[T], kind: type[T], *, least: int = 1) -> tuple[T, ...]:
    """Return the members of a sequence of one type, or raise a TypeError that names the argument."""
    found = _members(values)
    if found is None or len(found) < least or not all(isinstance(value, kind) for value in found):
        some = f"at least one {kind.__name__}" if least else f"{kind.__name__} values"
        raise TypeError(f"{name} must be {some}, in a sequence, got {values!r}")
    return found


def whole_numbers(name: str, values: Iterable[object]) -> tuple[int, ...]:
    """Return the members of a sequence of at least one whole number, or raise a TypeError that names the argument."""
    found = _members(values)
    if not found:
        raise TypeError(f"{name} must be at least one whole number, in a sequence, got {values!r}")
    return tuple(whole_number(name, value) for value in found)


def _members(values: Iterable[T]) -> tuple[T, ...] | None:
    try:
        return tuple(values)
    except TypeError:  # as of arrays without axes, too, which have an __iter__
        return None
