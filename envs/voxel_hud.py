"""What lies over the picture: hotbar with icons and counts, health, crosshair, and the held block.

The layout follows the frame's size; at 160x96 a slot is 12 pixels and digits are 3x5.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from .voxel_kernel import kernel
from .voxel_textures import SIDE, TOP, block_textures

SLOTS = 9
Picture = NDArray[np.uint8]
Sprite = NDArray[np.float32]

_FONT = {
    0: "111101101101111", 1: "010110010010111", 2: "111001111100111", 3: "111001111001111",
    4: "101101111001001", 5: "111100111001111", 6: "111100111101111", 7: "111001010010010",
    8: "111101111101111", 9: "111101111001111",
}  # fmt: skip
_SWING = ((0.0, 0.0), (-0.12, -0.14), (-0.26, -0.2), (-0.3, -0.12), (-0.2, -0.02), (-0.08, 0.0))
"""Offsets of the held thing by phase of the arm, in its own size."""
_SKIN, _SLEEVE = (204.0, 152.0, 122.0), (52.0, 138.0, 146.0)


class Hud:
    """The overlay of one frame size; `draw` puts it on a frame, `mask` is where it may be."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.scale = max(1, min(width // 160, height // 96))
        self.slot = (12 if width >= 112 and height >= 72 else 10 if width >= 92 else 7) * self.scale
        self.left = (width - (SLOTS * self.slot + 1)) // 2
        self.top = height - self.slot - 1
        self.held = max(12, round(min(0.31 * height, 0.22 * width)))
        self._key: bytes = b""
        self._strip = np.zeros((self.slot + 1, SLOTS * self.slot + 1, 4), np.float32)
        self.mask = self._mask()

    def draw(
        self,
        frame: Picture,
        items: NDArray[np.uint8],
        counts: NDArray[np.int32],
        slot: int,
        *,
        swing: int,
        light: NDArray[np.float64],
        health: float,
    ) -> None:
        """Draw over uint8 [H, W, 3] in place; `swing` is the arm's phase 0..5, `light` the day's RGB factor."""
        item = int(items[slot]) if counts[slot] > 0 else 0
        dy, dx = self._held_at(swing)
        sprite = held_sprite(item, self.held).copy()
        sprite[..., :3] *= np.clip(light, 0.3, 1.0).astype(np.float32)
        _blend(frame, sprite, dy, dx)
        self._crosshair(frame)
        key = items.tobytes() + counts.tobytes() + bytes([slot])
        if key != self._key:
            self._key = key
            self._strip = self._hotbar(items, counts, slot)
        _blend(frame, self._strip, self.top, self.left)
        self._health(frame, health)

    def _held_at(self, swing: int) -> tuple[int, int]:
        n = self.held
        x, y = _SWING[swing % len(_SWING)]
        return round(self.height - 0.82 * n + y * n), round(self.width - 0.98 * n + x * n)

    def _crosshair(self, frame: Picture) -> None:
        for y0, y1, x0, x1 in self._cross_bars():
            frame[y0:y1, x0:x1] = 236

    def _cross_bars(self) -> list[tuple[int, int, int, int]]:
        s, arm = self.scale, 2 * self.scale
        cy, cx = self.height // 2, self.width // 2
        y, x = cy - s // 2, cx - s // 2
        return [(y, y + s, cx - arm, cx + arm + 1), (cy - arm, cy + arm + 1, x, x + s)]

    def _health_bar(self) -> tuple[int, int, int, int]:
        bottom, length = self.top - self.scale, 4 * self.slot + self.slot // 2
        return bottom - 2 * self.scale, bottom, self.left, self.left + length

    def _health(self, frame: Picture, health: float) -> None:
        y0, y1, x0, x1 = self._health_bar()
        full = x0 + round((x1 - x0) * min(1.0, max(0.0, health / 20.0)))
        frame[y0:y1, x0:full] = (214, 44, 40)
        frame[y0:y1, full:x1] = (58, 30, 30)

    def _hotbar(self, items: NDArray[np.uint8], counts: NDArray[np.int32], slot: int) -> Sprite:
        s, n = self.scale, self.slot
        strip = np.empty((n + 1, SLOTS * n + 1, 4), np.float32)
        strip[...] = (46, 46, 48, 1)
        for k in range(SLOTS):
            item, count = (int(items[k]), int(counts[k])) if counts[k] > 0 else (0, 0)
            strip[s:n, k * n + s : (k + 1) * n] = slot_picture(item, count, n - s, s)
        x = slot * n
        for edge in (strip[:s, x : x + n + 1], strip[n + 1 - s :, x : x + n + 1],
                     strip[:, x : x + s], strip[:, x + n + 1 - s : x + n + 1]):  # fmt: skip
            edge[...] = (250, 250, 250, 1)
        return strip

    def _mask(self) -> NDArray[np.bool_]:
        mask = np.zeros((self.height, self.width), bool)
        mask[self.top : self.top + self.slot + 1, self.left : self.left + SLOTS * self.slot + 1] = True
        for y0, y1, x0, x1 in [*self._cross_bars(), self._health_bar()]:
            mask[y0:y1, x0:x1] = True
        shape = (held_sprite(0, self.held)[..., 3] > 0) | (held_sprite(1, self.held)[..., 3] > 0)
        for phase in range(len(_SWING)):
            y, x = self._held_at(phase)
            ys, xs = np.nonzero(shape)
            inside = (ys + y >= 0) & (ys + y < self.height) & (xs + x >= 0) & (xs + x < self.width)
            mask[ys[inside] + y, xs[inside] + x] = True
        return mask


