"""What the hands of a scene do: their poses and places over its frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from handloom.hand import load_open_hand
from handloom.hand.kinematics import rigid, rotation_from_vector
from handloom.synthesis.motion import minimum_jerk
from handloom.synthesis.pictures.arms import ArmPose, arm_line
from handloom.synthesis.pictures.contact import Skin, depth_between
from handloom.synthesis.pictures.pairs import FreeHand, bring_together, draw_relation
from handloom.synthesis.pictures.people import Person
from handloom.synthesis.pictures.poses import SOURCES, draw_pose, freed
from handloom.synthesis.pictures.recipe import Recipe
from handloom.synthesis.pictures.streams import choose
from handloom.synthesis.pictures.truth import Shown

Array = NDArray[np.float64]

_ARM_RADIUS_M = 0.045
_APART_M = 0.012
_X = np.array([1.0, 0.0, 0.0])
_GRASPS = ("fist", "half closed", "hook", "pinch")


@dataclass(frozen=True, eq=False)
class Actor:
    """One hand over the frames of a scene.

    Attributes:
        side: ``"left"`` or ``"right"``.
        pose: name of the gesture or source of its (first) pose.
        angles: (T, 15, 3).
        T_world_wrist: (T, 4, 4).
        arm: how the arm goes on.
    """

    side: str
    pose: str
    angles: Array
    T_world_wrist: Array
    arm: ArmPose

    def at(self, frame: int, shape: Array) -> Shown:
        """The hand in a frame."""
        model = load_open_hand(self.side)
        T = self.T_world_wrist[frame]
        posed = model.pose(self.angles[frame], shape, T)
        return Shown(model, self.angles[frame], shape, T, posed.vertices, posed.keypoints)

    def arm_points(self, hand: Shown) -> Array:
        """(K, 3) along the arm behind a hand."""
        return arm_line(hand.vertices, self.side, hand.T_world_wrist[:3, :3], self.arm)


def draw_actors(
    recipe: Recipe, kind: str, grasping: bool, person: Person, rng: np.random.Generator
) -> tuple[list[Actor], str]:
    """The hands of a scene, and how they meet ('' for one that does not).

    Args:
        recipe: frames and rate.
        kind: ``"one"``, ``"two"`` or ``"interacting"``.
        grasping: whether the first hand holds something.
        person: whose hands they are.
        rng: decides everything.
    """
    if kind == "interacting":
        return _interacting(recipe, person, rng)
    if kind == "one":
        side = "right" if rng.random() < recipe.right_hands else "left"
        return [_alone(recipe, person, side, _facing(side, rng), np.zeros(3), grasping, rng)], ""
    actors = []
    for side, way in (("right", 1.0), ("left", -1.0)):
        place = np.array([way * rng.uniform(0.05, 0.14), *rng.normal(0.0, 0.05, 2)])
        actors.append(
            _alone(recipe, person, side, _facing(side, rng), place, grasping and side == "right", rng)
        )
    return _parted(actors, person), "apart"


def _alone(
    recipe: Recipe,
    person: Person,
    side: str,
    R: Array,
    place: Array,
    grasping: bool,
    rng: np.random.Generator,
) -> Actor:
    keys = 1 if recipe.frames == 1 else max(int(recipe.frames / recipe.fps / 0.6), 1) + 2
    poses, names = [], []
    for _ in range(keys):
        source = "gesture" if grasping else choose(rng, SOURCES)
        angles, name = draw_pose(person.flesh, source, rng, _GRASPS if grasping else None)
        poses.append(angles)
        names.append(name)
    if recipe.frames == 1:
        return Actor(side, names[0], poses[0][None], rigid(R, place)[None], _arm(rng))
    time = np.arange(recipe.frames) / recipe.fps
    at = np.cumsum(rng.uniform(0.45, 0.9, keys))
    at -= at[0] + rng.uniform(0.0, 0.4)
    angles = np.stack([freed(person.flesh, a) for a in minimum_jerk(at, np.stack(poses), time)])
    turns = rotation_from_vector(minimum_jerk(at, rng.normal(0.0, 0.25, (keys, 3)), time))
    places = place + minimum_jerk(at, rng.normal(0.0, 0.025, (keys, 3)), time)
    return Actor(side, names[0], angles, rigid(turns @ R, places), _arm(rng))


def _interacting(recipe: Recipe, person: Person, rng: np.random.Generator) -> tuple[list[Actor], str]:
    models = {side: load_open_hand(side) for side in ("right", "left")}
    for attempt in range(6):
        source = choose(rng, SOURCES)
        angles, name = draw_pose(person.flesh, source, rng)
        other, other_name = (
            (angles, name) if rng.random() < 0.4 else draw_pose(person.flesh, choose(rng, SOURCES), rng)
        )
        relation, R, middle, way = draw_relation(rng)
        free = {}
        for side, a in (("right", angles), ("left", other)):
            posed = models[side].pose(a, person.shape)
            capsules = person.flesh.of_side(side)
            starts, ends = capsules.at(posed.T_world_joint)
            free[side] = FreeHand(Skin.of(models[side], posed.vertices), starts, ends, capsules.radii)
        T = bring_together(free["right"], free["left"], R, middle, way)
        arms = _arms_apart(free["right"].skin.vertices, free["left"].skin.vertices, T, rng)
        if arms is not None or attempt == 5:
            break
    arms = arms or (_arm(rng), _arm(rng))
    base = rigid(_facing("right", rng), np.zeros(3))
    if recipe.frames > 1:
        time = np.arange(recipe.frames) / recipe.fps
        at = np.cumsum(rng.uniform(0.5, 1.0, max(int(time[-1] / 0.5), 1) + 3)) - 1.0
        turns = rotation_from_vector(minimum_jerk(at, rng.normal(0.0, 0.2, (len(at), 3)), time))
        moves = rigid(turns, minimum_jerk(at, rng.normal(0.0, 0.02, (len(at), 3)), time))
    else:
        moves = np.eye(4)[None]
    still = (len(moves), 1, 1)
    return [
        Actor("right", name, np.tile(angles, still), moves @ base, arms[0]),
        Actor("left", other_name, np.tile(other, still), moves @ base @ T, arms[1]),
    ], relation


def _arms_apart(
    right: Array, left: Array, T_right_left: Array, rng: np.random.Generator
) -> tuple[ArmPose, ArmPose] | None:
    """Arms that run neither into each other nor into the other's hand; None if none of some tries do."""
    R, t = T_right_left[:3, :3], T_right_left[:3, 3]
    left = left @ R.T + t
    for _ in range(8):
        arms = _arm(rng), _arm(rng)
        lines = arm_line(right, "right", np.eye(3), arms[0]), arm_line(left, "left", R, arms[1])
        between = np.linalg.norm(lines[0][:, None] - lines[1][None], axis=-1).min()
        to_left = np.linalg.norm(lines[0][3:, None] - left[None, ::9], axis=-1).min()
        to_right = np.linalg.norm(lines[1][3:, None] - right[None, ::9], axis=-1).min()
        if between > 2 * _ARM_RADIUS_M and min(to_left, to_right) > _ARM_RADIUS_M:
            return arms
    return None


