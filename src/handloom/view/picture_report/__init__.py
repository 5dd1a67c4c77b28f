"""The report on pictures of hands: overlays, views from several sides, angles, and where it fails."""

from handloom.view.picture_report.document import write_picture_report
from handloom.view.picture_report.overlays import overlay, write_overlays

__all__ = ["overlay", "write_overlays", "write_picture_report"]
