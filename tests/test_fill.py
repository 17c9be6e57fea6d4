"""Holes are continued smoothly from what is around them."""

from __future__ import annotations

import torch

from worldsim.model.fill import composite, pull_push


def test_known_pixels_stay_and_holes_take_after_their_neighbours() -> None:
    picture = torch.zeros(1, 3, 48, 80)
    picture[:, 0] = torch.linspace(-1, 1, 48)[None, :, None]  # a vertical ramp, like sky over ground
    known = torch.ones(1, 1, 48, 80)
    known[..., 60:] = 0
    filled = pull_push(picture, known)
    assert torch.equal(filled[..., :60], picture[..., :60])
    assert float((filled[..., 60:66] - picture[..., 60:66]).abs().mean()) < 0.15
    assert float(filled.abs().max()) <= 1


def test_nothing_known_is_nothing() -> None:
    assert not pull_push(torch.ones(2, 4, 30, 50), torch.zeros(2, 1, 30, 50)).any()


def test_the_first_layer_lies_on_top() -> None:
    layers = torch.stack([torch.full((1, 1, 2, 2), float(k)) for k in (1, 2, 3)], 1)
    known = torch.zeros(1, 3, 1, 2, 2)
    known[:, 0, :, 0, 0] = known[:, 1, :, 0] = 1
    out, seen = composite(layers, known)
    assert out[0, 0].tolist() == [[1, 2], [0, 0]] and seen[0, 0].tolist() == [[1, 1], [0, 0]]
