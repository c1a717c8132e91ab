"""Adapters and recipes: SciPy's solvers, PyTorch, xarray, quantities with units, ASE.

SciPy
-----
Every field has an ``operator()``, the map from moments to fields as a symmetric ``scipy.sparse.linalg.LinearOperator``
on ``moments.ravel()``. Blocks that answer to the field they are in are then a linear system. Dipoles of polarizability
a meet the electric field E - 2 h, so that p = a (E - 2 h), or (1 + 2 a H) p = a E:

>>> import mbfast, numpy as np
>>> from scipy.sparse import eye_array
>>> from scipy.sparse.linalg import aslinearoperator, cg
>>> vacuum = mbfast.DipoleInteraction(permittivity=8.8541878128e-12)
>>> field = mbfast.LatticeField(vacuum, mbfast.BlockLattice((4, 4, 4), spacing=4e-10), boundary="periodic")
>>> polarizability = 2e-40  # C m^2/V
>>> h = field.operator()
>>> system = aslinearoperator(eye_array(h.shape[0])) + 2 * polarizability * h
>>> applied = np.zeros((4, 4, 4, 3))
>>> applied[..., 2] = 1e6  # V/m
>>> dipoles, failed = cg(system, polarizability * applied.ravel(), rtol=1e-10)
>>> dipoles = dipoles.reshape(applied.shape)
>>> bool(np.allclose(dipoles, polarizability * (applied - 2 * field(dipoles)), rtol=1e-8, atol=0)), failed
(True, 0)

The field of a cubic lattice between short-circuited plates, "tin-foil", is that of Clausius and Mossotti:

>>> lorentz = polarizability / (3 * 8.8541878128e-12 * 4e-10**3)
>>> print(f"{dipoles[0, 0, 0, 2] / (polarizability * 1e6):.6f} {1 / (1 - lorentz):.6f}")
1.133333 1.133333

``cg`` is for a positive definite system, while the blocks are stable; ``minres`` takes any symmetric one, such as
beyond the polarizability at which (1 + 2 a H) has an eigenvalue of zero, and ``gmres`` one with another answer at each
block, which is not symmetric. For stress moments T = V chi (e + 2 h), with chi negative.

PyTorch
-------
`mbfast.adapters.torch` has ``pair_energy`` and ``pair_field`` for float64 tensors on the CPU, differentiable by moments
and by positions (``pip install 'mbfast[torch]'``). A loss that contains an energy or a field has its gradient as any
other:

    import torch
    from mbfast.adapters.torch import pair_energy

    positions = torch.rand(50, 3, dtype=torch.float64, requires_grad=True)
    dipoles = torch.randn(50, 3, dtype=torch.float64)
    energy = pair_energy(mbfast.DipoleInteraction(permittivity=1.0), positions, dipoles)
    energy.backward()
    forces = -positions.grad

xarray
------
A labelled array loses its labels in mbfast, as in NumPy: its axes must be in the order x, y, z, component. With
``xarray.apply_ufunc`` the order is stated by names, and the field has the labels of the moments:

>>> import xarray
>>> axes = np.arange(4) * 5e-9  # m
>>> moments = xarray.DataArray(
...     np.zeros((6, 4, 4, 4)), dims=("component", "x", "y", "z"), attrs={"units": "J"},
...     coords={"component": ["xx", "yy", "zz", "yz", "xz", "xy"], "x": axes, "y": axes, "z": axes},
... )
>>> moments.loc[{"component": "zz", "x": 0, "y": 0, "z": 0}] = 1.6e-19
>>> silica = mbfast.StressInteraction(density=2200, c_l=5800, c_t=3800)
>>> lattice = mbfast.BlockLattice((4, 4, 4), spacing=float(moments.x[1] - moments.x[0]))
>>> core = ["x", "y", "z", "component"]
>>> strain = 2 * xarray.apply_ufunc(
...     lambda array: mbfast.pair_field(silica, lattice, array), moments,
...     input_core_dims=[core], output_core_dims=[core],
... )
>>> print(f"{strain.sel(component='zz', x=0, y=0).isel(z=1).item():.3e}", strain.dims)
6.413e-06 ('x', 'y', 'z', 'component')

Attributes are text, and nobody reads them: "units" must be SI here. Axes before these, as of time, are looped over with
``vectorize=True``.

Quantities
----------
mbfast takes and returns plain numbers in SI units. It refuses quantities, as of pint, astropy and unyt, also within
lists and labelled arrays, because NumPy would strip their units:

>>> import pint
>>> unit = pint.UnitRegistry()
>>> places = [[0, 0, 0], [0, 0, 5]] * unit.nm
>>> stresses = [[0, 0, 1, 0, 0, 0]] * 2 * unit.eV
>>> mbfast.pair_energy(silica, places, stresses)
Traceback (most recent call last):
    ...
TypeError: blocks must be plain numbers in SI units, got Quantity in nanometer: convert it

Convert at the boundary, by hand or by pint's decorator, which checks dimensions as well:

>>> energy = mbfast.pair_energy(silica, places.to("m").magnitude, stresses.to("J").magnitude) * unit.J
>>> print(f"{energy.to('eV').magnitude:.3e} eV")
6.421e-06 eV
>>> @unit.wraps("J", ("m", "J"))
... def energy_of(places, stresses):
...     return mbfast.pair_energy(silica, places, stresses)
>>> bool(energy_of(places, stresses) == energy)
True
>>> energy_of(places, places)  # doctest: +ELLIPSIS
Traceback (most recent call last):
    ...
pint.errors.DimensionalityError: Cannot convert from 'nanometer' ([length]) to ...

ASE
---
Atoms that carry moments, an array `moments` in e Å for dipoles or in eV for stress, get energy, forces and stress from
a calculator (``pip install 'mbfast[ase]'``). Moments stay as they are; the stress is the symmetric part of
dE/d(strain)/V:

>>> import ase
>>> from mbfast.adapters.ase import BlockCalculator
>>> atoms = ase.Atoms("X2", positions=[[0, 0, 0], [0, 0, 4]])  # angstrom
>>> atoms.set_array("moments", np.array([[0, 0, 0.2]] * 2))
>>> atoms.calc = BlockCalculator(vacuum)
>>> print(f"{atoms.get_potential_energy():.5f} eV")
-0.01800 eV

Points attract each other without limit: ``ase.calculators.mixing.SumCalculator`` adds a repulsion.
"""
