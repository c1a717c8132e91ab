/* The field of all blocks at many targets, by threads of OpenMP: each takes tiles of targets and calls the kernel. */
#include <omp.h>
#include <string.h>

#include "mbfast.h"

enum { TILE = 64 };

int map_openmp(mbfast_stress_field *field, int64_t m, const double *targets, int64_t n, const double *positions,
               const double *moments, const double *c, double *out)
{
    int threads = 1;
#pragma omp parallel
    {
#pragma omp single
        threads = omp_get_num_threads();
#pragma omp for schedule(dynamic)
        for (int64_t first = 0; first < m; first += TILE) {
            int64_t count = m - first < TILE ? m - first : TILE;
            double x[3 * TILE], h[6 * TILE] = {0.0}; /* a kernel takes rows of its own targets, and adds */
            for (int64_t a = 0; a < 3; a++)
                memcpy(x + a * count, targets + a * m + first, (size_t)count * sizeof *x);
            field(count, x, n, positions, moments, c[0], c[1], c[2], h);
            for (int64_t a = 0; a < 6; a++)
                memcpy(out + a * m + first, h + a * count, (size_t)count * sizeof *h);
        }
    }
    return threads;
}
