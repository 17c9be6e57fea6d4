"""Teaching the motion head alone: from a game whose player steps to all sides."""

from __future__ import annotations

import json
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest
import torch
from model_fakes import save_tiny_world
from worldsim.train.lesson_pool import together
from worldsim.train.moments import Moment
from worldsim.train.motion import examine, told
from worldsim.train.motion_lessons import HISTORY, play

from worldsim import registry
from worldsim.actions import INDEX
from worldsim.cli import main
from worldsim.model.motion import MotionConfig, MotionHead, motion_loss
from worldsim.sim.world import load_world

SIDES = ("forward", "back", "left", "right")


@pytest.fixture(scope="module")
def moments() -> Moment:
    return together(list(islice(play(registry.GAME, 0, width=64, height=48), 800)))


def test_moments_are_of_steps_to_all_sides(moments: Moment) -> None:
    pressed = Counter({key: int((moments.actions[:, 0, INDEX[key]] > 0.5).sum()) for key in SIDES})
    assert min(pressed.values()) > 0.08 * len(moments.step), pressed
    assert (moments.step[:, 2] < -0.05).float().mean() > 0.05, "some lead back"
    assert (moments.step[:, 1] > 0.05).float().mean() > 0.03, "and up"
    assert moments.actions.shape[1] == HISTORY and moments.space.dtype == torch.float16


def test_the_same_seed_gives_the_same_moments() -> None:
    a, b = (together(list(islice(play(registry.GAME, 3, width=64, height=48), 8))) for _ in range(2))
    assert torch.equal(a.step, b.step) and torch.equal(a.space, b.space)


def test_a_head_learns(moments: Moment) -> None:
    torch.manual_seed(0)
    head = MotionHead(MotionConfig(width=32), 4)
    optimiser = torch.optim.AdamW(head.parameters(), lr=3e-3)
    before = examine(head, moments)
    for _ in range(60):
        loss = motion_loss(told(head, moments), moments.step)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    after = examine(head, moments)
    assert after["all_off"] < 0.7 * before["all_off"] and after["ticks"] == 800
    assert after["back_off"] < before["back_off"]


def test_a_world_is_given_the_head_and_is_otherwise_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, out = save_tiny_world(tmp_path / "tiny"), tmp_path / "moved"
    main(f"train motion --world {home} --out {out} --steps 2 --workers 0 --exam 20".split())
    assert str(out) in capsys.readouterr().out
    before, after = (dict(load_world(path).model.state_dict()) for path in (home, out))
    changed = {
        name.split(".")[0] for name in before if not torch.equal(before[name].half(), after[name].half())
    }
    assert changed == {"motion"}
    found = json.loads((out / "motion.json").read_text())
    assert found["steps"] == 2 and 0 < found["all_last_step_again"] < 1
