"""Samplers and noise as mathematics."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from worldsim.model.noise import add_noise, frame_noise, sample_levels, schedule
from worldsim.model.sampler import ancestral, euler

MEAN, STD = 0.7, 0.3


def gaussian_denoiser(x: torch.Tensor, level: torch.Tensor, size: torch.Tensor) -> torch.Tensor:
    """The exact E[clean | x] where clean is Gaussian and x = (1 - s) clean + s noise."""
    s = level.view(-1, 1)
    gain = (1 - s) * STD**2 / ((1 - s) ** 2 * STD**2 + s**2)
    return MEAN + gain * (x - (1 - s) * MEAN)


def test_euler_turns_noise_into_the_data_distribution() -> None:
    noise = torch.randn(1, 20_000, generator=torch.Generator().manual_seed(0))
    x = euler(gaussian_denoiser, noise, schedule(256))
    assert float(x.mean()) == pytest.approx(MEAN, abs=0.01)
    assert float(x.std()) == pytest.approx(STD, rel=0.02)


def test_euler_converges_at_first_order() -> None:
    noise = torch.randn(1, 2_000, generator=torch.Generator().manual_seed(0)).double()
    exact = MEAN + STD * noise  # the flow between two Gaussians is this straight map
    errors = [
        float((euler(gaussian_denoiser, noise, schedule(n)) - exact).abs().mean()) for n in (16, 32, 64)
    ]
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.25)
    assert errors[1] / errors[2] == pytest.approx(2, rel=0.25)


def test_one_step_is_the_mean_and_many_ancestral_steps_are_not() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(1, 20_000, generator=generator)
    assert float(euler(gaussian_denoiser, noise, schedule(1)).std()) < 1e-3
    fresh = lambda step: torch.randn(noise.shape, generator=generator)  # noqa: E731
    x = ancestral(gaussian_denoiser, noise, schedule(32), fresh_noise=fresh)
    assert float(x.std()) > 0.15


def test_callback_sees_every_step() -> None:
    seen: list[dict[str, Any]] = []
    euler(gaussian_denoiser, torch.randn(1, 3), schedule(4), callback=seen.append)
    assert [s["step"] for s in seen] == [0, 1, 2, 3]
    assert seen[-1]["noise_level"] == 0


def test_noise_is_a_function_of_its_key() -> None:
    shape = (3, 4, 5)
    a = frame_noise(7, 1, 20, shape)
    assert torch.equal(a, frame_noise(7, 1, 20, shape))
    for other in ((8, 1, 20), (7, 2, 20), (7, 1, 21)):
        assert not torch.equal(a, frame_noise(*other, shape))
    assert frame_noise(2**64 - 1, 0, 0, shape).isfinite().all()
    big = frame_noise(0, 0, 0, (100_000,))
    assert abs(float(big.mean())) < 0.02 and float(big.std()) == pytest.approx(1, abs=0.02)


def test_noise_levels_favour_the_hard_end() -> None:
    levels = sample_levels(10_000, 0.35, torch.Generator().manual_seed(0))
    assert 0.3 < float((levels == 1).float().mean()) < 0.4
    assert float(levels.min()) > 0 and float(levels.median()) > 0.6
    clean, noise = torch.zeros(2, 3), torch.ones(2, 3)
    assert torch.equal(
        add_noise(clean, noise, torch.tensor([0.0, 1.0])), torch.tensor([[0.0] * 3, [1.0] * 3])
    )
