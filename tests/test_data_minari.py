"""Recordings as Minari datasets, read back by Minari."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from worldsim import cli
from worldsim.actions import to_vector
from worldsim.data.episode import Episode
from worldsim.data.storage import EpisodeStore


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "game"
    line = "record --env worldsim/Voxel-v0 --width 64 --height 48 --steps 4 --episodes 2 --seed 7 --out"
    assert cli.main([*line.split(), str(folder)]) == 0
    return folder


def test_minari_reads_what_was_exported(recorded: Path, tmp_path: Path) -> None:
    minari = pytest.importorskip("minari", reason="pip install 'worldsim[minari]'")
    out = tmp_path / "set"
    assert cli.main(["data", "export", str(recorded), "--format", "minari", "--out", str(out)]) == 0
    dataset, store = minari.MinariDataset(out / "data"), EpisodeStore(recorded)
    assert dataset.total_episodes == 2 and dataset.total_steps == 8
    for number, theirs in enumerate(dataset.iterate_episodes()):
        ours = store.read(number)
        assert np.array_equal(theirs.observations, ours.frames) and theirs.observations.dtype == np.uint8
        assert np.array_equal(theirs.rewards, ours.rewards)
        assert theirs.truncations.tolist() == [False] * 3 + [True] and not theirs.terminations.any()
        assert np.array_equal(theirs.infos["pose"], ours.columns["pose"])
        for t in range(4):
            action = {name: column[t] for name, column in theirs.actions.items()}
            assert np.array_equal(to_vector(action), ours.actions[t])
            assert dataset.action_space.contains(action)


def test_exports_that_can_not_be(
    recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["data", "export", "--format", "minari", "--out"]
    assert cli.main([*line, str(recorded), str(recorded), "--viewable"]) == 2
    with EpisodeStore(tmp_path / "mixed", write=True) as store:
        for height in (16, 32):
            actions, rewards = np.zeros((2, 25), np.float32), np.zeros(2, np.float32)
            store.write(Episode(np.zeros((3, height, 32, 3), np.uint8), actions, rewards))
    if "minari" in sys.modules:
        assert cli.main([*line, str(tmp_path / "a"), str(tmp_path / "mixed")]) == 5
        assert "2 sizes" in capsys.readouterr().err
        assert cli.main([*line, str(recorded), str(recorded)]) == 2
    monkeypatch.setitem(sys.modules, "minari", None)
    assert cli.main([*line, str(tmp_path / "a"), str(recorded)]) == 14
    assert "pip install 'worldsim[minari]'" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()
