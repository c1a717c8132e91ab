"""Pair sums as functions of PyTorch: values, first and second derivatives in all layouts, what is refused."""

import re
import textwrap

import numpy as np
import pytest
from materials import UNIT_DIPOLES, UNIT_JOFFRIN_LEVELUT, UNIT_STRESS, WEIGHTS, full, random_moments, six

import mbfast
from mbfast.adapters.torch import pair_energy, pair_field

torch = pytest.importorskip("torch", reason="needs PyTorch, of the extra torch")

CUBES = mbfast.BlockLattice((2, 1, 1), 1.3, averaged=True)
# blocks, where None stands for positions, and options
SYSTEMS = {
    "open": (None, {}),
    "images": (None, {"boundary": "periodic", "cell": [3.0, 2.5, 4.0], "images": 1, "method": "direct"}),
    "lattice": (mbfast.BlockLattice((2, 1, 1), 1.3), {"boundary": "periodic", "images": 1}),
    "cubes": (CUBES, {"self_field": True, "method": "direct"}),
}
COMPILED = {
    "ewald": (None, {"boundary": "periodic", "cell": [3.0, 2.5, 4.0], "rtol": 1e-12}),
    "all images": (mbfast.BlockLattice((2, 1, 1), 1.3), {"boundary": "periodic"}),
}
LAYOUTS = pytest.mark.parametrize("layout", ["three", "six", "full"])
N = 4


def arguments(name, layout, seed=1):
    """An interaction, blocks, moments as tensors that require gradients, and options."""
    blocks, options = {**SYSTEMS, **COMPILED}[name]
    interaction = UNIT_DIPOLES if layout == "three" else UNIT_STRESS
    moments = random_moments(seed, (N,) if blocks is None else blocks.shape, interaction)
    moments = torch.tensor(six(moments) if layout == "six" else moments, requires_grad=True)
    if blocks is None:
        corners = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
        blocks = torch.tensor(1.2 * corners + 0.3 * np.random.default_rng(seed).random((N, 3)), requires_grad=True)
    return interaction, blocks, moments, options


def differentiable(function, name, layout):
    """A function of the tensors alone, and these."""
    interaction, blocks, moments, options = arguments(name, layout)
    if isinstance(blocks, mbfast.BlockLattice):
        return lambda moments: function(interaction, blocks, moments, **options), (moments,)
    return lambda blocks, moments: function(interaction, blocks, moments, **options), (blocks, moments)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.compiled if name == "cubes" else ()) for name in SYSTEMS]
)
@LAYOUTS
def test_values_are_those_of_mbfast(name, layout):
    interaction, blocks, moments, options = arguments(name, layout)
    places = blocks if isinstance(blocks, mbfast.BlockLattice) else blocks.detach().numpy()
    arrays = interaction, places, moments.detach().numpy()
    assert pair_energy(interaction, blocks, moments, **options).item() == mbfast.pair_energy(*arrays, **options)
    field = pair_field(interaction, blocks, moments, **options)
    assert field.dtype == torch.float64
    np.testing.assert_array_equal(field.detach().numpy(), mbfast.pair_field(*arrays, **options))


@pytest.mark.compiled
@pytest.mark.parametrize("name", SYSTEMS)
@LAYOUTS
@pytest.mark.parametrize("function", [pair_energy, pair_field])
def test_derivatives(function, name, layout):
    # central differences of step 1e-6 of functions of the order of one: errors of 1e-10 by rounding, 1e-9 by steps
    assert torch.autograd.gradcheck(*differentiable(function, name, layout), eps=1e-6, atol=1e-7, rtol=1e-6)


@pytest.mark.compiled
@pytest.mark.parametrize("name", COMPILED)
def test_derivatives_of_sums_over_all_images(name):
    # of random combinations of outputs along random directions: each evaluation sets a sum up
    checked = {"eps": 1e-6, "atol": 1e-6, "rtol": 1e-5, "fast_mode": True}
    assert torch.autograd.gradcheck(*differentiable(pair_field, name, "six"), **checked)


