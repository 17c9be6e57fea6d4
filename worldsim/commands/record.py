"""`worldsim record`: episodes of any environment, played by a policy or a person."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING, Any, Literal

from worldsim.errors import UsageError
from worldsim.play.options import DREAM, GAME, SIZED

if TYPE_CHECKING:
    from worldsim.data.rollout import RecordReport


@dataclasses.dataclass(frozen=True)
class RecordOptions:
    """Episodes are committed one by one: Ctrl-C keeps those that are complete, and the open one as truncated."""

    out: str
    """Folder of the dataset; one that is there already is continued."""
    env: str = GAME
    """Any Gymnasium id."""
    policy: str = "explorer"
    """Who plays: explorer, tinker (digs and builds), random or human. The first two need MineRL's action space."""
    episodes: int = 1
    """How many episodes."""
    steps: int = 600
    """Most actions an episode (600 are 30 seconds of play); the key G ends a person's sooner."""
    seed: int = 0
    """Seed of the first episode; the next ones follow."""
    world: str | None = None
    """World of worldsim/Dream-v0: a shipped name or a folder."""
    sampler_steps: int | None = None
    """Sampler steps a frame of worldsim/Dream-v0; default: what the world was made for."""
    device: str | None = None
    """Device of worldsim/Dream-v0, such as cuda."""
    width: int | None = None
    """Width of a game's frames: a multiple of 16 for worldsim/Voxel-v0, even for worldsim/Luanti-v0."""
    height: int | None = None
    """Height of a game's frames, likewise."""
    workers: int = 1
    """Episodes that are played at the same time, each in a process of its own; the dataset is the same."""
    depth: bool = True
    """Record depth where the environment has it."""
    wandb: Literal["disabled", "offline", "online"] = "disabled"
    """Also log a summary and a video of each episode to Weights & Biases."""


def run(options: RecordOptions) -> None:
    """Record and say what was written."""
    from worldsim.data.rollout import record

    if options.workers != 1:
        from worldsim.commands.record_parallel import record_parallel

        _say(record_parallel(options, _arguments(options)))
        return
    report = record(
        options.env,
        options.policy,
        episodes=options.episodes,
        steps=options.steps,
        out=options.out,
        seed=options.seed,
        depth=options.depth,
        wandb_mode=options.wandb,
        env_options=_arguments(options),
        progress=sys.stderr.isatty(),
    )
    _say(report)


def _say(report: RecordReport) -> None:
    frames = sum(report.steps) + len(report.steps)
    print(
        f"{report.folder}: {len(report.episodes)} episodes, {frames} frames of {report.env} by {report.policy}"
    )


def _arguments(options: RecordOptions) -> dict[str, Any]:
    """What the environment is made with; an option that it does not have is refused."""
    of_dream = {"world": options.world, "steps": options.sampler_steps, "device": options.device}
    of_game = {"width": options.width, "height": options.height}
    for known, group in (((DREAM,), of_dream), (SIZED, of_game)):
        given = [name for name, value in group.items() if value is not None]
        if given and options.env not in known:
            names = ", ".join("--sampler-steps" if name == "steps" else f"--{name}" for name in given)
            raise UsageError(f"{names}: for --env {' or '.join(known)} only, got --env {options.env}")
    return {name: value for name, value in {**of_dream, **of_game}.items() if value is not None}
