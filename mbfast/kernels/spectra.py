"""Integrals over piecewise polynomials: products of two (convolutions), and with a pole (Kramers-Kronig).

A function is given on n cells between increasing breaks ``b``: by its values at the eight Gauss points of each,
``values`` (n, 8), or by the coefficients, lowest first, of its polynomial of degree 7 in the local coordinate -1...1,
``c`` (n, 8). Below the first break it may go on as a power law, ``amplitude (x/b[0])**exponent exp(-rate x)``.

``rule`` (18, 8) is `RULE`: the Gauss points t_q, their weights w_q, the eight functionals ``(n + 1/2) w_q P_n(t_q)``
that take values to Legendre coefficients, and the eight that take them to the coefficients of powers.
"""

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numpy.polynomial import legendre
from numpy.typing import NDArray

from mbfast._core.jit import jit

_FAST = {"reassoc", "contract", "arcp", "nsz", "afn"}


def _rule() -> NDArray[np.float64]:
    points, weights = legendre.leggauss(8)
    functionals = (np.arange(8)[:, None] + 0.5) * weights * legendre.legvander(points, 7).T
    powers = np.zeros((8, 8))
    for n in range(8):
        powers[: n + 1, n] = legendre.leg2poly(np.eye(8)[n, : n + 1])
    return np.vstack([points, weights, functionals, powers @ functionals])


RULE = _rule()


@jit("void(float64[::1], int64[::1], int64[::1], float64[:,:,::1], float64[:,::1])", fastmath=_FAST)
def interpolate(samples: Any, starts: Any, which: Any, matrices: Any, values: Any) -> None:
    """Fill the values (n, 8) at the Gauss points of cells from samples at nodes.

    Cell i takes ``matrices[which[i]]`` (8, m) times the m samples from ``starts[i]`` on.
    """
    for i in range(values.shape[0]):
        matrix, stencil, row = matrices[which[i]], samples[starts[i] : starts[i] + matrices.shape[2]], values[i]
        for q in range(8):
            total = 0.0
            for r in range(stencil.size):
                total += matrix[q, r] * stencil[r]
            row[q] = total


@jit("void(float64[:,::1], int64, int64, float64, float64[::1])")
def exponents(samples: Any, one: int, other: int, log_ratio: float, out: Any) -> None:
    """Fill the exponents of the power laws through two samples of each row at frequencies of that logarithmic ratio.

    Zero where the first sample is, NaN where the other is then zero or has another sign.
    """
    for i in range(out.size):
        a, b = samples[i, one], samples[i, other]
        if a == 0.0:
            out[i] = 0.0
        elif (b > 0.0) if a > 0.0 else (b < 0.0):
            out[i] = (np.log(abs(a)) - np.log(abs(b))) / log_ratio
        else:
            out[i] = np.nan


@jit("void(float64[:,::1], float64[:,::1], float64[:,::1])", fastmath=_FAST)
def coefficients(values: Any, rule: Any, c: Any) -> None:
    """Fill the coefficients c (n, 8) of the polynomials through the values (n, 8)."""
    for i in range(values.shape[0]):
        for k in range(8):
            total = 0.0
            for q in range(8):
                total += rule[10 + k, q] * values[i, q]
            c[i, k] = total


@jit("void(float64[::1], float64[::1], float64[:,::1], float64, float64, float64[::1])")
def evaluate(x: Any, b: Any, c: Any, amplitude: float, exponent: float, out: Any) -> None:
    """Fill the function's values at x > 0; zero above the last break."""
    for i in range(x.size):
        if x[i] < b[0]:
            out[i] = amplitude * (x[i] / b[0]) ** exponent if amplitude != 0.0 else 0.0
        elif x[i] > b[-1]:
            out[i] = 0.0
        else:
            j = min(max(np.searchsorted(b, x[i], side="right") - 1, 0), b.size - 2)
            t = (2.0 * x[i] - b[j] - b[j + 1]) / (b[j + 1] - b[j])
            p = c[j, 7]
            for k in range(6, -1, -1):
                p = p * t + c[j, k]
            out[i] = p


@jit()
def _edge_moments(x: float, b0: float, amplitude: float, exponent: float, rate: float, out: Any) -> None:
    """Integrals from 0 to x <= b0 of the power law times y^n, n = 0...7; rate x is at most 1."""
    power = amplitude * (x / b0) ** exponent * x if amplitude != 0.0 and x > 0.0 else 0.0
    for n in range(8):
        term, total = 1.0, 0.0
        for k in range(20):  # 1/20! is below the rounding error
            total += term / (exponent + n + k + 1.0)
            term *= -rate * x / (k + 1.0)
        out[n] = power * total if amplitude != 0.0 else 0.0
        power *= x


