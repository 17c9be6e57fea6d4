"""Procedural 16x16 block textures and their smaller levels, made from integer hashes.

Contrast is kept low on purpose: the picture has to be learnable by a small network at 160x96.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from . import voxel_blocks as b

SIZE = 16
LEVELS = 5
LEVEL_START = (0, 256, 320, 336, 340)
"""Where the levels of 16, 8, 4, 2 and 1 texels a side start in a flat texture of 341 texels."""
TEXELS = 341
TOP, SIDE, BOTTOM = 0, 1, 2
CRACK_STAGES = 10

Image = NDArray[np.float64]

_BASE: dict[int, tuple[int, int, int]] = {
    b.DIRT: (134, 97, 68), b.STONE: (126, 126, 128), b.COBBLE: (116, 116, 117), b.SAND: (219, 207, 160),
    b.WATER: (58, 104, 205), b.LOG: (106, 84, 52), b.LEAVES: (62, 116, 42), b.PLANKS: (176, 142, 90),
    b.BRICK: (156, 90, 74), b.GLASS: (208, 232, 238), b.SNOW: (230, 238, 246), b.BIRCH_LOG: (214, 211, 200),
    b.BIRCH_LEAVES: (122, 154, 72), b.SPRUCE_LOG: (72, 52, 33), b.SPRUCE_LEAVES: (44, 86, 60),
    b.CACTUS: (70, 132, 56), b.SANDSTONE: (214, 198, 146), b.COAL: (126, 126, 128), b.IRON: (126, 126, 128),
    b.GOLD: (126, 126, 128), b.DIAMOND: (126, 126, 128), b.GRAVEL: (136, 130, 126), b.BEDROCK: (62, 62, 64),
    b.ACACIA_LOG: (112, 102, 94), b.ACACIA_LEAVES: (128, 142, 48), b.ICE: (160, 196, 238),
    b.LAMP: (252, 222, 140), b.MOSSY: (104, 118, 98), b.RED_WOOL: (168, 52, 46), b.BLUE_WOOL: (58, 76, 164),
    b.WHITE_WOOL: (226, 226, 224), b.PUMPKIN: (208, 128, 34),
}  # fmt: skip
_GRASS, _DRY = (108, 162, 64), (172, 162, 84)
_GRAIN = {b.GRAVEL: 0.16, b.BEDROCK: 0.3, b.LEAVES: 0.2, b.BIRCH_LEAVES: 0.18, b.SPRUCE_LEAVES: 0.2,
          b.ACACIA_LEAVES: 0.18, b.SNOW: 0.03, b.SAND: 0.06, b.LAMP: 0.05, b.ICE: 0.05}  # fmt: skip
_SPOTS = {b.COAL: (48, 48, 50), b.IRON: (212, 172, 140), b.GOLD: (246, 212, 74), b.DIAMOND: (96, 222, 216)}


def _noise(n: int, salt: int) -> Image:
    """Uniform values [n, n] in [0, 1)."""
    with np.errstate(over="ignore"):
        h = (np.arange(n * n, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        h ^= np.uint64(salt) * np.uint64(0xC2B2AE3D27D4EB4F)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            h = (h ^ (h >> np.uint64(shift))) * np.uint64(factor)
        h ^= h >> np.uint64(31)
    return ((h >> np.uint64(11)).astype(np.float64) / 2.0**53).reshape(n, n)


def _grain(color: tuple[int, int, int], strength: float, salt: int) -> Image:
    """A flat colour with fine and coarse brightness noise: float [16, 16, 3]."""
    coarse = np.kron(_noise(8, salt), np.ones((2, 2)))
    value = 1.0 + strength * (0.55 * (_noise(16, salt + 500) - 0.5) + 0.45 * (coarse - 0.5)) * 2
    return np.array(color, np.float64) * value[..., None]


def _faces(block: int) -> list[Image]:
    """Top, side and bottom of a block, float [16, 16, 3] each."""
    if block in (b.GRASS, b.FLOWERS, b.DRY_GRASS, b.SNOW):
        return _turf(block)
    face = _grain(_BASE.get(block, (0, 0, 0)), _GRAIN.get(block, 0.1), block)
    faces = [face, face.copy(), face.copy()]
    if block in (b.LOG, b.BIRCH_LOG, b.SPRUCE_LOG, b.ACACIA_LOG):
        _log(faces, block)
    elif block in (b.COBBLE, b.MOSSY):
        _cells(faces, block)
    elif block in (b.PLANKS, b.BRICK):
        _courses(faces, block)
    elif block in _SPOTS:
        for f in faces:
            f[np.kron(_noise(8, 77) > 0.76, np.ones((2, 2))) > 0] = _SPOTS[block]
    elif block in (b.CACTUS, b.PUMPKIN):
        for f in faces:
            f[:, 1::4] *= 0.84
        faces[0][2:14, 2:14] *= 1.12
    elif block == b.SANDSTONE:
        faces[1][[0, 5, 11]] *= 0.9
    elif block == b.LAMP:
        for f in faces:
            f[[0, 15]] *= 0.72
            f[:, [0, 15]] *= 0.72
    return faces


def _turf(block: int) -> list[Image]:
    """Dirt with a cover: grass, flowers, dry grass or snow."""
    color = {b.SNOW: _BASE[b.SNOW], b.DRY_GRASS: _DRY}.get(block, _GRASS)
    top = _grain(color, 0.04 if block == b.SNOW else 0.12, 90 + block)
    dirt = _grain(_BASE[b.DIRT], 0.1, b.DIRT)
    side = dirt.copy()
    edge = 3 + (_noise(16, 33)[0] * 2.5).astype(int)
    side = np.where((np.arange(16)[:, None] < edge)[..., None], top * 0.96, side)
    if block == b.FLOWERS:
        for k, petal in enumerate(((206, 84, 70), (224, 200, 84), (222, 224, 220))):
            at = np.kron(_noise(8, 400 + k) > 0.955, np.ones((2, 2))) > 0
            top[at] = petal
    return [top, side, dirt]


def _log(faces: list[Image], block: int) -> None:
    if block == b.BIRCH_LOG:
        marks = np.kron(_noise(8, 21) > 0.84, np.ones((2, 2)))
        faces[1][marks > 0] = (142, 138, 128)
    else:
        faces[1][:, ::4] *= 0.82
        faces[1][:, 2::4] *= 1.06
    d = np.maximum(np.abs(np.arange(16) - 7.5)[:, None], np.abs(np.arange(16) - 7.5)[None])
    wood = {b.SPRUCE_LOG: (122, 92, 56), b.ACACIA_LOG: (178, 100, 58)}.get(block, (184, 150, 94))
    ring = _grain(wood, 0.05, block + 40) * np.where(d.astype(int) % 3 == 2, 0.86, 1.0)[..., None]
    ring[d > 7] = faces[1][d > 7]
    faces[0][:], faces[2][:] = ring, ring


def _cells(faces: list[Image], block: int) -> None:
    """Rounded stones: each texel takes the tone of its nearest of a few points, borders dark."""
    p = np.concatenate([_noise(4, 8)[:, :2], _noise(4, 9)[:, :2], _noise(4, 10)[:2, :2]]) * 16
    yx = np.stack(np.mgrid[0:16, 0:16], -1)[:, :, None] + 0.5
    d = np.abs(yx - p)
    d = np.sqrt((np.minimum(d, 16 - d) ** 2).sum(-1))
    near = np.sort(d, -1)
    tone = 0.93 + 0.14 * _noise(4, 11).ravel()[d.argmin(-1)]
    tone = np.where(near[..., 1] - near[..., 0] < 1.1, 0.82, tone)
    for f in faces:
        f *= tone[..., None]


def _courses(faces: list[Image], block: int) -> None:
    """Boards or bricks: rows of four texels with joints."""
    joint = (176, 166, 156) if block == b.BRICK else None
    for f in faces:
        for row in range(4):
            seams = [(row % 2) * 4, (row % 2) * 4 + 8] if block == b.BRICK else [(row * 7 + 3) % 16]
            for at in seams:
                f[row * 4 : row * 4 + 3, at] = joint if joint else f[row * 4 : row * 4 + 3, at] * 0.8
            f[row * 4 + 3] = joint if joint else f[row * 4 + 3] * 0.78


def _levels(image: Image) -> NDArray[np.uint8]:
    """The flat texture uint8 [341, 4] with all smaller levels of a float image [16, 16, 4]."""
    parts, level = [], np.clip(image, 0, 255)
    while True:
        parts.append(level.reshape(-1, 4))
        if level.shape[0] == 1:
            return np.rint(np.concatenate(parts)).astype(np.uint8)
        n = level.shape[0] // 2
        level = level.reshape(n, 2, n, 2, 4).mean((1, 3))


@functools.cache
def block_textures() -> NDArray[np.uint8]:
    """All textures, uint8 [block, face, 341, 4]: face 0 top, 1 side, 2 bottom; RGBA; see LEVEL_START."""
    out = np.zeros((b.NUM_BLOCKS, 3, TEXELS, 4), np.uint8)
    for block in range(1, b.NUM_BLOCKS):
        for face, rgb in enumerate(_faces(block)):
            alpha = np.full((SIZE, SIZE, 1), 255.0)
            if block == b.GLASS:
                alpha[1:15, 1:15] = 0
                alpha[[3, 4, 5, 10, 11], [5, 4, 3, 12, 11]] = 255
            out[block, face] = _levels(np.concatenate([rgb, alpha], -1))
    out.setflags(write=False)
    return out


@functools.cache
def crack_textures() -> NDArray[np.uint8]:
    """Masks uint8 [10, 16, 16] of the cracks of a block being broken, growing with the stage."""
    out = np.zeros((CRACK_STAGES, SIZE, SIZE), np.uint8)
    turns = _noise(16, 5)
    for arm in range(7):
        y, x, angle = 7.5, 7.5, arm * 6.28318 / 7
        for k in range(12):
            angle += (turns[arm, k] - 0.5) * 1.1 * (-1) ** k
            x, y = x + np.cos(angle) * 0.85, y + np.sin(angle) * 0.85
            iy, ix = round(y), round(x)
            if 0 <= iy < SIZE and 0 <= ix < SIZE:
                out[max(0, k - 2 + arm % 2) :, iy, ix] = 1
    out.setflags(write=False)
    return out
