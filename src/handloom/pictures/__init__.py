"""Single pictures of hands: search, lens, fit, and what can be said about failures without a truth."""

from handloom.pictures.conditions import read_conditions
from handloom.pictures.files import write_numbers
from handloom.pictures.lens import PictureLens, lens_of
from handloom.pictures.options import ImageOptions
from handloom.pictures.result import FoundHand, PictureResult
from handloom.pictures.run import image, picture_files, read_hands
from handloom.pictures.truth import HandError, PictureTruth, errors, read_truth

__all__ = [
    "FoundHand",
    "HandError",
    "ImageOptions",
    "PictureLens",
    "PictureResult",
    "PictureTruth",
    "errors",
    "image",
    "lens_of",
    "picture_files",
    "read_conditions",
    "read_hands",
    "read_truth",
    "write_numbers",
]
