"""The episode store: exact round trips, atomic commits, damage found and mended."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_fakes import make_episode

from worldsim.data.arrays import ArrayWriter
from worldsim.data.episode import Episode, collate, led_to
from worldsim.data.info import info
from worldsim.data.repair import repair
from worldsim.data.storage import EpisodeStore
from worldsim.data.verify import verify
from worldsim.errors import DatasetError, IntegrityError, ResourceLimitError, UnsupportedVersion, UsageError


def check_equal(a: Episode, b: Episode) -> None:
    for name in ("frames", "actions", "rewards", "depth"):
        x, y = getattr(a, name), getattr(b, name)
        assert (x is None) == (y is None)
        if x is not None:
            assert x.dtype == y.dtype
            np.testing.assert_array_equal(x, y)
    assert a.columns.keys() == b.columns.keys()
    for name in a.columns:
        assert a.columns[name].dtype == b.columns[name].dtype
        np.testing.assert_array_equal(a.columns[name], b.columns[name])
    assert (a.captions, a.terminated, a.truncated, a.meta) == (b.captions, b.terminated, b.truncated, b.meta)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    folder = tmp_path / "set"
    with EpisodeStore(folder, write=True) as store:
        for seed in range(3):
            store.write(make_episode(30 + seed, seed=seed))
    return folder


@pytest.mark.parametrize("size", [(32, 20), (33, 19), (160, 96), (1, 1)])
@pytest.mark.parametrize("length", [0, 1, 31, 32, 33])
def test_round_trip_is_exact(tmp_path: Path, size: tuple[int, int], length: int) -> None:
    episode = make_episode(length, width=size[0], height=size[1])
    with EpisodeStore(tmp_path / "set", write=True) as store:
        assert store.write(episode) == "ep-000000"
    check_equal(EpisodeStore(tmp_path / "set").read(0), episode)
    assert verify(tmp_path / "set").ok


def test_episodes_are_numbered_and_continued(dataset: Path) -> None:
    with EpisodeStore(dataset, write=True) as store:
        assert store.names == ("ep-000000", "ep-000001", "ep-000002")
        assert store.write(make_episode(3, depth=False)) == "ep-000003"
        assert len(store) == 4
    check_equal(EpisodeStore(dataset).read(1), make_episode(31, seed=1))
    check_equal(EpisodeStore(dataset).read(-1), make_episode(3, depth=False))
    report = info(dataset)
    assert (report.episodes, report.frames, report.depth) == (4, 31 + 32 + 33 + 4, 3)
    assert report.envs == {"tiny": 4} and report.sizes == {"32x20": 4}
    with pytest.raises(DatasetError, match="got episode 4"):
        EpisodeStore(dataset).read(4)


def test_files_are_compressed_and_the_same_each_time(tmp_path: Path) -> None:
    episode = Episode(**{**make_episode(40).__dict__, "depth": np.full((41, 20, 32), 512, np.float16)})
    for name in "ab":
        with EpisodeStore(tmp_path / name, write=True) as store:
            store.write(episode)
    for part in ("frames.mp4", "steps.npz", "depth.npz", "meta.json"):
        a, b = ((tmp_path / name / "ep-000000" / part).read_bytes() for name in "ab")
        assert a == b
    assert (tmp_path / "a" / "ep-000000" / "depth.npz").stat().st_size < episode.depth.nbytes / 20


def test_one_writer_at_a_time(dataset: Path) -> None:
    with EpisodeStore(dataset, write=True):
        with pytest.raises(UsageError, match="another process writes"):
            EpisodeStore(dataset, write=True)
        assert len(EpisodeStore(dataset)) == 3
    EpisodeStore(dataset, write=True).close()
    with pytest.raises(UsageError, match="open for reading"):
        EpisodeStore(dataset).begin()


def test_an_open_episode_is_invisible_and_can_be_dropped(dataset: Path) -> None:
    with EpisodeStore(dataset, write=True) as store:
        store.begin().start(np.zeros((20, 32, 3), np.uint8))
        assert len(EpisodeStore(dataset)) == 3 and verify(dataset).ok
    assert not [name for name in os.listdir(dataset) if name.startswith(".tmp")]


def test_a_column_that_is_not_there_every_tick_is_dropped(tmp_path: Path) -> None:
    frame = np.zeros((16, 16, 3), np.uint8)
    with EpisodeStore(tmp_path, write=True) as store:
        writer = store.begin()
        writer.start(frame, columns={"a": 1, "b": np.zeros(2), "c": 1.0, "d": "text"})
        writer.step(np.zeros(25, np.float32), 0.0, frame, columns={"a": 2, "b": np.zeros(3)})
        writer.commit(terminated=False, truncated=True, meta={})
        assert store.read(0).columns.keys() == {"a"}


def test_led_to_shifts_by_one() -> None:
    actions = np.arange(50, dtype=np.float32).reshape(2, 25)
    np.testing.assert_array_equal(led_to(actions), np.concatenate([np.zeros((1, 25)), actions]))
    episode = make_episode(5)
    clip = episode.clip(2, 3)
    np.testing.assert_array_equal(clip.actions, episode.actions[1:4])
    np.testing.assert_array_equal(clip.frames, episode.frames[2:5])
    assert clip.caption == "a plain at noon 4"
    assert (episode.clip(0, 1).actions == 0).all()
    with pytest.raises(DatasetError, match="clip"):
        episode.clip(4, 3)
    with pytest.raises(DatasetError, match="different shapes"):
        collate([clip, episode.clip(0, 2)])
    with pytest.raises(DatasetError, match="expected one or more"):
        collate([])


def test_inconsistent_episodes_are_refused() -> None:
    good = make_episode(4)
    for change in (
        {"frames": good.frames.astype(np.float32)},
        {"frames": good.frames[1:]},
        {"rewards": good.rewards[1:]},
        {"columns": {"pose": np.zeros((4, 5))}},
        {"depth": np.zeros((5, 1, 1), np.float16)},
        {"captions": ["one"]},
    ):
        with pytest.raises(DatasetError, match=f"{next(iter(change))}|actions"):
            Episode(**{**good.__dict__, **change})


# Damage ---------------------------------------------------------------------------------------


def rewrite_meta(folder: Path, **changes: Any) -> None:
    values = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps({**values, **changes}))


def bomb(folder: Path) -> None:
    with open(folder / "steps.npz", "wb") as file:
        writer = ArrayWriter(file)
        writer.append("actions", np.zeros((1000, 1000, 25), np.float32))
        writer.close()


def objects(folder: Path) -> None:
    np.savez(folder / "steps.npz", actions=np.array([{}], object), rewards=np.zeros(1))


def swap(folder: Path) -> None:
    other = folder.parent / "ep-000000"
    os.rename(folder, folder.parent / "x")
    os.rename(other, folder)
    os.rename(folder.parent / "x", other)


def flip(folder: Path, name: str, at: float) -> None:
    data = bytearray((folder / name).read_bytes())
    data[int(at * (len(data) - 1))] ^= 1
    (folder / name).write_bytes(data)


DAMAGE: dict[str, Callable[[Path], Any]] = {
    "video flipped": lambda f: flip(f, "frames.mp4", 0.5),
    "video's last byte": lambda f: flip(f, "frames.mp4", 1.0),
    "steps flipped": lambda f: flip(f, "steps.npz", 0.3),
    "depth flipped": lambda f: flip(f, "depth.npz", 0.7),
    "meta flipped": lambda f: flip(f, "meta.json", 0.5),
    "video cut": lambda f: os.truncate(f / "frames.mp4", 3000),
    "video empty": lambda f: os.truncate(f / "frames.mp4", 0),
    "steps cut": lambda f: os.truncate(f / "steps.npz", 300),
    "depth cut": lambda f: os.truncate(f / "depth.npz", 300),
    "meta cut": lambda f: os.truncate(f / "meta.json", 100),
    "meta empty": lambda f: os.truncate(f / "meta.json", 0),
    "video missing": lambda f: (f / "frames.mp4").unlink(),
    "steps missing": lambda f: (f / "steps.npz").unlink(),
    "depth missing": lambda f: (f / "depth.npz").unlink(),
    "meta missing": lambda f: (f / "meta.json").unlink(),
    "meta is a list": lambda f: (f / "meta.json").write_text("[1]"),
    "meta has a BOM": lambda f: (f / "meta.json").write_text("\ufeff" + (f / "meta.json").read_text()),
    "meta is deep": lambda f: (f / "meta.json").write_text('{"a":' * 100_000),
    "meta is huge": lambda f: (f / "meta.json").write_text(" " * 2_000_000),
    "meta has a key twice": lambda f: (f / "meta.json").write_text('{"frames": 1, "frames": 2}'),
    "meta has NaN": lambda f: rewrite_meta(f, fps=float("nan")),
    "frames off by one": lambda f: rewrite_meta(f, frames=31),
    "frames huge": lambda f: rewrite_meta(f, frames=10**9),
    "frames a float": lambda f: rewrite_meta(f, frames=32.0),
    "width wrong": lambda f: rewrite_meta(f, width=16),
    "fps 0": lambda f: rewrite_meta(f, fps=0),
    "version unknown": lambda f: rewrite_meta(f, version=99),
    "files escape": lambda f: rewrite_meta(f, files={"../manifest.json": {"size": 1, "sha256": ""}}),
    "arrays of objects": lambda f: rewrite_meta(f, arrays={"actions": {"dtype": "O", "shape": [31, 25]}}),
    "zip bomb": bomb,
    "pickled arrays": objects,
    "two episodes exchanged": swap,
    "episode missing": shutil.rmtree,
    "video is a link": lambda f: (
        os.rename(f / "frames.mp4", f.parent / "v"),
        os.symlink(f.parent / "v", f / "frames.mp4"),
    ),
    "video is a pipe": lambda f: ((f / "frames.mp4").unlink(), os.mkfifo(f / "frames.mp4")),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_named_and_mended(dataset: Path, what: str) -> None:
    DAMAGE[what](dataset / "ep-000001")
    report = verify(dataset)
    assert not report.ok
    assert {p.episode for p in report.problems} <= {"ep-000000", "ep-000001"}
    assert any(p.episode == "ep-000001" for p in report.problems)
    assert all("\n" not in str(p) for p in report.problems)
    mended = repair(dataset)
    assert verify(dataset).ok and mended.episodes >= 1
    check_equal(EpisodeStore(dataset).read(-1), make_episode(32, seed=2))
    again = repair(dataset)
    assert (again.removed, again.quarantined, again.indexed) == ((), (), ())
    with EpisodeStore(dataset, write=True) as store:
        assert store.write(make_episode(1)) == "ep-000003"  # numbers are not used twice


@pytest.mark.parametrize("what", ["video flipped", "steps flipped", "depth flipped", "video cut"])
def test_reading_notices_damage(dataset: Path, what: str) -> None:
    DAMAGE[what](dataset / "ep-000001")
    with pytest.raises(IntegrityError, match="ep-000001"):
        EpisodeStore(dataset).read(1)


def test_consistent_lies_are_noticed(tmp_path: Path) -> None:
    """A writer of another make, whose digests are right and whose values are not."""
    episode = make_episode(5)
    bad = {
        "finite": {"rewards": np.array([0, 1, np.nan, 0, 0], np.float32)},
        "out of range": {"actions": np.full((5, 25), 200, np.float32)},
        "expected \\[n, 25\\]": {"actions": np.zeros((5, 3), np.float32)},
    }
    with EpisodeStore(tmp_path, write=True) as store:
        for change in bad.values():
            store.write(Episode(**{**episode.__dict__, **change}))
    found = " ".join(str(p) for p in verify(tmp_path).problems)
    assert all(what.replace("\\", "") in found for what in bad)
    assert len(verify(tmp_path).warnings) == 2  # the same frames three times


@pytest.mark.parametrize("damage", ["remove", "cut", "garbage", "add"])
def test_the_index_is_rebuilt(dataset: Path, damage: str) -> None:
    index = dataset / "index.jsonl"
    data = index.read_bytes()
    if damage == "remove":
        index.unlink()
    else:
        index.write_bytes({"cut": data[:-20], "garbage": b"\xff\n" + data, "add": data + b"{"}[damage])
    assert not verify(dataset).ok
    repair(dataset)
    assert verify(dataset).ok and index.read_bytes() == data


def test_a_writer_mends_the_index(dataset: Path) -> None:
    os.truncate(dataset / "index.jsonl", 150)
    EpisodeStore(dataset, write=True).close()
    assert verify(dataset).ok


def test_foreign_folders(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="there is no such folder"):
        EpisodeStore(tmp_path / "none")
    with pytest.raises(DatasetError, match="is no dataset"):
        verify(tmp_path)
    with pytest.raises(DatasetError, match="is no dataset"):
        repair(tmp_path)
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"holds 'thesis.txt' and is no dataset"):
        EpisodeStore(tmp_path, write=True)
    assert os.listdir(tmp_path) == ["thesis.txt"]
    (tmp_path / "manifest.json").write_text('{"format": "other"}')
    with pytest.raises(DatasetError, match="not one of ours"):
        EpisodeStore(tmp_path)
    (tmp_path / "manifest.json").write_text('{"format": "worldsim-episodes", "version": 2}')
    with pytest.raises(UnsupportedVersion, match="update worldsim"):
        EpisodeStore(tmp_path)


def test_no_episodes(tmp_path: Path) -> None:
    EpisodeStore(tmp_path, write=True).close()
    assert verify(tmp_path).ok and info(tmp_path).episodes == 0 and repair(tmp_path).episodes == 0


# Disks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["mkdir", "video", "depth", "fsync", "rename"])
def test_a_full_disk_loses_the_open_episode_only(
    dataset: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    target = {
        "mkdir": "worldsim.data.writer.os.mkdir",
        "video": "worldsim.data.video.VideoWriter.append",
        "depth": "worldsim.data.arrays.ArrayWriter.append",
        "fsync": "worldsim.data.writer.sync_file",
        "rename": "worldsim.data.writer.os.rename",
    }[when]
    store = EpisodeStore(dataset, write=True)
    with monkeypatch.context() as patch:
        patch.setattr(target, full)
        with pytest.raises(ResourceLimitError, match="No space left on device"):
            store.write(make_episode(40))
    assert sorted(n for n in os.listdir(dataset) if not n.startswith(".lock")) == [
        "ep-000000", "ep-000001", "ep-000002", "index.jsonl", "manifest.json",
    ]  # fmt: skip
    assert verify(dataset).ok
    assert store.write(make_episode(2)) == "ep-000003"
    store.close()


def test_a_full_disk_after_the_commit_loses_nothing(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with EpisodeStore(dataset, write=True) as store:
        with monkeypatch.context() as patch:
            patch.setattr("worldsim.data.storage.append_index", full)
            with pytest.raises(ResourceLimitError, match="No space left"):
                store.write(make_episode(4, seed=9))
        check_equal(store.read(3), make_episode(4, seed=9))
        assert store.write(make_episode(2)) == "ep-000004"
    EpisodeStore(dataset, write=True).close()
    assert verify(dataset).ok and len(EpisodeStore(dataset)) == 5


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(*_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("pathlib.Path.mkdir", read_only)
    with pytest.raises(ResourceLimitError, match="Read-only file system"):
        EpisodeStore(tmp_path / "set", write=True)
    monkeypatch.undo()
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceLimitError, match="choose another folder"):
        EpisodeStore(tmp_path / "file", write=True)
    assert os.listdir(tmp_path) == ["file"]


LIMITED = """
import os, resource, sys
from data_fakes import make_episode
from worldsim.data.storage import EpisodeStore
from worldsim.errors import ResourceLimitError
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
store = EpisodeStore(sys.argv[1], write=True)
try:
    store.write(make_episode(40))
