"""The fit of two crossing edges to a picture, compiled."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

LONGEST_PX = 14.0  # edges are not followed further: a lens bends them
ARM = 0.40  # nor further than this share of a square
FIRST_SPREAD_PX = 1.6  # wide, so that edges a little off attract
ROUNDS = 12
SETTLED_PX = 0.01
UNSETTLED_PX = 0.1
compiled: Any = njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "nsz"})
PIXEL_VARIANCE = 1 / 12 + 1 / 6  # what pixels, and sampling between them, do to the sharpest edge
_P = 10  # shift u v, tilt u v, light, contrast, gradient u v, log spread u v


@compiled
def settle(picture, expected, J, shape, clear):  # type: ignore[no-untyped-def]
    """See ``saddle.refine``: (N, 2) pixels, (N,) scores, (N,) spreads, (N,) slants."""
    height, width = picture.shape
    count = len(expected)
    pixels = expected.copy()
    score = np.full(count, -1.0)
    blur = np.full(count, np.nan)
    slant = np.full(count, np.nan)
    most = 2 * int(LONGEST_PX) + 1
    values = np.zeros((most, most))
    a, da, b, db = np.zeros(most), np.zeros(most), np.zeros(most), np.zeros(most)
    near_u, near_v = np.zeros(most), np.zeros(most)
    H, g, row, step = np.zeros((_P, _P)), np.zeros(_P), np.zeros(_P), np.zeros(_P)
    for n in range(count):
        long_u = math.hypot(J[n, 0, 0], J[n, 1, 0])
        long_v = math.hypot(J[n, 0, 1], J[n, 1, 1])
        if not (long_u > 3.0 and long_v > 3.0):
            continue
        ux, uy = J[n, 0, 0] / long_u, J[n, 1, 0] / long_u
        vx, vy = J[n, 0, 1] / long_v, J[n, 1, 1] / long_v
        nu = int(min(max(math.floor(ARM * long_u), 2), LONGEST_PX))
        nv = int(min(max(math.floor(ARM * long_v), 2), LONGEST_PX))
        clear_u = max(0.85 * clear * long_u, 1.5)
        clear_v = max(0.85 * clear * long_v, 1.5)
        for j in range(-nu, nu + 1):
            near_u[j + nu] = math.exp(-((j / nu) ** 2))
        for i in range(-nv, nv + 1):
            near_v[i + nv] = math.exp(-((i / nv) ** 2))
        x, y = expected[n, 0], expected[n, 1]
        spread_u = spread_v = FIRST_SPREAD_PX
        both, side_u, side_v = shape[n]
        light = contrast = tone_u = tone_v = 0.0
        moved = 1e9
        good = True
        for turn in range(ROUNDS + 1):
            # sample; all within the picture or given up
            reach_x = nu * abs(ux) + nv * abs(vx)
            reach_y = nu * abs(uy) + nv * abs(vy)
            if not (
                x - 1.0 >= 0.0 and y - 1.0 >= 0.0 and x + 1.0 < width - 1 and y + 1.0 < height - 1
            ) or not (reach_x < width and reach_y < height):
                good = False
                break
            for i in range(-nv, nv + 1):
                for j in range(-nu, nu + 1):
                    px, py = x + j * ux + i * vx, y + j * uy + i * vy
                    if px < 0.0 or py < 0.0 or px >= width - 1 or py >= height - 1:
                        values[i + nv, j + nu] = np.nan
                        continue
                    left, top = int(px), int(py)
                    fx, fy = px - left, py - top
                    values[i + nv, j + nu] = (1 - fy) * (
                        (1 - fx) * picture[top, left] + fx * picture[top, left + 1]
                    ) + fy * ((1 - fx) * picture[top + 1, left] + fx * picture[top + 1, left + 1])
            sine = abs(ux * vy - uy * vx)  # distances from the edges are shorter than along them
            if sine < 0.2:
                good = False
                break
            _edge(nu, sine, spread_u, a, da)
            _edge(nv, sine, spread_v, b, db)
            if turn == 0:
                light, contrast = _shades(values, nu, nv, a, b, shape[n], clear_u, clear_v)
            last = turn == ROUNDS or (turn > 4 and moved < SETTLED_PX)
            H[:] = 0.0
            g[:] = 0.0
            error = total = mean = weights = 0.0
            for i in range(-nv, nv + 1):
                for j in range(-nu, nu + 1):
                    value = values[i + nv, j + nu]
                    if (abs(i) > clear_v and abs(j) > clear_u) or math.isnan(value):
                        continue
                    w = near_u[j + nu] * near_v[i + nv]
                    A, dA, B, dB = a[j + nu], da[j + nu], b[i + nv], db[i + nv]
                    pattern = both * A * B + side_u * A + side_v * B
                    r = value - (light + tone_u * j + tone_v * i + contrast * pattern)
                    error += w * r * r
                    weights += w
                    mean += w * value
                    total += w * value * value
                    if last:
                        continue
                    row[0] = -contrast * sine * dA * (both * B + side_u)
                    row[1] = -contrast * sine * dB * (both * A + side_v)
                    row[2] = row[0] * i
                    row[3] = row[1] * j
                    row[4] = 1.0
                    row[5] = pattern
                    row[6] = j
                    row[7] = i
                    row[8] = row[0] * j
                    row[9] = row[1] * i
                    for p in range(_P):
                        g[p] += w * row[p] * r
                        for q in range(p + 1):
                            H[p, q] += w * row[p] * row[q]
            if last:
                variance = total - mean * mean / weights
                explained = 1.0 - error / max(variance, 1e-9)
                slant[n] = (abs(tone_u) * nu + abs(tone_v) * nv) / max(abs(contrast), 1e-9)
                if moved < UNSETTLED_PX and variance > 4.0 * weights and explained > 0.0:
                    score[n] = math.sqrt(explained) * (1.0 if contrast > 0 else -1.0)
                break
            # the first rounds find the place; directions and blur follow
            held = 1e3 if turn < 2 else 1e-4
            for p in range(_P):
                H[p, p] = H[p, p] * (1.0 + (held if p in (2, 3, 8, 9) else 1e-6)) + 1e-9
            if side_u != 0.0:
                # half of the edges are missing: a slope of the light could not be told from them
                H[6, 6] *= 1e6
                H[7, 7] *= 1e6
            if not _solve(H, g, step):
                good = False
                break
            du = min(max(step[0], -1.5), 1.5)
            dv = min(max(step[1], -1.5), 1.5)
            tilt_u = min(max(step[2], -0.15), 0.15)
            tilt_v = min(max(step[3], -0.15), 0.15)
            x += du * ux + dv * vx
            y += du * uy + dv * vy
            ux, uy, vx, vy = ux + tilt_v * vx, uy + tilt_v * vy, vx + tilt_u * ux, vy + tilt_u * uy
            lu, lv = math.hypot(ux, uy), math.hypot(vx, vy)
            ux, uy, vx, vy = ux / lu, uy / lu, vx / lv, vy / lv
            light += step[4]
            contrast += step[5]
            tone_u += step[6]
            tone_v += step[7]
            spread_u = min(max(spread_u * math.exp(min(max(step[8], -0.4), 0.4)), 0.25), 8.0)
            spread_v = min(max(spread_v * math.exp(min(max(step[9], -0.4), 0.4)), 0.25), 8.0)
            moved = math.hypot(du * ux + dv * vx, du * uy + dv * vy)
        pixels[n, 0], pixels[n, 1] = x, y
        if not good:
            score[n] = -1.0
        blur[n] = math.sqrt(max(max(spread_u, spread_v) ** 2 - PIXEL_VARIANCE, 0.0))
    return pixels, score, blur, slant


@compiled
def _edge(half, sine, spread, value, slope):  # type: ignore[no-untyped-def]
    """A blurred step from -1 to 1 at whole pixels, and its slope per pixel."""
    for k in range(-half, half + 1):
        z = k * sine / (math.sqrt(2.0) * spread)
        value[k + half] = math.erf(z)
        slope[k + half] = math.exp(-z * z) * math.sqrt(2.0 / math.pi) / spread


@compiled
def _shades(values, nu, nv, a, b, shape, clear_u, clear_v):  # type: ignore[no-untyped-def]
    """Light and contrast to begin with: the straight line of brightness over the pattern."""
    n = s = p = pp = sp = 0.0
    for i in range(-nv, nv + 1):
        for j in range(-nu, nu + 1):
            value = values[i + nv, j + nu]
            if (abs(i) > clear_v and abs(j) > clear_u) or math.isnan(value):
                continue
            pattern = shape[0] * a[j + nu] * b[i + nv] + shape[1] * a[j + nu] + shape[2] * b[i + nv]
            n += 1.0
            s += value
            p += pattern
            pp += pattern * pattern
            sp += value * pattern
    variance = pp - p * p / n
    contrast = (sp - s * p / n) / max(variance, 1e-9)
    return (s - contrast * p) / n, contrast


@compiled
def _solve(H, g, out):  # type: ignore[no-untyped-def]
    """Cholesky on the lower triangle, in place; False if it is not positive definite."""
    n = len(g)
    for i in range(n):
        for j in range(i + 1):
            s = H[i, j]
            for k in range(j):
                s -= H[i, k] * H[j, k]
            if i == j:
                if s <= 0.0:
                    return False
                H[i, i] = math.sqrt(s)
            else:
                H[i, j] = s / H[j, j]
    for i in range(n):
        s = g[i]
        for k in range(i):
            s -= H[i, k] * out[k]
        out[i] = s / H[i, i]
    for i in range(n - 1, -1, -1):
        s = out[i]
        for k in range(i + 1, n):
            s -= H[k, i] * out[k]
        out[i] = s / H[i, i]
    return True
