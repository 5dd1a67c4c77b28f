"""The house's one rule about doors: the capture wing works without torch and without anything that draws."""

from __future__ import annotations

import subprocess
import sys

_IMPORT_ALL = """
import importlib, pkgutil, sys
import handloom
outside = tuple(f"handloom.{wing}" for wing in %r)
for module in pkgutil.walk_packages(handloom.__path__, "handloom.", onerror=lambda name: None):
    if not module.name.startswith(outside):
        importlib.import_module(module.name)
print(*sorted({"torch", "lightning", "rerun", "rich", "typer"} & set(sys.modules)))
"""
_OTHER_WINGS = ("view", "cli", "networks", "training", "annotation")


def test_capture_wing_imports_neither_torch_nor_a_viewer() -> None:
    result = subprocess.run(
        [sys.executable, "-c", _IMPORT_ALL % (_OTHER_WINGS,)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == ""


def test_report_does_not_wait_for_the_viewers_library() -> None:
    code = "import handloom.view.report, sys; print('rerun' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
