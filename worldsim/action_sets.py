"""The action spaces of the environments: MineRL's dict, and two compact sets for RL libraries.

Every set turns one action, or a batch of them, into the 25 numbers of `worldsim.actions`, or says
in one line what is wrong with it, and finds the nearest of its own actions to given numbers.

    actions = action_set("discrete")
    actions.action_names[1]                     # "forward"
    actions.to_vector(1)                        # float32 [25]
    actions.nearest(actions.to_vector(1))       # 1
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from worldsim.action_tables import DISCRETE, FACTORS, entry_vector
from worldsim.actions import (
    ACTION_SIZE,
    CAMERA,
    CAMERA_LIMIT,
    INDEX,
    KEYS,
    Action,
    action_space,
    as_array,
    check_vector,
    to_dict,
    to_vector,
)
from worldsim.errors import ConfigError, InvalidAction, UsageError, brief

Vectors = NDArray[np.float32]


class ActionSet(ABC):
    """One action space and its way to the 25 numbers and back."""

    name: str
    """What `action_space=` of an env calls it."""
    space: spaces.Space[Any]
    """What one world takes."""
    action_names: tuple[Any, ...]
    """A name for each action; in the factored set, a tuple of names for each factor."""

    @abstractmethod
    def to_vector(self, action: Any) -> Vectors:
        """The vector float32 [25] of one action.

        Raises:
            InvalidAction: not an element of `space`.
        """

    @abstractmethod
    def to_vectors(self, actions: Any, count: int) -> Vectors:
        """The vectors float32 [count, 25] of a batch, as `gymnasium.vector.utils.batch_space` shapes it.

        Raises:
            InvalidAction: one of them is not an element of `space`; the message names it.
        """

    @abstractmethod
    def nearest(self, vectors: Any) -> Any:
        """The action or actions whose vectors come nearest to float [..., 25]; own vectors come back exactly."""

    def to_dict(self, action: Any) -> Action:
        """The MineRL dict of one action."""
        return to_dict(self.to_vector(action))

    def from_dict(self, action: Mapping[str, Any]) -> Any:
        """The action nearest to a MineRL dict."""
        return self.nearest(to_vector(action))


class DictActions(ActionSet):
    """MineRL 1.0's dict: 23 keys and a camera in degrees."""

    name = "dict"

    def __init__(self) -> None:
        self.space = action_space()
        self.action_names = (*KEYS, "camera")

    def to_vector(self, action: Any) -> Vectors:
        """See `worldsim.actions.to_vector`."""
        return to_vector(action)

    def to_vectors(self, actions: Any, count: int) -> Vectors:
        """A dict of columns: [count] for each key, [count, 2] for the camera."""
        if not isinstance(actions, Mapping) or actions.keys() != {*KEYS, "camera"}:
            raise InvalidAction(
                f"actions: got {_keys_of(actions)}, expected a dict of {len(KEYS)} keys with shape ({count},) and "
                f"'camera' with shape ({count}, 2)"
            )
        vectors = np.zeros((count, ACTION_SIZE), np.float32)
        for key in KEYS:
            vectors[:, INDEX[key]] = _column(f"action[{key!r}]", actions[key], (count,), "iub", 2)
        vectors[:, CAMERA] = _cameras(actions["camera"], count)
        return vectors

    def nearest(self, vectors: Any) -> Any:
        """The dict of a vector [25], or a dict of columns for [N, 25]; keys above 0.5 are pressed."""
        values = check_vector(vectors)
        if values.ndim == 1:
            return to_dict(values)
        batch: Action = {key: (values[..., INDEX[key]] > 0.5).astype(np.int64) for key in KEYS}
        return {**batch, "camera": values[..., CAMERA].copy()}


class DiscreteActions(ActionSet):
    """The 34 actions of `action_tables.DISCRETE`, by number, or some of them.

    Args:
        names: of the actions, in the order of their numbers.

    Raises:
        ConfigError: there is no such action.
    """

    name = "discrete"

    def __init__(self, names: Sequence[str] = tuple(DISCRETE)) -> None:
        unknown = [name for name in names if name not in DISCRETE]
        if unknown or not names:
            raise ConfigError(
                f"actions: got {brief(unknown or list(names))}, expected names such as 'forward'"
            )
        self.action_names = tuple(names)
        self.space = spaces.Discrete(len(self.action_names))
        self._table = np.stack([entry_vector(DISCRETE[name]) for name in self.action_names])

    def to_vector(self, action: Any) -> Vectors:
        """One integer; a 0-d array of an integer type will do, a bool will not."""
        vector: Vectors = self.to_vectors(_column("action", action, (), "iu", len(self._table))[None], 1)[0]
        return vector

    def to_vectors(self, actions: Any, count: int) -> Vectors:
        """Integers [count]."""
        vectors: Vectors = self._table[_column("actions", actions, (count,), "iu", len(self._table))]
        return vectors

    def nearest(self, vectors: Any) -> Any:
        """Integers [...]: the action with the fewest keys that differ and the nearest camera."""
        return _nearest(self._table, check_vector(vectors))


