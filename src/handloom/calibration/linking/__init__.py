"""Cameras brought into one world by the board they saw together, before anything is adjusted."""

from __future__ import annotations

from handloom.calibration.linking.extrinsics import Edge, Links, link

__all__ = ["Edge", "Links", "link"]
