"""One made picture, or one per camera, with all that is true of it: a pure function of seed and index."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from handloom.cameras import Camera
from handloom.datasets.sample import PERSON, Sample
from handloom.hand import HAND_TREE
from handloom.hand.kinematics import rotation_from_vector
from handloom.rendering.scene import Illumination, Mesh, Scene, expose
from handloom.synthesis.pictures.actors import Actor, draw_actors
from handloom.synthesis.pictures.arms import arm_mesh, sleeve_mesh, strap_mesh
from handloom.synthesis.pictures.backgrounds import draw_background, shared_place
from handloom.synthesis.pictures.cameras import draw_cameras
from handloom.synthesis.pictures.cast_shadow import cast_shadow
from handloom.synthesis.pictures.lights import draw_light
from handloom.synthesis.pictures.openness import openness, own_capsules
from handloom.synthesis.pictures.people import Person, person_of
from handloom.synthesis.pictures.poses import transforms
from handloom.synthesis.pictures.recipe import Recipe
from handloom.synthesis.pictures.sensor import Sensor, composite, develop, draw_sensor
from handloom.synthesis.pictures.streams import BACKGROUND, SCENE, SENSOR, choose, stream
from handloom.synthesis.pictures.things import HANGING, HELD, Thing, anywhere, draw_thing, gather, skin_like
from handloom.synthesis.pictures.truth import Shown, hand_label, normals_of, parts_of

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Staged:
    """What stays the same over the frames of a scene."""

    kind: str
    relation: str
    person: Person
    actors: tuple[Actor, ...]
    first: tuple[Shown, ...]
    """The hands in the first frame."""
    cameras: tuple[Camera, ...]
    backgrounds: tuple[tuple[str, NDArray[np.float32]], ...]
    light: str
    illumination: Illumination
    things: tuple[tuple[str, Thing, int, Array], ...]
    """Name, thing, index of the hand that holds it (−1: none), place in the hand's or the world's frame."""
    sensors: tuple[Sensor, ...]
    motion: Array
    gap: float | None
    """Metres to the table or wall behind, where one is near."""


def draw_sample(recipe: Recipe, seed: int, index: int) -> tuple[Sample, ...]:
    """Make the picture of an index, one sample for every camera.

    With ``recipe.frames`` above 1, so many indices in a row are the frames of one scene. The world of several
    cameras has +z up; that of a single one is the camera's own frame.

    Args:
        recipe: what to make.
        seed: of the whole set.
        index: of the picture, from 0.

    Raises:
        SynthesisError: if a photograph for the background cannot be read.
    """
    number, frame = divmod(index, recipe.frames)
    staged = _staged(recipe, seed, number) if recipe.frames > 1 else _stage(recipe, seed, number)
    hands = (
        list(staged.first)
        if frame == 0
        else [actor.at(frame, staged.person.shape) for actor in staged.actors]
    )
    samples = []
    scene: Scene | None = None
    for view, camera in enumerate(staged.cameras):
        if scene is None:
            scene = _scene(staged, hands, camera)
        samples.append(_picture(recipe, seed, index, staged, hands, scene, view))
    return tuple(samples)


_STAGES: OrderedDict[tuple[int, int, int], tuple[Recipe, Staged]] = OrderedDict()


def _staged(recipe: Recipe, seed: int, number: int) -> Staged:
    """The stage of a scene of several frames, kept for the next frame."""
    key = (id(recipe), seed, number)
    if key not in _STAGES:
        _STAGES[key] = (recipe, _stage(recipe, seed, number))
        while len(_STAGES) > 2:
            _STAGES.popitem(last=False)
    return _STAGES[key][1]


def _stage(recipe: Recipe, seed: int, number: int) -> Staged:
    rng = stream(seed, SCENE, number)
    person = person_of(recipe, seed, number)
    kind = choose(rng, recipe.hands)
    occluder = rng.random() < recipe.occluders
    held = occluder and kind != "interacting" and rng.random() < 0.55
    actors, relation = draw_actors(recipe, kind, held, person, rng)
    wrists = np.stack([actor.T_world_wrist for actor in actors])
    first = [actor.at(0, person.shape) for actor in actors]
    points = np.concatenate([hand.keypoints for hand in first])
    path = wrists[:, :, :3, 3] - wrists[:, :1, :3, 3]
    steps = path[:, :: max(path.shape[1] // 6, 1)].reshape(-1, 3)
    points = (points + steps[:, None]).reshape(-1, 3)
    arms = [actor.arm_points(hand) for actor, hand in zip(actors, first, strict=True)]
    palms = [hand.T_world_wrist[:3, :3] for hand in first]
    cameras = draw_cameras(points, arms, palms, recipe, rng)
    backgrounds = tuple(_background(recipe, person, seed, number, view) for view in range(len(cameras)))
    light, illumination = draw_light(backgrounds[0][1], cameras[0].T_camera_world[:3, :3], rng)
    things = _things(recipe, occluder, held, person, points, cameras[0], rng)
    shorter = min(recipe.image_size)
    sensors = tuple(draw_sensor(recipe.sensor, light == "dim", shorter, rng) for _ in cameras)
    motion = np.zeros(2)
    if recipe.frames == 1 and rng.random() < recipe.moving:
        motion = rng.normal(0.0, 0.014, 2) * shorter
    return Staged(
        kind,
        relation,
        person,
        tuple(actors),
        tuple(first),
        cameras,
        backgrounds,
        light,
        illumination,
        things,
        sensors,
        motion,
        _gap(backgrounds[0][0], rng),
    )


def _background(
    recipe: Recipe, person: Person, seed: int, number: int, view: int
) -> tuple[str, NDArray[np.float32]]:
    rng = stream(seed, BACKGROUND, number, view)
    place = seed, shared_place(number, rng)
    return draw_background(recipe, person.cloth_colour, person.skin_colour, place, rng)


def _gap(background: str, rng: np.random.Generator) -> float | None:
    near = {"desk": 0.9, "cloth": 0.7, "plain": 0.4, "room": 0.2}
    wanted, gap = rng.random(), float(np.exp(rng.uniform(np.log(0.004), np.log(0.25))))
    return gap if wanted < near.get(background, 0.0) else None


def _things(
    recipe: Recipe,
    occluder: bool,
    held: bool,
    person: Person,
    points: Array,
    camera: Camera,
    rng: np.random.Generator,
) -> tuple[tuple[str, Thing, int, Array], ...]:
    """Things in the hand, before the hands, and beside them."""
    things = []
    middle = points.mean(axis=0)
    if held:
        name = HELD[rng.integers(len(HELD))]
        thing = draw_thing(name, rng)
        low = thing.vertices.min(axis=0)
        T = np.eye(4)
        # Across the palm, on it, a little turned.
        turn = rng.normal(0.0, 0.25, 3)
        T[:3, :3] = rotation_from_vector(turn)
        T[:3, 3] = [rng.normal(0.0, 0.012), 0.085 + rng.normal(0.0, 0.008), 0.014 - low[2]]
        things.append((name, thing, 0, T))
    elif occluder:
        name = HANGING[rng.integers(len(HANGING))]
        thing = draw_thing(name, rng)
        towards = camera.center - middle
        distance = np.linalg.norm(towards)
        # As near to the camera, so much smaller it has to be to hide less than half.
        way = rng.uniform(0.12, 0.5)
        aside = rng.normal(0.0, 1.0, 3)
        aside -= towards * (aside @ towards) / distance**2
        aside *= rng.uniform(0.015, 0.075) * (1 - way) / np.linalg.norm(aside)
        T = np.eye(4)
        T[:3, :3] = (
            anywhere(rng) if name != "cut-out" else camera.T_camera_world[:3, :3].T @ _towards_camera(rng)
        )
        T[:3, 3] = middle + way * towards + aside
        thing = replace(thing, vertices=thing.vertices * (1 - way))
        things.append((name, thing, -1, T))
    if rng.random() < recipe.distractors:
        thing = skin_like(person.skin_colour, rng)
        away = middle - camera.center
        aside = rng.normal(0.0, 1.0, 3)
        T = np.eye(4)
        T[:3, :3] = anywhere(rng)
        T[:3, 3] = middle + away * rng.uniform(0.25, 0.9) + aside * rng.uniform(0.05, 0.2)
        things.append(("skin", thing, -1, T))
    return tuple(things)


def _towards_camera(rng: np.random.Generator) -> Array:
    """(3, 3) turns a flat shape's front to the camera, any way up."""
    angle = rng.uniform(0, 2 * np.pi)
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, s, 0.0], [s, -c, 0.0], [0.0, 0.0, -1.0]])


