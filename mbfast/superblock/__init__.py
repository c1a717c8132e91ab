"""Exact super blocks: blocks with levels of their own, coupled by (2.16), and what they absorb."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    [
        *("block", "clusters", "coupled", "ensembles", "hamiltonian", "kubo", "orders", "perturbation", "planning"),
        *("remainders", "response"),
    ],
)
