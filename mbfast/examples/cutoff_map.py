"""mbfast as a backend: cutoff lengths of all glasses of known density over a grid of frequencies and cutoffs."""

import numpy as np

import mbfast


def main() -> None:
    """Print the largest cutoff length of each glass over the grid."""
    glasses = [glass for glass in mbfast.load_glasses() if glass.density is not None]
    moduli = np.array([glass.modulus_t for glass in glasses])[:, None, None]  # materials x frequencies x cutoffs
    omega = np.geomspace(1e6, 1e10, 100)[:, None]
    omega_c = np.geomspace(1e11, 1e15, 100)
    lengths = np.asarray(mbfast.cutoff_length(moduli, omega, omega_c))
    for glass, largest in zip(glasses, lengths.max(axis=(1, 2)), strict=True):
        print(f"{glass.name:8s} {largest * 1e10:.2f} angstrom")


if __name__ == "__main__":
    main()
