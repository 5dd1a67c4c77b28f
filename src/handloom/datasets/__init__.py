"""Labelled pictures: everybody's layouts read into, and written from, one kind of sample."""

from __future__ import annotations

from handloom.datasets.sample import DataSet, HandLabel, HandParameters, ManoParameters, Sample

__all__ = ["DataSet", "HandLabel", "HandParameters", "ManoParameters", "Sample"]
