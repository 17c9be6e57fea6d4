"""How an episode of Luanti begins: where, with what, at which time, or from a world that was saved."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from worldsim.errors import UsageError

from .luanti_game import LuantiGame
from .luanti_settings import INVENTORY, LuantiSettings, check_world
from .luanti_state import to_theirs

RESET_OPTIONS = ("time_of_day", "spawn", "inventory", "world")
_FACTS = "worldsim.json"
_SETTLE = (
    5.0  # seconds in the world before the first observation: land has to come in, animations to be in step
)
_LATEST = 600  # ticks after which the land has to be there
_SPAWNS = 64
_DAY = (0.26, 0.72)  # the times of day that a seed may begin at: there is something to see
_LIMIT = 30_000.0


def begin(settings: LuantiSettings, seed: int, options: Mapping[str, Any]) -> LuantiGame:
    """Start a game as `seed` and the checked options say, and let it settle.

    Raises:
        UsageError: nobody can stand at the `spawn` that was asked for.
    """
    world = Path(options["world"]) if "world" in options else None
    setup = _setup(settings, np.random.default_rng(seed), options, new=world is None)
    game = LuantiGame(settings, seed, setup, world)
    try:
        _settle(game)
        if "spawn" in options:
            _check_spawn(game, options["spawn"], teleport=world is not None)
        if "time" in setup:  # it was set on joining; how many ticks ago is chance
            game.obey({"op": "time", "value": setup["time"]})
        if world is not None:
            _take_slot(game, _facts_of(options).get("slot"))
        game.take_events()
        game.settled()
    except BaseException:
        game.close()
        raise
    return game


def _setup(
    settings: LuantiSettings, dice: np.random.Generator, options: Mapping[str, Any], *, new: bool
) -> dict[str, Any]:
    """How the player begins, for the server mod: what a seed decides in a new world, and what was asked for."""
    spawns, yaw, time = _spawns(dice), float(dice.uniform(0.0, 2.0 * math.pi)), float(dice.uniform(*_DAY))
    setup: dict[str, Any] = {"damage": settings.damage, "hud": settings.hud, "load_radius": settings.view}
    if new:
        setup |= {"spawns": spawns, "yaw": yaw, "inventory": INVENTORY}
    if "spawn" in options:
        setup["spawns"] = [to_theirs(options["spawn"])]
    if "inventory" in options:
        setup["inventory"] = options["inventory"]
    time = options.get("time_of_day", time if new else _facts_of(options).get("time_of_day"))
    if time is not None:
        setup["time"] = time
    return setup


def go_on(settings: LuantiSettings, world: Path) -> LuantiGame:
    """Start a game again from a world that was saved a moment ago."""
    options = {"world": str(world)}
    return begin(settings, int(_facts_of(options)["seed"]), options)


def write_snapshot(game: LuantiGame, folder: Path, seed: int) -> None:
    """Save the game's world in `folder`, whole or not at all; the game has ended then.

    Raises:
        UsageError: there is something in the folder.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"save_world: {folder} is not empty; choose another folder")
    facts = {"seed": seed, "slot": int(game.state["slot"]), "time_of_day": game.state["time_of_day"]}
    fresh = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        fresh.mkdir(parents=True)
        game.save(fresh)
        (fresh / _FACTS).write_text(json.dumps(facts))
        os.replace(fresh, folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def check_options(options: Any) -> Mapping[str, Any]:
    """The options of `reset`, checked. Raises UsageError."""
    if options is None:
        return {}
    if not isinstance(options, Mapping):
        raise UsageError(
            f"options: got {type(options).__name__}, expected a dict with {', '.join(RESET_OPTIONS)}"
        )
    unknown = sorted(str(key) for key in options if key not in RESET_OPTIONS)
    if unknown:
        raise UsageError(
            f"options: unknown {', '.join(unknown)}; known options are {', '.join(RESET_OPTIONS)}"
        )
    checks = {"time_of_day": _time, "spawn": _place, "inventory": _items, "world": _folder}
    return {key: checks[key](value) for key, value in options.items()}


def _time(value: Any) -> float:
    if not _number(value) or not 0 <= value <= 1:
        raise UsageError(f"options['time_of_day']: got {value!r}, expected a number from 0 to 1")
    return float(value)


def _place(value: Any) -> list[float]:
    place = list(value) if isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, str) else []
    if len(place) not in (2, 3) or not all(_number(v) and abs(v) < _LIMIT for v in place):
        raise UsageError(
            f"options['spawn']: got {value!r}, expected (x, z) or (x, y, z) within ±{_LIMIT:g} blocks"
        )
    return [float(v) for v in place]


def _items(value: Any) -> list[str]:
    items = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [None]
    if len(items) > 32 or not all(isinstance(item, str) and len(item) < 200 for item in items):
        raise UsageError(
            f"options['inventory']: got {value!r}, expected up to 32 strings such as 'default:cobble 99'"
        )
    return items


def _folder(value: Any) -> str:
    if not isinstance(value, (str, os.PathLike)):
        raise UsageError(f"options['world']: got {value!r}, expected a folder")
    check_world(Path(value))
    return os.fspath(value)


def _number(value: Any) -> bool:
    number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    return number and math.isfinite(value)


def _spawns(dice: np.random.Generator) -> list[list[float]]:
    """Places to try, further and further out: the first where one can stand is taken."""
    return [
        [int(v) for v in dice.integers(-reach, reach + 1, 2)]
        for reach in np.linspace(200, 2000, _SPAWNS).astype(int).tolist()
    ]


def _settle(game: LuantiGame) -> None:
    """Let the land come in and the player come to rest: always up to the same time, unless it takes longer."""
    for _ in range(_LATEST):
        game.step(())
        if game.seconds > _SETTLE - 1e-4 and game.state.get("ready"):
            return


def _check_spawn(game: LuantiGame, asked: Sequence[float], *, teleport: bool) -> None:
    theirs = to_theirs(asked)
    if teleport and len(theirs) == 3:
        game.obey({"op": "teleport", "pos": theirs})
        _settle(game)
    x, _, z = game.state["pos"]
    if math.hypot(x - theirs[0], z - theirs[-1]) > 3.0:
        raise UsageError(
            f"options['spawn']: nobody can stand at {list(asked)} (water, or no ground found); "
            "give (x, y, z), or another place"
        )


def _take_slot(game: LuantiGame, slot: Any) -> None:
    if isinstance(slot, int) and 1 < slot <= 9:
        game.step((f"hotbar.{slot}",))
        game.step(())


def _facts_of(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """What `write_snapshot` noted beside the world that the options name; nothing for a world of the game's own."""
    try:
        facts = json.loads((Path(options["world"]) / _FACTS).read_text())
    except (KeyError, OSError, ValueError):
        return {}
    known = ("seed", "slot", "time_of_day")
    return {key: facts[key] for key in known if isinstance(facts, dict) and _number(facts.get(key))}