@pytest.mark.compiled
@LAYOUTS
@pytest.mark.parametrize("name", ["open", "lattice"])
@pytest.mark.parametrize("function", [pair_energy, pair_field])
def test_second_derivatives_by_moments(function, name, layout):
    interaction, blocks, moments, options = arguments(name, layout)
    blocks = blocks.detach() if isinstance(blocks, torch.Tensor) else blocks
    call = lambda moments: function(interaction, blocks, moments, **options)  # noqa: E731
    assert torch.autograd.gradgradcheck(call, (moments,), eps=1e-6, atol=1e-6, rtol=1e-5, fast_mode=True)


def test_the_gradient_of_six_components():
    interaction, blocks, moments, _ = arguments("open", "six")
    pair_energy(interaction, blocks, moments).backward()
    field = mbfast.pair_field(interaction, blocks.detach().numpy(), moments.detach().numpy())
    np.testing.assert_allclose(moments.grad.numpy(), 2.0 * WEIGHTS * field, rtol=1e-13)
    forces = mbfast.pair_forces(interaction, blocks.detach().numpy(), moments.detach().numpy())
    np.testing.assert_allclose(blocks.grad.numpy(), -forces, rtol=1e-13)
    # the same energy of the tensors: each of the two places has half of the derivative
    tensors = torch.tensor(full(moments.detach().numpy()), requires_grad=True)
    pair_energy(interaction, blocks.detach(), tensors).backward()
    np.testing.assert_allclose(tensors.grad.numpy(), full(moments.grad.numpy() / WEIGHTS), rtol=1e-13)


def test_the_symmetric_part_of_tensors_is_taken():
    interaction, blocks, moments, _ = arguments("open", "full")
    other = moments.detach().clone()
    other[:, 0, 1] += 1.0
    other[:, 1, 0] -= 1.0
    one, another = (pair_energy(interaction, blocks, t).item() for t in (moments, other))
    assert one == pytest.approx(another, rel=1e-13)


def test_moments_and_cotangents_of_very_different_sizes():
    # in SI units moments are 1e-19 and cotangents may be 1: the bilinear form must lose neither beside the other
    interaction, blocks, moments, _ = arguments("open", "full")
    gradients = []
    for scale in (1.0, 1e-19):
        (by_blocks,) = torch.autograd.grad(pair_field(interaction, blocks, scale * moments).square().sum(), blocks)
        gradients.append(by_blocks.numpy() / scale**2)
    np.testing.assert_allclose(gradients[1], gradients[0], rtol=1e-12)
    cotangent = torch.zeros_like(moments)
    (none,) = torch.autograd.grad(pair_field(interaction, blocks, moments), blocks, cotangent)
    assert not none.any()


@pytest.mark.compiled
def test_a_given_mean_stress_is_no_part_of_derivatives_of_fields():
    interaction, blocks, moments, options = arguments("ewald", "six")
    interaction = mbfast.StressInteraction(1 / (8 * np.pi), 1.5, 1.0)
    options = {**options, "macroscopic": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]}
    for function in (pair_energy, pair_field):
        call = lambda blocks, moments: function(interaction, blocks, moments, **options)  # noqa: B023, E731
        assert torch.autograd.gradcheck(call, (blocks, moments), eps=1e-6, atol=1e-6, rtol=1e-5, fast_mode=True)


@pytest.mark.compiled
def test_an_interaction_of_its_own_form():
    _, blocks, moments, _ = arguments("open", "full")
    call = lambda blocks, moments: pair_field(UNIT_JOFFRIN_LEVELUT, blocks, moments)  # noqa: E731
    assert torch.autograd.gradcheck(call, (blocks, moments), eps=1e-6, atol=1e-6, rtol=1e-6)


def test_mixed_second_derivatives_one_way_and_an_error_the_other_way():
    interaction, blocks, moments, _ = arguments("open", "three")
    (by_moments,) = torch.autograd.grad(pair_energy(interaction, blocks, moments), moments, create_graph=True)
    (mixed,) = torch.autograd.grad(by_moments[0, 0], blocks)
    shifted = blocks.detach().clone()
    shifted[1, 2] += 1e-5
    change = (pair_field(interaction, shifted, moments) - pair_field(interaction, blocks, moments)).detach()[0, 0]
    assert mixed[1, 2].item() == pytest.approx(2.0 * change.item() / 1e-5, rel=1e-3)
    (by_blocks,) = torch.autograd.grad(pair_energy(interaction, blocks, moments), blocks, create_graph=True)
    with pytest.raises(NotImplementedError, match="differentiated by positions cannot be differentiated again"):
        by_blocks.sum().backward()


