"""The built-in game: one seeded world and its player, 20 ticks a second, numpy and numba alone.

`worldsim bench engine` measures its speed at several sizes.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim.errors import ConfigError, ResetNeeded, UsageError

from . import voxel_player as p
from .voxel_animals import move_animals, new_animals, strike
from .voxel_blocks import WATER
from .voxel_camera import view_axes
from .voxel_caption import caption, survey
from .voxel_horizon import find_skyline
from .voxel_hud import Hud
from .voxel_kernel import kernel
from .voxel_mining import ATTACK, REACH, aim, replay, use_hands
from .voxel_physics import move_player, suffer
from .voxel_raycast import block_at, cell
from .voxel_render import FOG_END, draw_world
from .voxel_sky import DAY_TICKS, LIGHT, cloud_map, daylight
from .voxel_spawn import make_world
from .voxel_sprites import animal_boxes, draw_animals
from .voxel_terrain import BIOMES, HEIGHT, SIZE
from .voxel_textures import CRACK_STAGES, block_textures, crack_textures

Frame = NDArray[np.uint8]
_LARGE = ("_vox", "_biomes", "_tops", "_roofs", "_journal")
_SMALL = ("_player", "_animals", "_items", "_counts", "_frame", "_depth", "_ids")
_MOST_EDITS = 2 * HEIGHT + 8  # of one tick: a column of sand coming down


@dataclass(frozen=True)
class VoxelSnapshot:
    """Everything that a world needs to go on: its seed, the changes made to it and the state of its actors."""

    seed: int
    player: NDArray[np.float64]
    items: NDArray[np.uint8]
    counts: NDArray[np.int32]
    animals: NDArray[np.float64]
    journal: NDArray[np.int32]


class VoxelEngine:
    """One seeded world and its player. Same seed + actions = same bytes, in any process.

    Args:
        width, height: frame size in pixels, multiples of 16 between 64x48 and 640x384.

    Raises:
        ConfigError: a size that does not fit.
    """

    def __init__(self, *, width: int = 160, height: int = 96) -> None:
        for name, value, low, high in (("width", width, 64, 640), ("height", height, 48, 384)):
            if value % 16 or not low <= value <= high:
                raise ConfigError(f"{name}: got {value}, expected a multiple of 16 from {low} to {high}")
        self.width, self.height = width, height
        self._vox = np.zeros((SIZE, SIZE, HEIGHT), np.uint8)
        self._biomes, self._tops, self._roofs = (np.zeros((SIZE, SIZE), np.uint8) for _ in range(3))
        self._player, self._animals = np.zeros(p.SIZE), new_animals()
        self._items, self._counts = np.zeros(9, np.uint8), np.zeros(9, np.int32)
        self._journal, self._edits = np.zeros((1024, 3), np.int32), 0
        self._seed = -1
        self._frame = np.zeros((height, width, 3), np.uint8)
        self._depth, self._ids = np.zeros((height, width), np.float32), np.zeros((height, width), np.uint8)
        self._drawn = self._shared = False
        self._hud = Hud(width, height)
        self._textures, self._cracks = block_textures(), crack_textures()
        self._boxes, self._clouds = animal_boxes(), cloud_map()

    def reset(self, seed: int) -> None:
        """Make the world of a seed (0 <= seed < 2**64) and put its player on land."""
        if not 0 <= int(seed) < 2**64:
            raise UsageError(f"seed: got {seed}, expected an integer from 0 to 2**64 - 1")
        self._own()
        self._seed, self._edits, self._drawn = int(seed), 0, False
        make_world(
            np.uint64(self._seed), self._vox, self._biomes, self._tops, self._roofs,
            self._player, self._items, self._counts, self._animals,
        )  # fmt: skip
        aim(self._player, self._vox, self._tops)

    def step(self, action: NDArray[np.float32]) -> None:
        """Advance one tick under an action vector float32 [25] that was already checked."""
        self._need_reset()
        self._own()
        if self._edits + _MOST_EDITS > len(self._journal):
            self._journal = np.concatenate([self._journal, np.zeros_like(self._journal)])
        self._edits = _tick(
            np.uint64(self._seed), self._player, self._items, self._counts, self._animals,
            self._vox, self._tops, self._roofs, self._journal, self._edits, np.asarray(action, np.float32),
        )  # fmt: skip
        self._drawn = False

    def render(self) -> Frame:
        """The player's view with the HUD, a fresh uint8 [H, W, 3]."""
        self._draw()
        return self._frame.copy()

    def render_buffers(self) -> tuple[Frame, NDArray[np.float32], NDArray[np.uint8]]:
        """Frame, depth float32 [H, W] (blocks along the view axis, 512 for sky), block ids uint8 [H, W]."""
        self._draw()
        return self._frame.copy(), self._depth.copy(), self._ids.copy()

    def overlay_mask(self) -> NDArray[np.bool_]:
        """Where the HUD may be drawn, bool [H, W]; everything else shows the world."""
        return self._hud.mask.copy()

    def overlay(self) -> NDArray[np.uint8]:
        """The HUD as it is now, uint8 [H, W, 4]: RGB and opacity, 0 where the world is seen."""
        self._need_reset()
        shades = []
        for shade in (0, 255):
            frame = np.full_like(self._frame, shade)
            self._draw_hud(frame)
            shades.append(frame.astype(np.float32))
        opacity = 1 - (shades[1] - shades[0]).mean(2, keepdims=True) / 255
        colours = shades[0] / np.maximum(opacity, 1e-3)
        drawn = np.concatenate([colours, opacity * 255], 2)
        return np.clip(np.rint(drawn * (opacity > 0.01)), 0, 255).astype(np.uint8)

    def state(self) -> dict[str, Any]:
        """The player's state: numbers, small arrays and two strings (`caption` is one line for text conditioning)."""
        self._need_reset()
        s = self._player
        x, z = cell(s[p.X]) % SIZE, cell(s[p.Z]) % SIZE
        biome, eye, time = int(self._biomes[x, z]), s[p.Y] + s[p.EYE], self._time()
        under = block_at(self._vox, cell(s[p.X]), cell(eye), cell(s[p.Z])) == WATER
        has_target = s[p.AIM_BLOCK] > 0
        return {
            "pose": np.array([s[p.X], eye, s[p.Z], s[p.YAW], s[p.PITCH]], np.float32),
            "velocity": s[p.VX : p.VZ + 1].astype(np.float32),
            "on_ground": np.bool_(s[p.GROUND] > 0.5),
            "in_water": np.bool_(s[p.WATER] > 0.5),
            "contact": np.bool_(s[p.CONTACT] > 0.5),
            "target": s[p.AIM_X : p.AIM_BLOCK + 1].astype(np.int32) if has_target else np.zeros(4, np.int32),
            "break_progress": np.float32(s[p.PROGRESS]),
            "slot": np.int32(s[p.SLOT]),
            "items": self._items.copy(),
            "counts": self._counts.copy(),
            "health": np.float32(s[p.HEALTH]),
            "time_of_day": np.float32(time),
            "biome": BIOMES[biome],
            "caption": caption(
                biome, time, seen=survey(self._vox, self._tops, s[p.X], s[p.Y], s[p.Z]),
                under_water=bool(under), covered=int(self._roofs[x, z]) - cell(eye), height=float(s[p.Y]),
            ),
            "events": {
                "broken": int(s[p.BROKEN]), "placed": int(s[p.PLACED]),
                "fell": int(s[p.FELL]), "damage": int(s[p.DAMAGE]),
            },
        }  # fmt: skip

    def clone(self) -> VoxelSnapshot:
        """Everything needed to come back to this moment: a few kilobytes, picklable."""
        self._need_reset()
        return VoxelSnapshot(
            self._seed, self._player.copy(), self._items.copy(), self._counts.copy(),
            self._animals.copy(), self._journal[: self._edits].copy(),
        )  # fmt: skip

    def restore(self, snapshot: VoxelSnapshot) -> None:
        """Come back to a snapshot, exactly; quick in a world of the same seed, else it is made anew."""
        if snapshot.seed != self._seed:
            self.reset(snapshot.seed)
        same, most = 0, min(self._edits, len(snapshot.journal))
        if most:
            differs = (self._journal[:most] != snapshot.journal[:most]).any(1)
            same = int(differs.argmax()) if differs.any() else most
        if same < max(self._edits, len(snapshot.journal)):
            self._rewrite(snapshot.journal, same)
        self._player[:], self._animals[:] = snapshot.player, snapshot.animals
        self._items[:], self._counts[:] = snapshot.items, snapshot.counts
        self._drawn = False

    def _rewrite(self, journal: NDArray[np.int32], same: int) -> None:
        """Undo the edits after the first `same`, and do those of `journal` in their place."""
        self._own()
        replay(self._vox, self._tops, self._roofs, self._journal, self._edits, same)
        self._edits = len(journal)
        if self._edits > len(self._journal):
            self._journal = np.zeros((2 * self._edits, 3), np.int32)
        self._journal[: self._edits] = journal
        replay(self._vox, self._tops, self._roofs, self._journal, same, self._edits)

    def fork(self) -> VoxelEngine:
        """Another engine at the same moment; both copy the blocks when they next change anything."""
        twin = copy.copy(self)
        twin._hud = copy.copy(self._hud)
        for name in _SMALL:
            setattr(twin, name, getattr(self, name).copy())
        self._shared = twin._shared = True
        return twin

    def _own(self) -> None:
        if self._shared:
            for name in _LARGE:
                setattr(self, name, getattr(self, name).copy())
            self._shared = False

    def _time(self) -> float:
        return float((self._player[p.TIME] + self._player[p.TICK] / DAY_TICKS) % 1.0)

    def _draw(self) -> None:
        self._need_reset()
        if self._drawn:
            return
        s = self._player
        light = daylight(self._time())
        _scene(
            self._frame, self._depth, self._ids, self._vox, self._tops, self._roofs, self._textures,
            self._cracks, s, self._animals, self._boxes, light, self._clouds,
        )  # fmt: skip
        self._draw_hud(self._frame)
        self._drawn = True

    def _draw_hud(self, frame: Frame) -> None:
        s, light = self._player, daylight(self._time())
        self._hud.draw(
            frame, self._items, self._counts, int(s[p.SLOT]),
            swing=int(s[p.SWING]), light=light[LIGHT], health=float(s[p.HEALTH]),
        )  # fmt: skip

    def _need_reset(self) -> None:
        if self._seed < 0:
            raise ResetNeeded("engine: no world yet; call reset(seed) first")


