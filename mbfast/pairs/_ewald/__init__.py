"""The parts of an Ewald sum: the split, the mesh of its smooth part, the cells of its near pairs, the cost model."""
