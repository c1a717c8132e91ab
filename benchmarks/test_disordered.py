"""The effective response of blocks that differ, by each solver; the rows of the audit that take minutes."""

import numpy as np
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


SIZES = [pytest.param(32, marks=pytest.mark.quick), 64, pytest.param(128, marks=pytest.mark.slow)]


def one_field(case, rng, group, n, boundary):
    lattice = mbfast.BlockLattice((n, n, n), 5e-9, averaged=True)
    field, moments = mbfast.LatticeField(SILICA, lattice, boundary=boundary), rng.normal(size=(n, n, n, 6))
    case(group, "field", lambda: field(moments), rounds=5)


@pytest.mark.parametrize("boundary", ["open", "periodic"])
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("solver", ["field", "bicgstab", "gmres", "lgmres"])
def test_one_strain(case, benchmark, rng, solver, n, boundary):
    if n > 32 and (benchmark.disabled or solver in {"gmres", "lgmres"}):
        pytest.skip("only timed" if benchmark.disabled else "takes more memory, for 128^3 blocks 5 to 6 GB")
    group = f"disordered response, {boundary}, {n}^3"
    if solver == "field":
        one_field(case, rng, group, n, boundary)
        return
    lattice, chi = mbfast.BlockLattice((n, n, n), 5e-9, averaged=True), sample(n, rng)
    options = {"boundary": boundary, "solver": solver, "applied": SHEAR, "self_field": True}
    case(
        group, solver, lambda: mbfast.disordered_response(SILICA, lattice, chi, **options), (1e-6, MOST),
        of=lambda made: (made.residual.max(), made.fields), rounds=1 if n > 64 else 2,
    )  # fmt: skip


@pytest.mark.parametrize("contender", ["field", "mbfast"])
@pytest.mark.parametrize(
    "number", [pytest.param(i, marks=pytest.mark.slow) if row[0].n0 > 16 else i for i, row in enumerate(audit.RECORDED)]
)
def test_recorded_samples(case, benchmark, rng, number, contender):
    """What the audit records of samples of one size, made again."""
    external, first, total = audit.RECORDED[number]
    if benchmark.disabled and external.n0 > 16:
        pytest.skip("only timed")
    group = f"samples of the audit, {external.n0}^3"
    if contender == "field":
        one_field(case, rng, group, external.n0, "open")
        return
    case(
        group, contender,
        lambda: [audit.row(row.n0, row.samples, strain) for row, strain in ((external, "external"), (total, "total"))],
        2e-4, rounds=1,
        of=lambda rows: np.abs(np.subtract([row[2:] for row in rows], [external[2:], total[2:]])),
    )  # fmt: skip
    assert audit.first_order(external.n0) == pytest.approx(first, abs=2e-4)