def _parted(actors: list[Actor], person: Person) -> list[Actor]:
    """Two hands moved apart sideways until neither touches the other in any frame."""
    moved = []
    away = 0.0
    first, second = actors
    for frame in range(0, len(first.angles), max(len(first.angles) // 8, 1)):
        a, b = (Skin.of(s.model, s.vertices) for s in (actor.at(frame, person.shape) for actor in actors))
        for _ in range(12):
            depth = depth_between(a.moved(np.eye(3), _X * away), b.moved(np.eye(3), _X * -away))
            if depth < -_APART_M:
                break
            away += 0.5 * max(depth + 0.02, 0.006)
    for actor, way in ((first, 1.0), (second, -1.0)):
        T = actor.T_world_wrist.copy()
        T[:, 0, 3] += way * away
        moved.append(Actor(actor.side, actor.pose, actor.angles, T, actor.arm))
    return moved


def _facing(side: str, rng: np.random.Generator) -> Array:
    """(3, 3) R_world_wrist of a hand whose person stands at −y and looks to +y; +z is up."""
    outward = 0.35 if side == "right" else -0.35
    fingers = np.array([-outward + rng.normal(0.0, 0.6), 0.8, 0.0])
    rise = np.clip(rng.normal(np.deg2rad(35.0), np.deg2rad(42.0)), -1.2, 1.5)
    fingers = fingers / np.linalg.norm(fingers) * np.cos(rise) + [0.0, 0.0, np.sin(rise)]
    x = np.cross(fingers, rng.normal(size=3))
    x /= np.linalg.norm(x)
    return np.stack([x, fingers, np.cross(x, fingers)], axis=-1)


def _arm(rng: np.random.Generator) -> ArmPose:
    bend = rng.normal(0.0, 1.0, 3).clip(-2, 2) * [0.32, 0.0, 0.16]
    about = rng.uniform(0, 2 * np.pi)
    return ArmPose(bend, rng.uniform(0.2, 1.4) * np.array([np.cos(about), 0.0, np.sin(about)]))
