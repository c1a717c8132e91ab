"""Every argument of every public name, by one table: what is wrong is refused before any work, and by name."""

import inspect
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
from materials import DIPOLES, SILICA
from test_docstrings import CLASSES, FUNCTIONS, METHODS, parameters, sections

import mbfast
from mbfast import viewing
from mbfast.files.blocks import read_blocks
from mbfast.files.flow import read_flow_config
from mbfast.files.superblock import read_super_block_config
from mbfast.glasses import medium
from mbfast.meissner_berret import rms_deviation
from mbfast.pairs.cluster_planning import predict_cluster
from mbfast.pairs.cubes import averaged_tensors
from mbfast.pairs.planning import predict
from mbfast.spectra.levels import static_susceptibility
from mbfast.spectra.relaxation import one_phonon_rate
from mbfast.superblock import ensembles
from mbfast.superblock import planning as super_block_planning
from mbfast.superblock.absorption import absorption, linear_absorption
from mbfast.superblock.clusters import second_order
from mbfast.superblock.drive import StrainWave
from mbfast.superblock.evolution import evolve
from mbfast.superblock.kubo import exact_susceptibility
from mbfast.superblock.orders import measure_orders
from mbfast.superblock.perturbation import first_order
from mbfast.superblock.response import susceptibility

OMEGA = np.geomspace(1e6, 1e10, 12)
ABSORPTION = -OMEGA * np.exp(-OMEGA / 1e9)
LATTICE = mbfast.BlockLattice((2, 1, 1), 5e-9)
POINTS = np.array([[0.0, 0.0, 0.0], [5e-9, 0.0, 1e-9]])
MOMENTS = np.array([[1e-30, 0.0, 0.0], [0.0, 2e-30, 0.0]])
WAVE = np.array([0.0, 0.0, 1e7])
SPECTRUM = mbfast.Spectrum(OMEGA, ABSORPTION, ABSORPTION, 1.0)
GLASSES = mbfast.load_glasses()
SYSTEM = mbfast.TwoLevelSystem(1e-24, 1e-24, 1e-19, 1e-19)
CONVOLUTION = mbfast.ConvolutionPlan(OMEGA)
DISPERSION = mbfast.KramersKronigPlan(OMEGA)
FIELD = mbfast.DirectField(DIPOLES, POINTS)
FOLDER, KEPT_IN = tempfile.TemporaryDirectory(), tempfile.TemporaryDirectory()
STORED = {"interaction": DIPOLES, "lattice": LATTICE, "folder": FOLDER.name, "memory": "1 TB"}
FLOW = mbfast.flow(SPECTRUM, SILICA, stop=5e-9)
RESULT = mbfast.pair_sum(DIPOLES, POINTS, MOMENTS)
BLOCK = mbfast.Block.two_level(0.0, 1e-24, [1e-30, 0.0, 0.0])
SUPER = mbfast.SuperBlock(DIPOLES, POINTS, BLOCK)
RNG = np.random.default_rng(1)
KEPT = mbfast.Checkpoint(Path(KEPT_IN.name, "kept"), {})
RESPONSE = {
    "super_block": SUPER, "omega": OMEGA, "temperature": 1.0, "volume": 1e-25, "broadening": 1e9, "method": "lanczos",
    "rng": RNG, "vectors": 2,
}  # fmt: skip
EVOLUTION = {"super_block": SUPER, "psi": np.ones(4), "times": [0.0, 1e-11]}
DRIVEN = {"super_block": SUPER, "wave": StrainWave([1e5, 0.0, 0.0], 1e10, 1e-11), "temperature": 1.0}

SUM = {"interaction": DIPOLES, "blocks": POINTS, "moments": MOMENTS}
NODES = {"omega": OMEGA}
TWO_LEVEL = {"omega": OMEGA, "temperature": 1.0, "density": 1e45, "coupling": 1e-19, "cutoff": 1e13}
DENSITY = {"density": 2200.0, "c_l": 5800.0, "c_t": 3800.0}
COUPLINGS = {"gamma_l": 2.0, "gamma_t": 1.0}

