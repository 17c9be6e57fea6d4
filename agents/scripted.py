"""Scripted agents, one a task: they read what the world says of its state, and have nothing to learn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import atan2, degrees
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim.errors import UsageError
from worldsim.signals import LOGS

from .agent import Chance, Infos, Obs

State = Mapping[str, Any]


class Scripted:
    """Plays the arena's task by rule; draws lots only where it is stuck."""

    name = "scripted"

    def start(self, arena: Any) -> None:
        """Take the rule of the arena's task.

        Raises:
            UsageError: no rule for this task, or a repertoire that lacks an action which the rule needs.
        """
        task = arena.config.task
        if task not in RULES:
            raise UsageError(f"scripted: has no rule for task {task!r}, only for {', '.join(RULES)}")
        self._rule, needs = RULES[task]
        missing = [name for name in needs if name not in arena.action_names]
        if missing:
            raise UsageError(
                f"scripted: task {task!r} needs the action {missing[0]!r}, which repertoire "
                f"{arena.config.actions!r} lacks; leave --actions at auto"
            )
        self._numbers = {name: i for i, name in enumerate(arena.action_names)}
        self._skip, self._chance = arena.config.frame_skip, Chance(arena.num_envs)
        self._stuck = np.zeros(arena.num_envs, np.int64)
        self._detour = np.zeros(arena.num_envs, np.int64)
        self._last = np.full((arena.num_envs, 2), np.nan)

    def renew(self, worlds: Sequence[int], seeds: Sequence[int]) -> None:
        """Forget what was in these worlds."""
        self._chance.renew(worlds, seeds)
        for memory, empty in ((self._stuck, 0), (self._detour, 0), (self._last, np.nan)):
            memory[list(worlds)] = empty

    def act(self, obs: Obs, infos: Infos) -> NDArray[np.int64]:
        """Numbers [N]."""
        luck = self._chance.below(2)
        self._notice([info["state"] for info in infos])
        names = [
            self._rule(self, i, info["state"], obs["told"][i], int(luck[i])) for i, info in enumerate(infos)
        ]
        return np.array([self._numbers[name] for name in names])

    def _notice(self, states: Sequence[State]) -> None:
        """Count for how many decisions each player has hardly moved."""
        where = np.array([[s["pose"][0], s["pose"][2]] for s in states], np.float64)
        moved = np.linalg.norm(where - self._last, axis=1)
        self._stuck = np.where(moved < 0.06 * self._skip, self._stuck + 1, 0)
        self._last = where

    def _go(self, world: int, luck: int) -> str:
        """Onwards; round what has been in the way for a while."""
        if self._stuck[world] >= 3:
            self._stuck[world], self._detour[world] = 0, 3
            turn = 15 if "turn left 15" in self._numbers else 3
            return f"turn {('left', 'right')[luck]} {turn}"
        self._detour[world] = max(0, self._detour[world] - 1)
        return "forward sprint jump"

    def beacon(self, world: int, state: State, told: NDArray[np.float32], luck: int) -> str:
        """Face the goal and run."""
        bearing = degrees(atan2(told[1], told[2]))
        if self._detour[world] == 0:
            for turn in (15, 3):
                if abs(bearing) > turn * self._skip * 0.6 + 1:
                    return f"turn {'right' if bearing > 0 else 'left'} {turn}"
        return self._go(world, luck)

    def roam(self, world: int, state: State, told: NDArray[np.float32], luck: int) -> str:
        """Straight on, as far as it goes."""
        return self._go(world, luck)

    def collect(self, world: int, state: State, told: NDArray[np.float32], luck: int) -> str:
        """Wander until wood is in reach, and hold the attack key."""
        target = state.get("target")
        wood = state.get("wood", 0.0) > 0.5 if target is None else int(target[3]) in LOGS
        return "attack" if wood else self._go(world, luck)

    def tower(self, world: int, state: State, told: NDArray[np.float32], luck: int) -> str:
        """Look at one's feet and jump with the use key held."""
        return "jump use" if float(state["pose"][4]) > 70 else "look down 15"

    def dry(self, world: int, state: State, told: NDArray[np.float32], luck: int) -> str:
        """Stand still on land; out of water."""
        return self._go(world, luck) if state["in_water"] else "noop"

    def night(self, world: int, state: State, told: NDArray[np.float32], luck: int) -> str:
        """Stand still, since nothing comes to hurt one."""
        return self.dry(world, state, told, luck)


RULES: dict[str, tuple[Callable[..., str], tuple[str, ...]]] = {
    "beacon": (
        Scripted.beacon,
        ("forward sprint jump", "turn left 15", "turn right 15", "turn left 3", "turn right 3"),
    ),
    "roam": (Scripted.roam, ("forward sprint jump", "turn left 15", "turn right 15")),
    "collect": (Scripted.collect, ("attack", "forward sprint jump", "turn left 3", "turn right 3")),
    "tower": (Scripted.tower, ("jump use", "look down 15")),
    "dry": (Scripted.dry, ("noop", "forward sprint jump", "turn left 15", "turn right 15")),
    "night": (Scripted.night, ("noop", "forward sprint jump", "turn left 15", "turn right 15")),
}
"""The rule of each task, and the actions that it asks for."""
