"""A run of training: killed, resumed, refused; what it leaves in its folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the learning rooms need torch: pip install 'handloom[learn]'")
pytest.importorskip("lightning_fabric", reason="training needs Fabric: pip install 'handloom[learn]'")

from tiny_task import SETTINGS, STEPS, TinyTask  # noqa: E402

from handloom.errors import HandloomError, SessionError, TrainingError  # noqa: E402
from handloom.session.files import alone_in  # noqa: E402
from handloom.training import checkpoints  # noqa: E402
from handloom.training.export import load_weights  # noqa: E402
from handloom.training.logs import TRAINING, VALIDATION, read_log  # noqa: E402
from handloom.training.loop import Machine, train  # noqa: E402
from handloom.training.optimisation import rate_at  # noqa: E402


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    torch.set_num_threads(1)


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def wait_for(path: Path, process: subprocess.Popen[str], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end, f"no {path.name}"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A run that nothing happened to."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    train(TinyTask(), SETTINGS, folder, machine=Machine(threads=1))
    return folder


def test_a_killed_run_resumes_to_the_same_bits(whole, tmp_path) -> None:
    """With a process that makes batches ahead, against a run without."""
    script = [sys.executable, str(Path(__file__).with_name("tiny_task.py"))]
    folder = tmp_path / "killed"
    process = subprocess.Popen(
        [*script, str(folder), "1", "begin"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(folder / checkpoints.CHECKPOINT, process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    step = checkpoints.load(folder).step
    assert 0 < step < STEPS
    subprocess.run([*script, str(folder), "1", "resume"], check=True, capture_output=True)
    assert same(load_weights(folder / "tiny.safetensors"), load_weights(whole / "tiny.safetensors"))
    ours, theirs = checkpoints.load(folder), checkpoints.load(whole)
    assert same(ours.network, theirs.network)
    for one, other in zip(ours.optimiser["state"].values(), theirs.optimiser["state"].values(), strict=True):
        assert same(one, other)
    for kind in (TRAINING, VALIDATION):
        one, other = read_log(folder, kind), read_log(whole, kind)
        for column in one.keys() - {"seconds", "samples_per_s"}:
            np.testing.assert_array_equal(one[column], other[column])


def test_a_stopped_run_saves_the_step_it_was_at(tmp_path, whole) -> None:
    script = [sys.executable, str(Path(__file__).with_name("tiny_task.py")), str(tmp_path / "stopped"), "0"]
    process = subprocess.Popen([*script, "begin"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(tmp_path / "stopped" / checkpoints.CHECKPOINT, process)
    time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) != 0
    assert checkpoints.load(tmp_path / "stopped").step % SETTINGS.validate_every
    subprocess.run([*script, "resume"], check=True, capture_output=True)
    weights = load_weights(tmp_path / "stopped" / "tiny.safetensors")
    assert same(weights, load_weights(whole / "tiny.safetensors"))


def test_the_loss_falls_and_the_average_is_exported(whole) -> None:
    losses = read_log(whole, VALIDATION)["mean square"]
    assert losses[-1] < losses[0]
    state = checkpoints.load(whole)
    assert same(load_weights(whole / "tiny.safetensors"), state.average)
    assert not same(state.network, state.average)


def test_the_folder_says_what_the_run_was(whole) -> None:
    run = tomllib.loads((whole / "run.toml").read_text())
    assert run["finished"]
    assert run["settings"]["learning_rate"] == SETTINGS.learning_rate
    assert run["data"]["fingerprint"] == "line"
    assert run["figures"].keys() == {"mean square"}
    assert "torch" in run["versions"]
    assert "mean square" in (whole / "curve.svg").read_text()


def test_mixed_precision_learns_and_keeps_whole_weights(whole, tmp_path) -> None:
    mixed = train(
        TinyTask(), replace(SETTINGS, precision="bf16"), tmp_path / "run", machine=Machine(threads=1)
    )
    weights, exact = (
        load_weights(tmp_path / "run" / "tiny.safetensors"),
        load_weights(whole / "tiny.safetensors"),
    )
    assert {value.dtype for value in weights.values()} == {value.dtype for value in exact.values()}
    assert not same(weights, exact)
    (before, *_, after) = read_log(whole, VALIDATION)["mean square"]
    assert mixed.figures["mean square"] < 0.5 * (before + after)


def test_tensorboard_shows_what_the_tables_say(tmp_path) -> None:
    reader = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="TensorBoard is optional"
    )
    train(TinyTask(), SETTINGS, tmp_path / "run", machine=Machine(threads=1), tensorboard=True)
    events = reader.EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    for kind, name in ((TRAINING, "loss"), (VALIDATION, "mean square")):
        table = read_log(tmp_path / "run", kind)
        shown = events.Scalars(f"{kind}/{name}")
        assert [event.step for event in shown] == table["step"].tolist()
        np.testing.assert_allclose([event.value for event in shown], table[name], rtol=1e-5)


def test_another_seed_gives_other_weights(whole, tmp_path) -> None:
    train(TinyTask(), replace(SETTINGS, seed=1), tmp_path / "run")
    assert not same(load_weights(tmp_path / "run/tiny.safetensors"), load_weights(whole / "tiny.safetensors"))


def test_a_folder_with_a_run_is_not_written_over(whole) -> None:
    with pytest.raises(TrainingError, match="holds a run already"):
        train(TinyTask(), SETTINGS, whole)


@pytest.mark.parametrize(
    ("task", "settings", "says"),
    [
        (TinyTask(), replace(SETTINGS, learning_rate=0.5), "learning_rate 0.01 became 0.5"),
        (TinyTask(), replace(SETTINGS, steps=80), "steps 40 became 80"),
        (TinyTask(fingerprint="another"), SETTINGS, "other data"),
        (TinyTask(name="other"), SETTINGS, "trains tiny, not other"),
    ],
)
def test_a_run_that_is_resumed_is_the_one_that_was_begun(whole, task, settings, says) -> None:
    with pytest.raises(TrainingError, match=says):
        train(task, settings, whole, resume=True)


def test_resuming_a_finished_run_keeps_its_weights(whole, tmp_path) -> None:
    settings = replace(SETTINGS, steps=10)
    train(TinyTask(), settings, tmp_path / "run")
    before = load_weights(tmp_path / "run/tiny.safetensors")
    again = train(TinyTask(), settings, tmp_path / "run", resume=True)
    assert again.step == 10
    assert same(before, load_weights(tmp_path / "run/tiny.safetensors"))


def test_a_run_with_drops_may_be_made_longer(tmp_path) -> None:
    short = replace(SETTINGS, schedule="steps", steps=10, drops=(15,))
    longer = replace(short, steps=20)
    train(TinyTask(), short, tmp_path / "run")
    train(TinyTask(), longer, tmp_path / "run", resume=True)
    train(TinyTask(), longer, tmp_path / "at_once")
    first, second = (load_weights(tmp_path / name / "tiny.safetensors") for name in ("run", "at_once"))
    assert same(first, second)


def test_a_loss_without_a_number_ends_the_run(tmp_path) -> None:
    with pytest.raises(TrainingError, match="no number"):
        train(TinyTask(broken_at=15), SETTINGS, tmp_path / "run")
    assert checkpoints.load(tmp_path / "run").step == 10


def test_nothing_to_resume(tmp_path) -> None:
    with pytest.raises(TrainingError, match="to resume from"):
        train(TinyTask(), SETTINGS, tmp_path / "run", resume=True)


def test_a_damaged_checkpoint_is_named(tmp_path) -> None:
    train(TinyTask(), replace(SETTINGS, steps=10), tmp_path / "run")
    path = tmp_path / "run" / checkpoints.CHECKPOINT
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(TrainingError, match="damaged"):
        train(TinyTask(), replace(SETTINGS, steps=10), tmp_path / "run", resume=True)


def test_a_device_that_is_not_there(tmp_path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(HandloomError, match="cuda"):
        train(TinyTask(), SETTINGS, tmp_path / "run", machine=Machine(accelerator="cuda"))


def test_training_begins_from_given_weights(whole, tmp_path) -> None:
    weights = load_weights(whole / "tiny.safetensors")
    still = replace(SETTINGS, steps=1, learning_rate=0.0, average=0.0)
    train(TinyTask(), still, tmp_path / "run", init=weights)
    found = load_weights(tmp_path / "run/tiny.safetensors")
    assert torch.equal(found["layers.0.weight"], weights["layers.0.weight"])


def test_learning_rates() -> None:
    drops = replace(SETTINGS, schedule="steps", drops=(10, 20), warmup=0)
    assert [rate_at(drops, step) for step in (0, 9, 10, 20)] == pytest.approx([1e-2, 1e-2, 1e-3, 1e-4])
    assert rate_at(SETTINGS, 0) == pytest.approx(1e-2 / 4)
    assert rate_at(SETTINGS, STEPS // 2) == pytest.approx(0.5e-2)
    assert rate_at(SETTINGS, STEPS) == pytest.approx(0.0, abs=1e-9)


def test_two_runs_do_not_share_a_folder(tmp_path) -> None:
    pytest.importorskip("fcntl")
    with alone_in(tmp_path), pytest.raises(SessionError, match="Another run is writing"):
        train(TinyTask(), SETTINGS, tmp_path, machine=Machine(threads=1))
    assert not list(tmp_path.iterdir())
