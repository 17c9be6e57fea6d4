"""The walk exam runs as its docstring says, and tells blocks from fog."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from model_fakes import H, W, save_tiny_world
from numpy.typing import NDArray
from worldsim.train import walk_exam

from worldsim import registry

ALL = torch.ones(H, W, dtype=torch.bool)


def looking(down: float, ahead: float = 0.0) -> NDArray[np.float32]:
    """The pose of one who looks down by so many degrees, some blocks on."""
    return np.array([0.0, 1.62, ahead, 0.0, down], np.float32)


@pytest.mark.parametrize("straight", [[], ["--straight"]])
def test_it_runs(
    straight: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world, out = save_tiny_world(tmp_path / "world"), tmp_path / "out"
    monkeypatch.setattr(
        "sys.argv",
        ["walk_exam", "--world", str(world), "--walks", "2", "--ticks", "16", "--out", str(out), *straight],
    )
    walk_exam.main()
    told = json.loads((out / "walk.json").read_text())
    assert told["straight"] == bool(straight)
    assert len(told["on_grid"]["dream"]) == len(told["on_grid"]["game"]) == 4
    assert {p.name for p in out.iterdir()} == {"walk.json", "strip.png"}
    assert capsys.readouterr().out.startswith("dream")


def test_blocks_lie_on_the_grid_and_fog_does_not() -> None:
    game = registry.resolve(registry.ENGINES, registry.GAME, "engine")(width=W, height=H)
    shares = walk_exam.walk_game(game, walk_exam.Walker(601), 601, 40, ALL)
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
    actions = torch.stack([torch.from_numpy(walker.act(looking(30.0))) for _ in range(120)])
    assert actions[20:, walk_exam.INDEX["forward"]].all()
    camera = actions[:, walk_exam.CAMERA]
    assert (camera[:, 0] < 0).all(), "who looks down looks up again"
    assert camera[97:109, 1].abs().max() > 5 and camera[:, 1].abs().max() <= 10


def test_who_walks_straight_on_turns_where_jumping_does_not_help() -> None:
    free, held = walk_exam.Straight(1), walk_exam.Straight(1)
    going = np.stack([free.act(looking(0.0, 0.2 * tick)) for tick in range(120)])
    stopped = np.stack([held.act(looking(0.0)) for _ in range(120)])
    jump, turn = walk_exam.INDEX["jump"], walk_exam.CAMERA.start + 1
    assert not going[:, jump].any() and not going[:, turn].any()
    assert stopped[:, jump].any()
    assert stopped[:, turn].reshape(-1).sum() == pytest.approx(90 * np.ceil(stopped[:, turn].sum() / 90))
    assert stopped[20:30, turn].sum() == 0 and stopped[:60, turn].sum() == 90
