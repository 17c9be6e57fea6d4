"""The realism exam runs as its docstring says, and a dream that left the game's look is told from one that did not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from model_fakes import save_tiny_world
from worldsim.train import realism_exam

from worldsim.evaluate.frechet import frechet, pooled
from worldsim.evaluate.probes import load_probes


def test_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    world, out = save_tiny_world(tmp_path / "world"), tmp_path / "out"
    arguments = ["--world", str(world), "--worlds", "2", "--frames", "12", "--others", "2", "--out", str(out)]
    monkeypatch.setattr("sys.argv", ["realism_exam", *arguments])
    realism_exam.main()
    told = json.loads((out / "realism.json").read_text())
    assert told["frames"] == ["0 to 3", "3 to 6", "6 to 9", "9 to 12"]
    assert len(told["voxel_fd"]["with exemplars"]) == 4
    assert {p.name for p in out.iterdir()} == {"realism.json", "strip-with.png", "strip-without.png"}
    assert "without exemplars" in capsys.readouterr().out


def test_fog_is_further_from_the_game_than_other_places_of_it() -> None:
    probes, frames = load_probes(), realism_exam.views(12, width=160, height=96)
    game = realism_exam.seen(frames[:36], probes)
    fog = np.broadcast_to(frames.mean((1, 2, 3), keepdims=True), frames.shape).astype(np.uint8)
    other, foggy = (realism_exam.seen(f[36:], probes) for f in (frames, fog))
    assert 2 * frechet(pooled(other), pooled(game)) < frechet(pooled(foggy), pooled(game))
