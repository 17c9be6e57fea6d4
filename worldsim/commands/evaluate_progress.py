"""How far an evaluation is: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EVERY = 60.0
"""Seconds between two lines on the same metric, at the least."""


@contextmanager
def shown() -> Iterator[Callable[[int, int, str, str], None]]:
    """Something to be told of progress (`evaluate.run.Tell`), which shows it on stderr."""
    if not sys.stderr.isatty():
        yield Lines().tell
        return
    from tqdm import tqdm

    with tqdm(unit="frame", leave=False) as bar:

        def tell(done: int, total: int, metric: str, doing: str) -> None:
            bar.total, bar.n = total or None, done
            bar.set_description(f"{metric}, {doing}" if doing else metric, refresh=False)
            bar.refresh()

        yield tell


class Lines:
    """A line when a metric begins, then one every minute at most.

    Args:
        clock: seconds from any origin.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._began = clock, clock()
        self._metric, self._said = "", 0.0

    def tell(self, done: int, total: int, metric: str, doing: str) -> None:
        """Say how far it is, if it is time to."""
        now = self._clock()
        if metric == self._metric and now - self._said < EVERY:
            return
        self._metric, self._said = metric, now
        frames = f"{done:,} of {total:,} frames" if total else ""
        parts = (metric, doing, frames, f"{(now - self._began) / 60:.0f} min")
        print(f"worldsim evaluate: {', '.join(p for p in parts if p)}", file=sys.stderr, flush=True)
