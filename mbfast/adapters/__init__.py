"""Adapters: mbfast inside other packages, each module for one of them, imported by its name."""
