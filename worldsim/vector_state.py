"""The state of a vector env: its worlds' states, how long their episodes are, and which have ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from worldsim.errors import UsageError, brief
from worldsim.packed import need_array, need_integer, pack, unpack
from worldsim.vector_options import MOST_WORLDS

KIND = "worldsim.vector"


@dataclass(frozen=True)
class VectorState:
    """Made by `clone_state` of a vector env; picklable, and as bytes without a pickle."""

    worlds: tuple[Any, ...]
    """The state of each world, as its scalar env clones it."""
    elapsed: tuple[int, ...]
    """Ticks since each world's episode began, for the time limit."""
    ended: tuple[bool, ...]
    """Which worlds wait for a reset."""

    def to_bytes(self) -> bytes:
        """All of it as bytes that `restore_state` and `read` take, in any process."""
        counts: dict[str, Any] = {
            "elapsed": np.array(self.elapsed, np.int64),
            "ended": np.array(self.ended, np.uint8),
        }
        worlds: dict[str, Any] = {
            f"world.{i}": np.frombuffer(w.to_bytes(), np.uint8) for i, w in enumerate(self.worlds)
        }
        return pack(KIND, {**counts, **worlds}, {"count": len(self.worlds)})

    def repeat(self, n: int) -> VectorState:
        """The state of an env with each world n times, world i at i * n to i * n + n - 1.

        Raises:
            UsageError: n is no whole number from 1, or too large.
        """
        most = MOST_WORLDS // len(self.worlds)
        if type(n) is not int or not 1 <= n <= most:
            raise UsageError(f"fork: n: got {brief(n)}, expected an integer from 1 to {most}")

        def each(values: tuple[Any, ...]) -> tuple[Any, ...]:
            return tuple(value for value in values for _ in range(n))

        return VectorState(each(self.worlds), each(self.elapsed), each(self.ended))

    @staticmethod
    def read(data: Any, state_type: Any) -> Any:
        """A vector state, or that of a single world, from its bytes.

        Args:
            state_type: the class of one world's state.

        Raises:
            UsageError: damaged bytes or another kind of world.
        """
        kind, arrays, facts = unpack(data, KIND, state_type.kind)
        if kind != KIND:
            return state_type.from_bytes(data)
        count = need_integer(facts, "count", 1, MOST_WORLDS)
        worlds = [
            state_type.from_bytes(need_array(arrays, f"world.{i}", np.uint8, (None,)).tobytes())
            for i in range(count)
        ]
        elapsed, ended = (
            need_array(arrays, name, kind, (count,))
            for name, kind in (("elapsed", np.int64), ("ended", np.uint8))
        )
        if (elapsed < 0).any() or (ended > 1).any():
            raise UsageError("state: elapsed and ended: expected counts from 0 and flags 0 or 1")
        return VectorState(tuple(worlds), tuple(elapsed.tolist()), tuple(map(bool, ended)))
