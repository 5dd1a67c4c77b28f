"""A small multi-camera recording of rendered hands, with the calibration and the truth beside it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from handloom.cameras import CameraRig, write_rig
from handloom.hand import HandModel, PosedHand, load_open_hand
from handloom.progress import SILENT, Progress
from handloom.rendering import COMPLEXIONS, HandSurface, Lighting, SensorNoise, render, room
from handloom.session.files import explained, whole_file
from handloom.synthesis.motion import HandMotion, random_motion
from handloom.synthesis.stage import demo_rig
from handloom.video import VideoWriter

Array = NDArray[np.float64]

APART_M = 0.14
"""How far from the middle each of two hands stays."""


@dataclass(frozen=True, eq=False)
class Truth:
    """What a made capture really shows, metres in the rig's world.

    Attributes:
        sides: (H,) ``"left"`` or ``"right"``.
        keypoints: (T, H, 21, 3) in the order of ``handloom.skeleton.HAND``.
        joints: (T, H, 16, 3) joint centres, in the order of ``handloom.hand.HAND_TREE``.
        shape: (H, B) shape coefficients of the open hand.
        angles: (T, H, 15, 3) joint angles, radians.
        T_world_wrist: (T, H, 4, 4).
    """

    sides: tuple[str, ...]
    keypoints: Array
    joints: Array
    shape: Array
    angles: Array
    T_world_wrist: Array


@dataclass(frozen=True, eq=False)
class Actor:
    """One hand of a scene: how it looks and what it does."""

    model: HandModel
    surface: HandSurface
    shape: Array
    motion: HandMotion
    posed: PosedHand


def make_demo_capture(
    folder: str | Path,
    *,
    cameras: int = 3,
    frames: int = 150,
    hands: Sequence[str] = ("right", "left"),
    seed: int = 0,
    image_size: tuple[int, int] = (640, 480),
    fps: float = 30.0,
    progress: Progress = SILENT,
) -> Truth:
    """Render moving hands and write ``cam0.mp4`` …, ``rig.toml`` and ``truth.npz``.

    Args:
        folder: made if need be.
        cameras: C.
        frames: T.
        hands: ``"right"``, ``"left"`` or both.
        seed: decides shapes, motion, skin and light; the same seed gives the same files.
        image_size: (width, height), even numbers.
        fps: frames a second.
        progress: told of every picture.

    Raises:
        VideoError: if a recording cannot be written.
        CameraFileError: if the rig cannot be written.
        SessionError: if the folder or the truth cannot be written.
        ValueError: for a side that is none, or without cameras, frames or hands.
    """
    if cameras < 1 or frames < 1 or not hands:
        raise ValueError(f"nothing to film: {cameras} cameras, {frames} frames, hands {list(hands)}")
    folder = Path(folder)
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    rig = demo_rig(cameras, image_size)
    actors = cast(hands, frames, fps, rng)
    film(rig, actors, [folder / f"{name}.mp4" for name in rig.names], fps, rng, progress)
    write_rig(rig, folder / "rig.toml")
    truth = truth_of(actors)
    write_truth(truth, folder / "truth.npz")
    return truth


def write_truth(truth: Truth, path: str | Path) -> None:
    """Write a ``truth.npz``. Raises :class:`SessionError` if the place cannot be written."""
    with whole_file(Path(path)) as temporary:
        np.savez_compressed(
            temporary,
            sides=np.array(truth.sides),
            keypoints=truth.keypoints,
            joints=truth.joints,
            shape=truth.shape,
            angles=truth.angles,
            T_world_wrist=truth.T_world_wrist,
        )


def read_truth(path: str | Path) -> Truth:
    """Read a ``truth.npz``."""
    with np.load(path, allow_pickle=False) as z:
        values = {name: z[name] for name in z.files}
    return Truth(sides=tuple(str(side) for side in values.pop("sides")), **values)


def cast(
    hands: Sequence[str], frames: int, fps: float, rng: np.random.Generator, *, turn: float = 0.45
) -> list[Actor]:
    """Draw shape, skin and motion of every hand; two hands belong to one person and stay apart.

    Args:
        hands: the sides.
        frames: T.
        fps: frames a second.
        rng: decides everything.
        turn: how far the hands turn, as in :func:`random_motion`.
    """
    complexion = COMPLEXIONS[rng.integers(len(COMPLEXIONS))]
    shape = rng.normal(0.0, 0.8, load_open_hand().shape_count)
    skin_seed = int(rng.integers(1 << 30))
    actors = []
    for side in hands:
        model = load_open_hand(side)
        # The person faces the cameras, so that the right hand is on the left of the picture.
        away = 0.0 if len(hands) == 1 else APART_M * (-1.0 if side == "right" else 1.0)
        motion = random_motion(model, frames, fps, rng, centre=(away, 0.0, 0.0), turn=turn)
        posed = model.pose(motion.angles, shape, motion.T_world_wrist)
        actors.append(Actor(model, HandSurface(model, complexion, skin_seed), shape, motion, posed))
    return actors


def truth_of(actors: Sequence[Actor]) -> Truth:
    """Gather what the actors do."""
    return Truth(
        sides=tuple(actor.model.side for actor in actors),
        keypoints=np.stack([actor.posed.keypoints for actor in actors], axis=1),
        joints=np.stack([actor.posed.joints for actor in actors], axis=1),
        shape=np.stack([actor.shape for actor in actors]),
        angles=np.stack([actor.motion.angles for actor in actors], axis=1),
        T_world_wrist=np.stack([actor.motion.T_world_wrist for actor in actors], axis=1),
    )


def film(
    rig: CameraRig,
    actors: Sequence[Actor],
    paths: Sequence[Path],
    fps: float,
    rng: np.random.Generator,
    progress: Progress = SILENT,
) -> None:
    """Render every camera of a rig to a file of its own, which appears once it is complete."""
    lighting = Lighting(key=(rng.uniform(-0.6, 0.6), -0.8, rng.uniform(0.5, 1.0)))
    frames = len(actors[0].posed.vertices)
    with ExitStack() as stack:
        task = stack.enter_context(progress.task("Rendering", len(rig) * frames, "pictures"))
        for camera, path in zip(rig, paths, strict=True):
            assert camera.image_size is not None
            room_seed, noise_seed = (int(s) for s in rng.integers(1 << 30, size=2))
            backdrop = room(camera.image_size, room_seed)
            noise = SensorNoise(camera.image_size, 2.0, noise_seed)
            with VideoWriter(path, fps) as writer:
                for t in range(frames):
                    surfaces = [
                        a.surface.at(a.posed.vertices[t], a.motion.T_world_wrist[t], a.motion.wrist_bend[t])
                        for a in actors
                    ]
                    writer.write(noise.over(render(camera, surfaces, backdrop, lighting)[0], t))
                    task.advance()