def _scene(staged: Staged, hands: list[Shown], camera: Camera) -> Scene:
    """All meshes, in their light."""
    person = staged.person
    meshes: list[Mesh] = []
    ends = []
    for actor, hand in zip(staged.actors, hands, strict=True):
        capsules = person.flesh.of_side(actor.side)
        T = hand.T_world_wrist @ transforms(hand.model, hand.shape, hand.angles)
        ends.append((*capsules.at(T), capsules.radii))
    for number, (actor, hand) in enumerate(zip(staged.actors, hands, strict=True)):
        R = hand.T_world_wrist[:3, :3]
        own = own_capsules(person.flesh.of_side(actor.side), np.array(HAND_TREE.parents))
        starts, stops, radii = (np.concatenate(column) for column in zip(*ends, strict=True))
        carries = np.zeros((len(own), len(radii)), dtype=bool)
        carries[:, number * own.shape[1] : (number + 1) * own.shape[1]] = own
        owner = hand.model.weights.argmax(axis=1)
        light = openness(
            hand.vertices, hand.model.normals(hand.vertices), owner, starts, stops, radii, carries
        )
        meshes.append(arm_mesh(actor.side, hand.vertices, R, actor.arm, light))
        if person.sleeve is not None:
            meshes.append(sleeve_mesh(actor.side, hand.vertices, R, actor.arm, person.sleeve))
        if (
            person.strap is not None
            and actor.side == "left"
            and (person.sleeve is None or person.sleeve.cuff > 0.08)
        ):
            meshes.append(strap_mesh(actor.side, hand.vertices, R, actor.arm, person.strap))
    placed = [
        (thing, (hands[holder].T_world_wrist if holder >= 0 else np.eye(4)) @ T)
        for _, thing, holder, T in staged.things
    ]
    things = gather(placed)
    assert camera.image_size is not None
    distance = np.linalg.norm(camera.center - hands[0].keypoints.mean(axis=0))
    atlas = person.atlas(float(camera.K[0, 0] / distance))
    focus = np.concatenate([hand.vertices for hand in hands])
    return Scene.of([*meshes, *things.meshes], atlas, things.textures, staged.illumination, focus)


