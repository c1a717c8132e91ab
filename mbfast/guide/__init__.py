"""The guide: each page is a module whose text is its docstring."""
