"""What went wrong, and what to do about it.

Every failure that a user can cause or mend is raised as a :class:`HandloomError`; the command line prints
its two sentences and exits with a non-zero status. Anything else that escapes is a defect of ours.
"""

from __future__ import annotations


class HandloomError(Exception):
    """A problem the user can act on.

    Args:
        problem: one sentence that says what is wrong, with the names and numbers involved.
        remedy: one sentence that says what to do next.
    """

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(f"{problem} {remedy}".strip())
        self.problem = problem
        self.remedy = remedy


class CameraFileError(HandloomError):
    """A calibration file is missing, malformed or contradicts itself."""


class RigError(HandloomError):
    """The rig does not fit the recording it is used with."""


class VideoError(HandloomError):
    """A recording is missing, empty, truncated or unreadable."""


class ModelError(HandloomError):
    """A network's weights are missing or are not the ones expected."""


class SessionError(HandloomError):
    """A session folder cannot be read, written or continued."""


class DetectionError(HandloomError):
    """The recording holds nothing of what was asked for."""


class FitError(HandloomError):
    """A hand cannot be fitted to what was given."""


class CalibrationError(HandloomError):
    """A calibration cannot be computed from what was recorded, or should not be trusted."""


class DataSetError(HandloomError):
    """A data set's folder is incomplete, malformed or not of the layout it was said to be."""


class SynthesisError(HandloomError):
    """Pictures cannot be made as asked for."""


class TrainingError(HandloomError):
    """A network cannot be trained as asked for, or its run cannot go on."""
