"""Depth for recordings that have none, by the network for monocular depth of a world.

guess = DepthGuess(model)
depth = guess(frames, pitch)        # float16 [n, H, W] in blocks
"""

from __future__ import annotations

import hashlib
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from worldsim.errors import UsageError
from worldsim.model.tokenizer import frames_to_float
from worldsim.model.world_model import WorldModel


class DepthGuess:
    """See the module's docstring.

    Raises:
        UsageError: the world can't tell depth from pictures.
    """

    def __init__(self, model: WorldModel) -> None:
        if model.monodepth is None:
            raise UsageError(
                "depth: the world can't tell it from a picture; teach it with  worldsim train monodepth --world DIR"
            )
        self._network, self._usable = model.monodepth, model.usable

    def __call__(self, frames: NDArray[np.uint8], pitch: NDArray[np.float32]) -> NDArray[np.float16]:
        """Depth `[n, H, W]` in blocks of frames `[n, H, W, 3]`; pitch `[n]` in degrees is nan where it isn't known."""
        device = self._usable.device
        given = torch.from_numpy(np.array(frames)).to(device), torch.from_numpy(np.array(pitch)).to(device)
        told = self._network.depth(frames_to_float(given[0]), given[1], self._usable)
        return told.half().cpu().numpy()

    @cached_property
    def name(self) -> str:
        """Of what it says, by its weights; those of a resumed run are there only when it is first asked."""
        digest = hashlib.sha256()
        for tensor in (*self._network.state_dict().values(), self._usable):
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]
