"""The guide: each page is a module whose text is its docstring.

Read a page with ``help(mbfast.guide.methods)``; the same pages are in the site that ``.ci/site.py`` renders.

| page | what it answers |
|---|---|
| `mbfast.guide.conventions` | Which units, signs, index orders and names are used? |
| `mbfast.guide.methods` | Which method computes my sum, at what cost, and what does ``method="auto"`` take? |
| `mbfast.guide.commands` | What can be done without Python code, what are the files, how do I look at results? |
| `mbfast.guide.superblock` | What is an exact super block, how large may it be, how long does it take? |
| `mbfast.guide.accuracy` | What does `rtol` promise, what do estimates cover, which results are equal to the bit? |
| `mbfast.guide.embedding` | How do I call it from compiled loops, from C, from threads, processes, clusters? |
| `mbfast.guide.simulations` | Which simulations are there to start from, and what do they hit? |
| `mbfast.guide.gallery` | What do the figures of the examples look like? |
| `mbfast.guide.adapters` | How do I use it with SciPy's solvers, PyTorch, xarray, pint, ASE? |
| `mbfast.guide.cluster` | When does a cluster pay, how do I start one, what if it is lost? |
| `mbfast.guide.performance` | How fast is it, against what, and how is that tracked? |
| `mbfast.guide.comparison` | Which other programs do the like, and where are they better? |
| `mbfast.guide.equations` | Which function computes an equation of the paper, and which test checks it? |
| `mbfast.guide.findings` | What follows for the paper's claims? |
| `mbfast.guide.software_paper` | What is it for, how was it checked, how is it cited: the whole in short |
| `mbfast.guide.glossary` | What do the words and symbols mean? |
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    [
        "conventions",
        "methods",
        "commands",
        "superblock",
        "accuracy",
        "embedding",
        "simulations",
        "gallery",
        "adapters",
        "cluster",
        "performance",
        "comparison",
        "equations",
        "findings",
        "software_paper",
        "glossary",
    ],
)
