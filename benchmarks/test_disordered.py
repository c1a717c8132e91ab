"""The effective response of blocks that differ, by each solver; the rows of the audit that take minutes."""

import pytest

import mbfast
from mbfast.audit import _disordered as audit

SILICA = mbfast.StressInteraction(2200, 5800, 3800)
ALONG, ACROSS = SILICA.density * SILICA.c_l**2, SILICA.density * SILICA.c_t**2
SHEAR = [[0.0, 0.0, 0.0, 0.0, 0.0, 0.5]]
MOST = 60  # fields, of any number of blocks


def sample(n, rng):
    """Blocks up to half as soft as the medium, which absorb."""
    bulk, shear = (rng.uniform(-0.5, 0.0, (n, n, n)) - 0.2j * rng.random((n, n, n)) for _ in range(2))
    return mbfast.Moduli(bulk * (ALONG - 4 / 3 * ACROSS) + 4 / 3 * shear * ACROSS, shear * ACROSS)


@pytest.mark.parametrize("boundary", ["open", "periodic"])
@pytest.mark.parametrize("n", [32, 64, 128])
@pytest.mark.parametrize("solver", ["bicgstab", "gmres", "lgmres"])
def test_one_strain(benchmark, rng, solver, n, boundary):
    if benchmark.disabled and n > 32:
        pytest.skip("only timed")
    if solver != "bicgstab" and n > 64:
        pytest.skip("takes 5 to 6 GB")
    lattice, chi = mbfast.BlockLattice((n, n, n), 5e-9, averaged=True), sample(n, rng)
    benchmark.group, benchmark.name = f"disordered response, {boundary}, {n}^3", solver
    options = {"boundary": boundary, "solver": solver, "applied": SHEAR, "self_field": True}
    made = benchmark.pedantic(
        lambda: mbfast.disordered_response(SILICA, lattice, chi, **options), rounds=1 if n > 64 else 3
    )
    assert made.residual.max() <= 1e-6
    assert made.fields <= MOST


@pytest.mark.parametrize("number", range(len(audit.RECORDED)))
def test_recorded_samples(benchmark, number):
    external, first, total = audit.RECORDED[number]
    if benchmark.disabled and external.n0 > 16:
        pytest.skip("only timed")
    benchmark.group = benchmark.name = f"samples of the audit, {external.n0}^3"
    rows = benchmark.pedantic(
        lambda: [audit.row(row.n0, row.samples, strain) for row, strain in ((external, "external"), (total, "total"))],
        rounds=1,
    )
    for made, recorded in zip(rows, (external, total), strict=True):
        assert made.mean == pytest.approx(recorded.mean, abs=2e-4)
        assert made.scatter == pytest.approx(recorded.scatter, abs=2e-4)
    assert audit.first_order(external.n0) == pytest.approx(first, abs=2e-4)
