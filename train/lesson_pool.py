"""Lessons as batches, and the last ones of a kind to draw batches from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


def together(lessons: Sequence[T]) -> T:
    """Single lessons, dataclasses of tensors, as a batch of the same kind."""
    kind: Any = type(lessons[0])
    return kind(*(torch.stack(part) for part in zip(*(vars(one).values() for one in lessons))))  # type: ignore[no-any-return]


class Pool(Generic[T]):
    """Keeps batches of tensors (a dataclass of them) on a ring; half of each draw are eventful ones."""

    def __init__(self, size: int) -> None:
        self.size, self.count = size, 0
        self.kept: dict[str, Tensor] = {}
        self._eventful = torch.zeros(size, dtype=torch.bool)
        self._kind: Any = None

    def add(self, new: T, eventful: Tensor) -> None:
        """Take in a batch and which of it `[B]` (bool) is worth more; the oldest are overwritten."""
        if not self.kept:
            self._kind = type(new)
            self.kept = {k: torch.zeros(self.size, *v.shape[1:], dtype=v.dtype) for k, v in vars(new).items()}
        index = (self.count + torch.arange(len(eventful))) % self.size
        for name, part in vars(new).items():
            self.kept[name][index] = part
        self._eventful[index] = eventful
        self.count += len(index)

    def held(self) -> T:
        """All of it as one batch."""
        kept: T = self._kind(**{name: part[: self.count] for name, part in self.kept.items()})
        return kept

    def draw(self, count: int, generator: torch.Generator) -> tuple[T, Tensor]:
        """A batch of `count`, and what each weighs `[count]` so that sums are as if all had been drawn alike."""
        held = min(self.count, self.size)
        eventful = self._eventful[:held].nonzero()[:, 0]
        index = torch.randint(held, (count,), generator=generator)
        if len(eventful):
            index[: count // 2] = eventful[torch.randint(len(eventful), (count // 2,), generator=generator)]
        drawn: T = self._kind(**{name: part[index] for name, part in self.kept.items()})
        share = len(eventful) / held
        weight = torch.where(
            self._eventful[index], share / (0.5 + 0.5 * share), 2.0 if len(eventful) else 1.0
        )
        return drawn, weight