@pytest.mark.compiled
def test_positions_found_by_an_optimizer():
    # a charge-free pair of dipoles, one fixed: the field at the other is made what it is at the distance 2
    places = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 1.5]], dtype=torch.float64, requires_grad=True)
    dipoles = torch.tensor([[0.0, 0.0, 1.0]] * 2, dtype=torch.float64)
    optimizer = torch.optim.LBFGS([places], line_search_fn="strong_wolfe", tolerance_grad=1e-14)

    def loss():
        optimizer.zero_grad()
        field = pair_field(UNIT_DIPOLES, places, dipoles)
        value = (field[1, 2] / (-2.0 / 8.0) - 1.0) ** 2
        value.backward()
        return value

    for _ in range(5):
        optimizer.step(loss)
    assert torch.linalg.norm(places[1] - places[0]).item() == pytest.approx(2.0, rel=1e-6)


@pytest.mark.parametrize("function", [pair_energy, pair_field])
def test_what_is_refused(function):
    interaction, blocks, moments, _ = arguments("open", "full")
    wanted = "must be a float64 tensor on the CPU, got"
    with pytest.raises(TypeError, match=f"moments {wanted} ndarray"):
        function(interaction, blocks, moments.detach().numpy())
    with pytest.raises(TypeError, match=f"moments {wanted} torch.float32 on cpu"):
        function(interaction, blocks, moments.float())
    with pytest.raises(TypeError, match=f"blocks {wanted} list"):
        function(interaction, blocks.tolist(), moments)
    with pytest.raises(TypeError, match=f"moments {wanted} torch.float64 on meta"):
        function(interaction, blocks, moments.to("meta"))
    with pytest.raises(ValueError, match=r"moments must have shape \(4, 6\) or \(4, 3, 3\), got \(3, 3, 3\)"):
        function(interaction, blocks, moments[:3])
    with pytest.raises(ValueError, match="method must be one of auto, direct, fft, ewald, got 'slow'"):
        function(interaction, blocks, moments, method="slow")
    with pytest.raises(TypeError, match="cell must be plain numbers, got a tensor that requires a gradient"):
        function(interaction, blocks, moments, boundary="periodic", cell=torch.ones(3, requires_grad=True))


def test_tensors_that_require_gradients_are_refused_elsewhere():
    interaction, blocks, moments, _ = arguments("open", "full")
    with pytest.raises(TypeError, match="moments must be plain numbers, got a tensor that requires a gradient: mbfast"):
        mbfast.pair_field(interaction, blocks.detach(), moments)
    mbfast.pair_field(interaction, blocks.detach(), moments.detach())  # tensors without derivatives are arrays


def test_tensors_that_are_negative_views():
    """As the imaginary part of a conjugate is: PyTorch gives NumPy none of these."""
    places = torch.rand((4, 3), dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    moments = torch.complex(places, -places.flip(0)).conj().imag
    assert moments.is_neg()
    vacuum = mbfast.DipoleInteraction(1.0)
    assert pair_energy(vacuum, places, moments) == pair_energy(vacuum, places, places.flip(0))


def test_importing_the_adapter_does_not_import_torch(run_python):
    code = "import sys, mbfast.adapters.torch; mbfast.pair_field; print('torch' in sys.modules)"
    assert run_python(code).strip() == "False"


@pytest.mark.compiled
def test_the_code_of_the_guide():
    page = mbfast.guide.adapters.__doc__
    code = re.search(r"\nPyTorch\n-+\n.*?:\n\n((?:    [^\n]*\n|\n)+)", page, flags=re.DOTALL)[1]
    found = {"mbfast": mbfast}
    exec(textwrap.dedent(code), found)
    positions, dipoles = found["positions"].detach().numpy(), found["dipoles"].numpy()
    expected = mbfast.pair_forces(mbfast.DipoleInteraction(1.0), positions, dipoles)
    np.testing.assert_allclose(found["forces"].numpy(), expected, rtol=1e-12, atol=1e-14 * np.abs(expected).max())
