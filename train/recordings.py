"""Recordings that a world learns from: opened, checked, and what they lack said or made up for."""

from __future__ import annotations

import sys

from worldsim.data.dataset import ClipDataset
from worldsim.errors import ConfigError, DatasetError
from worldsim.model.denoiser import DenoiserConfig
from worldsim.model.world_model import WorldModel
from worldsim.sim.depth_guess import DepthGuess

from .recipes import Recipe


def open_recordings(recipe: Recipe, folder: str, seed: int, model: WorldModel) -> ClipDataset:
    """The clips of a folder for a world that learns from them.

    Raises:
        ConfigError: frames of another size.
        DatasetError: no poses, where the world needs some; too short.
    """
    d = recipe.model.denoiser
    turns = d.compensation == "rotation"  # which asks for no more of a pose
    # Where the camera turns alone, how far away things are says nothing.
    guess = None if turns or model.monodepth is None else DepthGuess(model)
    source = ClipDataset(folder, length=recipe.clip, batch=recipe.batch, seed=seed, turns=turns, guess=guess)
    check_size(source, d, folder)
    _check(source, recipe, folder)
    return source


def check_size(source: ClipDataset, d: DenoiserConfig, folder: str) -> None:
    """Raise ConfigError unless frames are as large as the world's."""
    if (source.width, source.height) != (d.width, d.height):
        raise ConfigError(
            f"--data: frames in {folder} are {source.width}x{source.height}, the recipe's {d.width}x{d.height}; record "
            f"with --width {d.width} --height {d.height}, or add  --set model.denoiser.width={source.width} "
            f"--set model.denoiser.height={source.height}"
        )


def _check(source: ClipDataset, recipe: Recipe, folder: str) -> None:
    """Refuse recordings without poses that need some, and say what those without depth are good for."""
    if source.poseless is not None and recipe.model.denoiser.compensation == "full":
        raise DatasetError(
            f"--data: {source.poseless} in {folder} has no pose, expected x, y, z, yaw and pitch of every frame: they "
            "decide where the last frame's pixels lie in the next one; give them as columns (docs/data.md), or add  "
            "--set model.denoiser.compensation=rotation  to learn from the turns that its actions tell"
        )
    if source.poseless is not None:
        print(
            f"notice: {source.poseless} in {folder} has no pose: turns are those of its actions, and what walking "
            "changes is drawn by the network alone",
            file=sys.stderr,
        )
    if not source.has_depth and recipe.model.denoiser.compensation == "full":
        guessed = "the world that it starts from tells it from the pictures"
        far = (
            "everything counts as far away, and frames are brought along by the turn alone; start from a world that "
            "tells depth (--init voxel), or add  --set model.denoiser.compensation=rotation"
        )
        print(f"notice: {folder} has no depth: {guessed if source.guesses else far}", file=sys.stderr)
