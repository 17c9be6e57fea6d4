"""What comes into view beside a near thing goes on as what lies behind it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from model_fakes import H, W
from torch import Tensor

from worldsim.model.references import View
from worldsim.sim.sight import Sight
from worldsim.sim.uncovered import WIDEST, gone_on, gone_on_torch, uncovered

NEAR, FAR = 2.0, 20.0
Fill = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


def scene(slit: int, far: float = FAR, *, down: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """A dark wall to the left (above), a slit, and a landscape that brightens to the right (downward)."""
    length = H if down else W
    edge = length // 3
    place = torch.arange(length).float()
    colour = torch.where(place < edge, -1.0, place / length)
    depth = torch.where(place < edge, NEAR, far)
    known = ((place < edge) | (place >= edge + slit)).float()
    row = torch.stack([colour, colour, colour, depth]) * known
    shape = (1, 4, H, W)
    pixels = (row[:, :, None] if down else row[:, None]).expand(shape).contiguous()
    shown = (known[:, None] if down else known).expand(1, 1, H, W).contiguous()
    return pixels, shown, torch.ones(H, W, dtype=torch.bool)


@pytest.mark.parametrize("fill", [gone_on, gone_on_torch])
@pytest.mark.parametrize("down", [False, True])
def test_a_slit_beside_a_wall_mirrors_the_landscape_behind(fill: Fill, down: bool) -> None:
    pixels, known, usable = scene(3, down=down)
    out, found = fill(pixels, known, usable)
    assert (found == (known < 0.5)).all()
    line, edge = (out[0, :, :, 5], H // 3) if down else (out[0, :, 5], W // 3)
    assert torch.equal(line[:, edge : edge + 3], line[:, edge + 3 : edge + 6].flip(1))
    assert (line[3, edge : edge + 3] == FAR).all() and (line[0, :edge] == -1).all()


def test_cracks_wide_gaps_borders_and_the_hud_are_left_alone() -> None:
    assert not gone_on(*scene(3, far=NEAR * 1.1))[1].any(), "a crack in one surface"
    assert not gone_on(*scene(WIDEST + 1))[1].any()
    pixels, known, usable = scene(3)
    known[..., W // 3 :] = 0
    assert not gone_on(pixels, known, usable)[1].any(), "what comes into view from aside"
    pixels, known, usable = scene(3)
    usable[:, W // 3 + 3 :] = False
    assert not gone_on(pixels, known, usable)[1].any(), "what lies over the picture does not go on"


def test_both_twins_agree() -> None:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.rand(3, 4, H, W, generator=generator)
    pixels[:, 3] = 2.0 ** (6 * torch.rand(3, H, W, generator=generator))
    known = (torch.rand(3, 1, H, W, generator=generator) > 0.6).float()
    usable = torch.rand(H, W, generator=generator) > 0.1
    compiled, torch_twin = gone_on(pixels, known, usable), gone_on_torch(pixels, known, usable)
    assert torch.equal(compiled[1], torch_twin[1]) and compiled[1].any()
    assert torch.equal(compiled[0], torch_twin[0])


def test_it_is_a_guess_in_the_newest_frame() -> None:
    pixels, known, usable = scene(3)
    hidden = torch.zeros(1, 1, 4, H, W)
    layers = torch.cat([pixels[:, None], hidden], 1)
    view = View(
        warped=layers[:, :, :3], depth=layers[:, :, 3:], known=torch.stack([known, 0 * known], 1),
        newest=pixels[:, :3], frames=layers[:, :, :3], description=torch.zeros(1, 2, 17),
        valid=torch.ones(1, 2, dtype=torch.bool),
    )  # fmt: skip
    before = Sight(None, torch.zeros(1, 2, dtype=torch.bool), view, known.clone())  # type: ignore[arg-type]
    after = uncovered(before, usable)
    assert (after.view.known[:, 0] == 1).all() and (after.view.known[:, 1] == 0).all()
    assert torch.equal(after.ground, known), "nothing given tells it"
    assert torch.equal(before.view.warped[:, 0], pixels[:, :3]), "what was seen is not changed"
    # All of it is shown by another slot.
    whole = replace(before, view=replace(view, known=torch.stack([known, torch.ones_like(known)], 1)))
    assert uncovered(whole, usable) is whole
