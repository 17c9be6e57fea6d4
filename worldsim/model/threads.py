"""How a tick uses several cores: the network's operations by all of torch's threads, all others by one.

A tick is a thousand operations on a frame or two. Those of more than 32,768 numbers torch shares out among its
threads, and to wake them up takes longer, by five to ten times, than to do the whole of it.

    with one_thread():
        noise = aside(draw_noise)  # on a second core, if there is one to spare
        ...  # small operations
        with all_threads():
            ...  # a large one: as many as there were before
        use(noise())
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

T = TypeVar("T")


class _Spared(threading.local):
    """What torch was set to before it was set to one thread; 0: it was not."""

    count = 0


_spared = _Spared()


@contextmanager
def one_thread(wanted: bool = True) -> Iterator[None]:
    """Let torch use one thread in the block, if that is `wanted`; how many it is set to is the calling thread's."""
    before = torch.get_num_threads()
    if not wanted or before == 1:
        yield
        return
    outer, _spared.count = _spared.count, before
    torch.set_num_threads(1)
    try:
        yield
    finally:
        _spared.count = outer
        torch.set_num_threads(before)


@contextmanager
def all_threads() -> Iterator[None]:
    """Let torch use all threads again that a block of `one_thread` around this one has spared."""
    count = _spared.count
    if not count:
        yield
        return
    _spared.count = 0
    torch.set_num_threads(count)
    try:
        yield
    finally:
        _spared.count = count
        torch.set_num_threads(1)


def spare() -> bool:
    """Whether `one_thread` spares a core, so that what is begun `aside` takes no time of the calling thread's."""
    return _spared.count > 0


def aside(work: Callable[[], T]) -> Callable[[], T]:
    """Begin `work` on a second core, where `one_thread` spares one, and go on; its result is had by a call.

    Without one it is done at that call. It must not change what others read, nor begin work aside itself; and it has to
    be one long operation that leaves Python alone: two threads of short ones take as long as one after the other.
    """
    if not spare():
        return work
    inference = torch.is_inference_mode_enabled()

    def run() -> T:
        with torch.inference_mode(inference):
            return work()

    return _helper().submit(run).result


_pool: ThreadPoolExecutor | None = None
_opening = threading.Lock()


def _helper() -> ThreadPoolExecutor:
    """The one thread that works aside, with one of torch's threads."""
    global _pool
    with _opening:
        if _pool is None:
            _pool = ThreadPoolExecutor(1, "worldsim-aside")
            before = torch.get_num_threads()
            _pool.submit(_be_alone).result()
            torch.set_num_threads(before)  # of threads that begin later, too
    return _pool


def _be_alone() -> None:
    torch.get_num_threads()  # only then it is this thread's own number that is set
    torch.set_num_threads(1)


def _forget() -> None:
    """A process that is forked off has no such thread."""
    global _pool, _opening
    _pool, _opening = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