class MultiDiscreteActions(ActionSet):
    """The seven factors of `action_tables.FACTORS`, each by number; they press keys of their own."""

    name = "multi_discrete"

    def __init__(self) -> None:
        self.factor_names = tuple(FACTORS)
        self.action_names = tuple(tuple(choices) for choices in FACTORS.values())
        self.space = spaces.MultiDiscrete([len(names) for names in self.action_names])
        self._tables = [np.stack([entry_vector(c) for c in choices.values()]) for choices in FACTORS.values()]

    def to_vector(self, action: Any) -> Vectors:
        """Integers [7]."""
        chosen = _column("action", action, (len(self._tables),), "iu", self.space.nvec)  # type: ignore[attr-defined]
        vector: Vectors = self._sum(chosen[None])[0]
        return vector

    def to_vectors(self, actions: Any, count: int) -> Vectors:
        """Integers [count, 7]."""
        shape = (count, len(self._tables))
        return self._sum(_column("actions", actions, shape, "iu", self.space.nvec))  # type: ignore[attr-defined]

    def nearest(self, vectors: Any) -> Any:
        """Integers [..., 7]: each factor by itself; what no factor can press is left out."""
        values = check_vector(vectors)
        parts = []
        for table in self._tables:
            own = (table != 0).any(0)
            parts.append(_nearest(table * own, values * own))
        return np.stack(parts, -1)

    def _sum(self, chosen: NDArray[Any]) -> Vectors:
        parts = [table[chosen[:, k]] for k, table in enumerate(self._tables)]
        vectors: Vectors = np.sum(parts, axis=0, dtype=np.float32)
        return vectors


class CompactActions(gymnasium.ActionWrapper[Any, Any, Any], gymnasium.utils.RecordConstructorArgs):
    """Gives any env with MineRL's dict a compact space; our own envs take `action_space=` instead.

    Args:
        env: an env whose action space is MineRL's dict.
        action_space: "discrete" or "multi_discrete".

    Raises:
        ConfigError: no such set.
        UsageError: the env has another action space.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], action_space: str = "discrete") -> None:
        gymnasium.utils.RecordConstructorArgs.__init__(self, action_space=action_space)
        super().__init__(env)
        self.actions = action_set(action_space)
        if env.action_space != DictActions().space:
            raise UsageError(
                f"CompactActions: got an env with {type(env.action_space).__name__} actions, expected MineRL's dict"
            )
        self.action_space = self.actions.space
        self.action_names = self.actions.action_names

    def action(self, action: Any) -> Action:
        """The MineRL dict that the env is stepped with."""
        return self.actions.to_dict(action)


ACTION_SETS: dict[str, type[ActionSet]] = {
    kind.name: kind for kind in (DictActions, DiscreteActions, MultiDiscreteActions)
}


def action_set(name: str) -> ActionSet:
    """The set that `action_space=name` of an env stands for.

    Raises:
        ConfigError: no such set.
    """
    if not isinstance(name, str) or name not in ACTION_SETS:
        raise ConfigError(f"action_space: got {brief(name)}, expected {', '.join(map(repr, ACTION_SETS))}")
    return ACTION_SETS[name]()


def _column(name: str, value: Any, shape: tuple[int, ...], kinds: str, limit: Any) -> NDArray[Any]:
    """A copy of an integer array of the given shape, each from 0 to limit - 1."""
    expected = f"integers of shape {shape}" if shape else "one integer"
    array = as_array(value, name, expected)
    if array.shape != shape or array.dtype.kind not in kinds:
        got = brief(value) if array.ndim == 0 else f"{array.dtype} {array.shape}"
        raise InvalidAction(f"{name}: got {got}, expected {expected}")
    wrong = (array < 0) | (array >= limit)
    if wrong.any():
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        most = int(np.broadcast_to(limit, shape)[at]) - 1
        raise InvalidAction(f"{name}{list(at) if at else ''}: got {array[at]}, expected 0 to {most}")
    return array.astype(np.int64)


def _cameras(value: Any, count: int) -> Vectors:
    array = as_array(value, "action['camera']", f"degrees ({count}, 2)")
    if array.shape != (count, 2) or array.dtype.kind not in "iuf":
        raise InvalidAction(
            f"action['camera']: got {array.dtype} {array.shape}, expected degrees of shape ({count}, 2)"
        )
    wrong = ~np.isfinite(array) | (np.abs(array) > CAMERA_LIMIT)
    if wrong.any():
        world = int(np.argwhere(wrong)[0][0])
        raise InvalidAction(
            f"action['camera'][{world}]: got {array[world].tolist()}, expected finite degrees within ±{CAMERA_LIMIT:g}"
        )
    return array.astype(np.float32)


def _keys_of(actions: Any) -> str:
    if not isinstance(actions, Mapping):
        return type(actions).__name__
    expected = {*KEYS, "camera"}
    missing, unknown = sorted(expected - actions.keys()), sorted(map(str, actions.keys() - expected))
    return f"a dict with missing keys {missing} and unknown keys {unknown}"


def _nearest(table: Vectors, vectors: Vectors) -> Any:
    """Rows of the table with the least distance: keys that differ, and the camera's degrees over 30."""
    scale = np.ones(ACTION_SIZE, np.float32)
    scale[CAMERA] = 1 / 30
    off = np.abs((vectors[..., None, :] - table) * scale).sum(-1)
    found = off.argmin(-1)
    return int(found) if found.ndim == 0 else found
