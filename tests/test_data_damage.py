"""Damage of a dataset is found, named and mended."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_fakes import check_equal, make_episode

from worldsim.data.arrays import ArrayWriter
from worldsim.data.episode import Episode
from worldsim.data.info import info
from worldsim.data.repair import repair
from worldsim.data.storage import EpisodeStore
from worldsim.data.verify import verify
from worldsim.errors import DatasetError, IntegrityError, UnsupportedVersion, UsageError


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