# of each public name: a call, and arguments that it takes
CALLS = {
    "absorption_rates": (
        mbfast.absorption_rates,
        {"spectrum": SPECTRUM, "interaction": SILICA, "block_size": 5e-9, "n0": 2.0},
    ),
    "angular_coefficients": (mbfast.angular_coefficients, {"form": "corrected", "polarization": "transverse"}),
    "Checkpoint": (mbfast.Checkpoint, {"file": "run.checkpoint", "inputs": {}}),
    "Checkpoint.get": (KEPT.get, {"part": 0}),
    "Checkpoint.put": (KEPT.put, {"part": 0}),
    "convolve": (mbfast.convolve, {**NODES, "f": ABSORPTION}),
    "cutoff_length": (mbfast.cutoff_length, {"modulus": 1e10, "omega": 1e7, "omega_c": 1e13}),
    "disordered_response": (
        mbfast.disordered_response, {"interaction": SILICA, "lattice": LATTICE, "chi": mbfast.Moduli(-1e9, -1e9)},
    ),
    "dipole_cutoff_length": (
        mbfast.dipole_cutoff_length,
        {"dielectric": 1.0, "permittivity": 1e-11, "stress": 1e7, "modulus": 1e10, "omega": 1e7, "omega_c": 1e13},
    ),
    "fit_through_origin": (mbfast.fit_through_origin, {"x": [1.0, 2.0, 3.0], "y": [1.0, 2.0, 4.0]}),
    "flow": (mbfast.flow, {"spectrum": SPECTRUM, "interaction": SILICA}),
    "isotropic_moduli": (mbfast.isotropic_moduli, {"tensor": np.zeros((6, 6))}),
    "isotropic_tensor": (mbfast.isotropic_tensor, {"longitudinal": 1.0, "transverse": 1.0}),
    "kramers_kronig": (mbfast.kramers_kronig, {**NODES, "imag": ABSORPTION}),
    "lattice_sum": (mbfast.lattice_sum, {"blocks": LATTICE, "power": 6.0}),
    "limit_threads": (mbfast.limit_threads, {"threads": 1}),
    "load_glasses": (mbfast.load_glasses, {}),
    "meissner_berret_ratio": (mbfast.meissner_berret_ratio, COUPLINGS),
    "pair_energy": (mbfast.pair_energy, SUM),
    "pair_field": (mbfast.pair_field, SUM),
    "pair_forces": (mbfast.pair_forces, SUM),
    "pair_sum": (mbfast.pair_sum, SUM),
    "pair_virial": (mbfast.pair_virial, SUM),
    "phase_sum": (
        mbfast.phase_sum,
        {"interaction": SILICA, "blocks": LATTICE, "wavevector": WAVE, "polarization": "transverse"},
    ),
    "run_each": (mbfast.run_each, {"function": abs, "items": [1]}),
    "self_consistent_ratio": (mbfast.self_consistent_ratio, {"c_l": 2.0, "c_t": 1.0}),
    "set_threads": (mbfast.set_threads, {}),
    "sound_velocity_shift": (
        mbfast.sound_velocity_shift,
        {"omega": 1e7, "temperature": 1.0, "reference": 0.1, "strength": 1e-4},
    ),
    "strain_coupling_sum": (
        mbfast.strain_coupling_sum,
        {"interaction": SILICA, "blocks": LATTICE, "wavevector": WAVE, "polarization": "transverse", "x": 0.5},
    ),
    "susceptibility_from_levels": (
        mbfast.susceptibility_from_levels,
        {"energies": [0.0, 1e-24], "stress": np.zeros((2, 2, 6)), "volume": 1e-25, "temperature": 1.0, "omega": OMEGA,
         "broadening": 1e8},
    ),
    "ttls_susceptibility": (mbfast.ttls_susceptibility, TWO_LEVEL),
    "tunnelling_strength": (mbfast.tunnelling_strength, {"density": 1e45, "coupling": 1e-19, "modulus": 1e10}),
    "spectra.levels.static_susceptibility": (
        static_susceptibility,
        {"energies": [0.0, 1e-24], "stress": np.zeros((2, 2, 6)), "volume": 1e-25, "temperature": 1.0},
    ),
    "spectra.relaxation.one_phonon_rate": (
        one_phonon_rate,
        {"density": 2200.0, "c_l": 5800.0, "c_t": 3800.0, "gamma_l": 1e-19, "gamma_t": 1e-19},
    ),
    "files.blocks.read_blocks": (read_blocks, {"path": "none.csv"}),
    "files.flow.read_flow_config": (read_flow_config, {"path": "none.toml"}),
    "files.superblock.read_super_block_config": (read_super_block_config, {"path": "none.toml"}),
    "glasses.medium": (medium, {"glass": "a-SiO2"}),
    "meissner_berret.rms_deviation": (rms_deviation, {"measured": [1.0, 2.0], "predicted": [1.1, 2.0]}),
    "pairs.angular.cube_coefficients": (
        mbfast.pairs.angular.cube_coefficients,
        {"form": "corrected", "polarization": "transverse"},
    ),
    "pairs.cubes.averaged_tensors": (averaged_tensors, {"interaction": DIPOLES, "offsets": [[0.0, 0.0, 1.0]]}),
    "pairs.cluster_planning.predict_cluster": (predict_cluster, {"shape": (2, 2, 2), "workers": 1, "speed": 1.0}),
    "pairs.planning.predict": (predict, {"shape": (2, 2, 2)}),
    "superblock.clusters.second_order": (
        second_order,
        {"super_block": SUPER, "omega": [1e9 + 1e8j], "temperature": 1.0, "volume": 1e-24},
    ),
    "superblock.kubo.exact_susceptibility": (
        exact_susceptibility, {"super_block": SUPER, "omega": [1e9 + 1e8j], "temperature": 1.0, "volume": 1e-25},
    ),
    "superblock.orders.measure_orders": (
        measure_orders,
        {"ensembles": {"pair": lambda **_: SUPER}, "omega": [1e9 + 1e8j], "temperature": 1.0, "block_volume": 1e-25,
         "members": 2, "rng": RNG},
    ),
    "superblock.planning.predict": (super_block_planning.predict, {"n_blocks": 2}),
    "superblock.perturbation.first_order": (
        first_order, {"super_block": SUPER, "omega": [1e9 + 1e8j], "temperature": 1.0, "volume": 1e-25},
    ),
    "superblock.response.susceptibility": (susceptibility, RESPONSE),
    "superblock.evolution.evolve": (evolve, EVOLUTION),
    "superblock.absorption.absorption": (absorption, DRIVEN),
    "superblock.absorption.linear_absorption": (linear_absorption, DRIVEN),
    "superblock.ensembles.gaussian_blocks": (
        ensembles.gaussian_blocks, {"n": 1, "n_levels": 3, "spread": 1e-24, "size": 1e-19, "rng": RNG},
    ),
    "superblock.ensembles.isotropic_two_level_blocks": (
        ensembles.isotropic_two_level_blocks,
        {"n": 1, "size": 1e-19, "max_splitting": 1e-23, "min_tunnelling": 1e-25, "rng": RNG},
    ),
    "superblock.ensembles.isotropic_stress": (ensembles.isotropic_stress, {"n": 2, "size": 1e-19, "rng": RNG}),
    "superblock.ensembles.two_level_blocks": (
        ensembles.two_level_blocks,
        {"n": 1, "stress": [[1e-30, 0.0, 0.0]], "max_splitting": 1e-23, "min_tunnelling": 1e-25, "rng": RNG},
    ),
    "Block": (mbfast.Block, {"energies": [0.0, 1e-24], "stress": np.zeros((3, 2, 2))}),
    "BlockLattice": (mbfast.BlockLattice, {"shape": (2, 1, 1), "spacing": 5e-9}),
    "ConvolutionPlan": (mbfast.ConvolutionPlan, NODES),
    "DipoleInteraction": (mbfast.DipoleInteraction, {"permittivity": 1e-11}),
    "DirectField": (mbfast.DirectField, {"interaction": DIPOLES, "blocks": POINTS}),
    "EwaldField": (mbfast.EwaldField, {"interaction": DIPOLES, "blocks": POINTS}),
    "LatticeField": (mbfast.LatticeField, {"interaction": DIPOLES, "lattice": LATTICE}),
    "StoredLatticeField": (mbfast.StoredLatticeField, STORED),
    "FrequencyGrid": (mbfast.FrequencyGrid, NODES),
    "KramersKronigPlan": (mbfast.KramersKronigPlan, NODES),
    "Spectrum": (mbfast.Spectrum, {**NODES, "longitudinal": ABSORPTION, "transverse": ABSORPTION}),
    "StressInteraction": (mbfast.StressInteraction, DENSITY),
    "SuperBlock": (mbfast.SuperBlock, {"interaction": DIPOLES, "blocks": POINTS, "levels": BLOCK}),
    "TwoLevelSystem": (
        mbfast.TwoLevelSystem,
        {"asymmetry": 1e-24, "tunnelling": 1e-24, "gamma_l": 1e-19, "gamma_t": 1e-19},
    ),
    "Block.two_level": (mbfast.Block.two_level, {"asymmetry": 0.0, "tunnelling": 1e-24, "stress": [1e-30, 0.0, 0.0]}),
    "ConvolutionPlan.__call__": (CONVOLUTION, {"f": ABSORPTION}),
    "ConvolutionPlan.pair": (CONVOLUTION.pair, {"f": ABSORPTION, "g": ABSORPTION}),
    "ConvolutionPlan.error": (CONVOLUTION.error, {"f": ABSORPTION}),
    "Interaction.tensor": (DIPOLES.tensor, {"r": POINTS[1]}),
    "Interaction.tensor_change": (DIPOLES.tensor_change, {"r": POINTS[1], "dr": 1e-3 * POINTS[1]}),
    "PairField.__call__": (FIELD, {"moments": MOMENTS}),
    "StoredLatticeField.__call__": (
        mbfast.StoredLatticeField(**STORED),
        {"moments": np.full((2, 1, 1, 3), 1e-30), "out": np.empty((2, 1, 1, 3))},
    ),
    "PairField.energy": (FIELD.energy, {"moments": MOMENTS}),
    "PairField.forces": (FIELD.forces, {"moments": MOMENTS}),
    "PairField.virial": (FIELD.virial, {"moments": MOMENTS}),
    "LatticeField.coupling_table": (mbfast.LatticeField(DIPOLES, LATTICE, boundary="periodic").coupling_table, {}),
    "PairField.operator": (FIELD.operator, {}),
    "Flow.save": (FLOW.save, {}),
    "Flow.load": (mbfast.Flow.load, {}),
    "KramersKronigPlan.__call__": (DISPERSION, {"imag": ABSORPTION}),
    "KramersKronigPlan.error": (DISPERSION.error, {"imag": ABSORPTION}),
    "PairResult.save": (RESULT.save, {}),
    "PairResult.load": (mbfast.PairResult.load, {}),
    "Spectrum.__call__": (SPECTRUM, NODES),
    "Spectrum.unreduced": (SPECTRUM.unreduced, NODES),
    "Spectrum.convolve": (SPECTRUM.convolve, {}),
    "Spectrum.kramers_kronig": (SPECTRUM.kramers_kronig, {"polarization": "transverse"}),
    "StressInteraction.of": (mbfast.StressInteraction.of, {"glass": "a-SiO2"}),
    "SuperBlock.apply": (SUPER.apply, {"psi": np.ones(4)}),
    "CoupledBlocks.block_hamiltonian": (SUPER.block_hamiltonian, {"s": 1}),
    "CoupledBlocks.block_basis": (SUPER.block_basis, {"s": 1}),
    "CoupledBlocks.block_stress": (SUPER.block_stress, {"s": 1}),
    "SuperBlock.dense": (SUPER.dense, {}),
    "SuperBlock.energies": (SUPER.energies, {}),
    "SuperBlock.hamiltonian": (SUPER.hamiltonian, {}),
    "SuperBlock.susceptibility": (mbfast.SuperBlock.susceptibility, RESPONSE),
    "SuperBlock.evolve": (mbfast.SuperBlock.evolve, EVOLUTION),
    "SuperBlock.absorption": (mbfast.SuperBlock.absorption, DRIVEN),
    "SuperBlock.linear_absorption": (mbfast.SuperBlock.linear_absorption, DRIVEN),
    "SuperBlock.stress": (SUPER.stress, {"psi": np.ones(4)}),
    "TwoLevelSystem.hamiltonian": (SYSTEM.hamiltonian, {}),
    "TwoLevelSystem.coupling": (SYSTEM.coupling, {"polarization": "transverse"}),
    "TwoLevelSystem.absorption_rate": (
        SYSTEM.absorption_rate,
        {"omega": 1e9, "temperature": 1.0, "strain": 1e-9, "broadening": 1e8, "polarization": "transverse"},
    ),
    "plotting.ratios.meissner_berret_figure": (mbfast.plotting.meissner_berret_figure, {"glasses": GLASSES}),
    "plotting.ratios.self_consistent_figure": (mbfast.plotting.self_consistent_figure, {"glasses": GLASSES}),
    "plotting.sums.lattice_sums_figure": (mbfast.plotting.lattice_sums_figure, {}),
    "plotting.flows.flow_figures": (mbfast.plotting.flow_figures, {"run": FLOW}),
    "plotting.sums.cutoff_figure": (mbfast.plotting.cutoff_figure, {"glasses": GLASSES}),
    "plotting.fields.field_figure": (mbfast.plotting.field_figure, {"result": RESULT}),
    "viewing.read_fields": (viewing.read_fields, {"path": "blocks.npz"}),
    "viewing.save_vtk": (viewing.save_vtk, {"result": RESULT, "file": "blocks.vtp"}),
    "viewing.show_window": (viewing.show_window, {"result": RESULT}),
    "plotting.style.save_figure": (
        mbfast.plotting.save_figure,
        {"figure": mbfast.plotting.meissner_berret_figure(GLASSES), "file": "figure.png"},
    ),
    "plotting.orders.orders_figures": (
        mbfast.plotting.orders_figures,
        {"result": measure_orders({"a": lambda **_: SUPER}, [1j], 1.0, block_volume=1e-25, members=2, rng=RNG)},
    ),
}  # fmt: skip

