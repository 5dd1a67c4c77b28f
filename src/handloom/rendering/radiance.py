"""Light that leaves skin, cloth and things, pixel by pixel, in linear units.

Diffuse light wraps round the terminator, red farthest: a cheap stand-in for light scattered under the skin.
Ambient light comes from six sides (the ambient cube of McTaggart 2004), dimmed in crevices; the mirrored part
has two lobes and grows towards grazing angles (Schlick 1994). Shadows of the key light are exponential shadow
maps (Annen et al. 2008).
"""

from __future__ import annotations

import numpy as np
from numba import njit

_WRAP = (0.46, 0.24, 0.16)
_SMOOTH, _NEAR = 0.8, 0.03
"""Cosine of the angle, and distance in the texture, up to which samples of a pixel are lit together."""


@njit(cache=True, error_model="numpy", fastmath=True)
def radiance(
    face, barycentric, vertices, normals, openness, faces, uv, uv_faces, texture_of, table, scatter, atlas,
    things, eye, key, key_colour, rim, rim_colour, cube, R_cube_world, shadow, T_map_world, hardness,
    supersample, out,
):  # fmt: skip
    """Light all samples; ``out`` (h, w, 4) takes the mean of red, green, blue, and the share covered.

    Samples of one pixel on one smooth piece of a surface are lit together, at the mean of them.

    ``table`` has a row (which of atlas and things, first texel, height, width) for every texture, ``scatter``
    how far light wanders under its surface, from 0 to 1.
    """
    height, width = out.shape[0], out.shape[1]
    count = supersample * supersample
    for y in range(height):
        for x in range(width):
            red = green = blue = 0.0
            covered = 0
            alike, t = 0, -1
            px = py = pz = nx = ny = nz = across = up = open_share = 0.0
            for sample in range(count + 1):
                last = sample == count
                f = -1
                if not last:
                    row = y * supersample + sample // supersample
                    column = x * supersample + sample % supersample
                    f = face[row, column]
                if f >= 0:
                    covered += 1
                    u, v, w = (
                        barycentric[row, column, 0],
                        barycentric[row, column, 1],
                        barycentric[row, column, 2],
                    )
                    a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
                    i, j, k = uv_faces[f, 0], uv_faces[f, 1], uv_faces[f, 2]
                    mx = u * normals[a, 0] + v * normals[b, 0] + w * normals[c, 0]
                    my = u * normals[a, 1] + v * normals[b, 1] + w * normals[c, 1]
                    mz = u * normals[a, 2] + v * normals[b, 2] + w * normals[c, 2]
                    here = u * uv[i, 0] + v * uv[j, 0] + w * uv[k, 0]
                    there = u * uv[i, 1] + v * uv[j, 1] + w * uv[k, 1]
                elif not last:
                    continue
                # Not over edges, nor over the seams of a texture.
                if alike > 0 and (
                    last
                    or texture_of[f] != t
                    or nx * mx + ny * my + nz * mz <= _SMOOTH * alike
                    or abs(across - alike * here) + abs(up - alike * there) >= _NEAR * alike
                ):
                    share = 1.0 / alike
                    red_, green_, blue_ = _leaving(
                        px * share, py * share, pz * share, nx, ny, nz, across * share, up * share,
                        open_share * share, t, table, scatter, atlas, things, eye, key, key_colour, rim,
                        rim_colour, cube, R_cube_world, shadow, T_map_world, hardness,
                    )  # fmt: skip
                    red += alike * red_
                    green += alike * green_
                    blue += alike * blue_
                    alike = 0
                    px = py = pz = nx = ny = nz = across = up = open_share = 0.0
                if last:
                    break
                t = texture_of[f]
                alike += 1
                px += u * vertices[a, 0] + v * vertices[b, 0] + w * vertices[c, 0]
                py += u * vertices[a, 1] + v * vertices[b, 1] + w * vertices[c, 1]
                pz += u * vertices[a, 2] + v * vertices[b, 2] + w * vertices[c, 2]
                nx, ny, nz = nx + mx, ny + my, nz + mz
                across, up = across + here, up + there
                open_share += u * openness[a] + v * openness[b] + w * openness[c]
            out[y, x, 0] = red / count
            out[y, x, 1] = green / count
            out[y, x, 2] = blue / count
            out[y, x, 3] = covered / count