except ResourceLimitError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(store.write(make_episode(3)), sorted(os.listdir(sys.argv[1])))
"""


@pytest.mark.skipif(os.name != "posix", reason="needs limits of the system")
@pytest.mark.parametrize("limit", [3000, 40_000])
def test_writes_that_really_fail(tmp_path: Path, limit: int) -> None:
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(__file__)}
    command = [sys.executable, "-c", LIMITED, str(tmp_path), str(limit)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    error, rest = done.stdout.splitlines()
    assert "File too large" in error
    assert rest == "ep-000000 ['.lock', 'ep-000000', 'index.jsonl', 'manifest.json']"
    assert verify(tmp_path).ok


WRITER = """
import sys
from data_fakes import make_episode
from worldsim.data.storage import EpisodeStore
store = EpisodeStore(sys.argv[1], write=True)
print("ready", flush=True)
for seed in range(10_000):
    store.write(make_episode(10, seed=seed % 7))
    print(seed, flush=True)
"""


@pytest.mark.parametrize("delay", [0.005, 0.03, 0.05, 0.08, 0.11])
def test_kill_loses_the_open_episode_only(tmp_path: Path, delay: float) -> None:
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(__file__)}
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], env=environment, stdout=subprocess.PIPE
    )
    assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    announced = len(process.stdout.read().splitlines())
    process.wait()
    process.stdout.close()
    store = EpisodeStore(tmp_path)
    assert announced <= len(store) <= announced + 1
    for i in range(len(store)):
        check_equal(store.read(i), make_episode(10, seed=i % 7))
    with EpisodeStore(tmp_path, write=True) as store:
        assert store.write(make_episode(1)) == f"ep-{len(store) - 1:06d}"
    assert verify(tmp_path).ok
