"""One of torch's threads for small operations, all for large ones, and a second core for what can wait."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest
import torch

from worldsim.model.threads import all_threads, aside, one_thread, spare
from worldsim.model.warp import warp, warp_aside


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_threads_are_spared_and_given_back() -> None:
    assert not spare()
    with one_thread():
        assert torch.get_num_threads() == 1 and spare()
        with all_threads():
            assert torch.get_num_threads() == 3 and not spare()
            with one_thread(), all_threads():
                assert torch.get_num_threads() == 3
        assert torch.get_num_threads() == 1 and spare()
        with one_thread():
            assert spare()
    assert torch.get_num_threads() == 3 and not spare()
    with all_threads(), one_thread(False):
        assert torch.get_num_threads() == 3 and not spare()


def test_threads_are_given_back_after_an_error() -> None:
    with pytest.raises(KeyError), one_thread(), all_threads():
        raise KeyError
    assert torch.get_num_threads() == 3 and not spare()


def test_one_thread_is_all_there_is_to_spare() -> None:
    torch.set_num_threads(1)
    with one_thread():
        assert not spare()
        assert aside(threading.get_ident)() == threading.get_ident()


def test_work_aside_is_done_by_another_thread_in_the_same_mode() -> None:
    def work() -> tuple[int, bool, int]:
        return threading.get_ident(), torch.is_inference_mode_enabled(), torch.get_num_threads()

    with one_thread():
        with torch.inference_mode():
            who, inference, count = aside(work)()
        assert who != threading.get_ident() and inference and count == 1
        assert not aside(work)()[1]
    assert torch.get_num_threads() == 3
    counts: list[int] = []
    other = threading.Thread(target=lambda: counts.append(torch.get_num_threads()))
    other.start()
    other.join()
    assert counts == [3], "of threads that begin later it changes nothing"


def test_errors_aside_are_raised_where_the_result_is_asked_for() -> None:
    def fail() -> None:
        raise KeyError("aside")

    with one_thread():
        later = aside(fail)
        with pytest.raises(KeyError, match="aside"):
            later()
    with pytest.raises(KeyError):
        aside(fail)()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_process_that_is_forked_off_has_a_thread_of_its_own() -> None:
    with one_thread():
        assert aside(lambda: 1)() == 1
        child = os.fork()
        if child == 0:
            os._exit(7 if aside(lambda: 7)() == 7 else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_what_is_warped_aside_is_the_same() -> None:
    generator = torch.Generator().manual_seed(0)
    frames, depth = (
        torch.rand(3, 3, 24, 40, generator=generator),
        torch.rand(3, 1, 24, 40, generator=generator) * 9,
    )
    turn = torch.linalg.qr(torch.eye(3) + 0.05 * torch.randn(3, 3, 3, generator=generator)).Q
    given = frames, depth, turn, torch.randn(3, 3, generator=generator) * 0.3, torch.ones(24, 40) > 0
    now, lazily = warp(*given, solid=True), warp_aside(*given, solid=True)()
    with one_thread():
        later = warp_aside(*given, solid=True)()
    for other in (lazily, later):
        assert torch.equal(now.frames, other.frames) and torch.equal(now.depth, other.depth)
        assert torch.equal(now.known, other.known)
