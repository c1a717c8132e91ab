"""Lattice fields larger than memory: where moments and fields are, chunks in files, the plan, and the tasks."""
