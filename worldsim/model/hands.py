"""The hands: when does a block break, when is one placed, and how does it look where it was or is?

Like the motion head they run before the frame is denoised. What they decide is put into what the
dream remembers (`worldsim.sim.handiwork`), so that the network draws an edit as it draws all that it
knows of, from every side and for as long as it is remembered. Games without blocks have none (`width` 0).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from worldsim.actions import ACTION_SIZE, INDEX
from worldsim.model.cells import BOTTOM, FACES, TOP
from worldsim.signals import SLOTS

CROP, STRIP = 32, 32
"""Pixels around the crosshair, and rows above the lower edge, that are looked at."""
TEXELS = 16
"""Side of a face's texture."""
KINDS = 3
"""Textures of a cell: bottom, top, sides."""
LONGEST = 20
"""Ticks since the last break or placement beyond which it does not matter."""
ATTACK, USE, HOTBAR = INDEX["attack"], INDEX["use"], INDEX["hotbar.1"]
_TOLD = ACTION_SIZE + 4 + 2 * 3 + SLOTS + FACES
# Of log-odds: a block that stays when it should go is worse than one that goes a tick early.
_EAGER = (2.0, 2.0)
_STEEP = 4.0  # of the chance of breaking in the ticks held: what breaks after n ticks does not after n - 1


@dataclass(frozen=True)
class HandsConfig:
    """Size of the hands."""

    width: int = 0
    """Units of their hidden layers; 0: the world has none."""
    textures: int = 96
    """Textures that all faces are mixed from."""


@dataclass(frozen=True)
class Grasp:
    """What B pairs of hands go by."""

    crop: Tensor
    """`[B, 3, 32, 32]` the newest frame around where the crosshair points now, 0 where that is not known."""
    strip: Tensor
    """`[B, 3, 32, W]` the lower edge of the newest frame: items, and the one in hand."""
    told: Tensor
    """`[B, n]` of `tell`."""


def tell(
    action: Tensor, held: int, since: tuple[int, int], slot: int, face: int, distance: float, before: Tensor
) -> Tensor:
    """What hands know beside the picture: `[n]`.

    Args:
        action: `[25]`.
        held: ticks that attack has been held on this block, this one counted.
        since: ticks since a block was broken, and since one was placed.
        slot: of the hotbar, -1 if it isn't known.
        face, distance: of the block that is aimed at, see `cells.Aim`.
        before: `[3]` from the eye to the middle of the cell before it, in blocks.
    """
    return torch.cat(
        [
            action.float().cpu(),
            torch.tensor([held / 8, float(held == 1), *(min(n, LONGEST) / 5 for n in since)]),
            before.float().cpu(),
            before.float().cpu().abs() + torch.tensor([distance / 4, 0.0, 0.0]),
            F.one_hot(torch.tensor(slot + 1), SLOTS + 1)[1:].float(),
            F.one_hot(torch.tensor(face), FACES).float(),
        ]
    )


