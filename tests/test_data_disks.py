"""Full disks, folders that can't be written and sudden death lose the open episode only."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from data_fakes import check_equal, make_episode

from worldsim.data.storage import EpisodeStore
from worldsim.data.verify import verify
from worldsim.errors import ResourceLimitError


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
from data_fakes import check_equal, make_episode
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
from data_fakes import check_equal, make_episode
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
