"""Light on skin, pixel by pixel.

Phong shading with a wrapped diffuse term that lets red light leak round the terminator, a cheap stand-in for
light scattered under the skin; ambient light between sky and floor; one shadow map.
"""

from __future__ import annotations

import numpy as np
from numba import njit

GAMMA = 2.2
DECODE = (np.arange(256) / 255.0) ** GAMMA
"""Linear intensity of every grey level."""
ENCODE = np.rint(255.0 * np.linspace(0.0, 1.0, 4096) ** (1.0 / GAMMA)).astype(np.uint8)
"""Grey level of 4096 linear intensities."""

_WRAP_R, _WRAP_G, _WRAP_B = 0.42, 0.24, 0.18
_SHADOW_START_M, _SHADOW_SOFT_M = 0.009, 0.004


@njit(cache=True, error_model="numpy", fastmath=True)
def shade(
    face, barycentric, vertices, normals, faces, uv, uv_faces, surface_of, textures, eye, key, key_strength,
    up, sky, floor, shadow_depth, T_map_world, encode, decode, supersample, image, coverage,
):  # fmt: skip
    """Light all samples and lay their mean over ``image``; ``coverage`` takes the share of samples covered.

    Samples of one pixel that fall on one face are lit together, at the middle of them.
    """
    height, width = coverage.shape
    count = supersample * supersample
    for y in range(height):
        for x in range(width):
            red = green = blue = 0.0
            covered = 0
            u = v = w = 0.0
            alike = 0
            for sample in range(count):
                row = y * supersample + sample // supersample
                column = x * supersample + sample % supersample
                f = face[row, column]
                if f < 0:
                    continue
                u += barycentric[row, column, 0]
                v += barycentric[row, column, 1]
                w += barycentric[row, column, 2]
                alike += 1
                covered += 1
                if sample + 1 < count:
                    after = sample + 1
                    row, column = (
                        y * supersample + after // supersample,
                        x * supersample + after % supersample,
                    )
                    if face[row, column] == f:
                        continue
                r, g, b = _light(
                    faces[f], uv_faces[f], u / alike, v / alike, w / alike, vertices, normals, uv,
                    textures[surface_of[f]], eye, key, key_strength, up, sky, floor, shadow_depth,
                    T_map_world,
                )  # fmt: skip
                red += alike * r
                green += alike * g
                blue += alike * b
                u = v = w = 0.0
                alike = 0
            if covered == 0:
                continue
            alpha = covered / count
            coverage[y, x] = alpha
            behind = 1.0 - alpha
            image[y, x, 0] = encode[int(4095 * min(red / count + behind * decode[image[y, x, 0]], 1.0))]
            image[y, x, 1] = encode[int(4095 * min(green / count + behind * decode[image[y, x, 1]], 1.0))]
            image[y, x, 2] = encode[int(4095 * min(blue / count + behind * decode[image[y, x, 2]], 1.0))]


