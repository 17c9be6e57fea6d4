"""Which of torch's operations are worth several threads: the network's. All others get one.

A tick is a thousand operations on a frame or two. Those of more than 32,768 numbers torch shares out among its
threads, and to wake them up takes longer, by five to ten times, than to do the whole of it.

    with one_thread():
        ...  # small operations
        with all_threads():
            ...  # a large one: as many as there were before
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch


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
