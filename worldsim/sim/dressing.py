"""Dressing: the overlay of a dream's frames, kept apart from the world behind it.

What lies over the picture changes when hands do something; else it stays to the byte. Where it is opaque
it is put over what the network draws; and the network is shown the frame before with the overlay that is
to come, so that it copies the world where the arm has just been.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from worldsim.actions import INDEX
from worldsim.model.fill import composite, pull_push
from worldsim.model.hands import STRIP, strip_of
from worldsim.model.overlay import Overlay, tell
from worldsim.model.references import View
from worldsim.sim.state import WorldState

_KEYS = [
    INDEX[key] for key in (*(f"hotbar.{n}" for n in range(1, 10)), "attack", "use", "drop", "swapHands", "pickItem")
]  # fmt: skip
_OPAQUE = 127


def dress(
    overlay: Overlay, world: WorldState, view: View, usable: Tensor, *, moving: bool
) -> tuple[WorldState, View]:
    """The world with the overlay of the tick, and the view with it in the newest frame.

    Args:
        world: after its hands have worked.
        view: a batch of one.
        usable: `[H, W]` bool, False where an overlay may be.
        moving: what `moves` says.
    """
    grip, strip = world.grip, strip_of(view.newest)
    told = tell(grip.slot, grip.arm, grip.broke, grip.placed)[None].to(view.newest.device)
    drawn = overlay.after(overlay(strip, told), strip)[0]
    if world.signals is None and not moving:  # what was given is not drawn anew, but told from the rest
        given = torch.cat([(strip[0] + 1) / 2, drawn[3:]])
        return replace(world, overlay=_bytes(given)), view
    after = _bytes(drawn)
    shown = _shown(after, world.overlay, view, usable)
    frames = torch.cat([shown[:, None], view.frames[:, 1:]], 1)
    return replace(world, overlay=after), replace(view, newest=shown, frames=frames)


def _bytes(overlay: Tensor) -> Tensor:
    return (overlay * 255).round().to(torch.uint8)


def moves(world: WorldState, action: Tensor) -> bool:
    """Whether an action `[25]`, or a swing of the arm that is under way, changes the overlay."""
    return world.grip.arm > 0 or world.grip.swung or max(action[_KEYS].tolist()) > 0.5


def _shown(after: Tensor, before: Tensor | None, view: View, usable: Tensor) -> Tensor:
    """The newest frame `[1, 3, H, W]` under an overlay `[4, 32, W]`; where the one before was, the world goes on."""
    known, around = composite(view.warped, view.known)
    rows = min(STRIP, usable.shape[0])
    top = slice(usable.shape[0] - rows, None)
    opaque = after[3, -rows:] > _OPAQUE
    bared = ~usable[top] if before is None else before[3, -rows:] > _OPAQUE
    world = view.newest.clone()
    world[:, :, top] = torch.where(bared, pull_push(known, around)[:, :, top], world[:, :, top])
    world[:, :, top] = torch.where(opaque, after[:3, -rows:].float() / 127.5 - 1, world[:, :, top])
    return world


def dressed(frame: Tensor, overlay: Tensor | None) -> Tensor:
    """A copy of a frame uint8 `[H, W, 3]`, under an overlay `[4, 32, W]` if there is one."""
    frame = frame.clone()
    if overlay is None:
        return frame
    rows = min(STRIP, len(frame))
    part = overlay[:, -rows:].movedim(0, -1)
    frame[-rows:] = torch.where(part[..., 3:] > _OPAQUE, part[..., :3], frame[-rows:])
    return frame
