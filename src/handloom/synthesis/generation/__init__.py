"""Data sets from pictures drawn by number: in parts, by many processes, the same bytes every time."""

from __future__ import annotations

from handloom.synthesis.generation.drawing import Drawing
from handloom.synthesis.generation.executors import Executor, InProcess, LocalPool
from handloom.synthesis.generation.generate import Generated, generate

__all__ = ["Drawing", "Executor", "Generated", "InProcess", "LocalPool", "generate"]
