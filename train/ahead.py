"""The next batch is drawn while the present one is trained on."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from worldsim.data.episode import ClipBatch


class Source(Protocol):
    """An endless source of clips whose place can be saved."""

    def sample(self, batch: int | None = None, *, length: int | None = None) -> ClipBatch: ...
    def state_dict(self) -> dict[str, int]: ...
    def load_state_dict(self, state: dict[str, int]) -> None: ...
    def close(self) -> None: ...


class Ahead:
    """A source that is one batch ahead, in a thread: copying clips together takes a GPU's time otherwise.

    The batch that was drawn last and not yet given out is skipped by a resumed run.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ahead")
        self._next: Future[ClipBatch] | None = None

    def sample(self, batch: int | None = None, *, length: int | None = None) -> ClipBatch:
        """The batch that was begun by the call before; begins the next one. One of another size comes at once."""
        if batch is not None or length is not None:
            return self._thread.submit(self._source.sample, batch, length=length).result()
        clips = self._source.sample() if self._next is None else self._next.result()
        self._next = self._thread.submit(self._source.sample)
        return clips

    def state_dict(self) -> dict[str, int]:
        self._settle()
        return self._source.state_dict()

    def load_state_dict(self, state: dict[str, int]) -> None:
        self._settle()
        self._next = None
        self._source.load_state_dict(state)

    def close(self) -> None:
        """Wait for the batch under way, then close the source; an error in that batch is nobody's."""
        self._thread.shutdown()
        self._source.close()

    def _settle(self) -> None:
        if self._next is not None:
            self._next.exception()  # waits, and leaves an error to the next `sample`
