"""Teaching hands: from a game, into a copy of a world."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import pytest
import torch
from model_fakes import H, W, save_tiny_world
from worldsim.train import hands as program
from worldsim.train.hand_lessons import play
from worldsim.train.hands import TrainOptions, examine, losses
from worldsim.train.lesson_pool import Pool, together

from worldsim import registry
from worldsim.checkpoint import world_hash
from worldsim.cli import main
from worldsim.errors import UsageError
from worldsim.model.hands import Hands, HandsConfig
from worldsim.sim.world import load_world


@pytest.fixture(scope="module")
def lessons() -> program.Lesson:
    return together(list(islice(play(registry.GAME, 0, width=160, height=96), 250)))


def test_lessons_show_what_was_placed_and_where_a_block_was(lessons: program.Lesson) -> None:
    placed, broke = lessons.happened[:, 1] > 0, lessons.happened[:, 0] > 0
    assert placed.sum() >= 3 and broke.sum() >= 3
    assert ((lessons.pressed - lessons.happened) >= 0).all(), "nothing happens to hands that do nothing"
    told = lessons.face >= 0
    assert told[placed].any() and bool(lessons.there[placed][told[placed]].all()), "a placed block is there"
    assert 0.4 < float(lessons.there[broke][told[broke]].mean()) < 1, (
        "behind a broken one there may be nothing"
    )
    assert float(lessons.place.min()) >= 0 and float(lessons.place.max()) <= 1


def test_the_same_seed_gives_the_same_lessons() -> None:
    a, b = (together(list(islice(play(registry.GAME, 3, width=64, height=48), 8))) for _ in range(2))
    assert torch.equal(a.told, b.told) and torch.equal(a.crop, b.crop)


def test_hands_learn(lessons: program.Lesson) -> None:
    torch.manual_seed(0)
    hands = Hands(HandsConfig(width=32))
    optimiser = torch.optim.AdamW(hands.parameters(), lr=2e-3)
    first = losses(hands, lessons)
    for _ in range(30):
        loss = losses(hands, lessons)
        optimiser.zero_grad()
        loss.total.backward()
        optimiser.step()
    assert float(loss.act.detach()) < 0.7 * float(first.act.detach())
    assert float(loss.colour.detach()) < 0.7 * float(first.colour.detach())
    found = examine(hands, lessons)
    assert found["placed_ticks"] >= 3 and found["placed_colour"] < 60


def test_the_pool_keeps_the_newest_and_draws_what_happened(lessons: program.Lesson) -> None:
    pool = Pool[program.Lesson](100)
    pool.add(lessons, lessons.happened.any(1))
    drawn, weight = pool.draw(64, torch.Generator().manual_seed(0))
    share = float(lessons.happened[150:].any(1).float().mean())
    eventful = drawn.happened.any(1)
    assert float(weight[eventful].sum() / weight.sum()) == pytest.approx(share, abs=0.12)
    assert drawn.happened.any(1).float().mean() >= 0.5
    assert torch.equal(pool.kept["told"][49], lessons.told[249])


def test_a_world_is_given_hands_and_is_otherwise_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, out = save_tiny_world(tmp_path / "tiny"), tmp_path / "handy"
    main(f"train hands --world {home} --out {out} --steps 2 --workers 0 --width 16 --exam 20".split())
    assert str(out) in capsys.readouterr().out
    before, after = load_world(home), load_world(out)
    assert before.model.hands is None and after.model.hands is not None
    assert after.exemplars is not None and after.seeds is not None
    assert torch.equal(before.model.motion.net[0].weight.half(), after.model.motion.net[0].weight.half())
    assert json.loads((out / "hands.json").read_text())["steps"] == 2
    again = tmp_path / "again"
    main(f"train hands --world {home} --out {again} --steps 2 --workers 0 --width 16 --exam 20".split())
    assert world_hash(again) == world_hash(out) != world_hash(home)
    assert after.seeds.frames.shape[2:4] == (H, W)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [("--minutes 0", "minutes: got 0"), ("--steps 0", "steps: got 0"), ("--world nowhere", "nowhere"),
     ("--env worldsim/No-v0", "No-v0")],
)  # fmt: skip
def test_bad_options_are_refused_in_one_line(
    arguments: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = save_tiny_world(tmp_path / "tiny")
    given = arguments if "--world" in arguments else f"--world {home} {arguments}"
    with pytest.raises(SystemExit):
        raise SystemExit(main(f"train hands --out {tmp_path / 'o'} --workers 0 {given}".split()))
    assert message in capsys.readouterr().err and not (tmp_path / "o").exists()


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    home = save_tiny_world(tmp_path / "tiny")
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / "mine.txt").write_text("x")
    with pytest.raises(UsageError, match="holds something"):
        program.main(TrainOptions(world=str(home), out=str(tmp_path / "o"), workers=0))
