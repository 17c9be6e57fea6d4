"""Holes are continued from what is around them: small ones smoothly, large ones with detail."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from worldsim.model.camera import encode_depth, tangents
from worldsim.model.fill import (
    composite,
    composite_torch,
    copy_torch,
    gaps,
    gaps_torch,
    go_on,
    lone,
    lone_torch,
    pull_push,
    pull_push_torch,
    window_sum,
)


def test_known_pixels_stay_and_holes_take_after_their_neighbours() -> None:
    picture = torch.zeros(1, 3, 48, 80)
    picture[:, 0] = torch.linspace(-1, 1, 48)[None, :, None]  # a vertical ramp, like sky over ground
    known = torch.ones(1, 1, 48, 80)
    known[..., 60:] = 0
    filled = pull_push(picture, known)
    assert torch.equal(filled[..., :60], picture[..., :60])
    assert float((filled[..., 60:66] - picture[..., 60:66]).abs().mean()) < 0.15
    assert float(filled.abs().max()) <= 1


@pytest.mark.parametrize("size", [(96, 160), (13, 21), (7, 1)])
def test_compiled_and_plain_pull_push_agree(size: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn(2, 4, *size, generator=generator)
    known = (torch.rand(2, 1, *size, generator=generator) > 0.7).float()
    assert torch.allclose(pull_push(pixels, known), pull_push_torch(pixels, known), atol=1e-6)


def test_windows_are_summed_as_pooling_would() -> None:
    known = (torch.rand(2, 3, 20, 30, generator=torch.Generator().manual_seed(0)) > 0.4).float()
    assert torch.allclose(window_sum(known, 5), F.avg_pool2d(known, 5, 1, 2) * 25, atol=1e-4)


@pytest.mark.parametrize("size", [(96, 160), (13, 21), (3, 4), (20, 1)])
@pytest.mark.parametrize("share", [0.0, 0.4, 0.5, 1.0])
def test_compiled_and_plain_windows_agree(size: tuple[int, int], share: float) -> None:
    known = (torch.rand(3, 1, *size, generator=torch.Generator().manual_seed(0)) < share).float()
    assert torch.equal(lone(known), lone_torch(known)) and torch.equal(gaps(known), gaps_torch(known))


def test_nothing_known_is_nothing() -> None:
    assert not pull_push(torch.ones(2, 4, 30, 50), torch.zeros(2, 1, 30, 50)).any()


def test_the_first_layer_lies_on_top() -> None:
    layers = torch.stack([torch.full((1, 1, 2, 2), float(k)) for k in (1, 2, 3)], 1)
    known = torch.zeros(1, 3, 1, 2, 2)
    known[:, 0, :, 0, 0] = known[:, 1, :, 0] = 1
    out, seen = composite(layers, known)
    assert out[0, 0].tolist() == [[1, 2], [0, 0]] and seen[0, 0].tolist() == [[1, 1], [0, 0]]


def test_compiled_and_plain_layers_agree() -> None:
    generator = torch.Generator().manual_seed(0)
    layers = torch.randn(2, 3, 4, 20, 30, generator=generator)
    known = (torch.rand(2, 3, 1, 20, 30, generator=generator) > 0.6).float()
    for compiled, plain in zip(composite(layers, known), composite_torch(layers, known)):
        assert torch.equal(compiled, plain)


NO_LAST = torch.zeros(2, 4, 96, 160), torch.zeros(2, dtype=torch.bool)


def view(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Sky over textured ground, with depth codes, and a mask that knows all."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.rand(2, 4, 96, 160, generator=generator) * 0.2 - 0.5
    pixels[:, :3, :48] = 0.8
    pixels[:, 3, :48] = 1.0
    return pixels, torch.ones(2, 1, 96, 160)


def test_a_gap_at_the_side_goes_on_at_its_height() -> None:
    pixels, known = view()
    known[..., 130:] = 0
    begun, now = go_on(pixels * known, known, torch.zeros(2), *NO_LAST)
    assert now[..., 130:].mean() > 0.85, "nearly all of it"
    assert torch.equal(begun[..., :130], pixels[..., :130]), "what is known stays"
    assert (begun[:, :3, 4:44, 130:] - 0.8).abs().max() < 1e-4, "sky goes on as sky"
    ground = begun[:, :3, 60:80, 132:150]
    assert ground.std() > 0.5 * pixels[:, :3, 60:80, :130].std() and ground.max() < 0, (
        "and ground with its detail"
    )


def test_level_ground_goes_on_level() -> None:
    pixels, known = view()
    tan_y = tangents(96, 160)[1]
    y = ((torch.arange(96) + 0.5) / 96 * 2 - 1) * tan_y
    sinks = y * math.cos(math.radians(10)) + math.sin(math.radians(10))  # of each row's ray, a block ahead
    pixels[:, 3] = encode_depth(1.6 / sinks.clamp(min=1.6 / 512))[:, None]
    known[:, :, 76:] = 0
    begun, now = go_on(pixels * known, known, torch.full((2,), 10.0), *NO_LAST)
    assert now[:, :, 76:].mean() > 0.8
    off = (begun[:, 3] - pixels[:, 3]).abs() * now[:, 0]
    assert off.max() < 0.02, "the eye is 1.6 blocks above all of it"


def test_sky_goes_on_round_the_zenith() -> None:
    pixels, known = view()
    pixels[:, :3] = 0.8
    known[..., 60:] = 0
    begun, now = go_on(pixels * known, known, torch.full((2,), -90.0), *NO_LAST)
    assert now.mean() > 0.85
    assert (begun[:, :3] * now - 0.8 * now).abs().max() < 1e-4


def test_small_holes_are_not_gaps() -> None:
    pixels, known = view()
    known[..., 20:70, 60:64] = 0
    begun, now = go_on(pixels, known, torch.zeros(2), *NO_LAST)
    assert begun is pixels and now is known


@pytest.mark.parametrize("pitch", [-80.0, -20.0, 0.0, 35.0, 80.0])
def test_both_implementations_agree(pitch: float) -> None:
    pixels, known = view()
    known[0, :, :, :50] = known[0, :, 80:] = known[1, :, 70:] = known[1, :, :, 120:] = 0
    at = torch.tensor([pitch, pitch + 5])
    last, one = view(1)[0], torch.tensor([True, False])
    gap = (known < 0.5) & (torch.nn.functional.avg_pool2d(known, 15, 1, 7) < 0.5)
    compiled, a = go_on(pixels * known, known, at, last, one)
    plain, b = copy_torch(pixels * known, known, gap, at, last, one)
    both = a * b
    assert float((a - b).abs().mean()) < 1e-3
    assert float((((compiled - plain) * both).abs() > 1e-3).float().mean()) < 1e-3, (
        "but for pixels on a border"
    )


def test_where_nothing_is_seen_the_last_frame_stays() -> None:
    pixels, known = view()
    last = view(1)[0]
    begun, now = go_on(0 * pixels, 0 * known, torch.zeros(2), last, torch.tensor([True, False]))
    assert torch.equal(begun[0], last[0]) and now[0].all()
    assert not begun[1].any() and not now[1].any()
