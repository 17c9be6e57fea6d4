"""Both probes, as they ship: loaded once, asked in batches.

probes = load_probes()
classes = probes.blocks(frames)      # uint8 [N, rows, columns]
moves = probes.moves(frames)         # what happened between the N frames
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worldsim.checkpoint import load_checkpoint, load_into
from worldsim.errors import CheckpointError
from worldsim.evaluate.probes.classes import fit
from worldsim.evaluate.probes.motion import MotionNet
from worldsim.evaluate.probes.seg import SegNet

WEIGHTS = Path(__file__).parent / "weights"
KIND = "probes"
_BATCH = 64
_CLIP = 33


@dataclass(frozen=True, eq=False)
class Moves:
    """What the motion probe sees in N + 1 frames."""

    step: NDArray[np.float32]
    """`[N, 3]` blocks to the right, up and ahead."""
    turn: NDArray[np.float32]
    """`[N, 2]` degrees of yaw (right) and pitch (down)."""
    keys: NDArray[np.float32]
    """`[N, 9]` probability that each of `acting.KEYS` is acting."""
    slot: NDArray[np.int64]
    """`[N + 1]` chosen hotbar slot, 0 to 8."""


class Probes:
    """Readers of frames that were trained on the game alone.

    Args:
        hash: sha256 of their weights and description.
        accuracy: what they reached on worlds they never saw, by name.
    """

    def __init__(self, seg: SegNet, motion: MotionNet, *, hash: str, accuracy: dict[str, float]) -> None:
        self.seg, self.motion = seg.eval().requires_grad_(False), motion.eval().requires_grad_(False)
        self.hash, self.accuracy = hash, accuracy
        self._fast = bool(torch.cpu._is_amx_tile_supported())

    def blocks(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Block class of each cell, uint8 `[N, rows, columns]`, of frames `[N, H, W, 3]`."""
        return self.chances(frames).argmax(1).astype(np.uint8)

    def chances(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Log-probability of each class in each cell, float32 `[N, CLASSES, rows, columns]`."""
        parts = [self._run(self.seg, part).float().log_softmax(1) for part in _parts(frames)]
        return np.concatenate([part.numpy() for part in parts])

    def features(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The segmentation probe's summary of each frame, float32 `[N, SegNet.FEATURES]`."""
        parts = [self._run(self.seg.features, part).float().numpy() for part in _parts(frames)]
        return np.concatenate(parts)

    def moves(self, frames: NDArray[np.uint8]) -> Moves:
        """What happened between consecutive frames `[N + 1, H, W, 3]`, N at least 1."""
        rows: list[tuple[NDArray[Any], ...]] = []
        for first, stop, skip in _windows(len(frames) - 1):
            seen = self._run(self.motion, frames[None, first : stop + 1])
            found = (seen.step, seen.turn, seen.keys.sigmoid(), seen.slot.argmax(2)[:, 1:])
            rows.append(tuple(x[0, skip].numpy() for x in found))
        step, turn, keys, slot = (np.concatenate(column) for column in zip(*rows))
        before = self._run(self.motion, frames[None, :2]).slot[0, :1].argmax(1).numpy()
        return Moves(step, turn, keys, np.concatenate([before, slot]))

    @torch.inference_mode()
    def _run(self, network: Any, frames: NDArray[np.uint8]) -> Any:
        with torch.autocast("cpu", torch.bfloat16, enabled=self._fast):
            return network(to_input(torch.from_numpy(np.ascontiguousarray(frames))))


def to_input(frames: Tensor) -> Tensor:
    """Frames uint8 `[..., H, W, 3]` as a probe wants them: floats `[..., 3, 96, w]` in [-1, 1]."""
    images = frames.flatten(0, -4).movedim(-1, -3).float() / 127.5 - 1.0
    images = fit(images).contiguous(memory_format=torch.channels_last)
    return images.unflatten(0, frames.shape[:-3])


@functools.lru_cache(maxsize=2)
def load_probes(folder: Path = WEIGHTS) -> Probes:
    """The probes that ship, or those that `worldsim train probes` wrote into a folder.

    Raises:
        CheckpointError: the folder holds something else.
    """
    checkpoint = load_checkpoint(folder)
    if checkpoint.config.get("kind") != KIND:
        raise CheckpointError(f"{folder}: holds no probes; train some:  worldsim train probes --out {folder}")
    seg, motion = SegNet(), MotionNet()
    for name, network in (("seg", seg), ("motion", motion)):
        prefix = f"{name}."
        own = {
            key[len(prefix) :]: t.float() for key, t in checkpoint.tensors.items() if key.startswith(prefix)
        }
        load_into(network, own)
    accuracy = {str(name): float(value) for name, value in checkpoint.info.get("accuracy", {}).items()}
    return Probes(seg, motion, hash=checkpoint.hash, accuracy=accuracy)


def _parts(frames: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    return [frames[i : i + _BATCH] for i in range(0, len(frames), _BATCH)]


def _windows(ticks: int) -> list[tuple[int, int, slice]]:
    """Overlapping (first frame, last frame, ticks to take): keys are read off neighbouring ticks as well."""
    windows, done = [], 0
    while done < ticks:
        first, stop = max(0, done - 4), min(ticks, done + _CLIP)
        take = stop - done if stop == ticks else stop - done - 2
        windows.append((first, stop, slice(done - first, done - first + take)))
        done += take
    return windows
