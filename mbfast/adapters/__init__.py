"""mbfast inside other programs; each module needs an extra of its own, and nothing else of mbfast imports it.

| module | what it is | extra |
|---|---|---|
| `mbfast.adapters.ase` | a calculator of ASE: energies, forces and stress of atoms that carry moments | ``ase`` |
| `mbfast.adapters.torch` | energies and fields as differentiable functions of PyTorch's tensors | ``torch`` |
"""
