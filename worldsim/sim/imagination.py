"""Imagination: what a dream takes to be where nothing given tells.

A view that is largely unknown, or that shows things invented from afar and now near, is answered
by a place: the exemplar whose picture and depth go on best from what is known, and with it the other
views of the place where it was taken. They are put into the world as memories of something that never
was, with poses of their own, so that it stays where it is when the player turns, has a shape to walk on
and is seen from other sides like all that is remembered (`scenery`). Its grounding is 0:
`info["uncertainty"]` and `info["invented"]` say that it is a guess.

    imagination = Imagination(exemplars, model.usable)
    idea = imagination.idea(world, pose, sight)         # None, most of the time
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from worldsim.model.camera import NEAR, decode_depth, encode_depth, rays, relative_pose, rotate, tangents
from worldsim.model.fill import composite
from worldsim.model.grounding import LOOSE, SHRINK
from worldsim.model.kernels import arrays, has_numbers, kernel
from worldsim.model.noise import frame_noise
from worldsim.model.retrieval import GRID, magnification
from worldsim.model.tokenizer import frames_to_float
from worldsim.sim.exemplars import Exemplars
from worldsim.sim.placing import Places, Placing
from worldsim.sim.sight import Sight
from worldsim.sim.state import KeyFrame, WorldState

UNKNOWN = 0.2
"""Share of the view that has to be unknown for an idea."""
UNCLEAR = 0.4
"""Share that has to be unknown or worn."""
LOST = 0.7
"""Share from which on anything is better than nothing, and at once."""
REST, LONG_REST = 6, 18
"""Ticks after an idea before the next one, for what is unknown and for what is worn."""
WORN = 2.5
"""How many times larger than it was imagined a thing has to be seen for something finer to take its place."""
_PITCH = 25.0
_FIT = 0.2  # error of colours and depth codes above which an exemplar doesn't go on from what is known
_PATIENCE, _RELIEF = 40, 0.3  # a view that is unclear for so many ticks more takes what is so much worse, too
_DIM = 0.3  # of the day's light that a place may have more or less: night is not to fall behind the next tree
_COVER = 0.4
_BOTH = 12  # cells by which it is judged, at least
_CHANCE = 0.015
_SHIFT = 0.03  # a block: what is near looks torn from elsewhere
_ONWARD, _FAR = 0.005, 10.0  # a block that the place is known for ahead of a view, up to so many
_DARK, _OPEN = 75.0, 100.0  # grey levels; blocks
_SIDES, _LATELY = 8, 6  # views of a place that is known from all sides; of what was seen
_STREAM = 0x1DEA_1DEA_1DEA_1DEA


@dataclass(frozen=True)
class Idea:
    """A place that was thought of."""

    key: KeyFrame
    """The view that goes on from what is known."""
    others: tuple[KeyFrame, ...]
    """The other views of the place."""
    instead: bool
    """Whether it is to take the place of what was invented before."""


class Imagination:
    """Thinks of places; holds exemplars and no state. Which one of several that fit is the world's noise's choice.

    Args:
        usable: `[H, W]` bool, False over the HUD.
    """

    def __init__(self, exemplars: Exemplars, usable: Tensor) -> None:
        self.device = usable.device
        self.frames, self.depth = torch.from_numpy(exemplars.frames), torch.from_numpy(exemplars.depth)
        poses = torch.from_numpy(exemplars.pose)
        self.pitch, self.daytime = poses[:, 4], torch.from_numpy(exemplars.daytime)
        # Of a view that nobody knows the pose of nobody knows where the others lie.
        laid, alone = poses[:, :4].isfinite().all(1), -1 - torch.arange(len(poses))
        self.placing, self.place = Placing(poses), torch.where(laid, torch.from_numpy(exemplars.place), alone)
        self.onward, self.cave = _onward(poses, self.place), _caves(self.frames, self.depth, self.place)
        self.usable = usable.float()[None, None].cpu()
        self.seen = self._shrunk(self.usable) > 0.5
        # For each pixel of the HUD the row of the nearest one above it that is none: its colours must not bleed.
        rows = torch.arange(len(usable))[:, None]
        self.above = torch.where(usable.cpu(), rows, 0).cummax(0).values
        sketches = [
            self._sketch(frames_to_float(f), encode_depth(d.float())[:, None])
            for f, d in zip(self.frames.split(64), self.depth.split(64))
        ]
        self.coarse = torch.cat([*sketches, *(s.flip(-1) for s in sketches)])

    def idea(self, world: WorldState, pose: Tensor, sight: Sight) -> Idea | None:
        """What may lie in the view of one world, which is `due`, from `pose` `[5]`; None if there is no need of it.

        Args:
            sight: a batch of one.
        """
        idle = resting(world)
        if float((sight.ground < LOOSE).float().mean()) < UNKNOWN:
            return None
        known, view, unknown = self._known(sight)
        worn = self._worn(world, pose, sight, view)
        worn = worn & ~unknown & (idle >= LONG_REST)
        cells = self.seen.sum()
        if unknown.sum() < UNKNOWN * cells and (unknown | worn).sum() < UNCLEAR * cells:
            return None
        # Better another place than none: fog looks like nothing that fits.
        lost = bool(unknown.sum() >= LOST * cells)
        long = 1.0 if lost else min(max(idle - LONG_REST, 0) / _PATIENCE, 1.0)
        limit = _FIT + _RELIEF * long * float((unknown | worn).sum() / cells)
        allowed = self._alike(pose, anyhow=lost) & self._lit_as(world) & (self.cave == _underground(world))
        places = self.placing.around(pose, allowed)
        found = self._fitting(world, pose, places, view, (known, unknown | worn, worn), limit)
        if found is None:
            return None
        others = (self._keyframe(other, world.tick) for other in self._beside(found))
        return Idea(self._keyframe(found, world.tick), tuple(others), bool(worn.any()))

    def _beside(self, found: Places) -> list[Places]:
        """The other views of the same place where they come to lie."""
        index = int(found.index[0])
        others = (self.place == self.place[index]).nonzero()[:, 0]
        laid = self.placing.beside(found, others[others != index])
        return [laid.one(k) for k in range(len(laid.index))]

    def _keyframe(self, place: Places, tick: int) -> KeyFrame:
        frame, depth = self._view(place)
        height, width = (size // SHRINK for size in depth.shape)
        nothing = torch.zeros(height, width, dtype=torch.uint8, device=self.device)
        return KeyFrame(frame, depth, place.pose[0], tick, nothing, imagined=True)

    def _known(self, sight: Sight) -> tuple[Tensor, Tensor, Tensor]:
        """Cells that are known (bool), what they show `[1, 4, 12, 20]`, and cells that are not known."""
        view = sight.view
        layers = torch.cat([view.warped, encode_depth(view.depth) * view.known], 2).cpu()
        pixels, mask = composite(layers, view.known.cpu())
        mask = mask * self.usable
        share = self._shrunk(mask)
        shown = self._shrunk(pixels * mask) / share.clamp(min=1e-3)
        share = share / self._shrunk(self.usable).clamp(min=1e-3)
        return (share > 0.6) & self.seen, shown, (share < 0.5) & self.seen

    def _worn(self, world: WorldState, pose: Tensor, sight: Sight, view: Tensor) -> Tensor:
        """Cells that show what was invented larger than it was imagined."""
        invented = (self._shrunk((sight.ground.cpu() < LOOSE).float()) > 0.5) & self.seen
        made = [i for i, key in enumerate(world.memory.frames) if key.imagined]
        coarse, poses = world.memory.coarse, world.memory.poses
        if not made or coarse is None or poses is None:
            return invented
        now = decode_depth(view[:, 3]).flatten(1)
        height, width = self.usable.shape[-2:]
        larger = magnification(coarse[None, made], poses[None, made], pose[None], width / height, now)
        return invented & (larger.view(1, 1, *GRID) > WORN)

    def _fitting(
        self,
        world: WorldState,
        pose: Tensor,
        places: Places,
        view: Tensor,
        cells: tuple[Tensor, Tensor, Tensor],
        limit: float,
    ) -> Places | None:
        """The one of M places that shows what is wanted and goes on from what is known, see `_best_torch`."""
        if len(places.index) == 0:
            return None
        chance = frame_noise(world.seed ^ _STREAM, world.episode, world.tick, (len(places.index),))
        shift = (places.pose[:, :3] - pose[:3]).norm(dim=1)
        dear = torch.stack([_CHANCE * chance, _SHIFT * shift, _ONWARD * self.onward[places.index]])
        find = self._best_compiled if has_numbers(view) and has_numbers(self.coarse) else self._best_torch
        best = find(pose, places, view, cells, dear, limit)
        return None if best is None else places.one(best)

    def _best_torch(
        self, pose: Tensor, places: Places, view: Tensor, cells: tuple[Tensor, Tensor, Tensor], dear: Tensor,
        limit: float,
    ) -> int | None:  # fmt: skip
        """Which of M places costs least, in plain torch.

        Args:
            cells: which are known, wanted and worn.
            dear: `[3, M]` what each costs for its noise, and its shift, and spares for what lies ahead.
        """
        shown, code, inside = self._placed(pose, places, view, cells[0])
        known, wanted, worn = cells
        both = inside & known
        # Of what is worn the colour is to stay; its depth was a guess, too, and a worse one.
        off = (shown[:, :3] - view[:, :3]).abs().mean(1, keepdim=True) + (shown[:, 3:] - code).abs() * ~worn
        judged = both.sum((1, 2, 3))
        error = (off * both).sum((1, 2, 3)) / judged.clamp(min=1)
        error = torch.where(judged >= _enough(known), error, torch.inf)
        cover = (inside & wanted).sum((1, 2, 3)) / wanted.sum()
        score = error + 0.5 * (1 - cover) + dear[0] + dear[1] - dear[2]
        unfit = (error > limit) | (cover < _COVER)
        best = int(score.masked_fill(unfit, torch.inf).argmin())
        return None if unfit[best] else best

    def _best_compiled(
        self, pose: Tensor, places: Places, view: Tensor, cells: tuple[Tensor, Tensor, Tensor], dear: Tensor,
        limit: float,
    ) -> int | None:  # fmt: skip
        """`_best_torch`, but for the last digits of what each costs."""
        relative = relative_pose(pose.expand(len(places.index), 5), places.pose)
        extent, found = tangents(*self.usable.shape[-2:]), torch.empty(1, dtype=torch.long)
        points = rays(*GRID, extent) * decode_depth(view[0, 3]).flatten()
        which = places.index + places.mirrored * len(self.frames)
        kernel("placing", "fit")(
            *arrays(*relative, points, self.coarse.flatten(2)), which.numpy(), *arrays(view[0].flatten(1)),
            *(c.flatten().numpy() for c in cells), *arrays(dear), *extent, _enough(cells[0]), limit, _COVER,
            found.numpy(),
        )  # fmt: skip
        return None if found < 0 else int(found)

    def _alike(self, pose: Tensor, *, anyhow: bool) -> Tensor:
        """Bool `[N]`: which exemplars look about as far up or down; the nearest of them, if it must be `anyhow`."""
        off = (self.pitch - pose[4]).abs()
        return off < (max(_PITCH, float(off.min()) + 1.0) if anyhow else _PITCH)

    def _lit_as(self, world: WorldState) -> Tensor:
        """Bool `[N]`: which exemplars have about the world's light; all where either time of day isn't known."""
        off = _daylight(self.daytime) - _daylight(torch.tensor(world.daytime))
        return ~(off.abs() > _DIM)

    def _placed(
        self, pose: Tensor, places: Places, view: Tensor, known: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Exemplars as they would be seen from `pose` if what is known of the view were there, too.

        Returns:
            Colours and depth codes `[M, 4, 12, 20]`, the codes that would agree with what is known `[M, 1, 12, 20]`,
            and bool, where anything is shown. What is not known is looked up as if it were far away.
        """
        rotation, translation = relative_pose(pose.expand(len(places.index), 5), places.pose)
        tan_x, tan_y = tangents(*self.usable.shape[-2:])
        points = rays(*GRID, (tan_x, tan_y)) * decode_depth(view[0, 3]).flatten()
        moved = (
            rotate(rotation, points.expand(len(places.index), -1, -1))
            + translation[:, :, None] * known.flatten()
        )
        z = moved[:, 2].clamp(min=NEAR)
        place = torch.stack([moved[:, 0] / z / tan_x, moved[:, 1] / z / tan_y], -1).unflatten(1, GRID)
        sketches = self.coarse[places.index + places.mirrored * len(self.frames)]
        shown = F.grid_sample(sketches, place, mode="nearest", align_corners=False)
        inside = (moved[:, 2] > NEAR).unflatten(1, (1, *GRID)) & (shown[:, 4:] > 0.5)
        return shown[:, :4], encode_depth(z).unflatten(1, (1, *GRID)), inside

    def _view(self, place: Places) -> tuple[Tensor, Tensor]:
        """Picture and depth of one exemplar as it is put."""
        index = int(place.index[0])
        frame, depth = self.frames[index], self.depth[index]
        if bool(place.mirrored[0]):
            # What lies over the picture is no part of the place, wherever it comes to lie.
            bare = frame[self.above, torch.arange(frame.shape[1])]
            frame, depth = bare.flip(1), (depth * (self.usable[0, 0] > 0)).flip(1)
        return frame.to(self.device), depth.to(self.device)

    def _sketch(self, frames: Tensor, codes: Tensor) -> Tensor:
        """Colours, depth codes and what is shown of them at all: `[N, 5, 12, 20]`."""
        share = self._shrunk(self.usable).clamp(min=1e-3)
        pixels = self._shrunk(torch.cat([frames, codes], 1) * self.usable) / share
        return torch.cat([pixels, self.seen.float().expand(len(pixels), -1, -1, -1)], 1)

    @staticmethod
    def _shrunk(pixels: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(pixels, GRID)


def _enough(known: Tensor) -> int:
    """Cells by which a place is judged, at least: where nothing much is known, anything may be."""
    return min(_BOTH, int(known.sum()))


def _daylight(daytime: Tensor) -> Tensor:
    """Share of noon's light, from dusk, a little before the sun is up, to full day, soon after; nan for nan."""
    height = torch.sin(2 * math.pi * (daytime - 0.25))
    return ((height + 0.18) / 0.42).clamp(0, 1)


def _caves(frames: Tensor, depth: Tensor, place: Tensor) -> Tensor:
    """Bool `[N]`: views of places that were seen from several sides, and to none of them light or far."""
    shut = _shut(frames, depth)
    found = torch.zeros_like(shut)
    for number in place.unique():
        here = place == number
        found[here] = here.sum() >= _SIDES and shut[here].float().mean() > 0.7
    return found


def _underground(world: WorldState) -> bool:
    """Whether all that was seen lately was near, and as a rule dark: the next thing is no meadow then."""
    seen = [key for key in world.memory.frames[::-1] if not key.imagined][:_LATELY]
    keys = (world.newest, *seen)
    light, far = _light(torch.stack([k.frame for k in keys])), _far(torch.stack([k.depth for k in keys]))
    return bool((light.median() < _DARK) & (far < _OPEN).all())


def _shut(frames: Tensor, depth: Tensor) -> Tensor:
    """Bool `[N]`: whether most of a view of `[N, H, W, 3]` is dark, and nothing in it far away."""
    return (_light(frames) < _DARK) & (_far(depth) < _OPEN)


def _light(frames: Tensor) -> Tensor:
    """Grey levels `[N]` of the middle pixel of `[N, H, W, 3]`."""
    return frames[:, ::4, ::4].float().mean(3).flatten(1).median(1).values


def _far(depth: Tensor) -> Tensor:
    """Blocks `[N]` to the farthest that `[N, H, W]` show."""
    return depth[:, ::4, ::4].flatten(1).amax(1)


def _onward(pose: Tensor, place: Tensor) -> Tensor:
    """Blocks `[N]`, up to `_FAR`, that other views of its place lie ahead of each view."""
    yaw = torch.deg2rad(pose[:, 3])
    off = pose[None, :, [0, 2]] - pose[:, None, [0, 2]]
    ahead = (off * torch.stack([-yaw.sin(), yaw.cos()], -1)[:, None]).sum(2)
    return (ahead.nan_to_num(0.0).clamp(0, _FAR) * (place[None] == place[:, None])).amax(1)


def resting(world: WorldState) -> int:
    """Ticks since the last idea."""
    return world.tick - max((k.tick for k in world.memory.frames if k.imagined), default=-LONG_REST)