def _picture(
    recipe: Recipe, seed: int, index: int, staged: Staged, hands: list[Shown], scene: Scene, view: int
) -> Sample:
    camera, sensor = staged.cameras[view], staged.sensors[view]
    background_kind, background = staged.backgrounds[view]
    exposure = expose(camera, scene)
    fragments = exposure.fragments
    parts = parts_of(fragments, scene)
    person = parts >= PERSON
    if staged.gap is not None:
        background = cast_shadow(background, camera, scene, staged.gap)
    light = composite(exposure.light, background, sensor, staged.motion)
    noise = int(stream(seed, SENSOR, index, view).integers(1 << 62))
    labels = tuple(hand_label(camera, hand, scene) for hand in hands)
    single = len(staged.cameras) == 1
    moment = f"{index:08d}"
    who = staged.person
    return Sample(
        key=moment if single else f"{moment}_{camera.name}",
        image=develop(light, sensor, noise),
        camera=replace(camera, T_camera_world=np.eye(4)) if single else camera,
        hands=labels,
        parts=parts,
        depth=np.where(person, fragments.depth, np.nan).astype(np.float32),
        normals=normals_of(camera, fragments, scene, person),
        moment=None if single else moment,
        conditions={
            "tone": who.tone, "ita": who.ita, "subject": float(who.number), "hands": staged.kind,
            "relation": staged.relation, "pose": "/".join(actor.pose for actor in staged.actors),
            "light": staged.light, "background": background_kind,
            "occluder": "/".join(name for name, *_ in staged.things) or "none",
            "wears": "/".join(who.wears) or "nothing",
            "arm": "bare" if who.sleeve is None else "sleeve",
            "motion_px": float(np.hypot(*staged.motion)), "scene": float(index // recipe.frames),
        },
    )  # fmt: skip
