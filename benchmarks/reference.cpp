// Reference for the pair sums: the contracted formulas of mbfast/kernels/{stress,dipole}.py as one would write them in C++,
// structure of arrays, left to the compiler to vectorise. Compiled by benchmarks/test_pair_sums.py with
// -O3 -march=native -ffast-math -fopenmp.
#include <cmath>
#include <cstdint>

extern "C" void stress_field(int64_t n, const double *__restrict x, const double *__restrict t, double c0, double c1,
                             double c2, double *__restrict out, int threads) {
  const double *sx = x, *sy = x + n, *sz = x + 2 * n;
  const double *xx = t, *yy = t + n, *zz = t + 2 * n, *yz = t + 3 * n, *xz = t + 4 * n, *xy = t + 5 * n;
#pragma omp parallel for schedule(dynamic, 64) num_threads(threads)
  for (int64_t i = 0; i < n; i++) {
    double hxx = 0, hyy = 0, hzz = 0, hyz = 0, hxz = 0, hxy = 0, diagonal = 0;
    for (int64_t j = 0; j < n; j++) {
      const double dx = sx[i] - sx[j], dy = sy[i] - sy[j], dz = sz[i] - sz[j];
      const double r2 = dx * dx + dy * dy + dz * dz;
      const double i2 = r2 > 0 ? 1 / r2 : 0, a3 = i2 * std::sqrt(i2), a5 = a3 * i2;
      const double wx = xx[j] * dx + xy[j] * dy + xz[j] * dz, wy = xy[j] * dx + yy[j] * dy + yz[j] * dz,
                   wz = xz[j] * dx + yz[j] * dy + zz[j] * dz;
      const double trace = xx[j] + yy[j] + zz[j], q = (dx * wx + dy * wy + dz * wz) * i2;
      const double p = a5 * c2 * (0.75 * trace - 3.75 * q), m = a5 * c1 * 0.5, e = a3 * c0;
      const double ux = m * wx + p * dx, uy = m * wy + p * dy, uz = m * wz + p * dz;
      diagonal += a3 * c2 * (1.5 * q - 0.5 * trace);
      hxx += e * xx[j] + 2 * dx * ux;
      hyy += e * yy[j] + 2 * dy * uy;
      hzz += e * zz[j] + 2 * dz * uz;
      hyz += e * yz[j] + dy * uz + dz * uy;
      hxz += e * xz[j] + dx * uz + dz * ux;
      hxy += e * xy[j] + dx * uy + dy * ux;
    }
    out[i] = hxx + diagonal;
    out[n + i] = hyy + diagonal;
    out[2 * n + i] = hzz + diagonal;
    out[3 * n + i] = hyz;
    out[4 * n + i] = hxz;
    out[5 * n + i] = hxy;
  }
}

// Sum of u(T_i, T_j) over ordered pairs, the pair energy contracted directly.
extern "C" double stress_energy(int64_t n, const double *__restrict x, const double *__restrict t, double c0, double c1,
                                double c2, int threads) {
  const double *sx = x, *sy = x + n, *sz = x + 2 * n;
  const double *xx = t, *yy = t + n, *zz = t + 2 * n, *yz = t + 3 * n, *xz = t + 4 * n, *xy = t + 5 * n;
  double total = 0;
#pragma omp parallel for schedule(dynamic, 64) num_threads(threads) reduction(+ : total)
  for (int64_t i = 0; i < n; i++) {
    double sum = 0;
    const double trace_i = xx[i] + yy[i] + zz[i];
    for (int64_t j = 0; j < n; j++) {
      const double dx = sx[i] - sx[j], dy = sy[i] - sy[j], dz = sz[i] - sz[j];
      const double r2 = dx * dx + dy * dy + dz * dz;
      const double i2 = r2 > 0 ? 1 / r2 : 0, a3 = i2 * std::sqrt(i2);
      const double wx = xx[j] * dx + xy[j] * dy + xz[j] * dz, wy = xy[j] * dx + yy[j] * dy + yz[j] * dz,
                   wz = xz[j] * dx + yz[j] * dy + zz[j] * dz;
      const double vx = xx[i] * dx + xy[i] * dy + xz[i] * dz, vy = xy[i] * dx + yy[i] * dy + yz[i] * dz,
                   vz = xz[i] * dx + yz[i] * dy + zz[i] * dz;
      const double tt = xx[i] * xx[j] + yy[i] * yy[j] + zz[i] * zz[j] +
                        2 * (yz[i] * yz[j] + xz[i] * xz[j] + xy[i] * xy[j]);
      const double trace_j = xx[j] + yy[j] + zz[j];
      const double qi = (dx * vx + dy * vy + dz * vz) * i2, qj = (dx * wx + dy * wy + dz * wz) * i2;
      sum += a3 * (c0 * tt + c1 * (vx * wx + vy * wy + vz * wz) * i2 +
                   c2 * (-0.5 * trace_i * trace_j + 1.5 * (trace_i * qj + trace_j * qi) - 7.5 * qi * qj));
    }
    total += sum;
  }
  return total;
}