@njit(cache=True, error_model="numpy", fastmath=True)
def _light(
    corners, uv_corners, u, v, w, vertices, normals, uv, texture, eye, key, key_strength, up, sky, floor,
    shadow_depth, T_map_world,
):  # fmt: skip
    """Linear red, green and blue of one point of a face."""
    a, b, c = corners
    px = u * vertices[a, 0] + v * vertices[b, 0] + w * vertices[c, 0]
    py = u * vertices[a, 1] + v * vertices[b, 1] + w * vertices[c, 1]
    pz = u * vertices[a, 2] + v * vertices[b, 2] + w * vertices[c, 2]
    nx = u * normals[a, 0] + v * normals[b, 0] + w * normals[c, 0]
    ny = u * normals[a, 1] + v * normals[b, 1] + w * normals[c, 1]
    nz = u * normals[a, 2] + v * normals[b, 2] + w * normals[c, 2]
    scale = 1.0 / np.sqrt(nx * nx + ny * ny + nz * nz)
    nx, ny, nz = nx * scale, ny * scale, nz * scale
    ex, ey, ez = eye[0] - px, eye[1] - py, eye[2] - pz
    scale = 1.0 / np.sqrt(ex * ex + ey * ey + ez * ez)
    ex, ey, ez = ex * scale, ey * scale, ez * scale
    hx, hy, hz = key[0] + ex, key[1] + ey, key[2] + ez
    scale = 1.0 / np.sqrt(hx * hx + hy * hy + hz * hz)

    facing = nx * key[0] + ny * key[1] + nz * key[2]
    above = 0.5 + 0.5 * (nx * up[0] + ny * up[1] + nz * up[2])
    # Skin seen at a grazing angle loses a little of the ambient light.
    ambient = 0.72 + 0.28 * max(nx * ex + ny * ey + nz * ez, 0.0)
    shine = max((nx * hx + ny * hy + nz * hz) * scale, 0.0)
    shine *= shine
    shine *= shine
    shine *= shine
    shine *= shine * shine
    lit = _lit(px, py, pz, shadow_depth, T_map_world)

    i, j, k = uv_corners
    s = (u * uv[i, 0] + v * uv[j, 0] + w * uv[k, 0]) * texture.shape[1] - 0.5
    t = (1.0 - (u * uv[i, 1] + v * uv[j, 1] + w * uv[k, 1])) * texture.shape[0] - 0.5
    s, t = min(max(s, 0.0), texture.shape[1] - 1.001), min(max(t, 0.0), texture.shape[0] - 1.001)
    column, row = int(s), int(t)
    s, t = s - column, t - row
    w00, w01, w10, w11 = (1 - t) * (1 - s), (1 - t) * s, t * (1 - s), t * s
    nw, ne, sw, se = (
        texture[row, column],
        texture[row, column + 1],
        texture[row + 1, column],
        texture[row + 1, column + 1],
    )

    gloss = (w00 * nw[3] + w01 * ne[3] + w10 * sw[3] + w11 * se[3]) * shine * lit * key_strength
    red = _tone(facing, lit, key_strength, _WRAP_R) + ambient * (above * sky[0] + (1 - above) * floor[0])
    green = _tone(facing, lit, key_strength, _WRAP_G) + ambient * (above * sky[1] + (1 - above) * floor[1])
    blue = _tone(facing, lit, key_strength, _WRAP_B) + ambient * (above * sky[2] + (1 - above) * floor[2])
    return (
        red * (w00 * nw[0] + w01 * ne[0] + w10 * sw[0] + w11 * se[0]) + gloss,
        green * (w00 * nw[1] + w01 * ne[1] + w10 * sw[1] + w11 * se[1]) + gloss,
        blue * (w00 * nw[2] + w01 * ne[2] + w10 * sw[2] + w11 * se[2]) + gloss,
    )


@njit(cache=True, fastmath=True)
def _tone(facing, lit, strength, wrap):
    """Key light of one colour: the redder, the farther it reaches into shade and shadow."""
    return strength * max((facing + wrap) / (1.0 + wrap), 0.0) * (lit + 0.6 * wrap * (1.0 - lit))


@njit(cache=True, fastmath=True)
def _lit(x, y, z, depth, T):
    """Share of the key light that reaches a point, softened over nine texels of the shadow map."""
    column = int(T[0, 0] * x + T[0, 1] * y + T[0, 2] * z + T[0, 3] + 0.5)
    row = int(T[1, 0] * x + T[1, 1] * y + T[1, 2] * z + T[1, 3] + 0.5)
    here = T[2, 0] * x + T[2, 1] * y + T[2, 2] * z + T[2, 3] - _SHADOW_START_M
    last = len(depth) - 1
    total = 0.0
    for i in range(max(row - 1, 0), min(row + 1, last) + 1):
        for j in range(max(column - 1, 0), min(column + 1, last) + 1):
            total += min(max((depth[i, j] - here) / _SHADOW_SOFT_M, 0.0), 1.0)
    return total / 9.0
