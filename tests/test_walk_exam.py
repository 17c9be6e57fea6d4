"""The walk exam runs as its docstring says, and tells blocks from fog."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from model_fakes import H, W, save_tiny_world
from worldsim.train import walk_exam

from worldsim import registry

ALL = torch.ones(H, W, dtype=torch.bool)


def test_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    world, out = save_tiny_world(tmp_path / "world"), tmp_path / "out"
    monkeypatch.setattr(
        "sys.argv",
        ["walk_exam", "--world", str(world), "--walks", "2", "--ticks", "16", "--out", str(out)],
    )
    walk_exam.main()
    told = json.loads((out / "walk.json").read_text())
    assert len(told["on_grid"]["dream"]) == len(told["on_grid"]["game"]) == 4
    assert {p.name for p in out.iterdir()} == {"walk.json", "strip.png"}
    assert capsys.readouterr().out.startswith("dream")


def test_blocks_lie_on_the_grid_and_fog_does_not() -> None:
    game = registry.resolve(registry.ENGINES, registry.GAME, "engine")(width=W, height=H)
    shares = walk_exam.walk_game(game, 601, 40, ALL)
    assert torch.tensor(shares).nanmean() > 0.95
    generator = torch.Generator().manual_seed(0)
    fog = walk_exam.on_grid(
        1 + 5 * torch.rand(H, W, generator=generator), torch.tensor([0.4, 9.6, 3.3, 33.0, 9.0]), ALL
    )
    assert fog < 0.5


def test_where_all_is_far_away_nothing_is_said() -> None:
    assert torch.tensor(walk_exam.on_grid(torch.full((H, W), 50.0), torch.zeros(5), ALL)).isnan()


def test_the_walker_goes_on_turns_and_keeps_level() -> None:
    walker = walk_exam.Walker(3)
    actions = torch.stack([torch.from_numpy(walker.act(30.0)) for _ in range(120)])
    assert actions[20:, walk_exam.INDEX["forward"]].all()
    camera = actions[:, walk_exam.CAMERA]
    assert (camera[:, 0] < 0).all(), "who looks down looks up again"
    assert camera[97:109, 1].abs().max() > 5 and camera[:, 1].abs().max() <= 10
