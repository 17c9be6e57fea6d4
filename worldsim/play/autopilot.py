"""Who decides: the person at the keys, or a scripted policy."""

from __future__ import annotations

from typing import Any

from worldsim.actions import Action, noop, to_dict
from worldsim.errors import UsageError
from worldsim.registry import POLICIES, resolve

HUMAN, NOOP = "human", "noop"


class Autopilot:
    """A policy that can take the place of the player's input.

    Args:
        name: `human` (off until toggled, then the explorer), `noop` or a registered policy.
    """

    def __init__(self, name: str, seed: int) -> None:
        if name not in (HUMAN, NOOP) and name not in POLICIES:
            raise UsageError(f"--policy {name}: unknown; choose {', '.join((HUMAN, NOOP, *POLICIES))}")
        self.name = name
        self.on = name != HUMAN
        self._seed = seed
        self._policy: Any = None

    def toggle(self) -> None:
        """Take over, or hand back."""
        self.on = not self.on

    def reset(self, seed: int) -> None:
        """Begin anew with an episode."""
        self._seed = seed
        self._policy = None

    def act(self, state: dict[str, Any], human: Action) -> Action:
        """The action of whoever is in charge; `state` is the world's, and may be empty."""
        if not self.on:
            return human
        if self.name == NOOP:
            return noop()
        if self._policy is None:
            name = "explorer" if self.name == HUMAN else self.name
            self._policy = resolve(POLICIES, name, "--policy")(self._seed)
        return to_dict(self._policy.act(state))