@dataclass(frozen=True)
class Skin:
    """How the faces of a cell look: of a block that was placed, or of the hole where one was."""

    textures: Tensor
    """`[B, 3, 3, 16, 16]` in about [-1, 1], by kind of face (bottom, top, sides) and colour."""
    light: Tensor
    """`[B, 6]` what each face's brightness is multiplied by."""
    solid: Tensor
    """`[B, 6]` of a hole: chance that there is a block behind each face."""

    def paint(self, face: Tensor, place: Tensor) -> Tensor:
        """Colours `[B, P, 3]` in about [-1, 1] of places `[B, P, 2]` on faces `[B, P]` (int64)."""
        kind = torch.where(face == BOTTOM, 0, torch.where(face == TOP, 1, 2))
        at = (place * TEXELS).long().clamp(0, TEXELS - 1)
        row = torch.arange(len(face), device=face.device)[:, None]
        colours = self.textures.permute(0, 1, 3, 4, 2)[row, kind, at[..., 1], at[..., 0]]
        return (colours + 1) * self.light.gather(1, face)[..., None] - 1

    @cached_property
    def faces(self) -> Tensor:
        """The first skin's colours uint8 `[6, 16, 16, 3]` by face."""
        kinds = torch.tensor([2, 2, 0, 1, 2, 2], device=self.textures.device)
        lit = (self.textures[0].permute(0, 2, 3, 1)[kinds] + 1) * self.light[0][:, None, None, None] - 1
        return ((lit.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


class Hands(nn.Module):
    """See the module's docstring."""

    def __init__(self, config: HandsConfig) -> None:
        super().__init__()
        self.config, width = config, config.width
        self.look = nn.Sequential(
            nn.Conv2d(3, 24, 4, 2, 1), nn.SiLU(), nn.Conv2d(24, 48, 4, 2, 1), nn.SiLU(),
            nn.Conv2d(48, 64, 4, 2, 1), nn.SiLU(), nn.Flatten(), nn.Linear(64 * (CROP // 8) ** 2, width), nn.SiLU(),
        )  # fmt: skip
        self.items = Items(width)
        self.acts = nn.Sequential(
            nn.Linear(2 * width + _TOLD, width),
            nn.SiLU(),
            nn.Linear(width, width),
            nn.SiLU(),
            nn.Linear(width, 3),
        )
        mixed, width = KINDS * config.textures, 2 * config.width
        self.skins = nn.ModuleList(
            nn.Sequential(
                nn.Linear(width + _TOLD, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(),
                nn.Linear(width, mixed + 2 * FACES),
            )
            for _ in range(2)
        )  # fmt: skip
        self.dictionary = nn.Parameter(torch.randn(config.textures, 3, TEXELS, TEXELS) * 0.1)

    def see(self, grasp: Grasp) -> Tensor:
        """All that is known `[B, n]`."""
        slots = grasp.told[:, -FACES - SLOTS : -FACES]
        seen = [self.look(grasp.crop), self.items(grasp.strip, slots), grasp.told]
        return torch.cat(seen, 1)

    def act(self, seen: Tensor) -> Tensor:
        """Logits `[B, 2]` that a block breaks in this tick, and that one is placed."""
        return self.time(seen)[0]

    def decide(self, seen: Tensor) -> Tensor:
        """Bool `[B, 2]`: whether a block breaks in this tick, and whether one is placed."""
        return self.act(seen) > -torch.tensor(_EAGER, device=seen.device)

    def time(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Logits as `act` gives them, and the ticks of attack that the block is thought to take `[B]`."""
        needed, late, placed = self.acts(seen).float().unbind(1)
        held, needed = seen[:, -_TOLD + ACTION_SIZE] * 8, 8 * F.softplus(needed)
        return torch.stack([_STEEP * (held - needed) + late, placed], 1), needed

    def skin(self, seen: Tensor, *, placed: bool) -> Skin:
        """How the block that is placed looks, or the hole where one broke."""
        out = self.skins[int(placed)](seen).float()
        count = self.config.textures
        mixed, light, solid = out.split([KINDS * count, FACES, FACES], 1)
        weights = mixed.unflatten(1, (KINDS, count))
        textures = torch.einsum("bkn,nchw->bkchw", weights, self.dictionary.float())
        return Skin(textures, torch.exp(light / 4), solid.sigmoid())


class Items(nn.Module):
    """Reads the item in hand off the lower edge: attention over its cells, led by the slot where that is known."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.cells = nn.Sequential(
            nn.Conv2d(3, 24, 4, 2, 1),
            nn.SiLU(),
            nn.Conv2d(24, 48, 4, 2, 1),
            nn.SiLU(),
            nn.Conv2d(48, 64, 3, 1, 1),
        )
        self.heads = 4
        self.where = nn.Sequential(nn.Linear(2 + SLOTS, 64), nn.SiLU(), nn.Linear(64, 64))
        self.glance = nn.Conv2d(64, self.heads, 1)
        self.out = nn.Sequential(nn.Linear(64 * self.heads, width), nn.SiLU())

    def forward(self, strip: Tensor, slots: Tensor) -> Tensor:
        """`[B, width]` of strips `[B, 3, 32, W]` and slots `[B, 9]`, one-hot or zero."""
        cells = self.cells(strip)
        rows, columns = cells.shape[-2:]
        y, x = torch.meshgrid(
            torch.linspace(-1, 1, rows, device=strip.device), torch.linspace(-1, 1, columns, device=strip.device),
            indexing="ij",
        )  # fmt: skip
        places = torch.stack([x, y], -1).expand(len(strip), -1, -1, -1)
        told = slots[:, None, None].expand(-1, rows, columns, -1)
        where = self.where(torch.cat([places, told], -1)).movedim(-1, 1)
        weight = self.glance(F.silu(cells + where)).flatten(2).softmax(2)
        seen: Tensor = self.out(torch.einsum("bhp,bcp->bhc", weight, cells.flatten(2)).flatten(1))
        return seen


def crop_of(frame: Tensor) -> Tensor:
    """The pixels `[..., 3, 32, 32]` in the middle of a frame `[..., 3, H, W]`, with 0 around those of a small one."""
    return _window(frame, (frame.shape[-2] - CROP) // 2, (frame.shape[-1] - CROP) // 2, CROP, CROP)


def strip_of(frame: Tensor) -> Tensor:
    """The lower edge `[..., 3, 32, W]` of a frame `[..., 3, H, W]`."""
    return _window(frame, frame.shape[-2] - STRIP, 0, STRIP, frame.shape[-1])


def _window(frame: Tensor, top: int, left: int, rows: int, columns: int) -> Tensor:
    spare_y, spare_x = max(0, -top), max(0, -left)
    padded = F.pad(frame, (spare_x, spare_x, spare_y, spare_y))
    top, left = top + spare_y, left + spare_x
    return padded[..., top : top + rows, left : left + columns]
