"""Clips that stay on the device: the same windows as the rings hold, kept longer, and failures that are told."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from data_fakes import alive
from test_live import check_clips, make
from worldsim.train import resident
from worldsim.train.clips import ClipTensors
from worldsim.train.resident import Resident

from worldsim.data.episode import ClipBatch
from worldsim.errors import UsageError, WorldSimError


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(resident, "_PAUSE_SECONDS", 0.01)
    yield


def build(**options: Any) -> Resident:
    return Resident(make(**{"workers": 2, **options}), torch.device("cpu"), gigabytes=0.004)


def arrays(batch: ClipBatch) -> ClipBatch:
    values = {k: v if k == "captions" else torch.as_tensor(v).numpy() for k, v in vars(batch).items()}
    return ClipBatch(**values)


def test_clips_are_whole_and_come_from_all_games() -> None:
    source, worlds = build(), set()
    try:
        store = source.start()
        while (store.heads <= 2 * store.ticks).any():  # until what lies there was overwritten
            clips = source.sample()
            assert isinstance(clips.frames, torch.Tensor)
            check_clips(arrays(clips))
            worlds |= set(clips.captions)
            time.sleep(0.002)
        check_clips(arrays(source.sample(5, length=12)))
        assert (
            store.crew.ring.heads.reshape(2, 3).max(1) <= store.heads + store.crew.ring.layout.ticks
        ).all()
    finally:
        source.close()
    assert len(worlds) > 20
    assert not any(alive(process.pid) for process in store.crew._processes)


def test_clips_that_were_overwritten_while_they_were_read_are_drawn_again() -> None:
    source = build()
    try:
        store = source.start()
        while (store.heads <= 2 * store.ticks).any():
            time.sleep(0.01)
        honest, drawn = store._draw, []

        def late(count: int, length: int) -> Any:
            drawn.append(honest(count, length))
            return drawn[0] - [0, store.ticks] if len(drawn) < 3 else drawn[-1]

        store._draw = late  # type: ignore[method-assign]
        check_clips(arrays(source.sample()))
    finally:
        source.close()
    assert len(drawn) >= 3


def test_the_trainer_takes_them_as_they_are() -> None:
    source = build(workers=1)
    try:
        clips = source.sample()
        tensors = ClipTensors(clips, torch.device("cpu"))
        assert tensors.frames.data_ptr() == torch.as_tensor(clips.frames).data_ptr()
        np.testing.assert_array_equal(tensors.pose.numpy(), clips.pose)
    finally:
        source.close()


def test_a_worker_that_fails_is_told_of() -> None:
    source = build(engine="BrokenEngine", episode_ticks=(200, 300))
    try:
        with pytest.raises(WorldSimError, match=r"live source: .*worker \d ended"):
            for _ in range(2000):
                source.sample()
                time.sleep(0.01)
    finally:
        source.close()


def test_clips_longer_than_an_episode_are_refused() -> None:
    source = build()
    try:
        with pytest.raises(UsageError, match="length: got 21, expected 1 to 20"):
            source.sample(length=21)
        check_clips(arrays(source.sample(length=20)))
    finally:
        source.close()


def test_it_needs_workers_and_goes_on_in_new_worlds() -> None:
    with pytest.raises(UsageError, match="workers: got 0"):
        build(workers=0).start()
    source = build()
    try:
        seen = {caption for _ in range(5) for caption in source.sample().captions}
        state = source.state_dict()
        assert state["draws"] == 5
    finally:
        source.close()
    again = build()
    again.load_state_dict(state)
    try:
        assert not seen & {caption for _ in range(5) for caption in again.sample().captions}
    finally:
        again.close()
