"""A session as one HTML file that opens anywhere, without a server and without the network."""

from __future__ import annotations

from handloom.view.report.document import write_report

__all__ = ["write_report"]
