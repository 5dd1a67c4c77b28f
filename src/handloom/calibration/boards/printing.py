"""Boards as PDF, SVG or PNG at their true size."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from xml.sax.saxutils import escape

import cv2
import numpy as np
from numpy.typing import NDArray

from handloom.calibration.boards.board import Array
from handloom.calibration.boards.page import Page, lay_out
from handloom.calibration.boards.pattern import Pattern, PrintedBoard
from handloom.errors import CalibrationError

_POINTS_PER_MM = 72 / 25.4
_DPI = 300


def write_board(board: PrintedBoard, path: str | Path, paper: str = "A4") -> Page:
    """Write a board for printing at true size, with its name and a ruler to check the print by.

    Args:
        board: what to print.
        path: ``.pdf`` and ``.svg`` are drawn in outlines, ``.png`` at 300 dots per inch.
        paper: see :func:`~handloom.calibration.boards.page.lay_out`.

    Returns:
        What was printed.

    Raises:
        CalibrationError: if the board does not fit on the paper, or the file cannot be written.
    """
    path = Path(path)
    writers = {".pdf": pdf, ".svg": svg, ".png": png}
    if path.suffix.lower() not in writers:
        raise CalibrationError(f"{path} is no file for a board.", f"Name it {', '.join(writers)}.")
    page = lay_out(board, paper)
    content = writers[path.suffix.lower()](page)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise CalibrationError(
            f"{path} cannot be written: {error.strerror}.", "Choose another place."
        ) from error
    return page


def svg(page: Page) -> bytes:
    """The page as SVG, millimetres as its units."""
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{page.width:g}mm" height="{page.height:g}mm" '
        f'viewBox="0 0 {page.width:g} {page.height:g}">',
        f'<rect width="{page.width:g}" height="{page.height:g}" fill="white"/>',
    ]
    if page.ground is not None:
        lines.append(f'<path fill="black" d="{_svg_loop(page.ground)}"/>')
    shade = "black" if page.ground is None else "white"
    board = " ".join(_svg_loop(loop) for loop in page.loops)
    lines.append(f'<path id="board" fill="{shade}" fill-rule="evenodd" d="{board}"/>')
    strokes = " ".join(f"M{x:.4f} {y:.4f}h{w:.4f}v{h:.4f}h{-w:.4f}z" for x, y, w, h in page.marks)
    lines.append(f'<path id="ruler" fill="black" d="{strokes}"/>')
    for x, y, size, text in page.texts:
        lines.append(
            f'<text x="{x:.3f}" y="{y:.3f}" font-size="{size:g}" '
            f'font-family="Helvetica, Arial, sans-serif">{escape(text)}</text>'
        )
    return "\n".join([*lines, "</svg>", ""]).encode()


def pdf(page: Page) -> bytes:
    """The page as PDF 1.6 that asks viewers not to scale it."""

    def loop_text(loop: Array) -> str:
        steps = [
            f"{x * _POINTS_PER_MM:.4f} {(page.height - y) * _POINTS_PER_MM:.4f} {'l' if i else 'm'}"
            for i, (x, y) in enumerate(loop)
        ]
        return " ".join([*steps, "h"])

    drawing = ["0 g"]
    if page.ground is not None:
        drawing += [loop_text(page.ground), "f", "1 g"]
    drawing += [loop_text(loop) for loop in page.loops]
    drawing += ["f*", "0 g"]
    for x, y, w, h in page.marks:
        values = (v * _POINTS_PER_MM for v in (x, page.height - y - h, w, h))
        drawing.append(" ".join(f"{v:.4f}" for v in values) + " re f")
    for x, y, size, text in page.texts:
        at = f"{x * _POINTS_PER_MM:.3f} {(page.height - y) * _POINTS_PER_MM:.3f}"
        safe = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
        drawing.append(f"BT /F1 {size * _POINTS_PER_MM:.3f} Tf {at} Td ({safe}) Tj ET")
    stream = zlib.compress("\n".join(drawing).encode("cp1252"))
    box = f"[0 0 {page.width * _POINTS_PER_MM:.4f} {page.height * _POINTS_PER_MM:.4f}]"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R /ViewerPreferences << /PrintScaling /None >> >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox {box} /Contents 4 0 R "
        "/Resources << /Font << /F1 5 0 R >> >> >>".encode(),
        b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    content = bytearray(b"%PDF-1.6\n%\xe2\xe3\xcf\xd3\n")
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(len(content))
        content += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(content)
    content += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    content += b"".join(b"%010d 00000 n \n" % place for place in places)
    content += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(content)


def raster(page: Page, dpi: float = _DPI) -> NDArray[np.uint8]:
    """(H, W) picture of the page."""
    scale = dpi / 25.4
    # pixels per millimetre in place of metres: a pattern does not care
    image = Pattern(page.width, page.height, page.loops, np.zeros(2)).draw(scale)
    if page.ground is not None:
        inside = Pattern(page.width, page.height, (page.ground,), np.zeros(2)).draw(scale)
        image = np.where(inside < 128, 255 - image, 255).astype(np.uint8)
    for x, y, w, h in page.marks:
        left, top = round(x * scale), round(y * scale)
        image[top : top + max(1, round(h * scale)), left : left + max(1, round(w * scale))] = 0
    for x, y, size, text in page.texts:
        at = (round(x * scale), round(y * scale))
        cv2.putText(
            image, text, at, cv2.FONT_HERSHEY_SIMPLEX, size * scale / 30, 0, max(1, round(size * scale / 15))
        )
    return image


def png(page: Page) -> bytes:
    """The page as PNG of 300 dots per inch, which the file says."""
    _, encoded = cv2.imencode(".png", raster(page))
    content = encoded.tobytes()
    dots = round(_DPI / 0.0254)
    body = b"pHYs" + struct.pack(">IIB", dots, dots, 1)
    chunk = struct.pack(">I", 9) + body + struct.pack(">I", zlib.crc32(body))
    after_header = 33  # signature and IHDR
    return content[:after_header] + chunk + content[after_header:]


def _svg_loop(loop: Array) -> str:
    return "M" + "L".join(f"{x:.4f} {y:.4f}" for x, y in loop) + "z"
