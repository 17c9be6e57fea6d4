"""Footage of the game for the probes: short clips with all that the game knows about them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim import registry
from worldsim.actions import INDEX
from worldsim.evaluate.probes.acting import acting, steps_of, turns_of
from worldsim.evaluate.probes.classes import classes_of

FRAMES = 6
"""Frames of a clip."""
BEFORE = 5
"""Ticks before a clip that decide which of its keys can be seen."""
_EVERY = (8, 40)  # ticks between clips of a world
_PER_WORLD = 12


@dataclass(frozen=True, eq=False)
class Footage:
    """N clips of T frames."""

    frames: NDArray[np.uint8]
    """`[N, T, H, W, 3]`."""
    depth: NDArray[np.float16]
    """`[N, T - 1, H / 2, W / 2]` of all frames but the last."""
    classes: NDArray[np.uint8]
    """`[N, rows, columns]` of the last frame."""
    step: NDArray[np.float32]
    """`[N, T - 1, 3]`."""
    turn: NDArray[np.float32]
    """`[N, T - 1, 2]`."""
    pitch: NDArray[np.float32]
    """`[N, T]` degrees."""
    pressed: NDArray[np.bool_]
    """`[N, T - 1, 7]`."""
    known: NDArray[np.bool_]
    """`[N, T - 1, 7]`."""
    slot: NDArray[np.int64]
    """`[N, T]`."""


def film(clips: int, first_seed: int, *, engine: str, width: int, height: int) -> Footage:
    """Play as many worlds as `clips` need, each from the seed after the last's.

    Half of the clips show the explorer, the other half keys and turns drawn at random, so that the
    probes learn to see what happened and not what the explorer would do.
    """
    game = registry.resolve(registry.ENGINES, engine, "engine")(width=width, height=height)
    player = registry.resolve(registry.POLICIES, "explorer", "policy")(0)
    rows: list[dict[str, Any]] = []
    seed = first_seed
    while len(rows) < clips:
        rows += _world(game, player, seed)
        seed += 1
    return Footage(**{name: np.stack([row[name] for row in rows[:clips]]) for name in rows[0]})


def _world(game: Any, player: Any, seed: int) -> Iterator[dict[str, Any]]:
    rng = np.random.default_rng([seed, 17])
    game.reset(seed)
    player.reset(seed)
    for _ in range(_PER_WORLD):
        for _ in range(int(rng.integers(*_EVERY))):
            game.step(player.act(game.state()))
        yield _clip(game, player, rng if rng.random() < 0.5 else None)


def _clip(game: Any, player: Any, rng: np.random.Generator | None) -> dict[str, Any]:
    drawn = fiddle(rng, BEFORE + FRAMES - 1) if rng is not None else None
    states, actions, looks = [game.state()], [], []
    for t in range(BEFORE + FRAMES):
        if t >= BEFORE:
            looks.append(game.render_buffers())
        if t == BEFORE + FRAMES - 1:
            break
        wanted = player.act(states[-1])
        actions.append(wanted if drawn is None else drawn[t])
        game.step(actions[-1])
        states.append(game.state())
    pose = np.stack([s["pose"] for s in states])
    columns = {name: np.stack([s[name] for s in states]) for name in ("on_ground", "in_water", "contact")}
    columns["events.placed"] = np.array([s["events"]["placed"] for s in states])
    pressed, known = acting(np.stack(actions), pose, columns)
    frames, depth, blocks = (np.stack(part) for part in zip(*looks))
    return {
        "frames": frames, "depth": depth[:-1, ::2, ::2].astype(np.float16),
        "classes": classes_of(blocks[-1:])[0], "step": steps_of(pose)[BEFORE:], "turn": turns_of(pose)[BEFORE:],
        "pitch": pose[BEFORE:, 4], "pressed": pressed[BEFORE:], "known": known[BEFORE:],
        "slot": np.array([s["slot"] for s in states[BEFORE:]], np.int64),
    }  # fmt: skip


def fiddle(rng: np.random.Generator, ticks: int) -> NDArray[np.float32]:
    """Keys and turns that change now and then, float32 `[ticks, 25]`."""
    actions = np.zeros((ticks, 25), np.float32)
    spread = rng.choice([0.0, 0.5, 2.0, 6.0, 20.0])
    hand = _hand(rng)
    camera = rng.normal(0.0, 1.0, 2) * spread
    for t in range(ticks):
        if rng.random() < 0.2:
            hand = _hand(rng)
        if rng.random() < 0.3:
            camera = rng.normal(0.0, 1.0, 2) * spread
        for key in hand:
            actions[t, INDEX[key]] = 1.0
        actions[t, INDEX["camera_pitch"]], actions[t, INDEX["camera_yaw"]] = np.clip(
            camera * (0.5, 1.0), -40, 40
        )
        if rng.random() < 0.08:
            actions[t, INDEX[f"hotbar.{rng.integers(1, 10)}"]] = 1.0
    return actions


def _hand(rng: np.random.Generator) -> list[str]:
    walk: list[tuple[str, ...]] = [
        (), (), ("forward",), ("forward",), ("back",), ("left",), ("right",), ("forward", "left"),
        ("forward", "right"), ("back", "left"), ("back", "right"), ("forward", "sprint"), ("forward", "sprint"),
    ]  # fmt: skip
    keys = [*walk[int(rng.integers(len(walk)))]]
    keys += [
        key
        for key, chance in (("jump", 0.2), ("sneak", 0.15), ("attack", 0.25), ("use", 0.25))
        if rng.random() < chance
    ]
    return keys
