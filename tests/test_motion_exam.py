"""The motion head's exam runs as its docstring says, and tells kinds of ticks apart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from model_fakes import save_tiny_world
from worldsim.train import motion_exam


def test_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    world, out = save_tiny_world(tmp_path / "world"), tmp_path / "exam.json"
    arguments = ["--world", str(world), "--worlds", "2", "--ticks", "60", "--out", str(out)]
    monkeypatch.setattr("sys.argv", ["motion_exam", *arguments])
    motion_exam.main()
    kinds = json.loads(out.read_text())["kinds"]
    assert kinds["all"]["ticks"] == 2 * 6 and kinds["all"]["error"] > 0
    assert "blocks" in capsys.readouterr().out


def test_kinds_of_ticks() -> None:
    steps = torch.tensor([[0.0, 0, 0], [0, 0, 0.2], [0, 0.42, 0], [0, -0.5, 0]])
    found = motion_exam.kinds(steps, torch.tensor([True, False, False, False]))
    assert [int(found[k].sum()) for k in ("all", "walking", "jumping off", "falling")] == [4, 1, 1, 1]
    assert found["held by a wall"].tolist() == [True, False, False, False]
