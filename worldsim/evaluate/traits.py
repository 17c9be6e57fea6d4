"""What pictures look like, whatever they show: colour, contrast, detail. Drift is measured in these."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from worldsim.actions import ACTION_SIZE, CAMERA
from worldsim.evaluate.pixels import Frames, grey, laplacian
from worldsim.evaluate.scenario import Scenario
from worldsim.evaluate.twin import GAME, overlay, play

COLOUR = ("brightness", "redness", "blueness", "contrast", "saturation")
TRAITS = (*COLOUR, "clipped", "detail", "entropy")
"""Mean luma, mean of red less green and of blue less the others, standard deviation of luma, mean saturation
(0..1), share of luma at the ends of its range, logarithm of the mean Laplacian, entropy of luma in bits; all
without the HUD. Differences of channels vary little in the game, so that a tint shows in them."""

_LEAST = 0.01  # the game never clips, so that this trait has no spread of its own
_WORLDS = range(900, 948)
_LOOKS = ((0, 10), (90, -15), (90, 20), (90, 35))
"""Turns (yaw, pitch to reach) that make the pictures of `spread`."""


def traits(frames: Frames) -> NDArray[np.float64]:
    """`[n, len(TRAITS)]` of frames `[n, H, W, 3]`."""
    height, width = frames.shape[1:3]
    shown = ~overlay(width, height)
    return np.array([_traits(frame, shown) for frame in frames], np.float64).reshape(-1, len(TRAITS))


def motion(frames: Frames, before: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean absolute change to each of n frames from the one before it, in grey levels; `before` is the first's."""
    previous = [before, *frames[:-1]]
    return np.array([np.abs(b.astype(np.int16) - a).mean() for a, b in zip(previous, frames)], np.float64)


@functools.lru_cache(maxsize=4)
def spread(width: int, height: int, engine: str = GAME) -> NDArray[np.float64]:
    """Standard deviation of each trait over the game's worlds and views, `[len(TRAITS)]`: the sigma of drift."""
    found = []
    for seed in _WORLDS:
        actions = np.zeros((len(_LOOKS), ACTION_SIZE), np.float32)
        pitches = np.diff([0, *(pitch for _, pitch in _LOOKS)])
        actions[:, CAMERA] = [(pitch, yaw) for pitch, (yaw, _) in zip(pitches, _LOOKS)]
        found.append(
            traits(play(Scenario(seed, actions, 1), engine=engine, width=width, height=height).frames)
        )
    deviation = np.maximum(np.concatenate(found).std(0), _LEAST)
    deviation.setflags(write=False)
    return deviation


def _traits(frame: NDArray[np.uint8], shown: NDArray[np.bool_]) -> list[float]:
    pixels = frame[shown].astype(np.float32)
    luma = grey(frame)
    seen = luma[shown]
    strongest = pixels.max(1)
    saturation = (strongest - pixels.min(1)) / np.maximum(strongest, 1)
    share = np.bincount((seen / 4).astype(np.int64), minlength=64) / len(seen)
    share = share[share > 0]
    red, green, blue = pixels.mean(0)
    return [
        seen.mean(),
        red - green,
        blue - (red + green) / 2,
        seen.std(),
        saturation.mean(),
        ((seen <= 2) | (seen >= 253)).mean(),
        np.log(laplacian(luma, shown) + 0.05),
        -(share * np.log2(share)).sum(),
    ]
