"""What is read from and written to files."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, ["blocks", "config", "flow", "superblock"])