# hooks of the engine, which it calls with what it has checked; PairResult.asked takes any names
HOOKS = {"uniform_field", "wave_terms", "roughness", "remainder", "correction", "reduced", "asked"}

RAGGED, WORDS, OBJECT = [[1.0], [1.0, 2.0]], "abc", object()
NO_ARRAY = [WORDS, OBJECT, {"a": 1}, RAGGED, [None, 1.0], 1j, [True], ["1.0"], np.ma.masked_array([1.0], mask=[True])]
UNREAL = [value for value in NO_ARRAY if value != 1j]
FINITE = [*NO_ARRAY, np.nan, np.inf, None]
POSITIVE = [*FINITE, 0.0, -1.0, 1e300, [1.0, -1.0]]
NUMBER = [*FINITE, [1.0, 2.0]]
ONE_POSITIVE = [*POSITIVE, [1.0, 2.0]]
CHOICE = ["nonsense", 5, ["open"], np.array(["open", "auto"]), {}, OBJECT, b"open", True]
FLAG = ["yes", 1, None, np.array([True, False]), OBJECT]
COUNT = [0, -1, 1.5, "2", [1], np.nan, True, OBJECT]
PATH = [5, None, 1.5, [WORDS], OBJECT]
SAMPLES = [*FINITE, ABSORPTION[:-1]]
INTERACTION = [None, WORDS, 5, mbfast.StressInteraction, OBJECT, [SILICA]]
GRID = [*FINITE, [], [1.0], [2.0, 1.0], [-1.0, 1.0], [1.0, 1.0], [[1.0, 2.0]], 1e7]
EDGE = [*CHOICE[:1], *CHOICE[2:], np.nan, [1.0]]
ROWS = [None, WORDS, 5, [[1.0, 2.0]], RAGGED, OBJECT, [[1.0, np.nan, 0.0]], mbfast.BlockLattice, 1j * POINTS]
DIRECTION = [*FINITE, [1.0, 2.0], 5.0]
OUT = [[0.0], WORDS, np.zeros(3), np.zeros(12, np.float32), np.zeros((2, 3), order="F"), OBJECT, 5]
VECTORS = [*FINITE, [1.0, 2.0], 5.0, [0.0, 0.0, 0.0]]
LISTED = [None, WORDS, 5, [5], OBJECT, [None]]


