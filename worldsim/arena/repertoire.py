"""Repertoires: the few of the 34 compact actions that a task asks for. Fewer are learnt sooner."""

from __future__ import annotations

from worldsim.action_tables import DISCRETE
from worldsim.errors import ConfigError, brief

WALK = (
    "noop", "forward", "forward jump", "forward sprint jump",
    "turn left 15", "turn right 15", "turn left 3", "turn right 3",
)  # fmt: skip
# Few, and best held for 8 ticks: play at random hardly ever meets a tree otherwise (docs/agents.md).
GATHER = ("forward sprint jump", "forward attack", "attack", "turn left 3", "turn right 3")
BUILD = (
    "noop", "forward", "jump", "use", "jump use", "attack", "look up 15", "look down 15",
    "turn left 15", "turn right 15",
)  # fmt: skip

REPERTOIRES: dict[str, tuple[str, ...]] = {
    "walk": WALK,
    "gather": GATHER,
    "build": BUILD,
    "all": tuple(DISCRETE),
}
"""Names of actions, in the order of an agent's numbers."""
OF_TASK = {"collect": "gather", "tower": "build"}
"""What a task is played with unless something else is asked for; the others with "walk"."""


def repertoire(name: str, task: str) -> tuple[str, ...]:
    """The action names of a repertoire; "auto" is the task's.

    Raises:
        ConfigError: no such repertoire.
    """
    chosen = OF_TASK.get(task, "walk") if name == "auto" else name
    if chosen not in REPERTOIRES:
        raise ConfigError(f"actions: got {brief(name)}, expected auto, {', '.join(REPERTOIRES)}")
    return REPERTOIRES[chosen]
