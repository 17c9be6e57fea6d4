"""The inverse-dynamics model: it learns turns and keys, labels videos in step, and says how well it does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recording_fakes import make_video, numbered
from worldsim.train import idm

from worldsim import cli, errors
from worldsim.actions import ACTION_SIZE, CAMERA, INDEX
from worldsim.checkpoint import load_checkpoint
from worldsim.data.dataset import ClipDataset
from worldsim.data.episode import Episode
from worldsim.data.importer import ImportSettings, import_recordings
from worldsim.data.storage import EpisodeStore
from worldsim.errors import CheckpointError, ConfigError, DatasetError, UsageError
from worldsim.model.inverse import MOTION, InverseConfig, InverseModel, compand
from worldsim.sim import labeller
from worldsim.sim.labeller import Labeller


def scrolling(length: int, seed: int) -> Episode:
    """A noisy wallpaper that each turn of one degree moves by one pixel; `attack` makes it bright."""
    rng = np.random.default_rng(seed)
    wall = rng.integers(0, 160, (200, 400, 3), np.uint8)
    wall = wall.repeat(4, 0).repeat(4, 1)
    actions = np.zeros((length, ACTION_SIZE), np.float32)
    actions[:, CAMERA] = rng.integers(-6, 7, (length, 2))
    actions[:, INDEX["attack"]] = rng.integers(0, 2, length)
    frames, at = [], np.array([400, 800])
    for t in range(length + 1):
        view = wall[at[0] : at[0] + 32, at[1] : at[1] + 48]
        frames.append(view + np.uint8(90 * (t > 0 and actions[t - 1, INDEX["attack"]])))
        if t < length:
            at = at + actions[t, CAMERA].astype(int)
    return Episode(np.stack(frames), actions, np.zeros(length, np.float32), meta={"action_space": "minerl"})


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("idm")
    with EpisodeStore(folder / "set", write=True) as store:
        for seed in range(6):
            store.write(scrolling(150, seed))
    torch.set_num_threads(1)
    options = {
        "data": str(folder / "set"),
        "out": str(folder / "model"),
        "channels": 16,
        "batch": 24,
        "steps": 180,
    }
    return idm.main(idm.TrainOptions(**options))  # type: ignore[arg-type]


def test_it_learns_and_says_how_well_it_does(trained: Path) -> None:
    accuracy = load_checkpoint(trained).info["accuracy"]
    assert accuracy["windows"] > 30 and accuracy["keys"].keys() == {"attack"}
    assert accuracy["keys"]["attack"]["precision"] > 0.9 and accuracy["keys"]["attack"]["recall"] > 0.9
    assert accuracy["camera_error"] < 0.25 * accuracy["camera_size"], accuracy


def test_labels_are_in_step_with_the_frames(trained: Path, tmp_path: Path) -> None:
    """Action t of a video that nobody labelled leads from frame t to frame t + 1."""
    episode = scrolling(60, seed=9)
    make_video(tmp_path / "clip.mp4", episode.frames)
    report = import_recordings(tmp_path / "clip.mp4", tmp_path / "out", label=Labeller(trained))
    labelled = EpisodeStore(tmp_path / "out").read(0)
    assert report.labelled == 1 and labelled.meta["source"]["labelled_by"] == Labeller(trained).hash
    np.testing.assert_array_equal(labelled.frames, episode.frames)
    agree = (labelled.actions[:, INDEX["attack"]] == episode.actions[:, INDEX["attack"]]).mean()
    assert agree > 0.9
    yaw = INDEX["camera_yaw"]
    fits = [
        np.corrcoef(np.roll(labelled.actions[:, yaw], shift)[3:-3], episode.actions[3:-3, yaw])[0, 1]
        for shift in (-1, 0, 1)
    ]
    assert fits[1] > 0.7 and fits[1] > max(fits[0], fits[2]) + 0.3


def test_chunks_give_what_the_whole_gives(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_video(tmp_path / "clip.mp4", scrolling(50, seed=3).frames)
    label = Labeller(trained)
    whole = label(tmp_path / "clip.mp4")
    for chunk in (7, 44, 47):
        monkeypatch.setattr(labeller, "CHUNK", chunk)
        parts = label(tmp_path / "clip.mp4")
        assert parts.shape == whole.shape == (50, ACTION_SIZE)
        np.testing.assert_allclose(parts, whole, atol=1e-3, rtol=1e-4)


def test_every_third_frame_is_labelled_as_one_step(trained: Path, tmp_path: Path) -> None:
    make_video(tmp_path / "clip.mp4", numbered(10, 48, 32), fps=60)
    import_recordings(tmp_path, tmp_path / "out", label=Labeller(trained), settings=ImportSettings(every=3))
    episode = EpisodeStore(tmp_path / "out").read(0)
    assert episode.frames[:, 0, 0, 1].tolist() == [0, 3, 6, 9] and len(episode.actions) == 3
    expected = Labeller(trained).model.predict(numbered(10, 48, 32)[::3])
    np.testing.assert_allclose(episode.actions, expected, atol=1e-4)


def test_a_recording_with_actions_keeps_them(trained: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        make_video(tmp_path / f"{name}.mp4", numbered(3, 48, 32))
    (tmp_path / "a.csv").write_text("camera_yaw\n77\n-77\n")
    line = f"data import {tmp_path} --label {trained} --size 32x32 --out {tmp_path / 'out'}"
    assert cli.main(line.split()) == 0
    store = EpisodeStore(tmp_path / "out")
    assert store.read(0).actions[:, INDEX["camera_yaw"]].tolist() == [77, -77]
    assert "labelled_by" not in store.read(0).meta["source"] and "labelled_by" in store.read(1).meta["source"]
    assert store.read(1).frames.shape == (3, 32, 32, 3)


def test_training_repeats_to_the_bit(tmp_path: Path) -> None:
    with EpisodeStore(tmp_path / "set", write=True) as store:
        store.write(scrolling(150, 0))
    hashes = set()
    for run in range(2):
        options: dict[str, Any] = {"channels": 8, "batch": 4, "steps": 3, "exam": 8}
        out = idm.main(idm.TrainOptions(str(tmp_path / "set"), str(tmp_path / f"run-{run}"), **options))
        hashes.add(load_checkpoint(out).hash)
    assert len(hashes) == 1


def test_degrees_are_companded() -> None:
    degrees = torch.linspace(-180, 180, 1001)
    companded = compand(degrees)
    assert (companded.diff() > 0).all()
    assert companded[[0, 500, 1000]].tolist() == pytest.approx([-1, 0, 1], abs=1e-4)
    assert float(compand(torch.tensor(9.0))) > 0.4, "small turns take much of the range"


def test_a_window_holds_the_action_between_its_middle_frames(tmp_path: Path) -> None:
    """What a lesson asks for is the same action that a clip pairs with the second of the two frames."""
    with EpisodeStore(tmp_path / "set", write=True) as store:
        for seed in range(2):
            store.write(scrolling(20 + seed, seed))
    source = ClipDataset(tmp_path / "set", length=idm.WINDOW, cache=None)
    lessons = idm.Lessons(source, InverseModel(InverseConfig(48, 32, 8)), EpisodeStore(tmp_path / "set"))
    assert lessons.moved.shape == (len(source), 5, MOTION) and len(lessons.actions) == len(source)
    for number in range(len(source)):
        np.testing.assert_array_equal(lessons.actions[number], source.clip(number).actions[3])


def test_bad_input(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with EpisodeStore(tmp_path / "short", write=True) as store:
        store.write(scrolling(20, 0))
    for line, kind, message in (
        (
            f"train idm --data {tmp_path / 'none'} --out {tmp_path / 'm'}",
            DatasetError,
            "there is no such folder",
        ),
        (f"train idm --data {tmp_path / 'short'} --out {tmp_path / 'm'}", DatasetError, "record more"),
        (f"train idm --data {tmp_path / 'short'} --minutes 0", UsageError, "minutes: got 0"),
        (f"train idm --data {tmp_path / 'short'} --device tpu", UsageError, "device: got 'tpu'"),
        (
            f"data import {tmp_path} --label {tmp_path / 'none'} --out {tmp_path / 'o'}",
            CheckpointError,
            "none",
        ),
    ):
        assert cli.main(line.split()) == kind.exit_code, line
        err = capsys.readouterr().err
        assert message in err and err.count("\n") == 1, err
    assert not (tmp_path / "m").exists() and not (tmp_path / "o").exists()
    with pytest.raises(ConfigError, match="channels"):
        InverseConfig(channels=7)
    with pytest.raises(ConfigError, match="width"):
        InverseConfig(width=8)
    assert InverseModel(InverseConfig(48, 32, 8)).predict(np.zeros((1, 32, 48, 3), np.uint8)).shape == (0, 25)


def test_another_kind_of_checkpoint_is_no_labeller(tmp_path: Path) -> None:
    from model_fakes import save_tiny_world

    with pytest.raises(CheckpointError, match="is no inverse-dynamics model; train one"):
        Labeller(save_tiny_world(tmp_path / "world"))
    assert errors.CheckpointError.exit_code == 4