def unless_none(values):
    """What is wrong for an argument that may be None."""
    return [value for value in values if value is not None]


# where omega is no grid of nodes, but any frequencies
WITHOUT_GRID = [
    f"{name}(omega)"
    for name in (
        *("cutoff_length", "dipole_cutoff_length", "sound_velocity_shift", "susceptibility_from_levels"),
        *("superblock.response.susceptibility", "SuperBlock.susceptibility"),
        *("ttls_susceptibility", "Spectrum.__call__", "Spectrum.unreduced", "TwoLevelSystem.absorption_rate"),
        "plotting.sums.cutoff_figure",
    )
]
# what else is given with an argument, where there are such arguments, for it to have a meaning
PERIODIC = {"boundary": "periodic", "cell": [1e-7, 1e-7, 1e-7]}
WITH = {"cell": PERIODIC, "images": PERIODIC, "image_shape": {**PERIODIC, "images": 1}, "macroscopic": PERIODIC}
WITH["absorption_rates(dielectric)"] = WITH["absorption_rates(permittivity)"] = {
    "dielectric": ABSORPTION,
    "permittivity": 1.0,
}
SUM_OF_BLOCKS = {"form": "derived", "n0": 2.0, "waves": 1.0}
WITH["checkpoint"] = {"method": "direct"}
WITH |= {f"self_consistent_ratio({argument})": SUM_OF_BLOCKS for argument in ("n0", "waves")}

