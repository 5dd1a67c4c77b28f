"""Readings of many views to 3D keypoints: association, identity, triangulation, motion."""

from handloom.reconstruction.causal import CausalReconstructor, OneEuroFilter
from handloom.reconstruction.identity import IdentityResolver
from handloom.reconstruction.observations import Assignment, ObservationTable
from handloom.reconstruction.reconstruct import ReconstructionOptions, Reconstructor, Sightings, Solution
from handloom.reconstruction.tracker import Observation, Tracker
from handloom.reconstruction.triangulation import Triangulation, triangulate, triangulate_dlt

__all__ = [
    "Assignment",
    "CausalReconstructor",
    "IdentityResolver",
    "Observation",
    "ObservationTable",
    "OneEuroFilter",
    "ReconstructionOptions",
    "Reconstructor",
    "Sightings",
    "Solution",
    "Tracker",
    "Triangulation",
    "triangulate",
    "triangulate_dlt",
]
