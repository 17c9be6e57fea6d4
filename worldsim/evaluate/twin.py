"""The twin of a dream: what the game shows for the same world and the same actions."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim import registry
from worldsim.evaluate.scenario import Actions, Scenario
from worldsim.registry import GAME as GAME
from worldsim.signals import from_columns

WARM_UP = 40


@dataclass(frozen=True, eq=False)
class Twin:
    """The ground truth of one scenario; frame t follows action t - 1."""

    scenario: Scenario
    frames: NDArray[np.uint8]
    """`[N + 1, H, W, 3]` RGB with the HUD."""
    depth: NDArray[np.float16]
    """`[N + 1, H, W]` blocks along the view axis, 512 for sky."""
    blocks: NDArray[np.uint8]
    """`[N + 1, H, W]` block id of each pixel."""
    pose: NDArray[np.float32]
    """`[N + 1, 5]` x, y, z of the eye, yaw and pitch in degrees."""
    columns: dict[str, NDArray[Any]]
    """`[N + 1, ...]` every other number of `engine.state()`; events as "events.broken" and so on."""

    @property
    def shown(self) -> NDArray[np.uint8]:
        """`[context, H, W, 3]` what the dream begins from: the first frames, or what spoils them."""
        return spoiled(self.frames[: self.scenario.context], self.scenario)

    @property
    def signals(self) -> NDArray[np.float32]:
        """`[N + 1, S]` what happened, see `worldsim.signals`."""
        rows = from_columns({**self.columns, "pose": self.pose})
        assert rows is not None
        return rows

    def cut(self, scenario: Scenario) -> Twin:
        """The beginning of this twin, as that of a shorter scenario which begins alike."""
        n = len(scenario.actions) + 1
        columns = {name: column[:n] for name, column in self.columns.items()}
        return Twin(scenario, self.frames[:n], self.depth[:n], self.blocks[:n], self.pose[:n], columns)


def play(scenario: Scenario, *, engine: str = GAME, width: int, height: int) -> Twin:
    """Play a scenario in the game.

    Raises:
        UsageError: no such game, or a seed out of range.
        ConfigError: a frame size that the game does not have.
    """
    game = _game(engine, width, height)
    game.reset(scenario.seed)
    for action in scenario.lead:
        game.step(action)
    rows = [_look(game)]
    for action in scenario.actions:
        game.step(action)
        rows.append(_look(game))
    columns = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    frames, depth, blocks, pose = (columns.pop(name) for name in ("frame", "depth", "blocks", "pose"))
    return Twin(scenario, frames, depth, blocks, pose, columns)


@functools.lru_cache(maxsize=512)
def explore(
    seed: int, policy: str, ticks: int, *, engine: str = GAME, warm_up: int = WARM_UP
) -> tuple[Actions, Actions]:
    """What a scripted player of `registry.POLICIES` does in the world of a seed.

    Returns:
        `lead` `[warm_up, 25]` and `actions` `[ticks, 25]`, for the fields of a `Scenario` with those
        names. More ticks prolong the same play.
    """
    player = registry.resolve(registry.POLICIES, policy, "policy")(seed)
    game = _game(engine, 64, 48)
    game.reset(seed)
    actions = np.zeros((warm_up + ticks, 25), np.float32)
    for t in range(warm_up + ticks):
        actions[t] = player.act(game.state())
        game.step(actions[t])
    actions.setflags(write=False)
    return actions[:warm_up], actions[warm_up:]


def explored(
    seed: int, policy: str, frames: int, *, context: int, warm_up: int = WARM_UP, group: str = "play"
) -> Scenario:
    """A scripted player's episode with `frames` frames to dream after `context` given ones."""
    lead, actions = explore(seed, policy, context - 1 + frames, warm_up=warm_up)
    return Scenario(seed, actions, context, group=group, lead=lead)


@functools.lru_cache(maxsize=4)
def overlay(width: int, height: int, *, engine: str = GAME) -> NDArray[np.bool_]:
    """`[H, W]` where the game may draw its HUD over the world; read only."""
    mask: NDArray[np.bool_] = _game(engine, width, height).overlay_mask()
    mask.setflags(write=False)
    return mask


def spoiled(frames: NDArray[np.uint8], scenario: Scenario) -> NDArray[np.uint8]:
    """The frames, or what `scenario.spoil` replaces them with."""
    if scenario.spoil == "noise":
        return np.random.default_rng(scenario.seed).integers(0, 256, frames.shape, np.uint8)
    if scenario.spoil == "black":
        return np.zeros_like(frames)
    if scenario.spoil == "inverted":
        return 255 - frames
    assert scenario.spoil == "", scenario.spoil
    return frames


@functools.lru_cache(maxsize=4)
def _game(engine: str, width: int, height: int) -> Any:
    """A game, made once a size: `reset` makes it anew."""
    return registry.resolve(registry.ENGINES, engine, "engine")(width=width, height=height)


def _look(game: Any) -> dict[str, Any]:
    frame, depth, blocks = game.render_buffers()
    state = game.state()
    events = {f"events.{name}": np.int32(value) for name, value in state.pop("events").items()}
    numbers = {name: np.asarray(value) for name, value in state.items() if not isinstance(value, str)}
    return {**numbers, **events, "frame": frame, "depth": depth.astype(np.float16), "blocks": blocks}