# by argument what is wrong, for all that have it; by name and argument, for one
WRONG = {
    "above": EDGE,
    "anchors": [WORDS, OBJECT, 5, [np.nan], [-1.0], ([1e7], WORDS), ([1e7], [np.nan]), 1j],
    "applied": [*unless_none(FINITE), 5.0, np.zeros((1, 6)), np.ones((2, 5)), np.arange(9.0).reshape(1, 3, 3)],
    "arrays": [],  # any names
    "asymmetry": NUMBER,
    "at": [*unless_none(FINITE), [-1.0]],
    "averaged": FLAG,
    "basis": CHOICE,
    "below": EDGE,
    "block_size": POSITIVE,
    "blocks": ROWS,
    "boundary": CHOICE,
    "broadening": unless_none(ONE_POSITIVE),
    "c_l": POSITIVE,
    "c_t": POSITIVE,
    "block_volume": ONE_POSITIVE,
    "called": [],  # a hook of the command line
    "cell": [WORDS, OBJECT, 5.0, [1.0, 2.0], [1.0, 1.0, 0.0], [1.0, 1.0, np.nan], np.zeros((3, 3)), 1j],
    "checkpoint": unless_none(PATH),
    "chi": [*UNREAL, np.nan, np.inf, None, 5.0, np.zeros((3, 3)), np.triu(np.ones((6, 6))), mbfast.Moduli(np.nan, 0.0)],
    "coherent": FLAG,
    "component": CHOICE,
    "components": CHOICE,
    "convention": CHOICE,
    "coupling": [*FINITE, -1.0],
    "couplings": [*unless_none(FINITE), None, 1.0, [1.0, 2.0], [2.0, 1.0, 3.0], [0.0, 1.0, 2.0], [1.0, 2.0, 1e7]],
    "cutoff": POSITIVE,
    "degree": [0, -1, 1.5, "7", 99, None, [7], np.nan, True],
    "density": [*FINITE, -1.0],
    "dielectric": FINITE,
    "dr": [*VECTORS[:-1], [1e300, 0.0, 0.0]],
    "energies": [*FINITE, [], 1.0, [[0.0]]],
    "ensemble": CHOICE,
    "ensembles": [None, WORDS, 5, {}, {"a": 5}, {5: lambda **_: SUPER}, {"a": lambda **_: 5}, OBJECT],
    "exclude": [None, WORDS, 5, [5], OBJECT, [None], ["quartz"]],
    "f": SAMPLES,
    "figure": [None, WORDS, 5, OBJECT],
    "file": PATH,
    "folder": [None, 5, OBJECT, b"folder"],
    "form": CHOICE,
    "function": [None, WORDS, 5, OBJECT],
    "g": unless_none(SAMPLES),
    "gamma_l": FINITE,
    "gamma_t": FINITE,
    "glass": [5, "quartz", OBJECT, ["a-SiO2"], True],
    "glasses": [*LISTED, [], ["a-SiO2"]],
    "imag": SAMPLES,
    "image_shape": CHOICE,
    "inputs": [None, WORDS, 5, [5], {5: 5}, OBJECT],
    "items": [None, 5, OBJECT],
    "images": [-1, 1.5, "3", [1], np.nan, True, OBJECT],
    "interaction": INTERACTION,
    "interpolation": CHOICE,
    "inverse": FLAG,
    "k_l": [*FINITE, -1.0, 1e300],
    "k_t": [*FINITE, -1.0, 1e300],
    "k": [0, -1, 1.5, "2", [1], np.nan, True, OBJECT, 5],
    "keep": CHOICE,
    "kind": CHOICE,
    "Checkpoint(kind)": [None, 5, [WORDS], OBJECT],
    "known": unless_none(SAMPLES),
    "lattice": [None, WORDS, 5, mbfast.BlockLattice, POINTS],
    "levels": [None, WORDS, 5, OBJECT, [None], [BLOCK], mbfast.Block([0.0], np.zeros((6, 1, 1)))],
    "linear": FLAG,
    "longitudinal": SAMPLES,
    "macroscopic": CHOICE,
    "measured": POSITIVE,
    "members": [*COUNT, 1, None],
    **{
        f"pairs.cluster_planning.predict_cluster({name})": [
            WORDS,
            -1.0,
            0,
            np.nan,
            None,
            OBJECT,
            [1.0, 2.0],
            "3 parsec/s",
        ]
        for name in ("memory", "network", "disk")
    },
    "pairs.cluster_planning.predict_cluster(speed)": [WORDS, -1.0, 0.0, np.nan, OBJECT, [1.0, 2.0]],
    "memory": [0, -1, 1.5, None, np.nan, True, OBJECT, WORDS, "3 XB", "", [5], 1, "1 kB", 1 << 70],
    "method": CHOICE,
    "modulus": POSITIVE,
    "moment_change": CHOICE,
    "moments": [*FINITE, 5.0, MOMENTS[:1], [1.0, 2.0]],
    "n": [-1, 1.5, "2", [1], np.nan, True, None, OBJECT, 1 << 70],
    "n0": [*POSITIVE, 1.0],
    "n_blocks": [*COUNT, None, 63],
    "names": [5, WORDS, OBJECT],
    "offsets": DIRECTION,
    "omega": GRID,
    "omega_c": POSITIVE,
    "others": [None, WORDS, 5, [5], OBJECT, [None]],
    "out": OUT,
    "part": [None, 1.5, [WORDS], True, OBJECT],
    "path": PATH,
    "permittivity": POSITIVE,
    "polarization": [*CHOICE[:-1], None, [1.0, 2.0], np.nan],
    "plane": [WORDS, 5, OBJECT, [], ("z",), ("w", 0), ("z", 0)],  # which are no lattice
    "power": NUMBER,
    "predicted": POSITIVE,
    "quantity": CHOICE,
    "progress": ["yes", 5, None, OBJECT],
    "psi": [WORDS, OBJECT, {"a": 1}, RAGGED, None, [True] * 4, ["1.0"] * 4, [1.0, 2.0], 5.0],
    "r": VECTORS,
    "reduced": FLAG,
    "reference": FINITE,
    "result": [None, WORDS, 5, dict, OBJECT],
    "rng": [None, 5, WORDS, OBJECT, np.random],
    "relaxation": unless_none(POSITIVE),
    "relaxation_time": unless_none([*NUMBER, -1.0]),
    "relaxational": FLAG,
    "rtol": [WORDS, 0.0, -1.0, 0.5, np.nan, np.inf, [1e-3], OBJECT],
    "run": [None, WORDS, 5, mbfast.Flow, OBJECT],
    "second": CHOICE,
    "first": CHOICE,
    "s": [-1, 2, 1.5, "1", [1], np.nan, True, None, OBJECT],
    "self_field": FLAG,
    "slab": [WORDS, 5, OBJECT, [], ("z", 0.0), ("w", 0.0, 1.0), ("z", 1.0, 2.0), ("z", np.nan, 1.0), ("z", "a", "b")],
    "network": [],  # of one function
    "disk": [],
    "speed": [],
    "workers": COUNT,
    "threads_per_worker": COUNT,
    "shape": [WORDS, 5.5, (1, 2), (1, 2, -1), (1, 2, 1.5), None, OBJECT, (1, 2, True)],
    "sides": [None, WORDS, 5, [], [1.5], [-1], ["a"], [True], np.array(3), OBJECT, [10**9]],
    "size": ONE_POSITIVE,
    "min_tunnelling": [*ONE_POSITIVE, 1e-22],
    "solver": CHOICE,
    "spacing": ONE_POSITIVE,
    "spectrum": [None, WORDS, 5, mbfast.Spectrum, OMEGA[:2]],
    "max_splitting": ONE_POSITIVE,
    "spread": ONE_POSITIVE,
    "start": POSITIVE,
    "steps": [*COUNT, 1],
    "stop": POSITIVE,
    "strain": [*NUMBER, 1e300],
    "strength": FINITE,
    "stress": FINITE,
    "super_block": [None, WORDS, 5, mbfast.SuperBlock, OBJECT],
    "temperature": [*FINITE, -1.0, [1.0, -1.0]],
    "tensor": [*FINITE, np.zeros((6, 5)), 5.0],
    "threads": COUNT,
    "times": [*FINITE, [[1.0]]],
    "transverse": SAMPLES,
    "tunnelling": NUMBER,
    "tunnelling_l": POSITIVE,
    "tunnelling_t": POSITIVE,
    "flow(interaction)": INTERACTION[:-1],  # takes several
    **{f"glasses.medium({number})": [] for number in ("density", "c_l", "c_t")},  # left to the interaction
    "n_levels": [*COUNT, 1 << 70],
    "superblock.clusters.second_order(omega)": [*UNREAL, np.nan, None, 1e9, [1e9], [-1j], [[1j]]],
    **{
        f"superblock.{name}(omega)": [*UNREAL, np.nan, None, 1e9, [1e9], [-1j], [[1j]]]
        for name in ("perturbation.first_order", "kubo.exact_susceptibility", "orders.measure_orders")
    },
    "superblock.kubo.exact_susceptibility(coupling)": NUMBER,
    "superblock.planning.predict(levels)": [*unless_none(COUNT), 1, None],
    "superblock.ensembles.isotropic_two_level_blocks(x)": [*NUMBER, -0.7],
    **{f"{name}(start)": NUMBER for name in ("superblock.evolution.evolve", "SuperBlock.evolve")},
    "superblock.ensembles.gaussian_blocks(x)": [*NUMBER, -0.7],
    "superblock.ensembles.isotropic_stress(x)": [*NUMBER, -0.7],
    "disordered_response(strain)": CHOICE,
    "isotropic_tensor(longitudinal)": FINITE,
    "isotropic_tensor(transverse)": FINITE,
    **{key: [*FINITE, -np.inf] for key in WITHOUT_GRID},
    "StoredLatticeField.__call__(out)": [*OUT, None, "field.txt", np.zeros((2, 1, 1, 6))],
    "vectors": [*COUNT, 1, None],
    "volume": ONE_POSITIVE,
    "wave": [WORDS, 5, StrainWave, OBJECT, DRIVEN["wave"].window, StrainWave(np.zeros(6), 1.0, 1.0)],
    "waves": ONE_POSITIVE,
    "wavevector": DIRECTION,
    "viewing.save_vtk(file)": [*PATH, "blocks", "blocks.vti", "blocks.png"],
    "plotting.style.save_figure(file)": [*PATH, "figure", "figure.gif", "figure.png.txt"],
    "x": FINITE,
    "y": FINITE,
}


