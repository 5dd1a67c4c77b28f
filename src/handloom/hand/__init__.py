"""Parametric hands: shape and joint angles in, mesh, joints and keypoints out."""

from __future__ import annotations

from handloom.hand.model import HandModel, PosedHand, load_open_hand
from handloom.hand.tree import HAND_TREE

__all__ = ["HAND_TREE", "HandModel", "PosedHand", "load_open_hand"]
