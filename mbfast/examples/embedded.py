"""mbfast inside your own compiled loop: how often a Monte Carlo sample of moduli has a cutoff length above a bound."""

import numba
import numpy as np

from mbfast.kernels import cutoffs


@numba.njit
def fraction_above(bound, mean, spread, omega, omega_c, samples, rng):  # type: ignore[no-untyped-def]
    """Sample log-normal moduli (Pa) and return the fraction with a cutoff length above `bound` (m)."""
    above = 0
    for _ in range(samples):
        modulus = mean * np.exp(spread * rng.normal())
        above += cutoffs.cutoff_length(modulus, omega, omega_c) > bound
    return above / samples


def main() -> None:
    """Print the fraction for a soft glass."""
    fraction = fraction_above(1.5e-10, 2.4e9, 0.3, 1e7, 1e15, 1_000_000, np.random.default_rng(1))
    print(f"L_c > 1.5 angstrom in {100 * fraction:.1f} % of the samples")


if __name__ == "__main__":
    main()
