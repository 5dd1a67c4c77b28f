"""The folder a run reads and writes: self-describing, resumable, never half-written."""

from __future__ import annotations

from handloom.session.fitted_hand import FitFlag, FittedHand
from handloom.session.folder import FolderState, claim_folder, folder_state
from handloom.session.hands import read_hands, write_hands
from handloom.session.journal import Chunk, Journal
from handloom.session.record import describe_run, read_record, write_record
from handloom.session.store import Session
from handloom.session.window import Observations, Window
from handloom.session.writer import SessionWriter

__all__ = [
    "Chunk",
    "FitFlag",
    "FittedHand",
    "FolderState",
    "Journal",
    "Observations",
    "Session",
    "SessionWriter",
    "Window",
    "claim_folder",
    "describe_run",
    "folder_state",
    "read_hands",
    "read_record",
    "write_hands",
    "write_record",
]
