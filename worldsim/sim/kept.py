"""A few things that are costly to make, by what they were made for."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

KEPT = 4
"""How many are kept."""
PATIENCE = 32
"""How often a further one is asked for before it takes the place of the one that was used longest ago.

What is made for a batch that changes at every tick must not be made at every tick.
"""
Key = tuple[Any, ...]
T = TypeVar("T")


class Kept(Generic[T]):
    """See the module's docstring."""

    def __init__(self) -> None:
        self._things: OrderedDict[Key, T] = OrderedDict()
        self._asked: Counter[Key] = Counter()
        self._refused: set[Key] = set()

    def __iter__(self) -> Iterator[T]:
        return iter(self._things.values())

    def serves(self, key: Key) -> bool:
        """Whether there is one, or may be: there is room, or it was asked for often enough. Counts as asking."""
        if key in self._refused:
            return False
        if key in self._things or len(self._things) < KEPT:
            return True
        self._asked[key] += 1
        return self._asked[key] > PATIENCE

    def get(self, key: Key) -> T | None:
        """The one that is there."""
        if key in self._things:
            self._things.move_to_end(key)
        return self._things.get(key)

    def put(self, key: Key, thing: T) -> T:
        """Keep one more."""
        while len(self._things) >= KEPT:
            self._things.popitem(last=False)
        self._asked.clear()
        self._things[key] = thing
        return thing

    def refuse(self, key: Key) -> None:
        """Serve it no more."""
        self._refused.add(key)
        self._things.pop(key, None)

    def clear(self) -> None:
        """Make all anew."""
        self._things.clear()
