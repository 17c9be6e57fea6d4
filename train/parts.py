"""What the programs share that teach a finished world one part more."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from worldsim import registry
from worldsim.checkpoint import load_checkpoint, save_checkpoint
from worldsim.config import to_json
from worldsim.errors import UsageError
from worldsim.locate import find_world
from worldsim.model.world_model import WorldModel
from worldsim.sim.world import load_world


def check_target(options: Any, above_nothing: Sequence[str]) -> tuple[Path, Path]:
    """The world's folder and the one to write, which holds nothing yet; nothing was done if either is wrong."""
    for name in above_nothing:
        if (value := getattr(options, name)) is not None and not value > 0:
            raise UsageError(f"{name}: got {value}, expected more than 0")
    home, out = find_world(options.world), Path(options.out)
    registry.resolve(registry.ENGINES, options.env, "engine")
    if out.exists() and any(out.iterdir()):
        raise UsageError(f"--out: {out} holds something already; choose another folder")
    return home, out


def with_part(world: Path, out: Path, name: str, part: nn.Module) -> None:
    """Write a copy of a world's folder with this part, "hands" or "overlay", in place of its own."""
    model = load_world(world).model
    config = replace(model.config, **{name: part.config})
    taught = WorldModel(config)
    others = {k: v for k, v in model.state_dict().items() if not k.startswith(f"{name}.")}
    taught.load_state_dict({**others, **{f"{name}.{k}": v for k, v in part.state_dict().items()}})
    info = load_checkpoint(world).info
    save_checkpoint(out, taught.state_dict(), to_json(config), info=info, dtype=torch.float16)
    for path in world.glob("*.npz"):
        shutil.copy(path, out)
