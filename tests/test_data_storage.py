"""The episode store: exact round trips and atomic commits."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from data_fakes import check_equal, make_episode

from worldsim.data.episode import Episode, collate, led_to
from worldsim.data.info import info
from worldsim.data.storage import EpisodeStore
from worldsim.data.verify import verify
from worldsim.errors import DatasetError, UsageError


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