@kernel
def _tick(seed, s, items, counts, animals, vox, tops, roofs, journal, edits, action):  # type: ignore[no-untyped-def]
    """One tick of everything; returns the length of the journal."""
    s[p.BROKEN], s[p.PLACED], s[p.FELL], s[p.DAMAGE] = 0.0, 0.0, 0.0, 0.0
    s[p.TICK] += 1.0
    move_player(s, vox, action)
    suffer(s, vox)
    move_animals(seed, animals, vox, int(s[p.TICK]), s[p.X], s[p.Z])
    reach = min(REACH, aim(s, vox, tops))
    s[p.HIT_WAIT] = max(0.0, s[p.HIT_WAIT] - 1.0)
    may_break = True
    if action[ATTACK] > 0.5:
        axes = view_axes(s[p.YAW], s[p.PITCH])
        if s[p.HIT_WAIT] == 0.0:
            hit = strike(
                animals,
                s[p.X],
                s[p.Y] + s[p.EYE],
                s[p.Z],
                axes[0, 0],
                axes[0, 1],
                axes[0, 2],
                min(3.5, reach),
            )
            if hit >= 0:
                s[p.HIT_WAIT] = 10.0
        may_break = s[p.HIT_WAIT] == 0.0
    before = edits
    edits = use_hands(s, items, counts, animals, vox, tops, roofs, journal, edits, action, may_break)
    if edits != before:
        aim(s, vox, tops)
    return edits


@kernel
def _scene(frame, depth, ids, vox, tops, roofs, textures, cracks, s, animals, boxes, light, clouds):  # type: ignore[no-untyped-def]
    """The whole picture but the HUD."""
    eye = np.array((s[p.X], s[p.Y] + s[p.EYE], s[p.Z]))
    axes = view_axes(s[p.YAW], s[p.PITCH])
    crack = np.array((int(s[p.BREAK_X]), int(s[p.BREAK_Y]), int(s[p.BREAK_Z]), -1))
    if s[p.PROGRESS] > 0.0:
        crack[3] = min(CRACK_STAGES - 1, int(s[p.PROGRESS] * CRACK_STAGES))
    skyline = find_skyline(tops, eye[0], eye[1], eye[2], FOG_END)
    draw_world(
        frame, depth, ids, vox, tops, roofs, textures, cracks, eye, axes, light, clouds, crack, skyline
    )
    if block_at(vox, cell(eye[0]), cell(eye[1]), cell(eye[2])) != WATER:
        draw_animals(frame, depth, ids, animals, boxes, roofs, eye, axes, light, clouds)
