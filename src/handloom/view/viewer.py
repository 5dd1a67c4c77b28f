"""Opening a recording in rerun's viewer: a window where there is a screen, otherwise a page."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from handloom.errors import SessionError
from handloom.session import Session
from handloom.view.recording import write_recording

LOOPBACK = "127.0.0.1"
_WEB_PORT, _DATA_PORT = 9090, 9876


def show(
    source: Session | str | Path,
    *,
    browser: bool | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Show a session until the viewer is closed or the user interrupts.

    Whatever listens for the viewer listens on the loopback interface only; to look from another machine,
    forward the two ports named by ``say`` through ssh. The viewer is a program of its own that looks for
    updates and counts its uses unless `rerun analytics disable` was run; it never sends what it shows.

    Args:
        source: a session, its folder, or an ``.rrd`` file. A session without a recording gets one.
        browser: serve a web page instead of opening a window; by default where there is no screen.
        say: told where the page is.

    Raises:
        SessionError: if there is nothing to show or the viewer does not start.
    """
    with serving(recording_of(source), browser=not has_screen() if browser is None else browser) as viewer:
        if viewer.url is not None:
            say(f"The session is shown at {viewer.url}  (Ctrl-C ends it)")
            if has_screen():
                webbrowser.open(viewer.url)
            else:
                web, data = viewer.ports
                say(
                    "From another machine, forward both ports first: "
                    f"ssh -L {web}:{LOOPBACK}:{web} -L {data}:{LOOPBACK}:{data} THIS_MACHINE"
                )
        try:
            status = viewer.process.wait()
        except KeyboardInterrupt:
            return
    if status != 0:
        raise SessionError(
            f"The rerun viewer ended with status {status}.", "Run `python -m rerun_cli` to see why."
        )


class Viewer:
    """A viewer that runs.

    Attributes:
        process: of the viewer.
        url: of its web page; None for a window.
        ports: of the web page and of the data.
    """

    def __init__(self, process: subprocess.Popen[bytes], url: str | None, ports: tuple[int, int]) -> None:
        self.process = process
        self.url = url
        self.ports = ports


@contextmanager
def serving(recording: Path, *, browser: bool) -> Iterator[Viewer]:
    """Run the viewer on a recording; it ends with the context."""
    ports = free_port(_WEB_PORT), free_port(_DATA_PORT)
    process = subprocess.Popen(
        viewer_command(recording, ports, browser=browser),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        data = quote(f"rerun+http://{LOOPBACK}:{ports[1]}/proxy", safe="")
        yield Viewer(process, f"http://{LOOPBACK}:{ports[0]}/?url={data}" if browser else None, ports)
    finally:
        _end(process, signal.SIGTERM)
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            _end(process, signal.SIGKILL)
            process.wait()


def _end(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    """End the viewer with everything it started: what Python runs is only a launcher of the real program."""
    if sys.platform == "win32":
        process.kill()
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, how)


def viewer_command(recording: Path, ports: tuple[int, int], *, browser: bool) -> list[str]:
    """The command line of the viewer; rerun's Python functions would listen on every interface."""
    common = [sys.executable, "-m", "rerun_cli", "--bind", LOOPBACK, "--port", str(ports[1])]
    web = ["--serve-web", "--web-viewer-port", str(ports[0])] if browser else []
    return [*common, *web, str(recording)]


def recording_of(source: Session | str | Path) -> Path:
    """The ``.rrd`` file to show, written first where a session has none.

    Raises:
        SessionError: if the path is neither a recording nor a session.
    """
    if not isinstance(source, Session):
        path = Path(source)
        if path.is_file() and path.suffix == ".rrd":
            return path
        source = Session.open(path)
    recording = source.folder / "recording.rrd"
    return recording if recording.is_file() else write_recording(source, recording)


def has_screen() -> bool:
    """Whether a window can be opened."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def free_port(preferred: int) -> int:
    """A loopback port nobody listens on: the preferred one if possible."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise SessionError("No port is free for the viewer.", "Close other viewers and try again.")
