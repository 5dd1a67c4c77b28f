"""Bring a fit to keypoints into line with the pictures themselves: masks, depth maps, no hand within another.

A few Levenberg–Marquardt steps of all terms together, every frame on its own. Keypoints say which finger is
where; what a mask and a depth map add is the surface between them, which is what size and place are read off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from handloom.cameras import Camera, CameraRig
from handloom.errors import FitError
from handloom.fitting.collision import Body, body, collision_residuals, pairs_between
from handloom.fitting.equations import Observations, Terms, normal_equations
from handloom.fitting.frames import FitOptions, FrameEvidence, HandFit, fit_frames, observations, terms_of
from handloom.fitting.residuals import add_points
from handloom.fitting.solver import advance
from handloom.fitting.surface import (
    ContourMatches,
    DepthMatches,
    MaskField,
    contour_residuals,
    depth_field,
    depth_residuals,
    mask_field,
    match_contour,
    match_depth,
    outside_residuals,
    project_with_jacobian,
)
from handloom.hand import HandModel
from handloom.hand.articulation import (
    ANGLES,
    POSE,
    Articulation,
    SkinnedPoints,
    articulation,
    keypoints_of,
    vertices_of,
)
from handloom.hand.kernel import points_with_jacobian
from handloom.hand.kinematics import rigid

Array = NDArray[np.float64]

_LAST_REACH = 1.0 / 3.0


@dataclass(frozen=True, eq=False)
class SurfaceEvidence:
    """What pictures show of one hand's surface in N frames. What is given is used.

    Attributes:
        rig: the C cameras.
        masks: per camera (N, H, W), true on the hand, or None; as numbers, NaN marks pixels where something
            in front of the hand leaves open whether it is there.
        depths: per camera (N, H, W) distance along the optical axis in the unit of the rig, or None; zero or
            NaN where missing. The picture may be of another size than the masks only as another camera.
    """

    rig: CameraRig
    masks: Sequence[NDArray | None] | None = None
    depths: Sequence[NDArray | None] | None = None


@dataclass(frozen=True, eq=False)
class RefineOptions:
    """How the surface is weighed against the keypoints.

    Attributes:
        fit: the keypoints, the priors and the limits, as in :func:`fit_frames`.
        mask_sigma_px: standard deviation of an outline across itself. Neighbouring points of an outline err
            together, so this is larger than the error of a good mask.
        mask_reach_px: outlines further apart than this are not of the same thing.
        depth_sigma_m, depth_knee: of a vertex's depth; linear beyond the knee, in standard deviations.
        depth_reach_m: depths further off than this are not the hand's. It shrinks to a third with the steps:
            a hand that is nearly in place knows better what is its own.
        collision_sigma_m: standard deviation of the overlap of two capsules; 0 lets hands pass through.
        iterations: at most.
    """

    fit: FitOptions = field(default_factory=FitOptions)
    mask_sigma_px: float = 3.0
    mask_reach_px: float = 25.0
    depth_sigma_m: float = 0.004
    depth_knee: float = 1.5
    depth_reach_m: float = 0.04
    collision_sigma_m: float = 0.002
    iterations: int = 15


def refine_frames(
    model: HandModel,
    fit: HandFit,
    evidence: FrameEvidence,
    surface: SurfaceEvidence | None = None,
    options: RefineOptions | None = None,
    *,
    shape_known: bool = False,
) -> HandFit:
    """Refine the fit of one hand.

    Args:
        model: the hand.
        fit: to begin at; frames that are NaN stay so.
        evidence: the keypoints that led to it, which go on to count.
        surface: masks and depth maps.
        options: how all is weighed.
        shape_known: keep the shape as it is.

    Returns:
        The fit, with ``cost`` over all residuals and without a covariance: neighbouring pixels err together,
        and a covariance that took them one by one would promise too much.

    Raises:
        FitError: if arrays do not fit each other, or keypoints are missing (:func:`fit_frames`).
    """
    return refine_hands([model], [fit], [evidence], [surface], options, shape_known=shape_known)[0]


def refine_hands(
    models: Sequence[HandModel],
    fits: Sequence[HandFit],
    evidence: Sequence[FrameEvidence],
    surfaces: Sequence[SurfaceEvidence | None] | None = None,
    options: RefineOptions | None = None,
    *,
    shape_known: bool = False,
) -> list[HandFit]:
    """Refine several hands of the same N frames together, so that none passes through another.

    Arguments are those of :func:`refine_frames`, one entry per hand.
    """
    options = options or RefineOptions()
    surfaces = surfaces or [None] * len(models)
    if not len(models) == len(fits) == len(evidence) == len(surfaces):
        raise FitError("The hands and what was seen of them differ in number.", "Give one entry per hand.")
    if len({len(fit.angles) for fit in fits}) > 1:
        raise FitError("The hands were fitted in different numbers of frames.", "Fit the same frames.")
    hands = [
        _Hand(model, fit, seen, surface, options, shape_known)
        for model, fit, seen, surface in zip(models, fits, evidence, surfaces, strict=True)
    ]
    count = len(fits[0].angles)
    costs, converged = np.full((len(hands), count), np.nan), np.zeros(count, dtype=bool)
    for n in range(count):
        there = [k for k, hand in enumerate(hands) if np.isfinite(hand.states[n].angles).all()]
        if there:
            shares, converged[n] = _refine_one([hands[k] for k in there], n, options)
            costs[there, n] = shares
    return [hand.fit(cost, converged) for hand, cost in zip(hands, costs, strict=True)]


@dataclass(frozen=True, eq=False)
class _State:
    """Angles (45,), rotation (3, 3), place (3,) and shape (B,) of a hand in one frame."""

    angles: Array
    R: Array
    t: Array
    shape: Array

    def after(self, step: Array) -> _State:
        new = _State(*(np.empty_like(part) for part in (self.angles, self.R, self.t, self.shape)))
        advance(self.angles, self.R, self.t, self.shape, step, new.angles, new.R, new.t, new.shape)
        return new

    def points(self, model: HandModel, points: SkinnedPoints) -> tuple[Array, Array]:
        return points_with_jacobian(
            model, points, self.angles.reshape(15, 3), self.shape, rigid(self.R, self.t)
        )


@dataclass(frozen=True, eq=False)
class _View:
    """A picture of one frame, and what of it is compared during one step."""

    camera: Camera
    mask: MaskField | None
    depth: Array | None
    matches: ContourMatches | None = None
    planes: DepthMatches | None = None

    def matched(self, model: HandModel, vertices: Array, iteration: int, options: RefineOptions) -> _View:
        pixels = self.camera.project(vertices)
        matches = planes = None
        if self.mask is not None:
            matches = match_contour(model, vertices, self.camera, pixels, self.mask, options.mask_reach_px)
        if self.depth is not None:
            reach = options.depth_reach_m * max(0.8**iteration, _LAST_REACH)
            planes = match_depth(model, vertices, self.camera, pixels, self.depth, reach)
        return replace(self, matches=matches, planes=planes)


class _Hand:
    """One hand with all that is known of it, in all frames."""

    def __init__(
        self,
        model: HandModel,
        fit: HandFit,
        evidence: FrameEvidence,
        surface: SurfaceEvidence | None,
        options: RefineOptions,
        shape_known: bool,
    ) -> None:
        N = len(fit.angles)
        self.model, self.evidence, self.options = model, evidence, options
        self.columns = POSE + (0 if shape_known else model.shape_count)
        self.joints: Articulation = articulation(model)
        self.keypoints, self.vertices = keypoints_of(model), vertices_of(model)
        self.seen: Observations = observations(evidence, options.fit)
        self.terms: Terms = terms_of(model, options.fit)
        if len(self.seen.points) != N:
            raise FitError(
                f"The fit has {N} frames, its keypoints have {len(self.seen.points)}.",
                "Give the keypoints that the fit was made from.",
            )
        self.surface = surface
        if surface is not None:
            _check(surface, N)
        T = fit.T_world_wrist
        self.states = [
            _State(
                fit.angles[n].reshape(ANGLES).copy(), T[n, :3, :3].copy(), T[n, :3, 3].copy(),
                fit.shape[n].copy(),
            )
            for n in range(N)
        ]  # fmt: skip

    def views(self, n: int) -> list[_View]:
        if self.surface is None:
            return []
        found = []
        for c, camera in enumerate(self.surface.rig):
            mask = None if self.surface.masks is None else self.surface.masks[c]
            depth = None if self.surface.depths is None else self.surface.depths[c]
            if mask is not None or depth is not None:
                found.append(
                    _View(
                        camera,
                        None if mask is None else mask_field(mask[n]),
                        None if depth is None else depth_field(depth[n]),
                    )
                )
        return found

    def capsules(self, n: int) -> Body:
        return body(self.model, self.states[n].shape)

    def placed(self, state: _State) -> Array:
        return state.points(self.model, self.vertices)[0]

    def equations(self, n: int, state: _State, views: list[_View]) -> tuple[float, Array, Array]:
        """Cost and normal equations, both triangles, of all that concerns this hand alone."""
        P, options = self.columns, self.options
        seen = Observations(
            self.seen.points[n : n + 1], self.seen.point_precision[n : n + 1], self.seen.view_R,
            self.seen.view_t, self.seen.rays[:, n : n + 1], self.seen.ray_precision[:, n : n + 1],
            self.seen.expected_angles[n : n + 1], self.seen.expected_R[n : n + 1],
            self.seen.expected_t[n : n + 1], self.seen.expected_precision[n : n + 1],
        )  # fmt: skip
        H, g, cost = np.empty((1, P, P)), np.empty((1, P)), np.empty(1)
        normal_equations(
            self.joints, self.keypoints, seen, self.terms, state.angles[None], state.R[None],
            state.t[None], state.shape[None], H, g, cost,
        )  # fmt: skip
        total = float(cost[0])
        if views:
            placed, J = state.points(self.model, self.vertices)
            information, gradient = np.zeros((len(placed), 3, 3)), np.zeros((len(placed), 3))
            knee = options.fit.knee
            for view in views:
                pixels, D = project_with_jacobian(view.camera, placed)
                if view.mask is not None and view.matches is not None:
                    of_mask = options.mask_sigma_px, knee, information, gradient
                    total += outside_residuals(pixels, D, view.mask, *of_mask)
                    total += contour_residuals(pixels, D, view.matches, *of_mask)
                if view.planes is not None:
                    total += depth_residuals(
                        placed, pixels, D, view.camera, view.planes, options.depth_sigma_m,
                        options.depth_knee, information, gradient,
                    )  # fmt: skip
            add_points(
                np.ascontiguousarray(J[..., :P]), self.vertices.spans, information, gradient, H[0], g[0]
            )
        return total, np.tril(H[0]) + np.tril(H[0], -1).T, g[0]

    def fit(self, cost: Array, converged: NDArray[np.bool_]) -> HandFit:
        """The states as a fit, with its figures."""
        T = rigid(np.stack([s.R for s in self.states]), np.stack([s.t for s in self.states]))
        angles = np.stack([s.angles for s in self.states]).reshape(-1, 15, 3)
        as_is = fit_frames(
            self.model, self.evidence, replace(self.options.fit, iterations=0),
            shape=np.stack([s.shape for s in self.states]), initial=(angles, T),
        )  # fmt: skip
        return replace(as_is, cost=cost, converged=converged & np.isfinite(cost))


def _check(surface: SurfaceEvidence, N: int) -> None:
    for name, pictures in (("masks", surface.masks), ("depths", surface.depths)):
        if pictures is None:
            continue
        if len(pictures) != len(surface.rig):
            raise FitError(
                f"There are {name} of {len(pictures)} views and {len(surface.rig)} cameras.",
                "Give one entry per camera, None where it has none.",
            )
        for camera, frames in zip(surface.rig, pictures, strict=True):
            if frames is None:
                continue
            size = camera.image_size
            expected = np.shape(frames)[1:] if size is None else (size[1], size[0])
            if np.ndim(frames) != 3 or len(frames) != N or np.shape(frames)[1:] != expected:
                raise FitError(
                    f"The {name} of camera {camera.name!r} have shape {np.shape(frames)}, expected"
                    f" {(N, *expected)}.",
                    "Give one picture per frame, of the camera's size.",
                )


def _refine_one(hands: list[_Hand], n: int, options: RefineOptions) -> tuple[list[float], bool]:
    """Refine one frame of hands that are all there; (K,) costs of the hands and whether it came to rest."""
    states, views = [hand.states[n] for hand in hands], [hand.views(n) for hand in hands]
    bodies = [hand.capsules(n) for hand in hands]
    damping, ended = 1e-3, False
    shares: list[float] = []
    for iteration in range(options.iterations):
        views = [
            [view.matched(hand.model, hand.placed(state), iteration, options) for view in own] if own else own
            for hand, state, own in zip(hands, states, views, strict=True)
        ]
        cost, shares, H, g = _assemble(hands, n, states, views, bodies, options)
        found = False
        while damping < 1e8:
            diagonal = np.diag(H)
            damped = H + np.diag(damping * diagonal + 1e-9 + 1e-3 * damping)
            step = np.asarray(np.linalg.solve(damped, -g), dtype=np.float64)
            if -0.5 * float(g @ step) < options.fit.tolerance * max(1.0, cost) and damping <= 1e-2:
                break
            trial = _moved(hands, states, step)
            new_cost, new_shares, _, _ = _assemble(hands, n, trial, views, bodies, options)
            if new_cost < cost:
                found = True
                break
            damping *= 8.0
        if not found:
            ended = True
            break
        states, shares, damping = trial, new_shares, max(0.1 * damping, 1e-6)
        # Outlines are matched anew after each step, so the cost keeps a last flutter.
        if cost - new_cost < 10.0 * options.fit.tolerance * max(1.0, cost):
            ended = True
            break
    for hand, state in zip(hands, states, strict=True):
        hand.states[n] = state
    return shares, ended


def _moved(hands: list[_Hand], states: list[_State], step: Array) -> list[_State]:
    parts = np.split(step, np.cumsum([hand.columns for hand in hands])[:-1])
    return [state.after(part) for state, part in zip(states, parts, strict=True)]


def _assemble(
    hands: list[_Hand],
    n: int,
    states: list[_State],
    views: list[list[_View]],
    bodies: list[Body],
    options: RefineOptions,
) -> tuple[float, list[float], Array, Array]:
    """Cost, the share of each hand without collisions, and the normal equations of all hands together."""
    edges = np.cumsum([0, *(hand.columns for hand in hands)])
    H, g, shares = np.zeros((edges[-1], edges[-1])), np.zeros(edges[-1]), []
    for k, (hand, state, own) in enumerate(zip(hands, states, views, strict=True)):
        block = slice(edges[k], edges[k + 1])
        share, H[block, block], g[block] = hand.equations(n, state, own)
        shares.append(share)
    cost = sum(shares)
    if options.collision_sigma_m > 0.0:
        radii = np.concatenate([one.radii for one in bodies])
        ends = np.empty((2, len(radii), 3))
        J = np.zeros((2, len(radii), 3, edges[-1]))
        start = 0
        for k, (hand, state, one) in enumerate(zip(hands, states, bodies, strict=True)):
            C = len(one.radii)
            placed, D = state.points(hand.model, one.points)
            ends[:, start : start + C] = placed.reshape(2, C, 3)
            J[:, start : start + C, :, edges[k] : edges[k + 1]] = D.reshape(2, C, 3, -1)[..., : hand.columns]
            start += C
        pairs, allowance = pairs_between(bodies)
        cost += collision_residuals(
            ends[0], ends[1], J[0], J[1], radii, pairs, allowance, options.collision_sigma_m, H, g
        )
    return cost, shares, H, g
