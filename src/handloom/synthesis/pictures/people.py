"""Who is in the picture: the shape of the hands, the skin, what is worn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from handloom.hand import load_open_hand
from handloom.rendering.scene import Textures
from handloom.rendering.skin_chart import SkinLook, arm_chart, hand_chart, paint
from handloom.synthesis.pictures.arms import Sleeve
from handloom.synthesis.pictures.cloth import CLOTHS, cloth, cloth_colour
from handloom.synthesis.pictures.complexions import TYPES, linear_from_lab, skin_colours
from handloom.synthesis.pictures.poses import Flesh
from handloom.synthesis.pictures.recipe import Recipe
from handloom.synthesis.pictures.streams import PERSON, TONES, stream

Array = NDArray[np.float64]

_SCATTER = (1.0, 1.0, 0.25, 0.0)
_COARSEST = 3


@dataclass(frozen=True, eq=False)
class Person:
    """One person's hands and arms.

    Attributes:
        number: of the person in the set.
        tone: Fitzpatrick's type, ``"I"`` to ``"VI"``.
        ita: individual typology angle of the back of the hand, degrees.
        shape: (B,) of the open hand.
        flesh: what poses of the hand are tested with.
        cloth_colour, skin_colour: (3,) linear, of the sleeve and the back of the hand.
        sleeve: None where the arm is bare.
        strap: metres behind the wrist where a watch sits; None without.
        wears: names of the rare cases.
        atlases: textures in full, half and quarter size.
    """

    number: int
    tone: str
    ita: float
    shape: Array
    flesh: Flesh
    sleeve: Sleeve | None
    strap: float | None
    wears: tuple[str, ...]
    cloth_colour: Array
    skin_colour: Array
    atlases: tuple[Textures, ...]

    def atlas(self, pixels_per_metre: float) -> Textures:
        """The textures whose texels are about as large as the pixels."""
        # A texel of the full chart is about half a millimetre wide.
        level = int(np.clip(np.floor(np.log2(2000.0 / max(pixels_per_metre, 1.0))), 0, _COARSEST - 1))
        return self.atlases[level]


@lru_cache(maxsize=8)
def person(seed: int, number: int, accessories: float) -> Person:
    """The person of a number; a pure function of its arguments.

    Six people in a row have the six tones in some order, so tones are even in every set.
    """
    order = stream(seed, TONES, number // len(TYPES)).permutation(len(TYPES))
    kind = int(order[number % len(TYPES)])
    rng = stream(seed, PERSON, number)
    back, palm, ita = skin_colours(kind, rng)
    shape = rng.normal(0.0, 1.0, load_open_hand().shape_count).clip(-2.5, 2.5)
    wears = tuple(
        name
        for name, share in (("ring", 2), ("watch", 2), ("polish", 1.5), ("tattoo", 1), ("glove", 0.25))
        if rng.random() < share * accessories
    )
    look = _look(back, palm, kind, wears, rng)
    sleeve = _sleeve(rng) if rng.random() < 0.62 else None
    paint_seed = int(rng.integers(1 << 30))
    pictures = [
        paint(chart, look, np.random.default_rng(paint_seed)) for chart in (hand_chart(), arm_chart())
    ]
    if "glove" in wears:
        # The glove ends behind the wrist.
        bare = paint(arm_chart(), _look(back, palm, kind, (), rng), np.random.default_rng(paint_seed))
        end = int(rng.integers(12, 40))
        pictures[1][end:] = bare[end:]
    pictures.append(cloth(str(rng.choice(CLOTHS)), (256, 256), rng))
    pictures.append(_strap(rng))
    levels = [pictures]
    for _ in range(_COARSEST - 1):
        levels.append([_half(picture) for picture in levels[-1]])
    colour = pictures[2][..., :3].mean(axis=(0, 1)).astype(np.float64)
    return Person(
        number, TYPES[kind], ita, shape,
        Flesh.of(shape),
        sleeve, rng.uniform(0.035, 0.055) if "watch" in wears else None, wears, colour, back,
        tuple(Textures.of(level, _SCATTER) for level in levels),
    )  # fmt: skip


def person_of(recipe: Recipe, seed: int, scene: int) -> Person:
    """Who is in a scene."""
    return person(seed, scene // recipe.pictures_per_person, recipe.accessories)


def _look(back: Array, palm: Array, kind: int, wears: tuple[str, ...], rng: np.random.Generator) -> SkinLook:
    dark = kind / 5.0
    nail_bed = 0.55 * palm + 0.45 * linear_from_lab(np.array([68.0 - 8.0 * dark, 14.0, 12.0]))
    tip = linear_from_lab(np.array([rng.uniform(70, 80), 4.0, 12.0]))
    gloss = rng.uniform(0.03, 0.085)
    nail_gloss = rng.uniform(0.08, 0.25)
    if "polish" in wears:
        nail_bed = tip = (
            cloth_colour(rng) if rng.random() < 0.5 else np.array([0.45, 0.02, 0.04]) * rng.uniform(0.5, 1.5)
        )
        nail_gloss = 0.6
    glove = None
    if "glove" in wears:
        glove = (
            cloth_colour(rng) if rng.random() < 0.6 else np.array([0.25, 0.42, 0.62]) * rng.uniform(0.6, 1.2)
        )
        gloss = rng.choice([0.01, 0.12])
    ring = None
    if "ring" in wears:
        metal = np.array([0.72, 0.50, 0.20]) if rng.random() < 0.6 else np.array([0.6, 0.6, 0.6])
        ring = (int(rng.choice([1, 2, 3, 3, 3, 4])), tuple(0.55 * metal), float(rng.uniform(0.0014, 0.0035)))
    mottling = rng.uniform(0.3, 1.1) * np.array([0.025, 0.045, 0.05]) * (1.0 - 0.4 * dark)
    redness = rng.uniform(0.4, 1.2) * (1.0 - 0.6 * dark)
    return SkinLook(
        back=tuple(back), palm=tuple(palm),
        blush=(1.0 + 0.03 * redness, 1.0 - 0.22 * redness, 1.0 - 0.22 * redness),
        nail=tuple(nail_bed), nail_tip=tuple(tip), nail_gloss=float(nail_gloss), gloss=float(gloss),
        mottling=tuple(mottling), grain=rng.uniform(0.006, 0.022), wrinkles=rng.uniform(0.5, 1.7),
        veins=rng.uniform(0.0, 1.4), freckles=float(rng.choice([0.0, 0.0, 0.22])) * (1.0 - dark),
        hair=float(rng.choice([0.0, 0.25, 0.8])) * rng.uniform(0.5, 1.0),
        glove=None if glove is None else tuple(glove), ring=ring,
        tattoo=((0.02, 0.03, 0.045), rng.uniform(0.5, 0.85)) if "tattoo" in wears else None,
    )  # fmt: skip


def _sleeve(rng: np.random.Generator) -> Sleeve:
    cuff = rng.uniform(-0.004, 0.05) if rng.random() < 0.6 else rng.uniform(0.05, 0.22)
    return Sleeve(cuff, rng.uniform(1.08, 1.4), rng.uniform(0.01, 0.06), int(rng.integers(1 << 30)))


def _strap(rng: np.random.Generator) -> NDArray[np.float32]:
    texture = np.empty((64, 128, 4), dtype=np.float32)
    texture[..., :3] = rng.choice([0.02, 0.05, 0.2]) * (1.0 + 0.3 * rng.uniform(-1, 1, 3))
    texture[..., 3] = rng.choice([0.03, 0.3])
    # The case: a rim and a dial at the back of the arm.
    y, x = np.meshgrid(np.linspace(-1, 1, 64), (np.arange(128) - 96) / 11.0, indexing="ij")
    reach = np.maximum(np.abs(x), np.abs(y) * 1.05)
    texture[reach < 1.0] = [*(0.45 * (1.0 + 0.2 * rng.uniform(-1, 1, 3))), 0.6]
    texture[reach < 0.75] = [*(rng.choice([0.01, 0.01, 0.5]) * np.ones(3)), 0.4]
    return texture


def _half(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    h, w = picture.shape[:2]
    return np.asarray(cv2.resize(picture, (w // 2, h // 2), interpolation=cv2.INTER_AREA), dtype=np.float32)
