"""Things that are due now and then along a run."""

from __future__ import annotations


class Due:
    """Says `count` times, evenly over the run, that something is due; the last time at its end."""

    def __init__(self, count: int, total: int, done: int) -> None:
        self._count, self._total = count, total
        self._last = self._place(done)

    def due(self, steps: int) -> bool:
        """Whether it is, now that so many steps are done."""
        place = self._place(steps)
        passed, self._last = place > self._last, place
        return passed

    def _place(self, steps: int) -> int:
        return int(min(steps, self._total) * self._count // self._total)
