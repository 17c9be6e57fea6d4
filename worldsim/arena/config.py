"""What an arena is: which env and task, how small its frames, which actions. It is saved with every agent."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from worldsim.arena.repertoire import repertoire
from worldsim.config import with_overrides
from worldsim.errors import ConfigError, UsageError
from worldsim.registry import DREAM as DREAM
from worldsim.registry import GAME as GAME
from worldsim.registry import VECTOR_ENVS
from worldsim.tasks import Task, find_task


@dataclasses.dataclass(frozen=True)
class ArenaConfig:
    """Two agents can be compared if they differ in nothing but `env` and what belongs to the dream."""

    env: str = GAME
    """Gymnasium id of the game or the dream."""
    task: str = "beacon"
    """Name of a task, see docs/envs.md."""
    settings: tuple[str, ...] = ()
    """Changes to the task as key=value, such as shaping=0.5."""
    limit: int | None = None
    """Ticks after which an episode is truncated; None for the task's own."""
    actions: str = "auto"
    """Repertoire: auto (the task's), walk, gather, build or all."""
    frame_skip: int = 4
    """Ticks that an action lasts; rewards add up."""
    size: str = "80x48"
    """Frames as agents see them."""
    render: str | None = None
    """Frames as the game draws them, before they are made smaller; None for `size`. A dream has its own."""
    world: str | None = None
    """World of the dream: a shipped name or a folder; None for the default."""
    sampler_steps: int | None = None
    """Sampler steps a frame of the dream; None for what the world was made for."""
    device: str | None = None
    """Torch device of the dream."""
    max_uncertainty: float | None = None
    """Grey levels of expected error above which a dream's episode is truncated."""

    def __post_init__(self) -> None:
        if self.env not in VECTOR_ENVS:
            raise UsageError(
                f"--env {self.env!r:.60}: agents play many worlds at once, which only "
                f"{' and '.join(sorted(VECTOR_ENVS))} can"
            )
        if not 1 <= self.frame_skip <= 64:
            raise ConfigError(f"frame_skip: got {self.frame_skip}, expected ticks from 1 to 64")
        for name in ("size", "render"):
            if getattr(self, name) is not None:
                parse_size(getattr(self, name), name)
        _ = self.action_names
        self.make_task()

    @property
    def width(self) -> int:
        return parse_size(self.size, "size")[0]

    @property
    def height(self) -> int:
        return parse_size(self.size, "size")[1]

    @property
    def action_names(self) -> tuple[str, ...]:
        """What each number of the action space does."""
        return repertoire(self.actions, self.task)

    def make_task(self) -> Task:
        """The task with its settings.

        Raises:
            UsageError: no such task.
            ConfigError: no such setting.
        """
        return with_overrides(find_task(self.task), list(self.settings))

    def env_arguments(self) -> dict[str, Any]:
        """What the vector env is made with."""
        if self.env == GAME:
            given = [name for name in ("world", "sampler_steps", "device") if getattr(self, name) is not None]
            if given:
                raise UsageError(
                    f"--{given[0].replace('_', '-')}: for --env {DREAM} only, got --env {self.env}"
                )
            width, height = parse_size(self.render or self.size, "render")
            return {"width": width, "height": height}
        if self.render is not None:
            raise UsageError(
                f"--render: a dream is drawn in the size of its world, got {self.render}; leave it out"
            )
        own = {"world": self.world, "steps": self.sampler_steps, "device": self.device}
        return {name: value for name, value in own.items() if value is not None}

    def in_env(self, env: str | None, **changes: Any) -> ArenaConfig:
        """The same arena over another env: what belongs to one of the two only is dropped."""
        target = env or self.env
        own: dict[str, Any] = {"env": target}
        if target == GAME:
            own |= {"world": None, "sampler_steps": None, "device": None}
        else:
            own |= {"render": None}
        given = {name: value for name, value in changes.items() if value is not None}
        return dataclasses.replace(self, **{**own, **given})


def parse_size(text: str, name: str) -> tuple[int, int]:
    """Width and height.

    Raises:
        UsageError: not two numbers, or not from 16 to 640.
    """
    found = re.fullmatch(r"([0-9]{1,4})x([0-9]{1,4})", text)
    if not found or not all(16 <= int(side) <= 640 for side in found.groups()):
        raise UsageError(
            f"--{name}: got {text!r:.40}, expected WIDTHxHEIGHT with sides from 16 to 640, such as 80x48"
        )
    return int(found[1]), int(found[2])