extern "C" void dipole_field(int64_t n, const double *__restrict x, const double *__restrict p, double *__restrict out,
                             int threads) {
#pragma omp parallel for schedule(dynamic, 64) num_threads(threads)
  for (int64_t i = 0; i < n; i++) {
    double hx = 0, hy = 0, hz = 0;
    for (int64_t j = 0; j < n; j++) {
      const double dx = x[i] - x[j], dy = x[n + i] - x[n + j], dz = x[2 * n + i] - x[2 * n + j];
      const double r2 = dx * dx + dy * dy + dz * dz;
      const double i2 = r2 > 0 ? 1 / r2 : 0, a3 = i2 * std::sqrt(i2);
      const double q = -3 * (dx * p[j] + dy * p[n + j] + dz * p[2 * n + j]) * i2;
      hx += a3 * (p[j] + q * dx);
      hy += a3 * (p[n + j] + q * dy);
      hz += a3 * (p[2 * n + j] + q * dz);
    }
    out[i] = hx;
    out[n + i] = hy;
    out[2 * n + i] = hz;
  }
}

extern "C" double dipole_energy(int64_t n, const double *__restrict x, const double *__restrict p, int threads) {
  double total = 0;
#pragma omp parallel for schedule(dynamic, 64) num_threads(threads) reduction(+ : total)
  for (int64_t i = 0; i < n; i++) {
    double sum = 0;
    for (int64_t j = 0; j < n; j++) {
      const double dx = x[i] - x[j], dy = x[n + i] - x[n + j], dz = x[2 * n + i] - x[2 * n + j];
      const double r2 = dx * dx + dy * dy + dz * dz;
      const double i2 = r2 > 0 ? 1 / r2 : 0, a3 = i2 * std::sqrt(i2);
      const double qi = dx * p[i] + dy * p[n + i] + dz * p[2 * n + i];
      const double qj = dx * p[j] + dy * p[n + j] + dz * p[2 * n + j];
      sum += a3 * (p[i] * p[j] + p[n + i] * p[n + j] + p[2 * n + i] * p[2 * n + j] - 3 * qi * qj * i2);
    }
    total += sum;
  }
  return total;
}

// Spins flip[0], flip[1], ... of blocks whose moments are spins t/2, one after the other; local is kept up.
extern "C" void stress_flips(int64_t flips, const int64_t *flip, int64_t n, double *__restrict spins,
                             const double *__restrict x, const double *__restrict t, double c0, double c1, double c2,
                             double *__restrict local) {
  const double *sx = x, *sy = x + n, *sz = x + 2 * n;
  const double *xx = t, *yy = t + n, *zz = t + 2 * n, *yz = t + 3 * n, *xz = t + 4 * n, *xy = t + 5 * n;
  for (int64_t k = 0; k < flips; k++) {
    const int64_t s = flip[k];
    const double sign = -spins[s], X = sx[s], Y = sy[s], Z = sz[s];
    const double XX = sign * xx[s], YY = sign * yy[s], ZZ = sign * zz[s], YZ = sign * yz[s], XZ = sign * xz[s],
                 XY = sign * xy[s], trace = XX + YY + ZZ;
    for (int64_t i = 0; i < n; i++) {
      const double dx = sx[i] - X, dy = sy[i] - Y, dz = sz[i] - Z, r2 = dx * dx + dy * dy + dz * dz;
      const double i2 = r2 > 0 ? 1 / r2 : 0, a3 = i2 * std::sqrt(i2);
      const double wx = XX * dx + XY * dy + XZ * dz, wy = XY * dx + YY * dy + YZ * dz, wz = XZ * dx + YZ * dy + ZZ * dz;
      const double vx = xx[i] * dx + xy[i] * dy + xz[i] * dz, vy = xy[i] * dx + yy[i] * dy + yz[i] * dz,
                   vz = xz[i] * dx + yz[i] * dy + zz[i] * dz;
      const double tt = xx[i] * XX + yy[i] * YY + zz[i] * ZZ + 2 * (yz[i] * YZ + xz[i] * XZ + xy[i] * XY);
      const double own = xx[i] + yy[i] + zz[i];
      const double qi = (dx * vx + dy * vy + dz * vz) * i2, q = (dx * wx + dy * wy + dz * wz) * i2;
      local[i] += a3 * (c0 * tt + c1 * (vx * wx + vy * wy + vz * wz) * i2 +
                        c2 * (-0.5 * own * trace + 1.5 * (own * q + trace * qi) - 7.5 * qi * q));
    }
    spins[s] = sign;
  }
}

extern "C" void dipole_flips(int64_t flips, const int64_t *flip, int64_t n, double *__restrict spins,
                             const double *__restrict x, const double *__restrict p, double *__restrict local) {
  for (int64_t k = 0; k < flips; k++) {
    const int64_t s = flip[k];
    const double sign = -spins[s], X = x[s], Y = x[n + s], Z = x[2 * n + s];
    const double PX = sign * p[s], PY = sign * p[n + s], PZ = sign * p[2 * n + s];
    for (int64_t i = 0; i < n; i++) {
      const double dx = x[i] - X, dy = x[n + i] - Y, dz = x[2 * n + i] - Z, r2 = dx * dx + dy * dy + dz * dz;
      const double i2 = r2 > 0 ? 1 / r2 : 0, a3 = i2 * std::sqrt(i2);
      const double qi = dx * p[i] + dy * p[n + i] + dz * p[2 * n + i], q = dx * PX + dy * PY + dz * PZ;
      local[i] += a3 * (p[i] * PX + p[n + i] * PY + p[2 * n + i] * PZ - 3 * qi * q * i2);
    }
    spins[s] = sign;
  }
}
