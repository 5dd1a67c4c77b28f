"""The protocols of the data sets' papers, by name: what is aligned, how it is averaged, what is reported.

Figures of different protocols are not comparable: root, scale, thresholds and averaging differ, and with them
who wins (§5.3, §9.7).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from handloom.errors import HandloomError
from handloom.evaluation.alignment import bone_scaled, procrustes_aligned, root_aligned
from handloom.evaluation.surface import F_THRESHOLDS_M
from handloom.skeleton import HAND

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Thresholds:
    """Equally spaced thresholds; a distance equal to one counts.

    Attributes:
        low, high: the first and the last, metres (pixels for 2D).
        count: of them, both ends among them.
    """

    low: float
    high: float
    count: int

    @cached_property
    def values(self) -> Array:
        """(count,)."""
        return np.linspace(self.low, self.high, self.count)


@dataclass(frozen=True)
class Measure:
    """One kind of error.

    Attributes:
        name: as in the papers, such as ``"PA-MPJPE"``.
        alignment: ``"none"`` (the camera's axes), ``"root"``, ``"bone"`` (root and the true length of one
            bone) or ``"procrustes"``.
        of: ``"joints"`` or ``"vertices"``.
        root: joint laid on the true one, where the alignment has one.
        bone: whose true length is given, for ``"bone"``.
        reflection: whether Procrustes may mirror.
    """

    name: str
    alignment: str = "none"
    of: str = "joints"
    root: str = "wrist"
    bone: tuple[str, str] | None = None
    reflection: bool = False

    def align(self, points: Array, target: Array) -> Array:
        """(N, n, 3) predictions as they are compared with (N, n, 3) targets.

        Roots and bones are joints: meshes are aligned by ``"none"`` or ``"procrustes"`` only.
        """
        if self.alignment == "root":
            return root_aligned(points, target, HAND.index(self.root))
        if self.alignment == "bone":
            assert self.bone is not None
            bone = (HAND.index(self.bone[0]), HAND.index(self.bone[1]))
            return bone_scaled(points, target, bone, HAND.index(self.root))
        if self.alignment == "procrustes":
            return procrustes_aligned(points, target, reflection=self.reflection)
        return points

    def describe(self) -> str:
        """The definition in words."""
        what = "joints" if self.of == "joints" else "mesh vertices"
        how = {
            "none": "in the camera's axes, not aligned",
            "root": f"{self.root.replace('_', ' ')} laid on the true one",
            "procrustes": "moved, turned and scaled onto the truth"
            + (", mirrored too if that is nearer" if self.reflection else ", never mirrored"),
        }
        if self.bone is not None:
            ends = " to ".join(joint.replace("_", " ") for joint in self.bone)
            root = self.root.replace("_", " ")
            return f"{what}, scaled to the true length of {ends}, then {root} laid on the true one"
        return f"{what}, {how[self.alignment]}"


@dataclass(frozen=True)
class Protocol:
    """How a data set is evaluated. Input in metres, results in millimetres.

    Attributes:
        name: by which it is asked for.
        title: data set and paper.
        measures: the first is the one by which hands are ranked.
        thresholds: of the PCK curves in space and of their AUC.
        further: more ranges an AUC is reported over.
        pixels: thresholds of the PCK in the picture; None where the protocol has no 2D.
        averaging: ``"per joint"``, or ``"pooled"``; the other is reported beside it.
        visible_only: joints that the data set marks as not seen do not count.
        root: what joint 0 is: ``"wrist"`` or ``"palm"``.
        f_thresholds: of the F-scores of meshes, metres; none without.
        two_hands: MRRPE, handedness, and figures of single and interacting hands; a hand predicted with the
            wrong side is not found.
        caution: what readers of the figures should know.
    """

    name: str
    title: str
    measures: tuple[Measure, ...]
    thresholds: Thresholds
    further: tuple[Thresholds, ...] = ()
    pixels: Thresholds | None = None
    averaging: str = "per joint"
    visible_only: bool = False
    root: str = "wrist"
    f_thresholds: tuple[float, ...] = ()
    two_hands: bool = False
    caution: tuple[str, ...] = ()


_CAMERA = Measure("MPJPE")
_ROOT = Measure("root MPJPE", "root")
_PA = Measure("PA-MPJPE", "procrustes", reflection=True)
_PA_RIGID = Measure("PA-MPJPE unmirrored", "procrustes")
_MESH = Measure("MPVPE", of="vertices")
_PA_MESH = Measure("PA-MPVPE", "procrustes", of="vertices", reflection=True)
_WRIST_BONE = ("wrist", "middle_mcp")
_HAND3D_BONE = ("middle_mcp", "middle_pip")
_KNOWN_SIZE = (
    "Scaled figures give the prediction the true size of every hand; the unscaled stand beside them."
)
_FIFTY = Thresholds(0.0, 0.05, 100)

_HAND3D = (
    Measure("scaled MPJPE", "bone", bone=_HAND3D_BONE),
    _ROOT,
    _PA_RIGID,
)

PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "freihand",
            "FreiHAND (Zimmermann et al. 2019), as its evaluation code",
            (_PA, _PA_MESH, _CAMERA, _MESH, _ROOT, _PA_RIGID),
            _FIFTY,
            f_thresholds=F_THRESHOLDS_M,
            caution=(
                "The official alignment may mirror: a hand of the wrong side can be aligned perfectly. "
                "'PA-MPJPE unmirrored' cannot.",
            ),
        ),
        Protocol(
            "ho3d",
            "HO-3D (Hampali et al. 2020), as its evaluation code",
            (_PA, Measure("ST-MPJPE", "bone", bone=_WRIST_BONE), _PA_MESH, _CAMERA, _MESH, _ROOT, _PA_RIGID),
            _FIFTY,
            f_thresholds=F_THRESHOLDS_M,
            caution=(
                "The official alignment may mirror; 'PA-MPJPE unmirrored' cannot.",
                "ST-MPJPE gives the prediction the true length of wrist to middle knuckle.",
            ),
        ),
        Protocol(
            "interhand",
            "InterHand2.6M (Moon et al. 2020), as InterNet's evaluation",
            (_ROOT, _PA_RIGID, _CAMERA),
            _FIFTY,
            two_hands=True,
            caution=(
                "MRRPE compares wrists in metres in the camera's axes; InterNet takes the right hand's depth "
                "from elsewhere, so its figure is not this one.",
                "Meshes of NeuralAnnot are fits themselves, good to about 5 mm: smaller differences between "
                "meshes mean nothing.",
            ),
        ),
        Protocol(
            "intershape",
            "InterHand2.6M with known size (Zhang et al. 2021; IntagHand)",
            (Measure("scaled MPJPE", "bone", root="middle_mcp", bone=_WRIST_BONE), _ROOT, _PA_RIGID),
            Thresholds(0.0, 0.05, 200),
            two_hands=True,
            caution=(_KNOWN_SIZE, "Not comparable with InterNet's protocol."),
        ),
        Protocol(
            "chp3d",
            "ColorHandPose3D (Zimmermann & Brox 2017): size and root known",
            _HAND3D,
            Thresholds(0.0, 0.05, 20),
            further=(Thresholds(8 * 0.05 / 19, 0.05, 12),),
            pixels=Thresholds(0.0, 30.0, 20),
            visible_only=True,
            root="palm",
            caution=(
                _KNOWN_SIZE,
                "The upper range that the paper calls 30–50 mm begins at 21.05 mm.",
            ),
        ),
        Protocol(
            "rhd",
            "RHD as most papers report it: AUC over 20–50 mm",
            _HAND3D,
            Thresholds(0.02, 0.05, 100),
            further=(_FIFTY,),
            pixels=Thresholds(0.0, 30.0, 20),
            visible_only=True,
            root="palm",
            caution=(_KNOWN_SIZE,),
        ),
        Protocol(
            "stb",
            "STB as most papers report it: AUC over 20–50 mm",
            _HAND3D,
            Thresholds(0.02, 0.05, 100),
            further=(_FIFTY,),
            pixels=Thresholds(0.0, 30.0, 20),
            root="palm",
            caution=(
                _KNOWN_SIZE,
                "The usual test sequences show one person who is in the training sequences too.",
            ),
        ),
    )
}


def protocol_named(name: str) -> Protocol:
    """The protocol of that name.

    Raises:
        HandloomError: for a name that is not known.
    """
    if name not in PROTOCOLS:
        raise HandloomError(
            f"There is no evaluation protocol {name!r}.", f"Known are {', '.join(PROTOCOLS)}."
        )
    return PROTOCOLS[name]
