"""What a vector env is told: its modes, seeds, masks and per-world options, checked once and completely."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from worldsim.errors import ConfigError, UsageError, brief
from worldsim.seeding import check_seed

MOST_WORLDS = 65536


def read_modes(
    num_envs: Any, autoreset_mode: Any, max_episode_steps: Any
) -> tuple[int, AutoresetMode, int | None]:
    """Check the arguments that all vector envs share.

    Raises:
        ConfigError: names the argument.
    """
    count = _integer("num_envs", num_envs, 1, MOST_WORLDS)
    limit = None if max_episode_steps is None else _integer("max_episode_steps", max_episode_steps, 1, 2**62)
    try:
        mode = AutoresetMode(autoreset_mode)
    except ValueError:
        names = {mode.name: mode for mode in AutoresetMode}
        if not isinstance(autoreset_mode, str) or autoreset_mode.upper() not in names:
            raise ConfigError(
                f"autoreset_mode: got {brief(autoreset_mode)}, expected one of {', '.join(names)}"
            ) from None
        mode = names[autoreset_mode.upper()]
    return count, mode, limit


def read_reset(options: Any, count: int, name: str = "reset_mask") -> tuple[NDArray[np.int64], list[Any]]:
    """Which worlds begin anew, and the options of each of all N.

    Raises:
        UsageError: a mask or list of another type or length, or a mask that is all False.
    """
    if options is None:
        return np.arange(count), [None] * count
    if not isinstance(options, Mapping):
        raise UsageError(f"options: got {type(options).__name__}, expected a dict")
    shared = {key: value for key, value in options.items() if key not in ("reset_mask", "worlds")}
    each = _per_world(options["worlds"], shared, count) if "worlds" in options else [shared or None] * count
    if "reset_mask" not in options:
        return np.arange(count), each
    mask = options["reset_mask"]
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.shape != (count,):
        got = f"{mask.dtype} {mask.shape}" if isinstance(mask, np.ndarray) else brief(mask)
        raise UsageError(f"{name}: got {got}, expected a numpy array of bool ({count},)")
    if not mask.any():
        raise UsageError(f"{name}: got all False, expected at least one True")
    return np.flatnonzero(mask), each


def read_seeds(seed: Any, count: int) -> list[int | None]:
    """One seed, or None, a world.

    Raises:
        UsageError: a seed out of range or a list of another length.
    """
    if seed is None:
        return [None] * count
    if isinstance(seed, np.ndarray) and seed.ndim == 1:
        seed = list(seed)
    if isinstance(seed, Sequence) and not isinstance(seed, (str, bytes)):
        if len(seed) != count:
            raise UsageError(f"seed: got a list of {len(seed)}, expected one seed a world, {count}")
        return [None if s is None else check_seed(s) for s in seed]
    first = check_seed(seed)
    return [check_seed(first + i) for i in range(count)]


def _per_world(given: Any, shared: dict[str, Any], count: int) -> list[Any]:
    if not isinstance(given, Sequence) or isinstance(given, (str, bytes)) or len(given) != count:
        got = f"{len(given)} of them" if isinstance(given, (list, tuple)) else brief(given)
        raise UsageError(f"options['worlds']: got {got}, expected a list of {count} dicts or None")
    if shared:
        raise UsageError(
            f"options: got 'worlds' and {', '.join(map(str, shared))}; put these into each world's dict"
        )
    return list(given)


def _integer(name: str, value: Any, low: int, high: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = low - 1
    if isinstance(value, bool) or not low <= number <= high:
        raise ConfigError(f"{name}: got {brief(value)}, expected an integer from {low} to {high}")
    return number
