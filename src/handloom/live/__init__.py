"""Hands while they move: pictures as they arrive, tracked and fitted from the past alone."""

from __future__ import annotations

from handloom.live.hands import HandNow, LiveHands, LiveOptions
from handloom.live.keeping import Keeper
from handloom.live.lens import one_camera
from handloom.live.pictures import Instant, LivePictures
from handloom.live.run import LiveSummary, Shown, run_live

__all__ = [
    "HandNow",
    "Instant",
    "Keeper",
    "LiveHands",
    "LiveOptions",
    "LivePictures",
    "LiveSummary",
    "Shown",
    "one_camera",
    "run_live",
]
