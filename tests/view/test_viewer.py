"""The viewer: what it is given, and that it listens to this machine only."""

from __future__ import annotations

import socket
import time
import urllib.request
from pathlib import Path

import pytest
from recordings import faulty_session

from handloom.errors import SessionError
from handloom.view.viewer import LOOPBACK, free_port, recording_of, serving


def test_session_without_a_recording_gets_one(tmp_path: Path) -> None:
    session = faulty_session(tmp_path / "session")
    recording = recording_of(session)
    assert recording == tmp_path / "session" / "recording.rrd"
    written = recording.stat().st_mtime_ns
    assert recording_of(tmp_path / "session").stat().st_mtime_ns == written
    assert recording_of(recording) == recording


def test_folder_without_a_session_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SessionError):
        recording_of(tmp_path)


def test_a_port_in_use_is_avoided() -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port(port) != port


def test_page_is_served_on_the_loopback_interface_only(tmp_path: Path) -> None:
    recording = recording_of(faulty_session(tmp_path / "session"))
    with serving(recording, browser=True) as viewer:
        assert viewer.url is not None
        assert viewer.url.startswith(f"http://{LOOPBACK}:")
        assert "rerun" in _page(f"http://{LOOPBACK}:{viewer.ports[0]}").lower()
        for port in viewer.ports:
            # Another address of the loopback network reaches what listens everywhere, and nothing else.
            with socket.socket() as probe:
                probe.settimeout(2.0)
                assert probe.connect_ex(("127.0.0.2", port)) != 0
    assert viewer.process.poll() is not None
    # The launcher's end is not the viewer's: the port must be free again.
    assert _falls_silent(viewer.ports[0])


def _falls_silent(port: int) -> bool:
    for _ in range(50):
        with socket.socket() as probe:
            probe.settimeout(2.0)
            if probe.connect_ex((LOOPBACK, port)) != 0:
                return True
        time.sleep(0.1)
    return False


def _page(url: str) -> str:
    for _ in range(100):
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.read().decode("utf-8")
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"nothing answers at {url}")
