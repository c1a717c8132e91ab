/* Monte Carlo of two-level blocks in C: Metropolis's rule, the local field and the energy kept up flip by flip.
 *
 * The kernels' energy times scale is in units of k_B K, as is the temperature. What is in energies, one number a sweep,
 * starts from the energy that the caller gives.
 */
#include <math.h>

#include "mbfast.h"

/* SplitMix64: the top 53 of its 64 bits, as a number from 0 to 1. */
static double uniform(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

int64_t anneal(mbfast_stress_flip *flip, int64_t n, double *spins, const double *positions, const double *moments,
               const double *c, double scale, double temperature, int64_t sweeps, double *local, double energy,
               uint64_t *state, double *energies)
{
    int64_t accepted = 0;
    for (int64_t sweep = 0; sweep < sweeps; sweep++) {
        for (int64_t step = 0; step < n; step++) {
            int64_t s = (int64_t)(uniform(state) * (double)n);
            double cost = -2.0 * scale * spins[s] * local[s];
            if (cost > 0.0 && uniform(state) >= exp(-cost / temperature))
                continue;
            energy += scale * flip(s, n, spins, positions, moments, c[0], c[1], c[2], local);
            accepted++;
        }
        energies[sweep] = energy;
    }
    return accepted;
}
