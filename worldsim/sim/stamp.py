"""Whether weights are what they were: graphs read them where they lay when they were captured."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor


class Stamp:
    """Remembers where tensors lie and how often they were written to."""

    def __init__(self, tensors: Iterable[Tensor]) -> None:
        self._tensors = tuple(tensors)
        self._seen = self._now()

    def changed(self) -> bool:
        """Whether one of them is another than at the last call."""
        before, self._seen = self._seen, self._now()
        return before != self._seen

    def _now(self) -> int:
        return hash(tuple((t.data_ptr(), 0 if t.is_inference() else t._version) for t in self._tensors))
