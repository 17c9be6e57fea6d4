"""The live source: determinism in this process, workers, their death and their end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest
from data_fakes import alive

from worldsim.actions import CAMERA, INDEX
from worldsim.data.episode import ClipBatch
from worldsim.data.live import LiveSource
from worldsim.data.ring import Ring, RingLayout, allocate
from worldsim.data.stream import GameStream
from worldsim.errors import UsageError, WorldSimError


def make(engine: str = "TinyEngine", **options: Any) -> LiveSource:
    defaults: dict[str, Any] = dict(
        length=6, batch=4, workers=0, width=16, height=16, episode_ticks=(20, 40), engines=3, memory_mb=0.5, nice=0,
        factories=(f"data_fakes:{engine}", "data_fakes:TinyPolicy"),
    )  # fmt: skip
    return LiveSource(**{**defaults, **options})


def check_clips(batch: ClipBatch) -> None:
    """Every clip lies in one world, ticks follow each other, and actions led to their frames."""
    world, tick, x = (batch.frames[:, :, 0, 0, c].astype(int) for c in range(3))
    assert (world == world[:, :1]).all()
    assert (np.diff(tick, axis=1) == 1).all()
    assert batch.depth is not None and batch.pose is not None and batch.signals is not None
    assert batch.depth.dtype == np.float16
    np.testing.assert_array_equal(batch.depth[:, :, 0, 0], tick + 1)
    np.testing.assert_array_equal(np.diff(x, axis=1), batch.actions[:, 1:, INDEX["forward"]])
    np.testing.assert_array_equal(
        np.diff(batch.pose[..., 3:], axis=1), batch.actions[:, 1:, CAMERA][..., ::-1]
    )
    np.testing.assert_array_equal(batch.signals[..., 6], tick % 9)
    assert (batch.actions[tick == 0] == 0).all()
    assert batch.captions == tuple(f"a tiny world {w}" for w in world[:, -1])


def test_clips_without_workers_are_aligned() -> None:
    source = make()
    for _ in range(50):
        check_clips(source.sample())


def test_clips_without_workers_depend_on_seed_and_draw_alone() -> None:
    first, second, other = make(seed=7), make(seed=7), make(seed=8)
    a = [first.sample() for _ in range(30)]
    second.load_state_dict({"seed": 7, "draws": 20})
    b = [second.sample() for _ in range(10)]
    for x, y in zip(a[20:], b):
        np.testing.assert_array_equal(x.frames, y.frames)
        np.testing.assert_array_equal(x.actions, y.actions)
        assert x.captions == y.captions
    assert first.state_dict() == second.state_dict() == {"seed": 7, "draws": 30}
    assert not np.array_equal(a[0].frames, other.sample().frames)


def test_worlds_move_on() -> None:
    source = make(reuse=1)
    worlds = [set(source.sample().frames[:, 0, 0, 0, 0].tolist()) for _ in range(60)]
    assert len(set.union(*worlds)) > 20


def test_worlds_have_training_seeds() -> None:
    from data_fakes import TinyEngine, TinyPolicy

    engine = TinyEngine()
    stream = GameStream(engine, TinyPolicy(0), key=(0,), episode_ticks=(2, 3))
    seeds = set()
    for _ in range(50):
        stream.next()
        seeds.add(engine.seed)
    assert len(seeds) > 10 and min(seeds) >= 1_000_000 and max(seeds) < 2**64


def test_a_short_life_is_a_short_episode() -> None:
    source = make("MortalEngine", length=5)
    for _ in range(10):
        check_clips(source.sample())
    with pytest.raises(WorldSimError, match="lower length"):
        make("MortalEngine", length=15).sample()


def test_workers_stream_clips() -> None:
    with make(workers=2, reuse=2) as source:
        worlds = set()
        for _ in range(300):
            batch = source.sample()
            check_clips(batch)
            worlds |= set(batch.frames[:, 0, 0, 0, 0].tolist())
        assert source.sample(9).frames.shape == (9, 6, 16, 16, 3)
        assert len(worlds) > 12  # beyond the first world of each engine
        pids = [process.pid for process in source._crew._processes]
    assert not any(map(alive, pids))


def test_workers_pause() -> None:
    with make(workers=1, reuse=4, engines=2, memory_mb=0.2) as source:
        source.sample()
        crew = source._crew
        capacity = crew.ring.layout.ticks * 2
        deadline = time.monotonic() + 60
        while crew.ring.heads.sum() < capacity and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.2)
        assert capacity <= crew.ring.heads.sum() <= capacity + 4 * 6 / 4 + 2


def test_without_depth() -> None:
    assert make(depth=False).sample().depth is None
    with make(depth=False, workers=1) as source:
        assert source.sample().depth is None


def test_a_worker_that_fails_is_reported() -> None:
    source = make("BrokenEngine", workers=1, episode_ticks=(200, 300))
    with source, pytest.raises(WorldSimError, match=r"worker 0 ended.*the tiny world ended"):
        for _ in range(10_000):
            source.sample()


def test_a_killed_worker_is_reported() -> None:
    with make(workers=1) as source:
        source.sample()
        os.kill(source._crew._processes[0].pid, signal.SIGKILL)
        source._crew._processes[0].wait()
        with pytest.raises(WorldSimError, match="worker 0 ended with status -9"):
            source.sample()


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_their_parent(stop: signal.Signals) -> None:
    script = (
        "import time, sys\n"
        "from test_live import make\n"
        "source = make(workers=2)\n"
        "source.sample()\n"
        "print(*[p.pid for p in source._crew._processes], flush=True)\n"
        "time.sleep(60)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(__file__)}
    parent = subprocess.Popen(
        [sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert parent.stdout is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 2 and all(map(alive, pids))
    parent.send_signal(stop)
    parent.wait(60)
    parent.stdout.close()
    deadline = time.monotonic() + 60
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(alive, pids))


def test_ring_does_not_give_what_is_overwritten() -> None:
    from data_fakes import TinyEngine, TinyPolicy

    layout = RingLayout(1, 1, 64, 16, 16)
    fd = allocate(layout.nbytes())
    ring = Ring(layout, fd)
    os.close(fd)
    stream = GameStream(TinyEngine(), TinyPolicy(0), key=(0,), episode_ticks=(1000, 1000))
    for _ in range(70):
        ring.write(0, stream.next())
    windows = ring.draw(np.random.default_rng(0), 100, 8)
    assert len(windows) == 100 and windows[:, 1].min() >= 70 - 64 + 4 and windows[:, 1].max() == 62
    assert ring.intact(windows).all()
    check_clips(ring.read(windows, 8))
    for _ in range(20):
        ring.write(0, stream.next())
    np.testing.assert_array_equal(ring.intact(windows), windows[:, 1] > 90 - 64)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"length": 0}, "length: got 0"),
        ({"batch": 0}, "batch: got 0"),
        ({"workers": -1}, "workers: got -1"),
        ({"reuse": 0}, "reuse: got 0"),
        ({"seed": -1}, "seed: got -1"),
        ({"length": 21}, "episode_ticks"),
        ({"workers": 1, "memory_mb": 0.01}, "memory_mb: 0.01 MB hold"),
    ],
)
def test_bad_arguments(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make(**options)


def test_unknown_names() -> None:
    with pytest.raises(UsageError, match="did you mean worldsim/Voxel-v0"):
        LiveSource("worldsim/Voxel-v1", length=4, batch=1)
