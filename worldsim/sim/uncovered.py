"""Uncovered: what comes into view beside a thing that one walks past belongs to what lies behind it.

Between two surfaces, one near and one far, every step opens a slit that no frame has shown. Filled from both sides
alike it becomes a fringe of the near one, the next slit beside it another, and after a second a wall trails a curtain
of its own colours. So the far side goes on, mirrored at the slit's edge, as disocclusions are filled in image-based
rendering (Fehn 2004). It is a guess, and says so: where enough of it has come together, a place is thought of.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from worldsim.model.fill import composite
from worldsim.model.kernels import arrays, has_numbers, kernel
from worldsim.sim.sight import Sight

WIDEST = 16
"""Pixels across the widest slit. What is wider is begun elsewhere, see `model.fill`."""
FINE = 128
"""Pixels across a picture from which on it helps: in 80x48 a slit is part of a pixel, and the network does as well."""
APART = 1.25
"""How many times as far as the near side the far side lies, at least; else it is a crack in one surface."""


def uncovered(sight: Sight, usable: Tensor) -> Sight:
    """The sight with slits that no slot shows drawn into the newest frame as what lies behind.

    Args:
        usable: `[H, W]` bool, False over the HUD, of which nothing goes on.
    """
    view = sight.view
    layers, known = composite(torch.cat([view.warped, view.depth], 2), view.known)
    pixels, found = gone_on(layers, known, usable)
    # To ask a GPU would wait for all that is under way.
    if found.device.type == "cpu" and not bool(found.any()):
        return sight
    warped, depth, shown = view.warped.clone(), view.depth.clone(), view.known.clone()
    warped[:, 0] = torch.where(found, pixels[:, :3], warped[:, 0])
    depth[:, 0] = torch.where(found, pixels[:, 3:], depth[:, 0])
    shown[:, 0] = torch.where(found, 1.0, shown[:, 0])
    ground = torch.where(found, 0.0, sight.ground)
    return replace(sight, view=replace(view, warped=warped, depth=depth, known=shown), ground=ground)


def gone_on(pixels: Tensor, known: Tensor, usable: Tensor) -> tuple[Tensor, Tensor]:
    """Slits between near and far, with the far side gone on: across or down, whichever is the shorter way.

    Args:
        pixels: `[B, 4, H, W]` colours and depth in blocks.
        known: `[B, 1, H, W]` in {0, 1}.

    Returns:
        The pixels, changed where the second, bool `[B, 1, H, W]`, says so.
    """
    if not has_numbers(pixels):
        return gone_on_torch(pixels, known, usable)
    out, found = pixels.contiguous().clone(), torch.zeros(known.shape, dtype=torch.bool)
    given = arrays(pixels, known[:, 0])
    kernel("uncovered", "go_on_behind")(
        *given, usable.contiguous().numpy(), WIDEST, APART, out.numpy(), found[:, 0].numpy()
    )
    return out, found


def gone_on_torch(pixels: Tensor, known: Tensor, usable: Tensor) -> tuple[Tensor, Tensor]:
    """`gone_on` in plain torch, on any device."""
    shown = (known > 0.5) & usable
    hole = ~shown & usable
    across, found_across, wide = _along(pixels, shown, hole)
    turned = (t.transpose(2, 3) for t in (pixels, shown, hole))
    down, found_down, high = (t.transpose(2, 3) for t in _along(*turned))
    sideways = found_across & ~(found_down & (high < wide))
    out = torch.where(sideways, across, torch.where(found_down, down, pixels))
    return out, found_across | found_down


def _along(pixels: Tensor, shown: Tensor, hole: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Rows gone on: pixels, where they may be taken for slits, and how wide those are, `[B, 1, H, W]`."""
    width = pixels.shape[-1]
    column = torch.arange(width, device=pixels.device)
    left = torch.where(hole, -1, column).cummax(-1).values
    right = torch.where(hole, width, column).flip(-1).cummin(-1).values.flip(-1)
    wide, inside = right - left - 1, hole & (left >= 0) & (right < width)
    left, right = left.clamp(min=0), right.clamp(max=width - 1)
    depth = pixels[:, 3:]
    before, after = depth.gather(-1, left), depth.gather(-1, right)
    nearer, deep = torch.minimum(before, after), torch.maximum(before, after)
    ends = shown.gather(-1, left) & shown.gather(-1, right)
    found = inside & ends & (wide <= WIDEST) & (deep >= APART * nearer)
    edge = torch.where(after > before, right, left)
    source = 2 * edge - column + torch.where(after > before, -1, 1)
    within = source.clamp(0, width - 1)
    same = (source == within) & shown.gather(-1, within) & (depth.gather(-1, within) * APART >= deep)
    source = torch.where(same, within, edge)
    return pixels.gather(-1, source.expand_as(pixels)), found, wide
