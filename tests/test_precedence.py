"""What was given comes before what was guessed, wherever a given frame looked."""

from __future__ import annotations

import pytest
import torch
from model_fakes import H, W, tiny_model
from torch import Tensor
from torch.nn import functional as F

from worldsim.actions import CAMERA
from worldsim.model.references import View
from worldsim.sim.precedence import given_first, given_first_torch
from worldsim.sim.simulator import Simulator, SimulatorConfig

GUESS, GIVEN = 0.5, -0.5


def shown(depth: tuple[float, float], known: Tensor | None = None) -> View:
    """Two slots: a guess and what was given, at so many blocks."""
    warped = torch.tensor([GUESS, GIVEN]).view(1, 2, 1, 1, 1).expand(1, 2, 3, H, W).clone()
    return View(
        warped=warped, depth=torch.tensor(depth).view(1, 2, 1, 1, 1).expand(1, 2, 1, H, W).clone(),
        known=torch.ones(1, 2, 1, H, W) if known is None else known, newest=warped[:, 0], frames=warped,
        description=torch.zeros(1, 2, 17), valid=torch.ones(1, 2, dtype=torch.bool),
    )  # fmt: skip


def first(
    view: View, *, grounds: tuple[float, float] = (0.1, 0.9), made: bool = False, aside: float = 0.0
) -> Tensor:
    """The first slot after what was given has taken its place; it was seen from so many blocks to the left."""
    ground = torch.tensor(grounds).view(1, 2, 1, 1, 1).expand(1, 2, 1, H, W)
    poses = torch.zeros(1, 2, 5)
    poses[0, 1, 0] = -aside
    return given_first(view, ground, torch.tensor([[False, made]]), poses, torch.zeros(1, 5)).warped[0, 0, 0]


def test_a_guess_before_what_was_seen_whole_gives_way() -> None:
    assert (first(shown((3.0, 8.0))) == GIVEN).all()
    assert (first(shown((8.0, 8.0))) == GIVEN).all() and (first(shown((20.0, 8.0))) == GIVEN).all()


def test_a_guess_stays_where_nobody_looked() -> None:
    row = first(shown((1.0, 8.0)), aside=1.5)[H // 2]
    assert (row[: W // 8] == GIVEN).any() or (row[-W // 8 :] == GIVEN).any(), "to one side somebody did"
    assert (row == GUESS).any()


def test_what_was_given_or_is_a_guess_itself_or_is_torn_replaces_nothing() -> None:
    view = shown((3.0, 8.0))
    assert (first(view, grounds=(0.8, 0.9)) == GUESS).all(), "both were given: the newer one is"
    assert (first(view, grounds=(0.1, 0.3)) == GUESS).all()
    assert (first(view, made=True) == GUESS).all()
    torn = torch.ones(1, 2, 1, H, W)
    torn[:, 1] = 0
    torn[:, 1, :, ::3, ::3] = 1
    assert (first(shown((3.0, 8.0), torn)) == GUESS).all()


@pytest.mark.parametrize("size", [(H, W), (13, 21)])
def test_compiled_and_plain_agree_to_the_bit(size: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    patches = F.interpolate(torch.rand(8, 2, 4, 5, generator=generator), size).unflatten(0, (2, 4))
    known = (patches[:, :, :1] + 0.1 * torch.rand(2, 4, 1, *size, generator=generator) > 0.3).float()
    warped = torch.randn(2, 4, 3, *size, generator=generator) * known
    view = View(
        warped=warped, depth=torch.rand(2, 4, 1, *size, generator=generator) * 20, known=known, newest=warped[:, 0],
        frames=warped, description=torch.zeros(2, 4, 17), valid=torch.ones(2, 4, dtype=torch.bool),
    )  # fmt: skip
    imagined = torch.tensor([[False, False, True, False], [False, False, False, False]])
    poses = torch.randn(2, 4, 5, generator=generator) * torch.tensor([1.0, 0.3, 1.0, 20.0, 10.0])
    told = patches[:, :, 1:], imagined, poses, torch.zeros(2, 5)
    compiled, plain = given_first(view, *told), given_first_torch(view, *told)
    assert torch.equal(compiled.warped, plain.warped) and torch.equal(compiled.depth, plain.depth)
    changed = (compiled.depth != view.depth).float().mean()
    assert 0.05 < changed < 0.9


def test_who_turns_all_round_comes_home() -> None:
    simulator = Simulator(tiny_model(lively=False), SimulatorConfig(precision="float32"))
    generator = torch.Generator().manual_seed(0)
    blocks = torch.randint(0, 255, (1, H // 8, W // 8, 3), generator=generator, dtype=torch.uint8)
    frame = blocks.repeat_interleave(8, 1).repeat_interleave(8, 2)
    world = simulator.begin(frame, seed=0, depth=torch.full((1, H, W), 9.0), pose=torch.zeros(1, 5))
    action = torch.zeros(1, 25)
    action[:, CAMERA.start + 1] = 15.0
    for _ in range(24):
        (world,) = simulator.step([world], action)
    off = (
        world.newest.frame[: H // 2, W // 4 : -W // 4].float() - frame[0, : H // 2, W // 4 : -W // 4]
    ).abs()
    assert float(off.mean()) < 12, "blocks are as far apart as 85 on average"
