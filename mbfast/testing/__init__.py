"""Oracles and random systems to check your own use of mbfast against: plain NumPy, importing nothing of it.

An oracle is a formula as it is written, in loops over blocks, pairs, states or frequencies: slow, and independent of
all that mbfast compiles, so that an agreement means something. The tests of mbfast use the same ones. They check
nothing, as kernels do, and are for few blocks. Arrays are as in the API: positions (N, 3), stress moments (N, 3, 3),
electric ones (N, 3); lengths, moments and energies in whatever units the tensor implies.

A tensor is a function of one vector r (3,) that returns Λ (3, 3, 3, 3) or (3, 3): `stress_tensor` and `dipole_tensor`
with their material filled in, or one of yours. Does a code of your own, which forces and cells and units have passed
through, add up the field that the formula says?

>>> import mbfast, numpy as np
>>> from mbfast import testing
>>> rng = np.random.default_rng(1)
>>> positions = testing.random_positions(rng, 20, [5e-8, 5e-8, 5e-8], least=5e-9)
>>> moments = testing.random_stress(rng, 20, 1.6e-19)
>>> silica = mbfast.StressInteraction(density=2200, c_l=5800, c_t=3800)
>>> mine = mbfast.pair_field(silica, positions, moments)
>>> expected = testing.pair_field(lambda r: testing.stress_tensor(r, 2200, 5800, 3800), positions, moments)
>>> bool(np.allclose(mine, expected, rtol=0, atol=1e-12 * abs(expected).max()))
True

| of | oracles |
|---|---|
| `mbfast.testing.pairs` | tensors; field, energy, forces and virial of pairs; two cubes; spins and what flips cost |
| `mbfast.testing.periodic` | fields of all images: by Ewald's sum, and by spheres of images |
| `mbfast.testing.spectra` | a sampled spectrum at any frequency, its convolution and dispersion by quadrature; levels |
| `mbfast.testing.superblock` | the Hamiltonian of a super block as a matrix, and its response by Kubo's sum |
| `mbfast.testing.generators` | random blocks, moments, spectra, levels, rotations |

All their functions are here, too.
"""

from mbfast.testing.generators import (
    random_dipoles,
    random_levels,
    random_positions,
    random_rotation,
    random_spectrum,
    random_stress,
)
from mbfast.testing.pairs import (
    averaged_over_cubes,
    brace,
    dipole_tensor,
    flip_cost,
    pair_derivatives,
    pair_energy,
    pair_field,
    pair_tensor,
    reduced_field,
    spin_couplings,
    spin_energy,
    stress_tensor,
)
from mbfast.testing.periodic import ewald_field, mean_mode, sphere_of_images
from mbfast.testing.spectra import SampledSpectrum, convolution, kramers_kronig, levels
from mbfast.testing.superblock import free_energy, kubo, on_block, super_block

__all__ = [
    "SampledSpectrum",
    "averaged_over_cubes",
    "brace",
    "convolution",
    "dipole_tensor",
    "ewald_field",
    "flip_cost",
    "free_energy",
    "kramers_kronig",
    "kubo",
    "levels",
    "mean_mode",
    "on_block",
    "pair_derivatives",
    "pair_energy",
    "pair_field",
    "pair_tensor",
    "random_dipoles",
    "random_levels",
    "random_positions",
    "random_rotation",
    "random_spectrum",
    "random_stress",
    "reduced_field",
    "sphere_of_images",
    "spin_couplings",
    "spin_energy",
    "stress_tensor",
    "super_block",
]
