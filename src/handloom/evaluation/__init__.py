"""How far predicted hands are from true ones: the papers' metrics and protocols, and where they mislead."""

from __future__ import annotations

from handloom.evaluation.baselines import MeanPose, mean_pose
from handloom.evaluation.evaluate import Result, evaluate
from handloom.evaluation.hands import Coverage, Hands, hands_in, hands_of, matched
from handloom.evaluation.protocols import PROTOCOLS, Measure, Protocol, Thresholds, protocol_named

__all__ = [
    "PROTOCOLS",
    "Coverage",
    "Hands",
    "MeanPose",
    "Measure",
    "Protocol",
    "Result",
    "Thresholds",
    "evaluate",
    "hands_in",
    "hands_of",
    "matched",
    "mean_pose",
    "protocol_named",
]
