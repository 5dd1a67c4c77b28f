"""What a camera saw and how it fits, laid over its picture."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from handloom.keypoints import Array
from handloom.view.calibration_report.evidence import CameraEvidence
from handloom.view.calibration_report.wording import signed
from handloom.view.colours import as_css
from handloom.view.measures import rms_present
from handloom.view.pictures import Picture
from handloom.view.units import number

_WIDTH = 480.0  # of a drawing, in its own units
_FINE, _COARSE = 24, 12  # cells along the longer side of the picture
_LEVELS = 5
_MOST_SET_ASIDE = 400
_LEAST_IN_A_CELL = 8
_CHANCE_SIGMAS = 3.0
_LEAST_PICTURES = 3  # that tell more than chance
_LARGEST_FACTOR = 500.0
_JPEG_QUALITY = 70


@dataclass(frozen=True, eq=False)
class Cells:
    """A picture cut into squares.

    Attributes:
        columns: number of cells along a row.
        rows: number of rows.
        side_px: of a cell, in pixels of the picture.
        index: (N,) the cell of every corner, row by row; -1 outside the picture.
    """

    columns: int
    rows: int
    side_px: float
    index: NDArray[np.int64]

    @classmethod
    def of(cls, seen: CameraEvidence, along: int) -> Cells:
        """Cells of equal size, ``along`` of them along the longer side."""
        side = max(seen.image_size) / along
        columns, rows = (math.ceil(length / side - 1e-9) for length in seen.image_size)
        at = np.floor((np.nan_to_num(seen.pixels, nan=-1e6) + 0.5) / side).astype(np.int64)
        inside = ((at >= 0) & (at < [columns, rows])).all(axis=-1)
        return cls(columns, rows, side, np.where(inside, at[:, 1] * columns + at[:, 0], -1))

    def counts(self, chosen: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
        """(cells,) corners in every cell."""
        index = self.index if chosen is None else self.index[chosen]
        return np.bincount(index[index >= 0], minlength=self.columns * self.rows)


def covered_share(seen: CameraEvidence) -> float:
    """Share of the picture in which corners were seen."""
    return float((Cells.of(seen, _COARSE).counts() > 0).mean())


def coverage_map(seen: CameraEvidence, picture: Picture | None = None) -> Markup:
    """Where corners were seen, the deeper the more, and where they were set aside.

    Args:
        picture: (H, W, 3) RGB, laid under it.
    """
    cells = Cells.of(seen, _FINE)
    counts = cells.counts()
    depth = np.ceil(_LEVELS * np.log1p(counts) / np.log1p(max(8, counts.max(initial=0)))).astype(int)
    step = _WIDTH / seen.image_size[0]
    side = cells.side_px * step
    square = f"h{side:.4g}v{side:.4g}h-{side:.4g}z"
    corners = [f"M{i % cells.columns * side:.4g} {i // cells.columns * side:.4g}" for i in range(len(counts))]
    layers = Markup("").join(
        Markup('<path d="{}" opacity="{}"/>').format(
            "".join(corners[cell] + square for cell in np.flatnonzero(depth == level).tolist()),
            round(level / _LEVELS * 0.85, 2),
        )
        for level in range(1, _LEVELS + 1)
        if (depth == level).any()
    )
    aside = seen.pixels[~seen.used] if seen.result is not None else np.empty((0, 2))
    some = aside[np.linspace(0, len(aside) - 1, min(len(aside), _MOST_SET_ASIDE)).astype(int)]
    dots = "".join(f"M{x:.4g} {y:.4g}h0" for x, y in (some + 0.5) * step if math.isfinite(x + y))
    return _map(
        seen,
        Markup('{}<g fill="{}">{}</g>{}').format(
            _underlay(picture),
            as_css(seen.colour),
            layers,
            Markup('<path class="aside" d="{}"/>').format(dots) if dots else "",
        ),
        f"where {seen.name} saw corners",
    )


@dataclass(frozen=True, eq=False)
class Field:
    """Mean residuals over a picture.

    Attributes:
        cells: of the picture.
        count: (cells,) residuals that were used.
        mean: (cells, 2) their mean; NaN where there are too few.
        rms: (cells,) root mean square of their lengths.
        systematic: (cells,) whether the mean is more than chance would leave.
    """

    cells: Cells
    count: NDArray[np.int64]
    mean: Array
    rms: Array
    systematic: NDArray[np.bool_]

    @classmethod
    def of(cls, seen: CameraEvidence) -> Field:
        """Gather the residuals of one camera."""
        cells = Cells.of(seen, _COARSE)
        good = seen.used & np.isfinite(seen.residuals).all(axis=-1) & (cells.index >= 0)
        size, index = cells.columns * cells.rows, cells.index[good]
        count = cells.counts(good)
        enough = np.where(count >= _LEAST_IN_A_CELL, count, np.nan)
        sums = [np.bincount(index, weights=component, minlength=size) for component in seen.residuals[good].T]
        squares = np.bincount(index, weights=seen.lengths_px[good] ** 2, minlength=size) / enough
        mean = np.stack(sums, axis=-1) / enough[:, None]
        # The corners of one picture err together, so that one picture counts as one observation.
        pictures = np.unique(np.stack([index, seen.moments[good]]), axis=1)[0]
        several = np.bincount(pictures, minlength=size)
        chance = np.sqrt(squares / 2.0 / np.maximum(several, 1))
        beyond = np.linalg.norm(mean, axis=-1) > _CHANCE_SIGMAS * chance
        return cls(cells, count, mean, np.sqrt(squares), np.asarray(beyond & (several >= _LEAST_PICTURES)))


def magnification(fields: Sequence[Field]) -> float:
    """A round factor by which the longer arrows of all cameras span about a cell."""
    lengths = [np.linalg.norm(field.mean, axis=-1) / field.cells.side_px for field in fields]
    finite = np.concatenate([*lengths, np.empty(0)])
    finite = finite[np.isfinite(finite)]
    longest = float(np.quantile(finite, 0.95)) if len(finite) else 0.0
    if longest <= 0.0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(0.9 / longest))
    return min(_LARGEST_FACTOR, max(m * power for m in (1.0, 2.0, 5.0) if m * power <= 0.9 / longest))


def residual_map(seen: CameraEvidence, field: Field, factor: float) -> Markup:
    """Arrows from where a corner is expected to where it is seen on average, magnified."""
    step = _WIDTH / seen.image_size[0]
    side = field.cells.side_px * step
    typical = float(np.median(field.rms[np.isfinite(field.rms)])) if np.isfinite(field.rms).any() else 1.0
    parts = []
    for cell in np.flatnonzero(np.isfinite(field.rms)).tolist():
        x, y = (cell % field.cells.columns) * side, (cell // field.cells.columns) * side
        dx, dy = field.mean[cell] * factor * step
        length = math.hypot(dx, dy)
        if length > 1.6 * side:
            dx, dy = dx * 1.6 * side / length, dy * 1.6 * side / length
        across = np.array([-dy, dx]) / max(length, 1e-9) * 2.6
        start = np.array([x + 0.5 * side, y + 0.5 * side])
        arrow = "M{:.4g} {:.4g}L{:.4g} {:.4g}L{:.4g} {:.4g}z".format(
            *(start + across), *(start + np.array([dx, dy])), *(start - across)
        )
        depth = round(min(1.0, 0.5 * field.rms[cell] / max(typical, 1e-9)) * _LEVELS) / _LEVELS
        parts.append(
            Markup(
                '<g><title>{}</title><rect x="{:.4g}" y="{:.4g}" width="{:.4g}" height="{:.4g}" '
                'opacity="{}"/><path d="{}"{}/></g>'
            ).format(
                signed(
                    f"RMS {number(field.rms[cell])} px, mean ({field.mean[cell, 0]:.3f}, "
                    f"{field.mean[cell, 1]:.3f}) px, {field.count[cell]} corners"
                ),
                x,
                y,
                side,
                side,
                round(0.45 * depth, 2),
                arrow,
                "" if field.systematic[cell] else Markup(' class="chance"'),
            )
        )
    return _map(
        seen,
        Markup('<g class="field" fill="{}">{}</g>').format(as_css(seen.colour), Markup("").join(parts)),
        f"mean residuals of {seen.name}",
    )


def rms_by_radius(seen: CameraEvidence, edges: Array) -> Array:
    """RMS of the residuals in rings about the principal point, whose radii count in half diagonals."""
    out = np.full(len(edges) - 1, np.nan)
    if seen.result is None:
        return out
    half = 0.5 * math.hypot(*seen.image_size)
    radius = np.linalg.norm(seen.pixels - seen.result.camera.K[:2, 2], axis=-1) / half
    for ring, (low, high) in enumerate(pairwise(edges)):
        lengths = seen.lengths_px[seen.used & (radius >= low) & (radius < high)]
        if len(lengths) >= 2 * _LEAST_IN_A_CELL:
            out[ring] = rms_present(lengths)
    return out


def _map(seen: CameraEvidence, inside: Markup, label: str) -> Markup:
    height = _WIDTH * seen.image_size[1] / seen.image_size[0]
    return Markup('<svg class="map" viewBox="0 0 {:.4g} {:.4g}" role="img" aria-label="{}">{}</svg>').format(
        _WIDTH, height, label, inside
    )


def _underlay(picture: Picture | None) -> Markup:
    if picture is None:
        return Markup("")
    height = round(picture.shape[0] * _WIDTH / picture.shape[1])
    small = cv2.resize(picture, (round(_WIDTH), height), interpolation=cv2.INTER_AREA)
    encoded = cv2.imencode(
        ".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    )[1]
    return Markup('<image href="data:image/jpeg;base64,{}" width="100%" height="100%"/>').format(
        base64.b64encode(encoded.tobytes()).decode("ascii")
    )
