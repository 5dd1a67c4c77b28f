"""Labelled pictures: everybody's layouts read into, and written from, one kind of sample."""

from __future__ import annotations

from handloom.datasets.check import CheckResult, check
from handloom.datasets.loading import iterate
from handloom.datasets.registry import LAYOUTS, open_dataset
from handloom.datasets.sample import DataSet, HandLabel, HandParameters, ManoParameters, Sample
from handloom.datasets.writer import WRITERS, LayoutWriter, get_writer

__all__ = [
    "LAYOUTS",
    "WRITERS",
    "CheckResult",
    "DataSet",
    "HandLabel",
    "HandParameters",
    "LayoutWriter",
    "ManoParameters",
    "Sample",
    "check",
    "get_writer",
    "iterate",
    "open_dataset",
]