def table():
    """Every public name with every argument of it, but those that take what another library makes."""
    functions = {
        name: function for name, function in FUNCTIONS.items() if not name.startswith(("adapters.", "distributed."))
    }
    found = {
        **functions, **{name: cls for name, cls in CLASSES.items() if "Parameters" in sections(cls)},
        **{name: method for name, method in METHODS.items() if name.partition(".")[2] not in HOOKS},
    }  # fmt: skip
    return {(name, argument): member for name, member in found.items() for argument in parameters(member)}


ARGUMENTS = table()


def test_the_table_is_complete():
    assert sorted({name for name, _ in ARGUMENTS} ^ CALLS.keys()) == []
    assert sorted({argument for _, argument in ARGUMENTS} - WRONG.keys()) == []
    assert sorted(key for key in WRONG if "(" in key and tuple(key[:-1].split("(")) not in ARGUMENTS) == []


def refused(name, argument, wrong):
    """None if a call with a wrong argument is refused by the argument's name, else what it does."""
    function, arguments = CALLS[name]
    known = inspect.signature(function).parameters
    more = {
        key: value for key, value in WITH.get(f"{name}({argument})", WITH.get(argument, {})).items() if key in known
    }
    if wrong is None and known[argument].default is None:
        return None
    try:
        function(**{**arguments, **more, argument: wrong})
    except (ValueError, TypeError, MemoryError) as error:
        # some are refused together; values are known of anchors, and names of glasses unknown
        named = re.match(rf"(\w+ and |\w+ \(of |unknown )?{argument}\b", str(error)) and "\n" not in str(error)
        return None if named else f"{argument}={wrong!r} is refused without a name: {error}"
    except Exception as error:
        return f"{argument}={wrong!r} ends in {error!r}"
    return f"{argument}={wrong!r} is taken"


@pytest.mark.parametrize("name", CALLS)
def test_what_is_wrong_is_refused_by_name(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = [argument for other, argument in ARGUMENTS if other == name]
    cases = [(key, wrong) for key in arguments for wrong in WRONG.get(f"{name}({key})", WRONG[key])]
    assert [text for key, wrong in cases if (text := refused(name, key, wrong))] == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.compiled
@pytest.mark.parametrize("name", [name for name in CALLS if not name.startswith(("plotting", "files", "viewing"))])
def test_what_is_right_is_taken(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where a checkpoint is made
    function, arguments = CALLS[name]
    if arguments or not parameters(ARGUMENTS[name, next(key for other, key in ARGUMENTS if other == name)]):
        made = function(**arguments)
        if isinstance(made, mbfast.Checkpoint):
            made.close()
