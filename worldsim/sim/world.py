"""A trained world on disk: weights, configuration, seed frames."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from worldsim.checkpoint import load_checkpoint, load_into
from worldsim.config import from_json
from worldsim.errors import CheckpointError, UsageError
from worldsim.locate import find_world
from worldsim.model.world_model import WorldModel, WorldModelConfig
from worldsim.sim.exemplars import Exemplars, load_exemplars
from worldsim.sim.seeds import Seeds, load_seeds

_LOWERED = ("denoiser.", "motion.", "heads.")


@dataclass(frozen=True)
class World:
    """A world that is ready to be simulated."""

    name: str
    """A shipped name, or the folder's."""
    hash: str
    """sha256 of configuration and weights, and of the exemplars if it has any."""
    model: WorldModel
    seeds: Seeds | None
    exemplars: Exemplars | None = None
    """What invention begins from; None if it has none."""


def load_world(name_or_folder: str | Path, device: str | torch.device = "cpu") -> World:
    """Load a shipped world by name, or one from a folder.

    Raises:
        UsageError: no such world or device.
        CheckpointError: the folder holds something else, or weights of another architecture.
    """
    folder = find_world(name_or_folder)
    checkpoint = load_checkpoint(folder)
    model = WorldModel(from_json(WorldModelConfig, checkpoint.config, f"{folder.name}/config"))
    load_into(model, checkpoint.tensors)
    seeds = load_seeds(folder)
    d = model.config.denoiser
    if seeds is not None and seeds.frames.shape[2:] != (d.height, d.width, 3):
        raise CheckpointError(
            f"{folder}: seeds are {seeds.frames.shape[2:]}, the world is {d.width}x{d.height}"
        )
    name = folder.parent.name if folder.name == "world" else folder.name
    try:
        model = model.to(device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"device: got {str(device)!r}, which torch can't use here; try cpu") from error
    exemplars = load_exemplars(folder, (d.height, d.width))
    return World(name, checkpoint.hash, model.eval(), seeds, exemplars)


def lower_precision(model: WorldModel, dtype: torch.dtype) -> None:
    """Keep the weights of matrix products in `dtype`, so that they are not converted at every step.

    Only of parts that run under autocast: hands, overlay and depth are worked out in full precision, and so are frames
    decoded.
    """
    if dtype == torch.float32:
        return
    for name, module in model.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)) and name.startswith(_LOWERED):
            module.to(dtype)
