"""Flows and rates: one flow, and many at once. The reference is the bare cost of its convolutions.

A flow's convolutions dominate it: the reference makes as many of the same, with a plan made before. Flows at one are
compared with flows one by one, a flow with rates that are added up step by step.
"""

import numpy as np
import pytest

import mbfast

SILICA = mbfast.StressInteraction(2200, 5800, 3800)
NODES = np.geomspace(1e5, 1e15, 512)
STEPS = 20
FORMS = {"printed": 1, "derived": 2, "derived-points": 2, "total-strain": 2}  # convolutions a step


def spectrum(temperature):
    shape = 1 / (1 + (NODES / 3e13) ** 2)
    return mbfast.Spectrum(NODES, -7e7 * shape, -3e7 * shape * (NODES / 1e12) ** 0.02, temperature, above="power")


def of_steps(form, temperature=1.0, **options):
    return mbfast.flow(spectrum(temperature), SILICA, start=5e-9, stop=5e-9 * 2.0**STEPS, form=form, **options)


def convolutions(form, steps):
    given, plan = spectrum(1.0), mbfast.ConvolutionPlan(NODES, above="power")

    def run():
        for _ in range(steps):
            plan(given.transverse, temperature=1.0, threads=1)
            if FORMS[form] == 2:
                plan(given.longitudinal, given.transverse, temperature=1.0, threads=1)

    return run


@pytest.mark.parametrize("name", ["convolutions", "mbfast"])
@pytest.mark.parametrize("form", FORMS)
def test_one_flow(case, form, name):
    """A flow, and its second half from what the first leaves; per total strain, in other steps."""
    group = f"flow of {STEPS} steps, 512 nodes, {form}"
    if name == "convolutions":
        case(group, name, convolutions(form, STEPS), rounds=3)
        return
    if form == "total-strain":
        other = of_steps(form, threads=1, n0=32.0)
    else:
        whole = of_steps(form, threads=1)
        middle = mbfast.Spectrum(NODES, whole.longitudinal[10], whole.transverse[10], 1.0, above="power")
        ends = {"start": whole.scales[10], "stop": whole.scales[-1]}
        other = mbfast.flow(middle, SILICA, **ends, form=form, threads=1)
    case(
        group, f"{name}, 1 flow", lambda: of_steps(form, threads=1), other.longitudinal[-1],
        of=lambda run: run.longitudinal[-1], rounds=3,
    )  # fmt: skip


@pytest.mark.parametrize("n", [pytest.param(4, marks=pytest.mark.quick), pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("form", ["printed", "derived", "total-strain"])
def test_many_flows(case, form, n):
    kelvin = np.geomspace(0.01, 100.0, n)
    expected = of_steps(form, kelvin[1], threads=1).longitudinal[-1] if n == 4 else None
    case(
        f"flow of {STEPS} steps, 512 nodes, {form}", f"mbfast, {n} flows, 2 threads",
        lambda: of_steps(form, kelvin, threads=2, keep="ends"), expected,
        of=lambda run: run.longitudinal[1, -1], rounds=3 if n == 4 else 1,
    )  # fmt: skip


@pytest.mark.quick
@pytest.mark.parametrize("name", ["convolutions", "mbfast"])
@pytest.mark.parametrize("form", FORMS)
def test_absorption_rates(case, form, name):
    """The rate of the super block over that of one block, and what a flow of one step says of it."""
    given, group = spectrum(1.0), f"rates at 512 nodes, {form}"
    if name == "convolutions":
        case(group, name, convolutions(form, 1))
        return
    step = mbfast.flow(given, SILICA, start=5e-9, stop=1e-8, form=form, threads=1)
    case(
        group, name, lambda: mbfast.absorption_rates(given, SILICA, 5e-9, 2.0, form=form, threads=1),
        8.0 * step.longitudinal[-1] / step.longitudinal[0], of=lambda rates: rates.total[0] / rates.single[0],
    )  # fmt: skip
