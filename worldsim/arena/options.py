"""What `worldsim train agent` is told: the same for every algorithm."""

from __future__ import annotations

import dataclasses
from typing import Literal

from worldsim.arena.config import GAME, ArenaConfig
from worldsim.errors import UsageError


@dataclasses.dataclass(frozen=True)
class TrainOptions:
    """Trains an agent and keeps it in OUT/agent, with checkpoints, curves and videos beside it."""

    algo: str = "ppo"
    """ppo (learns by playing; needs the extra `rl`) or bc (learns from recordings)."""
    env: str = GAME
    """Where it plays: worldsim/Voxel-v0 or worldsim/Dream-v0."""
    task: str = "beacon"
    """What for: collect, beacon, roam, tower, dry or night."""
    steps: int | None = None
    """Decisions to learn from in all (ppo), or optimiser steps (bc); default: 100,000, or those of the run resumed."""
    out: str = "runs/agent"
    """Run folder."""
    data: str | None = None
    """bc: folder of recordings."""
    set: tuple[str, ...] = ()
    """Changes to the task as key=value, such as shaping=0.5."""
    limit: int | None = None
    """Ticks an episode may take; default: the task's."""
    actions: str = "auto"
    """Repertoire: auto (the task's; bc: all), walk, gather, build or all."""
    frame_skip: int | None = None
    """Ticks that an action lasts; default: 4 (ppo) or 1 (bc)."""
    size: str = "80x48"
    """Frames as the agent sees them."""
    render: str | None = None
    """Frames as the game draws them; 160x96 looks as a dream does that is made smaller."""
    world: str | None = None
    """World of worldsim/Dream-v0: a shipped name or a folder."""
    sampler_steps: int | None = None
    """Sampler steps a frame of worldsim/Dream-v0."""
    device: str | None = None
    """Device of worldsim/Dream-v0, such as cuda; the agent itself is small and stays on the CPU."""
    max_uncertainty: float | None = None
    """Grey levels of expected error above which a dream's episode is cut off."""
    num_envs: int = 8
    """Worlds played beside each other."""
    learning_rate: float = 5e-4
    """Step size of Adam."""
    rollout: int = 128
    """ppo: decisions of each world between two updates."""
    epochs: int = 3
    """ppo: how often each update goes over them."""
    batch: int = 256
    """Decisions a minibatch."""
    gamma: float = 0.99
    """ppo: discount of a decision."""
    entropy: float = 0.01
    """ppo: what a nat of entropy is worth."""
    checkpoints: int = 10
    """How many agents are kept along the way, in OUT/checkpoints."""
    videos: int = 2
    """How many videos of an episode are made along the way, the last one at the end."""
    resume: bool = False
    """Go on with the run in the folder, with its own options; --steps may be raised."""
    seed: int = 0
    """Decides first weights, worlds and chance."""
    wandb: Literal["disabled", "offline", "online"] = "offline"
    """Where Weights & Biases keeps the run."""

    def __post_init__(self) -> None:
        for name, low, high in (
            ("total", 1, 2**40), ("num_envs", 1, 4096), ("rollout", 2, 2**20), ("epochs", 1, 1000),
            ("batch", 2, 2**20), ("checkpoints", 0, 10_000), ("videos", 0, 10_000), ("seed", 0, 2**32 - 1),
        ):  # fmt: skip
            if not low <= getattr(self, name) <= high:
                option = "steps" if name == "total" else name.replace("_", "-")
                raise UsageError(f"--{option}: got {getattr(self, name)}, expected {low} to {high}")
        for name, most in (("learning_rate", 1.0), ("gamma", 1.0), ("entropy", 100.0)):
            if not 0 <= getattr(self, name) <= most:
                raise UsageError(
                    f"--{name.replace('_', '-')}: got {getattr(self, name)}, expected 0 to {most:g}"
                )

    @property
    def total(self) -> int:
        """The steps in all."""
        return 100_000 if self.steps is None else self.steps

    def arena(self) -> ArenaConfig:
        """The arena that these options describe.

        Raises:
            UsageError, ConfigError: there is no such env, task, setting, repertoire or size.
        """
        cloned = self.algo == "bc"
        return ArenaConfig(
            env=self.env,
            task=self.task,
            settings=tuple(self.set),
            limit=self.limit,
            actions="all" if cloned and self.actions == "auto" else self.actions,
            frame_skip=self.frame_skip or (1 if cloned else 4),
            size=self.size,
            render=self.render,
            world=self.world,
            sampler_steps=self.sampler_steps,
            device=self.device,
            max_uncertainty=self.max_uncertainty,
        )
