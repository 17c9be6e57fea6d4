"""What was given is drawn from where it was sharp, and nothing else is."""

from __future__ import annotations

import pytest
import torch
from model_fakes import H, W, tiny_model
from torch import Tensor
from torch.nn import functional as F

from worldsim.actions import CAMERA
from worldsim.model.sharpen import sharpen, sharpen_torch
from worldsim.model.warp import Warped
from worldsim.sim import originals
from worldsim.sim.simulator import Simulator, SimulatorConfig
from worldsim.sim.state import WorldState

CONFIG = SimulatorConfig(precision="float32")


def texture(count: int = 1) -> Tensor:
    """Squares of three pixels in many colours, `[N, 3, H, W]` in [-1, 1]."""
    generator = torch.Generator().manual_seed(3)
    coarse = torch.rand(count, 3, H // 3 + 1, W // 3 + 1, generator=generator) - 0.5
    return F.interpolate(coarse, scale_factor=3, mode="nearest")[..., :H, :W]


def blurred(frames: Tensor) -> Tensor:
    return F.avg_pool2d(F.pad(frames, (1, 1, 1, 1), mode="replicate"), 3, 1)


def roughness(frames: Tensor) -> float:
    return float((frames[..., 2:] - 2 * frames[..., 1:-1] + frames[..., :-2]).abs().mean())


def wall(count: int = 1, depth: float = 6.0) -> tuple[Tensor, Tensor]:
    """Depth and what is known of it, `[N, 1, H, W]`."""
    return torch.full((count, 1, H, W), depth), torch.ones(count, 1, H, W)


@pytest.mark.parametrize("implementation", (sharpen, sharpen_torch))
def test_the_sharper_of_two_pictures_of_one_surface_is_taken(implementation: object) -> None:
    sharp, (depth, known) = texture(), wall()
    frames, told = implementation(blurred(sharp), depth, known, Warped(sharp, depth * 1.05, known))  # type: ignore[operator]
    assert torch.equal(frames, sharp) and torch.equal(told, depth * 1.05)
    frames, told = implementation(sharp, depth, known, Warped(blurred(sharp), depth, known))  # type: ignore[operator]
    assert torch.equal(frames, sharp) and torch.equal(told, depth)


@pytest.mark.parametrize("implementation", (sharpen, sharpen_torch))
def test_another_surface_is_left_alone_however_sharp(implementation: object) -> None:
    sharp, (depth, known) = texture(), wall()
    soft = blurred(sharp)
    for other in (
        Warped(sharp + 0.5, depth, known), Warped(sharp, depth * 1.5, known), Warped(sharp, depth, 0 * known),
    ):  # fmt: skip
        frames, told = implementation(soft, depth, known, other)  # type: ignore[operator]
        assert torch.equal(frames, soft) and torch.equal(told, depth)


def test_both_implementations_agree() -> None:
    generator = torch.Generator().manual_seed(0)

    def noise(scale: float, shape: tuple[int, ...] = (2, 1, H, W)) -> Tensor:
        return scale * torch.randn(shape, generator=generator)

    sharp, (depth, _) = texture(2), wall(2)
    depth, spotted = depth + noise(0.5), (noise(1.0) > -1.6).float()
    other = Warped(sharp + noise(0.1), depth * (1 + noise(0.08)), (noise(1.0) > -1.6).float())
    one, two = (run(blurred(sharp), depth, spotted, other) for run in (sharpen, sharpen_torch))
    assert torch.equal(one[0], two[0]) and torch.equal(one[1], two[1])
    changed = float((one[1] != depth).float().mean())
    assert 0.1 < changed < 0.9


def swaying(simulator: Simulator, turns: int) -> WorldState:
    """A player before a textured wall who has looked a little to the side and back, again and again."""
    frame = ((texture()[0] + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0)
    frames, depth = frame.expand(3, H, W, 3), torch.full((3, H, W), 6.0)
    world = simulator.begin(frames, seed=0, depth=depth, pose=torch.zeros(3, 5))
    for turn in range(turns):
        action = torch.zeros(1, 25)
        action[0, CAMERA.start + 1] = 0.7 if turn % 2 else -0.7
        (world,) = simulator.step([world], action)
    return world


def test_what_was_given_does_not_blur_while_one_looks_about(monkeypatch: pytest.MonkeyPatch) -> None:
    simulator = Simulator(tiny_model(lively=False), CONFIG)  # which copies what it is given
    seen = {}
    for count in (2, 0):
        monkeypatch.setattr(originals, "ORIGINALS", count)
        frame = swaying(simulator, 20).newest.frame[: H // 2, W // 4 : -W // 4].float().permute(2, 0, 1)
        seen[count] = roughness(frame)
    assert seen[2] > 1.3 * seen[0]
