"""Pair sums: interactions, geometry, and the methods that sum over pairs."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    [
        *("angular", "averages", "cubes", "direct", "ewald", "fields", "geometry", "interactions", "lattice"),
        *("planning", "problem", "results", "stored", "sums"),
    ],
)
