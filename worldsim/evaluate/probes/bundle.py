"""Both probes, as they ship: loaded once, asked in batches.

probes = load_probes()
classes = probes.blocks(frames)      # uint8 [N, rows, columns]
moves = probes.moves(frames, depth=..., pitch=..., expected=...)     # what happened between the N frames
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worldsim.checkpoint import load_checkpoint, load_into
from worldsim.errors import CheckpointError
from worldsim.evaluate.probes.classes import fit
from worldsim.evaluate.probes.motion import HotbarNet, Moves, read_keys, see_motion
from worldsim.evaluate.probes.seg import SegNet

WEIGHTS = Path(__file__).parent / "weights"
KIND = "probes"
_BATCH = 64


class Probes:
    """Readers of frames that were trained on the game alone.

    Args:
        hash: sha256 of their weights and description.
        accuracy: what they reached on worlds they never saw, by name.
    """

    def __init__(self, seg: SegNet, hotbar: HotbarNet, *, hash: str, accuracy: dict[str, float]) -> None:
        self.seg, self.hotbar = seg.eval().requires_grad_(False), hotbar.eval().requires_grad_(False)
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

    def moves(
        self,
        frames: NDArray[np.uint8],
        *,
        depth: NDArray[np.floating[Any]],
        pitch: NDArray[np.float32],
        expected: NDArray[np.float32],
        hud: NDArray[np.bool_],
    ) -> Moves:
        """What happened between consecutive frames `[N + 1, H, W, 3]`, N at least 1.

        Args:
            depth: `[N, h, w]` blocks along the view axis in all frames but the last, of any size.
            pitch: `[N]` degrees, down, of the same frames.
            expected: `[N, 2]` turns (right, down) in degrees; only one of the places to begin looking at.
            hud: `[H, W]` where something is drawn over the world.
        """
        turn, step, doubt = see_motion(frames, depth, pitch, expected, hud)
        slots = [self._run(self.hotbar, part).argmax(1).numpy() for part in _parts(frames)]
        return Moves(step, turn, read_keys(turn, step, frames), np.concatenate(slots), doubt)

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
    seg, hotbar = SegNet(), HotbarNet()
    for name, network in (("seg", seg), ("hotbar", hotbar)):
        prefix = f"{name}."
        own = {
            key[len(prefix) :]: t.float() for key, t in checkpoint.tensors.items() if key.startswith(prefix)
        }
        load_into(network, own)
    accuracy = {str(name): float(value) for name, value in checkpoint.info.get("accuracy", {}).items()}
    return Probes(seg, hotbar, hash=checkpoint.hash, accuracy=accuracy)


def _parts(frames: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    return [frames[i : i + _BATCH] for i in range(0, len(frames), _BATCH)]
