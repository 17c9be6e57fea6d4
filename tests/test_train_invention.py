"""What the game's frame can teach a dream, and what only a critic can: grounding and adversary."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from worldsim.train import objective
from worldsim.train.adversary import Adversary
from worldsim.train.critic import CriticConfig

from worldsim.model.grounding import agreement, grounding, shrink
from worldsim.model.references import References

H, W = 48, 64
USABLE = torch.ones(H, W, dtype=torch.bool)
USABLE[-8:] = False


def wall(distance: float, slots: int = 1) -> References:
    """A flat wall seen head on by a player at the origin."""
    return References(
        frames=torch.rand(1, slots, 3, H, W),
        depth=torch.full((1, slots, 1, H, W), distance),
        pose=torch.zeros(1, slots, 5),
        time=-torch.ones(1, slots),
        noise_level=torch.zeros(1, slots),
        valid=torch.ones(1, slots, dtype=torch.bool),
    )


def seen(references: References, known: float = 1.0, **pose: float) -> Tensor:
    """Grounding over the world's pixels of the view from a pose: `[H, W]`."""
    to = torch.zeros(1, 5)
    for name, value in pose.items():
        to[0, ["x", "y", "z", "yaw", "pitch"].index(name)] = value
    slots = references.valid.shape[1]
    ground = grounding(references, torch.full((1, slots, 1, H // 2, W // 2), known), to, USABLE)
    assert (ground[0, 0][~USABLE] - known).abs().max() < 0.01, "the HUD is known as it was"
    return ground[0, 0, :-8]


def test_what_was_seen_is_known() -> None:
    assert seen(wall(8)).min() > 0.98
    assert abs(float(seen(wall(8), 0.4).mean()) - 0.4) < 0.01, "a memory of an invention stays one"


def test_what_a_turn_reveals_is_not() -> None:
    ground = seen(wall(8), yaw=25.0)
    left, right = ground[:, :24].mean(), ground[:, -8:].mean()
    assert left > 0.7 and right == 0


def test_detail_that_comes_with_nearness_is_not() -> None:
    assert abs(float(seen(wall(8), z=3.0).median()) - (5 / 8) ** 0.5) < 0.02, "seen from 8 blocks, now 5 away"
    assert float(seen(wall(8), z=-2.0)[16:24, 24:40].min()) > 0.98, "smaller now: all was seen"


def test_the_best_reference_counts() -> None:
    two = wall(8, slots=2)
    known = torch.stack([torch.zeros(1, H // 2, W // 2), torch.ones(1, H // 2, W // 2)])[None]
    assert grounding(two, known, torch.zeros(1, 5), USABLE)[0, 0, :-8].min() > 0.98
    blind = replace(two, valid=torch.tensor([[True, False]]))
    assert grounding(blind, known, torch.zeros(1, 5), USABLE)[0, 0, :-8].max() == 0
    assert shrink(torch.ones(1, 1, H, W)).shape == (1, 1, H // 2, W // 2)


def test_a_dream_that_leaves_the_truth_is_invention() -> None:
    off = torch.zeros(1, 3, H, W)
    off[..., 20:40] = 0.5
    kept = agreement(off)[0, 0]
    assert kept[:, :18].min() == 1 and kept[:, 22:38].max() == 0


def taught(lessons: int = 40) -> tuple[Adversary, tuple[Tensor, Tensor, Tensor], Tensor]:
    """An adversary that has seen textured frames of the game and fog of the dream, and that fog."""
    torch.manual_seed(0)
    adversary = Adversary(CriticConfig(pull=0.2, widths=(8, 16, 24), learning_rate=5e-3, warmup=5), USABLE)
    pitch, depth = torch.zeros(8), torch.zeros(8, 1, H, W)
    fog = (0.02 * torch.randn(8, 3, H, W), depth, pitch)
    for _ in range(lessons):
        adversary.learn((torch.randn(8, 3, H, W).sign() * 0.5, depth, pitch), fog, torch.ones(8, 1, H, W))
    return adversary, fog, torch.ones(8, 1, H, W)


def test_the_critic_tells_fog_from_the_game_and_pulls_away_from_it() -> None:
    adversary, (fog, depth, pitch), everywhere = taught()
    frame = fog.clone().requires_grad_()
    before = torch.cat([x.flatten() for x in adversary.critic(frame * adversary.shown, depth, pitch)]).mean()
    loss = adversary.pull(frame, depth, pitch, everywhere)
    assert float(loss.detach()) == 0, "it must not show in the loss"
    loss.backward()  # type: ignore[no-untyped-call]
    assert frame.grad is not None
    moved = (frame - 20 * frame.numel() * frame.grad * 0.2).detach()
    after = torch.cat([x.flatten() for x in adversary.critic(moved * adversary.shown, depth, pitch)]).mean()
    assert after > before + 0.1, "more like the game now"
    size = float(frame.grad.pow(2).mean().sqrt()) * frame.numel()
    assert abs(size - 2 * 0.2) < 0.02, "as hard as a squared error of 0.2 pulls"


def test_the_pull_leaves_what_is_known_alone() -> None:
    adversary, (fog, depth, pitch), _ = taught(8)
    invented = torch.zeros(8, 1, H, W)
    invented[..., :20] = 1
    frame = fog.clone().requires_grad_()
    adversary.pull(frame, depth, pitch, invented).backward()  # type: ignore[no-untyped-call]
    assert frame.grad is not None
    assert frame.grad[..., :20].any() and not frame.grad[..., 20:].any()
    frame.grad = None
    adversary.pull(frame, depth, pitch, 0 * invented).backward()  # type: ignore[no-untyped-call]
    assert not frame.grad.any(), "nothing to judge"


def test_a_young_critic_does_not_pull_and_a_resumed_one_goes_on() -> None:
    adversary, (fog, depth, pitch), everywhere = taught(4)
    assert float(adversary.pull(fog, depth, pitch, everywhere).abs()) == 0
    assert all(p.requires_grad for p in adversary.critic.parameters())
    again = Adversary(adversary.config, USABLE)
    again.load_state_dict(adversary.state_dict())
    real, fake = (torch.rand(8, 3, H, W), depth, pitch), (fog, depth, pitch)
    torch.manual_seed(1)
    first = adversary.learn(real, fake, everywhere)
    torch.manual_seed(1)
    assert again.learn(real, fake, everywhere) == first and again.lessons == 5


def test_detail_may_be_added_to_what_was_invented_where_cells_are_asked_for() -> None:
    shown = torch.ones(1, 16, 2, 2)
    stripes = torch.tensor([1.0, -1.0]).repeat(8).view(1, 16, 1, 1).expand(1, 16, 2, 2).repeat(1, 3, 1, 1)
    shift = torch.ones(1, 48, 2, 2)
    assert float(objective._departure(stripes, shown, 1.0)) == 1.0
    assert abs(float(objective._departure(stripes, shown, 0.25)) - 0.25) < 1e-6
    assert abs(float(objective._departure(shift, shown, 0.25)) - 1.0) < 1e-6
    assert float(objective._departure(stripes, 0 * shown, 0.25)) == 0.0