@kernel
def _blend(frame, sprite, y, x):  # type: ignore[no-untyped-def]
    """Put float RGBA [h, w, 4] (alpha 0..1) over a frame at (y, x), cut at its lower and right borders."""
    one, half = np.float32(1.0), np.float32(0.5)
    for j in range(min(sprite.shape[0], frame.shape[0] - y)):
        for i in range(min(sprite.shape[1], frame.shape[1] - x)):
            a = sprite[j, i, 3]
            for c in range(3):
                mixed = np.float32(frame[y + j, x + i, c]) * (one - a) + sprite[j, i, c] * a + half
                frame[y + j, x + i, c] = np.uint8(mixed)


@functools.lru_cache(maxsize=4096)
def slot_picture(item: int, count: int, side: int, scale: int) -> Sprite:
    """The inside of a slot of the hotbar, float RGBA `[side, side, 4]`: the item and how many. Not to be changed."""
    inner = np.empty((side, side, 4), np.float32)
    inner[...] = (112, 112, 114, 1)
    if count > 0:
        _icon(inner, item, count, scale)
    inner.setflags(write=False)
    return inner


def _icon(inner: Sprite, item: int, count: int, scale: int) -> None:
    h, w = inner.shape[:2]
    size = h - 1 if h < 9 else h - 2 * scale
    icon = cube_sprite(item, size)[:h, :w]
    y, x = (0, (w - icon.shape[1]) // 2)
    a = icon[..., 3:]
    part = inner[y : y + icon.shape[0], x : x + icon.shape[1], :3]
    part[...] = part * (1 - a) + icon[..., :3] * a
    if h >= 9:
        _number(inner, count, scale)


def _number(inner: Sprite, count: int, scale: int) -> None:
    """Digits in the lower right corner, white on a dark shadow."""
    h, w = inner.shape[:2]
    x = w
    for digit in reversed(str(count)):
        glyph = np.array([int(c) for c in _FONT[int(digit)]], bool).reshape(5, 3)
        glyph = np.kron(glyph, np.ones((scale, scale), bool))
        x -= glyph.shape[1]
        shade = inner[h - glyph.shape[0] - scale : h, max(0, x - scale) : x + glyph.shape[1], :3]
        shade *= 0.5
        inner[h - glyph.shape[0] : h, x : x + glyph.shape[1], :3][glyph] = 255
        x -= scale


@functools.lru_cache(maxsize=512)
def cube_sprite(item: int, size: int) -> Sprite:
    """A block seen from a corner, float32 RGBA [size, size, 4], colours 0..255 and alpha 0..1."""
    fine = size * 4
    v, u = (np.mgrid[0:fine, 0:fine] + 0.5) / fine
    u = u * 2 - 1
    v = v * 2
    textures = block_textures()[item].astype(np.float64)
    out = np.zeros((fine, fine, 4))
    a, c = (u + (v - 0.5) * 2 + 1) / 2, (-u + (v - 0.5) * 2 + 1) / 2
    _paint(out, (a >= 0) & (a < 1) & (c >= 0) & (c < 1), textures[TOP], a, c, 1.0)
    slope = (v - 0.5 - 0.5 * (1 - np.abs(u))) / 1.0
    _paint(out, (u < 0) & (slope >= 0) & (slope < 1), textures[SIDE], u + 1, slope, 0.82)
    _paint(out, (u >= 0) & (slope >= 0) & (slope < 1), textures[SIDE], u, slope, 0.64)
    out[..., :3] *= out[..., 3:]
    small = out.reshape(size, 4, size, 4, 4).mean((1, 3))
    small[..., :3] /= np.maximum(small[..., 3:], 1e-9)
    result: Sprite = small.astype(np.float32)
    result.setflags(write=False)
    return result


def _paint(
    out: NDArray[np.float64],
    where: NDArray[np.bool_],
    texture: NDArray[np.float64],
    u: NDArray[np.float64],
    v: NDArray[np.float64],
    shade: float,
) -> None:
    """Paint the 16x16 level of a texture where told; a pane's glass is light blue here."""
    index = np.clip((v * 16).astype(int), 0, 15) * 16 + np.clip((u * 16).astype(int), 0, 15)
    texel = texture[index]
    texel[..., :3] = np.where(texel[..., 3:] < 128, texel[..., :3] * 0.8, texel[..., :3]) * shade
    texel[..., 3] = 1.0
    out[where] = texel[where]


@functools.lru_cache(maxsize=128)
def held_sprite(item: int, size: int) -> Sprite:
    """What the right hand shows, float32 RGBA [size, size, 4]: a block, or the bare arm for item 0."""
    if item > 0:
        return cube_sprite(item, size)
    fine = size * 4
    y, x = (np.mgrid[0:fine, 0:fine] + 0.5) / fine
    along, across = (1.15 - x) * 0.62 + (1.15 - y) * 0.78, (x - 0.66) * 0.78 - (y - 0.55) * 0.62
    inside = (np.abs(across) < 0.2) & (along < 1.34)
    color = np.where((along > 0.55)[..., None], _SKIN, _SLEEVE) * np.where(across > 0.02, 0.8, 1.0)[..., None]
    out = np.concatenate([color * inside[..., None], inside[..., None].astype(float)], -1)
    small = out.reshape(size, 4, size, 4, 4).mean((1, 3))
    small[..., :3] /= np.maximum(small[..., 3:], 1e-9)
    result: Sprite = small.astype(np.float32)
    result.setflags(write=False)
    return result
