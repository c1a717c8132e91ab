"""Flows and rates: one flow, and many at once. The reference of a group is the bare cost of its convolutions.

A flow's convolutions dominate it: `bare` makes as many of the same, with a plan made before.
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


@pytest.mark.parametrize("name", ["bare", "mbfast"])
@pytest.mark.parametrize("form", FORMS)
def test_one_flow(benchmark, form, name):
    given, plan = spectrum(1.0), mbfast.ConvolutionPlan(NODES, above="power")

    def bare():
        for _ in range(STEPS):
            plan(given.transverse, temperature=1.0, threads=1)
            if FORMS[form] == 2:
                plan(given.longitudinal, given.transverse, temperature=1.0, threads=1)

    run = of_steps(form, threads=1)
    assert run.status == "done"
    assert run.scales.size == STEPS + 1
    benchmark.group, benchmark.name = f"flow of {STEPS} steps, 512 nodes, {form}", name
    benchmark(bare if name == "bare" else lambda: of_steps(form, threads=1))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("form", FORMS)
def test_many_flows(benchmark, form, threads):
    kelvin = np.geomspace(0.01, 100.0, 2 if benchmark.disabled else 16)
    benchmark.group, benchmark.name = f"16 such flows, {form}", f"mbfast, {threads} threads"
    benchmark.pedantic(of_steps, (form, kelvin), {"threads": threads, "keep": "ends"}, rounds=3, warmup_rounds=1)


@pytest.mark.parametrize("form", FORMS)
def test_absorption_rates(benchmark, form):
    given = spectrum(1.0)
    benchmark.group, benchmark.name = "absorption rates at 512 nodes", form
    benchmark(mbfast.absorption_rates, given, SILICA, 5e-9, 2.0, form=form, threads=1)