@jit("void(float64[::1], float64[:,::1], float64, float64, float64, float64[:,::1], float64[:,::1])", fastmath=_FAST)
def moments(b: Any, values: Any, amplitude: float, exponent: float, rate: float, rule: Any, out: Any) -> None:
    """Fill the integrals from 0 to each break (n + 1, 8) of the function times y^k, k = 0...7."""
    _edge_moments(b[0], b[0], amplitude, exponent, rate, out[0])
    for i in range(values.shape[0]):
        middle, half = 0.5 * (b[i + 1] + b[i]), 0.5 * (b[i + 1] - b[i])
        for k in range(8):
            out[i + 1, k] = out[i, k]
        for q in range(8):
            y = middle + half * rule[0, q]
            term = half * rule[1, q] * values[i, q]
            for k in range(8):
                out[i + 1, k] += term
                term *= y


@jit(fastmath=_FAST)
def _shift(b: Any, c: Any, k: int, w: float, sign: int, out: Any) -> None:
    """Coefficients in y of the polynomial of cell k at w + sign y."""
    r = 2.0 / (b[k + 1] - b[k])
    t = (w - b[k]) * r - 1.0
    for n in range(8):
        out[n] = c[k, n]
    for n in range(7):
        for m in range(6, n - 1, -1):
            out[m] += t * out[m + 1]
    power = 1.0
    for n in range(8):
        out[n] *= power
        power *= sign * r


def _add_products(
    fc: Any, j: int, gc: Any, k: int, f0: float, f1: float, g0: float, g1: float, half: float, rule: Any, out: Any
) -> None:
    """Add to out (p, 8) half times weight times products at the Gauss points t, as `convolution` wants them.

    The factors are the polynomials with the coefficients fc[:, j] at f0 + f1 t and gc[:, k] at g0 + g1 t.
    """
    x, y = f0 + f1 * rule[0], g0 + g1 * rule[0]
    p, r = np.zeros((2, fc.shape[0], 8))
    for n in range(7, -1, -1):
        p = p * x + fc[:, j, n : n + 1]
        r = r * y + gc[:, k, n : n + 1]
    out[0] += half * rule[1] * (p[0] * r[0])
    if fc.shape[0] == 2:
        out[1] += half * rule[1] * (p[0] * r[1] + p[1] * r[0])


