"""Absorption rates, the renormalization flow, and the self-consistent ratio."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, ["flow", "rates", "ratio", "terms"])
