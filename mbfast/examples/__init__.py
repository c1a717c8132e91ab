"""Runnable examples: ``python -m mbfast.examples.NAME``."""