def _emitter(count: int) -> Any:
    """Return the same for `count` functions as vectors of eight numbers, for numba to emit.

    Of the loops LLVM makes code that is several times slower: with AVX2 not even the coefficients of two polynomials
    fit into its registers.
    """

    def typed(
        _context: Any,
        fc: Any,
        j: Any,
        gc: Any,
        k: Any,
        f0: Any,
        f1: Any,
        g0: Any,
        g1: Any,
        half: Any,
        rule: Any,
        out: Any,
    ) -> Any:
        return numba.types.void(fc, j, gc, k, f0, f1, g0, g1, half, rule, out), emit

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        whole = ir.IntType(64)
        eight = ir.VectorType(ir.DoubleType(), 8)

        def array(argument: int) -> Any:
            return context.make_array(signature.args[argument])(context, builder, values[argument])

        def at(argument: int, row: Any, column: int = 0) -> Any:
            place = builder.add(builder.mul(row, ir.Constant(whole, 8)), ir.Constant(whole, column))
            return builder.gep(array(argument).data, [place])

        def eight_at(argument: int, row: int) -> Any:
            return builder.bitcast(at(argument, ir.Constant(whole, row)), eight.as_pointer())

        def spread(number: Any) -> Any:
            first = builder.insert_element(ir.Constant(eight, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
            zeros = ir.Constant(ir.VectorType(ir.IntType(32), 8), [0] * 8)
            return builder.shuffle_vector(first, ir.Constant(eight, ir.Undefined), zeros)

        def fused(a: Any, b: Any, c: Any) -> Any:
            return builder.fadd(builder.fmul(a, b, flags=("contract",)), c, flags=("contract",))

        points, weights = (builder.load(eight_at(9, row), align=8) for row in range(2))
        scale = builder.fmul(spread(values[8]), weights)
        factors = []
        for argument, constant, slope in ((0, 4, 5), (2, 6, 7)):
            x = fused(spread(values[slope]), points, spread(values[constant]))
            cells = builder.extract_value(array(argument).shape, 1)
            for a in range(count):
                row = builder.add(values[argument + 1], builder.mul(cells, ir.Constant(whole, a)))
                result = spread(builder.load(at(argument, row, 7)))
                for n in range(6, -1, -1):
                    result = fused(result, x, spread(builder.load(at(argument, row, n))))
                factors.append(result)
        f, g = factors[:count], factors[count:]
        products = [builder.fmul(f[0], g[0])]
        if count == 2:
            products.append(fused(f[0], g[1], builder.fmul(f[1], g[0])))
        for row, product in enumerate(products):
            place = eight_at(10, row)
            builder.store(fused(scale, product, builder.load(place, align=8)), place, align=8)
        return context.get_dummy_value()

    return typed


if numba.config.DISABLE_JIT:
    _add_product = _add_pair_of_products = _add_products
else:
    _add_product = numba.extending.intrinsic(_emitter(1))
    _add_pair_of_products = numba.extending.intrinsic(_emitter(2))


@jit(fastmath=_FAST)
def _within_cell(gb: Any, gc: Any, k: int, w: float, sign: int, m: Any, shifted: Any, out: Any) -> None:
    """Add to out (p, 8) the terms, power by power, of the integrals of f, with moments m (p, 8), times g in cell k."""
    for a in range(gc.shape[0]):
        _shift(gb, gc[a], k, w, sign, shifted[a])
    for n in range(8):
        out[0, n] += m[0, n] * shifted[0, n]
        if gc.shape[0] == 2:
            out[1, n] += m[0, n] * shifted[1, n] + m[1, n] * shifted[0, n]


@jit(
    "void(float64[::1], int64, float64[::1], float64[:,:,::1], float64[:,:,::1], float64[::1], float64[::1], float64,"
    " float64[::1], float64[:,:,::1], float64[:,::1], float64, float64[:,::1])"
)
def convolution(
    omega: Any,
    sign: int,
    fb: Any,
    fc: Any,
    fm: Any,
    amplitude: Any,
    exponent: Any,
    rate: float,
    gb: Any,
    gc: Any,
    rule: Any,
    factor: float,
    out: Any,
) -> None:
    """Add integrals over y > 0 of products of f(y) and g(omega + sign y), for one or two functions on common breaks.

    f and g are stacks of p functions, fc and gc (p, n, 8). Added, times `factor`, is the integral of f_0 g_0 to out[0],
    and for p = 2 that of f_0 g_1 + f_1 g_0 to out[1].

    With sign -1 the integral ends at y = omega/2: the other half is that with f and g exchanged. f comes with its
    `moments` fm (p, n + 1, 8) and its power laws, of which ``rate fb[0] <= 1``; g is not asked for below its first
    break: the cells at an omega, and omega/2, must be longer than fb[0], and ``omega/2 >= gb[0]``.
    """
    count = fc.shape[0]
    edge, shifted, terms = np.empty((count, 8)), np.empty((count, 8)), np.empty((count, 8))
    for i in range(omega.size):
        w = omega[i]
        x = max(0.0, w - gb[-1]) if sign < 0 else 0.0
        end = min(fb[-1], 0.5 * w if sign < 0 else gb[-1] - w)
        if x >= end:
            continue
        # j: the cell of f that the integral begins in, k: that of g
        j, k = 0, np.searchsorted(gb, w - x) - 1
        if sign > 0:
            k = np.searchsorted(gb, w, side="right") - 1
        k = min(k, gb.size - 2)
        terms[:] = 0.0
        if x >= fb[0]:
            j = min(np.searchsorted(fb, x, side="right") - 1, fb.size - 2)
        elif x > 0.0:  # just above the last break of g: the rest of the power law lies in its last cell
            for a in range(count):
                _edge_moments(x, fb[0], amplitude[a], exponent[a], rate, edge[a])
                for n in range(8):
                    edge[a, n] = fm[a, 0, n] - edge[a, n]
            _within_cell(gb, gc, k, w, sign, edge, shifted, terms)
            x = fb[0]
        else:  # as long as g stays within this cell, moments of f give the integral
            first = w - gb[k] if sign < 0 else gb[k + 1] - w
            if first < fb[0]:  # a break of g within the power law of f: one side of it, then the other
                for a in range(count):
                    _edge_moments(first, fb[0], amplitude[a], exponent[a], rate, edge[a])
                _within_cell(gb, gc, k, w, sign, edge, shifted, terms)
                k += sign
                if k < gb.size - 1:
                    for a in range(count):
                        for n in range(8):
                            edge[a, n] = fm[a, 0, n] - edge[a, n]
                    _within_cell(gb, gc, k, w, sign, edge, shifted, terms)
            else:
                j = min(np.searchsorted(fb, min(first, end), side="right") - 1, fb.size - 2)
                for a in range(count):
                    for n in range(8):
                        edge[a, n] = fm[a, j, n]
                _within_cell(gb, gc, k, w, sign, edge, shifted, terms)
            x = fb[j]
        while x < end:
            f_end = fb[j + 1]
            g_end = w - gb[k] if sign < 0 else gb[k + 1] - w
            stop = min(f_end, g_end, end)
            if stop > x:
                # here, not in a function of its own: LLVM would not inline it, and to pass the arrays takes longer
                middle, half = 0.5 * (stop + x), 0.5 * (stop - x)
                f1, g1 = 2.0 / (f_end - fb[j]), 2.0 / (gb[k + 1] - gb[k])
                f0, g0 = (middle - fb[j]) * f1 - 1.0, (w + sign * middle - gb[k]) * g1 - 1.0
                if count == 1:
                    _add_product(fc, j, gc, k, f0, f1 * half, g0, g1 * sign * half, half, rule, terms)
                else:
                    _add_pair_of_products(fc, j, gc, k, f0, f1 * half, g0, g1 * sign * half, half, rule, terms)
                x = stop
            if f_end <= g_end:
                j += 1
            else:
                k += sign
        for a in range(count):
            total = 0.0
            for n in range(8):
                total += terms[a, n]
            out[a, i] += factor * total


@jit(fastmath={"contract"})
def _cauchy(x: float, a: float, b: float, factor: float, rule: Any, out: Any) -> None:
    """Add `factor` times the weights, at the Gauss points of the cell a...b, of the integral with 1/(y - x).

    At an end of the cell the divergent logarithm is left out, ln of a length of 1: it cancels against the next cell's.
    """
    half = 0.5 * (b - a)
    z = (x - 0.5 * (a + b)) / half
    if abs(z) > 30.0:  # eight points are exact to (2 z)^-9, also for P_7
        for q in range(8):
            out[q] += factor * rule[1, q] / (rule[0, q] - z)
        return
    # moments of Legendre polynomials: -2 Q_n(z), Legendre functions of the second kind
    q0, q1, q2, q3, q4, q5, q6, q7 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    if x in (a, b):
        s = 1.0 if x == b else -1.0
        q0 = -s * np.log(b - a)
        q1 = 2.0 + s * q0
        q2 = s * 3.0 + q0
        q3 = 11.0 / 3.0 + s * q0
        q4 = s * 25.0 / 6.0 + q0
        q5 = 137.0 / 30.0 + s * q0
        q6 = s * 49.0 / 10.0 + q0
        q7 = 363.0 / 70.0 + s * q0
    else:
        # forward recurrence: errors grow as P_n(z), at most a few hundred where it is used
        q0 = np.log(abs((b - x) / (x - a)))
        if abs(z) < 1.5:
            q1 = 2.0 + z * q0
            q2 = (3.0 * z * q1 - q0) / 2.0
            q3 = (5.0 * z * q2 - 2.0 * q1) / 3.0
            q4 = (7.0 * z * q3 - 3.0 * q2) / 4.0
            q5 = (9.0 * z * q4 - 4.0 * q3) / 5.0
            q6 = (11.0 * z * q5 - 5.0 * q4) / 6.0
            q7 = (13.0 * z * q6 - 6.0 * q5) / 7.0
        else:  # backward from where the solution that decays is the only one left
            high, low = 0.0, 1.0
            for n in range(28, 7, -1):
                high, low = low, ((2 * n + 1) * z * low - (n + 1) * high) / n
            q7 = low
            q6 = (15.0 * z * q7 - 8.0 * high) / 7.0
            q5 = (13.0 * z * q6 - 7.0 * q7) / 6.0
            q4 = (11.0 * z * q5 - 6.0 * q6) / 5.0
            q3 = (9.0 * z * q4 - 5.0 * q5) / 4.0
            q2 = (7.0 * z * q3 - 4.0 * q4) / 3.0
            q1 = (5.0 * z * q2 - 3.0 * q3) / 2.0
            scale = q0 / (3.0 * z * q1 - 2.0 * q2)
            q1, q2, q3, q4, q5, q6, q7 = (
                q1 * scale,
                q2 * scale,
                q3 * scale,
                q4 * scale,
                q5 * scale,
                q6 * scale,
                q7 * scale,
            )
    for q in range(8):
        out[q] += factor * (
            q0 * rule[2, q]
            + q1 * rule[3, q]
            + q2 * rule[4, q]
            + q3 * rule[5, q]
            + q4 * rule[6, q]
            + q5 * rule[7, q]
            + q6 * rule[8, q]
            + q7 * rule[9, q]
        )


@jit()
def cauchy_weights(omega: float, a: float, b: float, parity: int, rule: Any, out: Any) -> None:
    """Fill the weights (8,), at the Gauss points of the cell a...b, of a Kramers-Kronig integral's principal value.

    Its kernel is y/(y^2 - omega^2) (parity 1) or omega/(y^2 - omega^2) (parity -1), or the half of them that has its
    pole at omega, 1/(2 (y - omega)) (parity 0). At an end of the cell the logarithm that cancels against the next
    cell's is left out.
    """
    middle, half = 0.5 * (a + b), 0.5 * (b - a)
    if parity != 0 and abs(omega - middle) > 30.0 * half and abs(omega + middle) > 30.0 * half:
        for q in range(8):
            y = middle + half * rule[0, q]
            out[q] = half * rule[1, q] * (y if parity > 0 else omega) / ((y - omega) * (y + omega))
    else:
        for q in range(8):
            out[q] = 0.0
        _cauchy(omega, a, b, 0.5, rule, out)
        if parity != 0:
            _cauchy(-omega, a, b, 0.5 * parity, rule, out)


@jit("void(float64[::1], float64[::1], float64[::1], int64, float64[:,::1], float64[:,::1])")
def cauchy_table(omega: Any, a: Any, b: Any, parity: int, rule: Any, out: Any) -> None:
    """Fill the rows of out with `cauchy_weights` of corresponding frequencies and cells."""
    for i in range(omega.size):
        cauchy_weights(omega[i], a[i], b[i], parity, rule, out[i])


@jit("void(float64[::1], float64[::1], float64[:,:,::1], int64, float64[:,::1], float64[:,::1])", fastmath={"contract"})
def cauchy(omega: Any, b: Any, values: Any, parity: int, rule: Any, out: Any) -> None:
    """Add the integrals of functions values (m, n, 8) with the kernel of `cauchy_weights` to out (m, omega.size)."""
    weights = np.empty(8)
    for i in range(omega.size):
        for j in range(b.size - 1):
            cauchy_weights(omega[i], b[j], b[j + 1], parity, rule, weights)
            for row in range(values.shape[0]):
                total = 0.0
                for q in range(8):
                    total += weights[q] * values[row, j, q]
                out[row, i] += total


@jit(
    "void(float64[::1], float64[::1], int64[::1], int64[::1], float64[:,:,::1], int64, float64[:,::1], float64[:,::1])",
    fastmath={"contract"},
)
def cauchy_matrix(omega: Any, b: Any, starts: Any, which: Any, matrices: Any, parity: int, rule: Any, out: Any) -> None:
    """Add the matrix (omega.size, nodes) that takes samples to `cauchy` of their interpolant."""
    weights = np.empty(8)
    for i in range(omega.size):
        for j in range(b.size - 1):
            cauchy_weights(omega[i], b[j], b[j + 1], parity, rule, weights)
            matrix, row = matrices[which[j]], out[i, starts[j] : starts[j] + matrices.shape[2]]
            for r in range(row.size):
                total = 0.0
                for q in range(8):
                    total += weights[q] * matrix[q, r]
                row[r] += total


@jit("void(float64[::1], float64, float64, float64, int64, int64, int64, float64[::1])", fastmath={"contract"})
def power_tail(
    omega: Any, end: float, amplitude: float, exponent: float, above: int, parity: int, skip: int, out: Any
) -> None:
    """Add the integral of ``amplitude (y/end)**exponent`` with the kernel of `cauchy_weights`, by its power series.

    Over y > end for omega <= end/2 (above 1), without the first `skip` terms; over y < end for omega >= 2 end (0).
    """
    for i in range(omega.size):
        ratio = omega[i] / end if above else end / omega[i]
        odd = ((1 - parity) if above else (1 + parity)) // 2
        square, power, total = ratio * ratio, (ratio if odd else 1.0), 0.0
        if not above:
            power *= ratio
        for n in range(28):  # 4^-28 is below the rounding error
            if above and n >= skip:
                total += power / (2 * n + odd - exponent)
            elif not above:
                total -= power / (2 * n + 1 + odd + exponent)
            power *= square
        out[i] += amplitude * total