@njit(cache=True, error_model="numpy", fastmath=True)
def _leaving(
    px, py, pz, nx, ny, nz, across, up, open_share, t, table, scatter, atlas, things, eye, key, key_colour,
    rim, rim_colour, cube, R, shadow, T, hardness,
):  # fmt: skip
    """Linear red, green and blue of one point of a surface with texture ``t``."""
    scale = 1.0 / np.sqrt(nx * nx + ny * ny + nz * nz + 1e-20)
    nx, ny, nz = nx * scale, ny * scale, nz * scale
    ex, ey, ez = eye[0] - px, eye[1] - py, eye[2] - pz
    scale = 1.0 / np.sqrt(ex * ex + ey * ey + ez * ez)
    ex, ey, ez = ex * scale, ey * scale, ez * scale
    hx, hy, hz = key[0] + ex, key[1] + ey, key[2] + ez
    scale = 1.0 / np.sqrt(hx * hx + hy * hy + hz * hz + 1e-9)

    rows, columns = table[t, 2], table[t, 3]
    s0 = min(max(across * columns - 0.5, 0.0), columns - 1.001)
    t0 = min(max((1.0 - up) * rows - 0.5, 0.0), rows - 1.001)
    column, row = int(s0), int(t0)
    s0, t0 = s0 - column, t0 - row
    texels = atlas if table[t, 0] == 0 else things
    p = table[t, 1] + row * columns + column
    q = p + columns
    w00, w01, w10, w11 = (1 - t0) * (1 - s0), (1 - t0) * s0, t0 * (1 - s0), t0 * s0
    red = w00 * texels[p, 0] + w01 * texels[p + 1, 0] + w10 * texels[q, 0] + w11 * texels[q + 1, 0]
    green = w00 * texels[p, 1] + w01 * texels[p + 1, 1] + w10 * texels[q, 1] + w11 * texels[q + 1, 1]
    blue = w00 * texels[p, 2] + w01 * texels[p + 1, 2] + w10 * texels[q, 2] + w11 * texels[q + 1, 2]
    gloss = w00 * texels[p, 3] + w01 * texels[p + 1, 3] + w10 * texels[q, 3] + w11 * texels[q + 1, 3]

    lit = _lit(px, py, pz, shadow, T, hardness)
    facing = nx * key[0] + ny * key[1] + nz * key[2]
    behind = nx * rim[0] + ny * rim[1] + nz * rim[2]
    looking = max(nx * ex + ny * ey + nz * ez, 0.0)
    # Ambient light from six sides, once where the normal points, once where the eye's mirror image does.
    mx, my, mz = 2.0 * looking * nx - ex, 2.0 * looking * ny - ey, 2.0 * looking * nz - ez
    r_in, g_in, blin = _around(nx, ny, nz, R, cube)
    r_mirror, g_mirror, blmirror = _around(mx, my, mz, R, cube)

    grazing = 1.0 - looking
    grazing *= grazing * grazing * grazing * grazing
    mirror = gloss * (0.55 + 6.0 * grazing * (1.0 - min(gloss, 1.0)))
    shine = max((nx * hx + ny * hy + nz * hz) * scale, 0.0)
    shine *= shine
    shine *= shine
    shine *= shine
    broad = shine
    shine *= shine
    shine *= shine
    spot = mirror * lit * (0.45 * broad + 1.6 * shine) * min(max(4.0 * facing, 0.0), 1.0)
    sheen = 0.8 * mirror * open_share
    under = scatter[t]
    wr, wg, wb = _WRAP[0] * under, _WRAP[1] * under, _WRAP[2] * under
    # Light in a crevice has been on skin before, and comes redder.
    ar = open_share + 0.35 * under * (1.0 - open_share)
    ag = open_share + 0.10 * under * (1.0 - open_share)
    ab = open_share
    key_open = 0.35 + 0.65 * open_share
    dr = key_colour[0] * _wrapped(facing, lit, wr) * key_open + rim_colour[0] * _wrapped(behind, 1.0, wr) * ar
    dg = key_colour[1] * _wrapped(facing, lit, wg) * key_open + rim_colour[1] * _wrapped(behind, 1.0, wg) * ag
    db = key_colour[2] * _wrapped(facing, lit, wb) * key_open + rim_colour[2] * _wrapped(behind, 1.0, wb) * ab
    return (
        red * (dr + r_in * ar) + spot * key_colour[0] + sheen * r_mirror,
        green * (dg + g_in * ag) + spot * key_colour[1] + sheen * g_mirror,
        blue * (db + blin * ab) + spot * key_colour[2] + sheen * blmirror,
    )


@njit(cache=True, fastmath=True)
def _around(x, y, z, R, cube):
    """Ambient light in a direction."""
    a = R[0, 0] * x + R[0, 1] * y + R[0, 2] * z
    b = R[1, 0] * x + R[1, 1] * y + R[1, 2] * z
    c = R[2, 0] * x + R[2, 1] * y + R[2, 2] * z
    i, j, k = 0 if a >= 0 else 1, 2 if b >= 0 else 3, 4 if c >= 0 else 5
    a, b, c = a * a, b * b, c * c
    return (
        a * cube[i, 0] + b * cube[j, 0] + c * cube[k, 0],
        a * cube[i, 1] + b * cube[j, 1] + c * cube[k, 1],
        a * cube[i, 2] + b * cube[j, 2] + c * cube[k, 2],
    )


@njit(cache=True, fastmath=True)
def _wrapped(facing, lit, wrap):
    """Diffuse light of a source: the wider it wraps, the farther it reaches into shade and shadow."""
    return max((facing + wrap) / (1.0 + wrap), 0.0) * (lit + 0.5 * wrap * (1.0 - lit))


@njit(cache=True, fastmath=True)
def _lit(x, y, z, shadow, T, hardness):
    """Share of the key light that reaches a point."""
    column = T[0, 0] * x + T[0, 1] * y + T[0, 2] * z + T[0, 3]
    row = T[1, 0] * x + T[1, 1] * y + T[1, 2] * z + T[1, 3]
    last = shadow.shape[0] - 1.001
    column, row = min(max(column, 0.0), last), min(max(row, 0.0), last)
    i, j = int(row), int(column)
    s, t = column - j, row - i
    occluder = (1 - t) * ((1 - s) * shadow[i, j] + s * shadow[i, j + 1]) + t * (
        (1 - s) * shadow[i + 1, j] + s * shadow[i + 1, j + 1]
    )
    depth = T[2, 0] * x + T[2, 1] * y + T[2, 2] * z + T[2, 3]
    return min(occluder * np.exp(-hardness * depth), 1.0)
