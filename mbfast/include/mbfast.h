/* The pair sums of mbfast for C and C++: types of the functions whose addresses mbfast.kernels.capi.address gives.
 *
 * Pointers are to C-contiguous doubles in the layout and units of mbfast.kernels.stress and mbfast.kernels.dipole: a
 * row for each coordinate or component, as long as there are blocks. The caller owns them. What is named out, field or
 * local is added to. Energies are sums over pairs i < j, forces (3, m) and the virial (9, m) of each target their
 * derivatives. Spins (n) are 1 or -1, moments are those of spin 1 times two, and local (n) is kept up, as
 * mbfast.kernels.spins says; a flip returns the change of the energy of all pairs.
 *
 * A function may be called from any thread, without the GIL, as long as the process that gave the address lives:
 *
 *     mbfast_dipole_field *field = (mbfast_dipole_field *)address;
 *     field(m, targets, n, positions, moments, out);
 */
#ifndef MBFAST_H
#define MBFAST_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef void mbfast_stress_field(int64_t m, const double *targets, int64_t n, const double *positions,
                                 const double *moments, double c0, double c1, double c2, double *out);
typedef double mbfast_stress_energy(int64_t n, const double *positions, const double *moments, double c0, double c1,
                                    double c2);
typedef void mbfast_stress_source_field(int64_t m, const double *targets, const double *source, const double *moment,
                                        double c0, double c1, double c2, double *out);
typedef double mbfast_stress_change_moment(int64_t s, const double *new_moment, int64_t n, const double *positions,
                                           double *moments, double c0, double c1, double c2, double *field);
typedef void mbfast_stress_source_energies(int64_t m, const double *targets, const double *target_moments,
                                           const double *source, const double *moment, double c0, double c1, double c2,
                                           double *out);
typedef double mbfast_stress_flip(int64_t s, int64_t n, double *spins, const double *positions, const double *moments,
                                  double c0, double c1, double c2, double *local);
typedef void mbfast_stress_forces(int64_t m, const double *targets, const double *target_moments, int64_t n,
                                  const double *positions, const double *moments, double c0, double c1, double c2,
                                  double *out);
typedef void mbfast_stress_virial(int64_t m, const double *targets, const double *target_moments, int64_t n,
                                  const double *positions, const double *moments, double c0, double c1, double c2,
                                  double *out);

typedef void mbfast_dipole_field(int64_t m, const double *targets, int64_t n, const double *positions,
                                 const double *moments, double *out);
typedef double mbfast_dipole_energy(int64_t n, const double *positions, const double *moments);
typedef void mbfast_dipole_source_field(int64_t m, const double *targets, const double *source, const double *moment,
                                        double *out);
typedef double mbfast_dipole_change_moment(int64_t s, const double *new_moment, int64_t n, const double *positions,
                                           double *moments, double *field);
typedef void mbfast_dipole_source_energies(int64_t m, const double *targets, const double *target_moments,
                                           const double *source, const double *moment, double *out);
typedef double mbfast_dipole_flip(int64_t s, int64_t n, double *spins, const double *positions, const double *moments,
                                  double *local);
typedef void mbfast_dipole_forces(int64_t m, const double *targets, const double *target_moments, int64_t n,
                                  const double *positions, const double *moments, double *out);
typedef void mbfast_dipole_virial(int64_t m, const double *targets, const double *target_moments, int64_t n,
                                  const double *positions, const double *moments, double *out);

#ifdef __cplusplus
}
#endif

#endif
