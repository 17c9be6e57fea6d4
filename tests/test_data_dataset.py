"""Clips of recorded episodes: the right frames, with and without a cache, and resumable."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_fakes import make_episode

from worldsim.data.cache import ArrayCache, default_cache
from worldsim.data.dataset import ClipDataset
from worldsim.data.episode import led_to
from worldsim.data.storage import EpisodeStore
from worldsim.errors import DatasetError, IntegrityError, UsageError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with EpisodeStore(tmp_path / "set", write=True) as store:
        for seed, length in enumerate((30, 3, 50)):
            store.write(make_episode(length, seed=seed))
    return tmp_path / "set"


@pytest.fixture(autouse=True)
def user_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return default_cache()


@pytest.mark.parametrize("cache", ["auto", None])
def test_every_clip_is_exact(folder: Path, user_cache: Path, cache: str | None) -> None:
    data = ClipDataset(folder, length=8, cache=cache)
    assert len(data) == (31 - 7) + (51 - 7)
    number = 0
    for seed, length in ((0, 30), (2, 50)):
        episode = make_episode(length, seed=seed)
        for start in range(length + 1 - 7):
            clip = data.clip(number)
            number += 1
            window = slice(start, start + 8)
            np.testing.assert_array_equal(clip.frames, episode.frames[window])
            np.testing.assert_array_equal(clip.actions, led_to(episode.actions)[window])
            np.testing.assert_array_equal(clip.depth, episode.depth[window])
            np.testing.assert_array_equal(clip.pose, episode.columns["pose"][window])
            np.testing.assert_array_equal(clip.signals[:, 6], episode.columns["slot"][window])
            assert clip.caption == f"a plain at noon {start + 7}"
    assert len(list(user_cache.glob("*.raw"))) == (4 if cache else 0)
    data.close()
    assert data.clip(0).frames.shape == (8, 20, 32, 3)


def test_batches_depend_on_seed_and_draw_alone(folder: Path) -> None:
    a, b = ClipDataset(folder, length=4, batch=5, seed=1), ClipDataset(folder, length=4, seed=2, cache=None)
    first = [a.sample() for _ in range(8)]
    b.load_state_dict({"seed": 1, "draws": 6})
    for x in first[6:]:
        y = b.sample(5)
        np.testing.assert_array_equal(x.frames, y.frames)
        np.testing.assert_array_equal(x.depth, y.depth)
        assert x.captions == y.captions
    assert a.state_dict() == b.state_dict() == {"seed": 1, "draws": 8}
    assert first[0].frames.shape == (5, 4, 20, 32, 3) and first[0].frames.flags.writeable


def test_many_files_are_not_open_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with EpisodeStore(tmp_path / "set", write=True) as store:
        for seed in range(6):
            store.write(make_episode(5, seed=seed))
    monkeypatch.setattr("worldsim.data.dataset._OPEN", 3)
    for cache in ("auto", None):
        data = ClipDataset(tmp_path / "set", length=2, cache=cache)
        for number in [*range(len(data)), *range(len(data))]:
            episode = make_episode(5, seed=number // 5)
            np.testing.assert_array_equal(data.clip(number).frames[0], episode.frames[number % 5])
            assert len(data._open) <= 3


def test_depth_and_signals_that_some_episodes_lack_are_nan_there(folder: Path) -> None:
    lacking = make_episode(20, depth=False)
    lacking = replace(lacking, columns={"pose": lacking.columns["pose"]})
    with EpisodeStore(folder, write=True) as store:
        store.write(lacking)
    data = ClipDataset(folder, length=2)
    clip, first = data.clip(len(data) - 1), data.clip(0)
    assert clip.depth is not None and clip.depth.dtype == np.float16 and np.isnan(clip.depth).all()
    assert clip.signals is not None and np.isnan(clip.signals).all() and clip.pose is not None
    assert first.depth is not None and np.isfinite(first.depth).all() and data.poseless is None


def test_depth_that_no_episode_has_no_batch_has(tmp_path: Path) -> None:
    with EpisodeStore(tmp_path / "flat", write=True) as store:
        store.write(make_episode(20, depth=False))
    data = ClipDataset(tmp_path / "flat", length=2)
    assert data.sample().depth is None and not data.has_depth


def test_a_pose_that_some_episodes_lack_no_batch_has(folder: Path) -> None:
    with EpisodeStore(folder, write=True) as store:
        store.write(replace(make_episode(20), columns={}))
    data = ClipDataset(folder, length=2)
    assert data.sample().pose is None and data.poseless == EpisodeStore(folder).names[-1]


def test_damage_is_noticed(folder: Path) -> None:
    video = folder / "ep-000000" / "frames.mp4"
    data = bytearray(video.read_bytes())
    data[len(data) // 2] ^= 1
    video.write_bytes(data)
    for cache in ("auto", None):
        with pytest.raises(IntegrityError, match=r"ep-000000/frames\.mp4"):
            ClipDataset(folder, length=8, cache=cache).clip(0)


def test_a_full_or_missing_cache_is_no_error(folder: Path, user_cache: Path) -> None:
    assert ClipDataset(folder, length=8, cache_gb=0).sample().frames.shape == (1, 8, 20, 32, 3)
    assert not list(user_cache.glob("*"))
    user_cache.parent.mkdir(exist_ok=True)
    user_cache.rmdir()
    user_cache.touch()
    assert ClipDataset(folder, length=8).sample().frames.shape == (1, 8, 20, 32, 3)
    assert list((folder / ".cache").glob("*.raw"))
    assert len(EpisodeStore(folder)) == 3


def test_cache_removes_the_longest_unused(tmp_path: Path) -> None:
    def keep(cache: ArrayCache, name: str) -> Any:
        return cache.get(name, "|u1", (400_000,), lambda: np.full(400_000, 7, np.uint8))

    old = ArrayCache(tmp_path, limit_gb=0.001)
    keep(old, "a")
    keep(old, "b")
    os.utime(tmp_path / "b.raw", (1, 1))
    assert keep(old, "c") is None  # what it uses itself it keeps
    new = ArrayCache(tmp_path, limit_gb=0.001)
    assert (keep(new, "c") == 7).all()
    assert sorted(os.listdir(tmp_path)) == ["a.raw", "c.raw"]


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"length": 0}, UsageError, "length: got 0"),
        ({"length": 2, "batch": 0}, UsageError, "batch: got 0"),
        ({"length": 2, "seed": -1}, UsageError, "seed: got -1"),
        ({"length": 52}, DatasetError, "no episode has 52 frames .the longest has 51"),
    ],
)
def test_bad_arguments(folder: Path, options: Any, kind: Any, message: str) -> None:
    with pytest.raises(kind, match=message):
        ClipDataset(folder, **options)


def test_mixed_sizes_are_refused(folder: Path) -> None:
    with EpisodeStore(folder, write=True) as store:
        store.write(make_episode(20, width=16))
    with pytest.raises(DatasetError, match="differ in size"):
        ClipDataset(folder, length=2)


def test_the_example_runs(tmp_path: Path) -> None:
    example = Path(__file__).parents[1] / "examples" / "record_and_read.py"
    command = [sys.executable, str(example), "--out", str(tmp_path / "out"), "--steps", "15"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "frames (4, 12, 96, 160, 3)" in done.stdout
