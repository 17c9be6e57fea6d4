"""A captured graph with the memory that it reads and writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor


class Capture(Protocol):
    """What of this needs a GPU, see `cuda_capture`."""

    def pool(self) -> Any:
        """Memory for the intermediate results of graphs that are never replayed at the same time."""

    def capture(self, work: Callable[[], list[Tensor]], pool: Any) -> tuple[list[Tensor], Callable[[], None]]:
        """The tensors that `work` returns, and what fills them anew by what its inputs hold at that time.

        They need not hold anything before the first replay.
        """


class Tape:
    """Work that is captured at once and replayed by `play`.

    Args:
        work: reads `given`, and whatever else stays where it is.
        given: where `play` puts what it is given.
    """

    def __init__(
        self, capture: Capture, pool: Any, work: Callable[[], list[Tensor]], given: list[Tensor]
    ) -> None:
        self.given = given
        self.out, self._replay = capture.capture(work, pool)

    def play(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """The results for other tensors of the same shapes; they are copies, which no later call changes."""
        torch._foreach_copy_(self.given, list(tensors))
        self._replay()
        copies = [torch.empty_like(t) for t in self.out]
        torch._foreach_copy_(copies, self.out)
        return copies
