"""The recorder, rollouts and videos: what is stored is what was lived."""

from __future__ import annotations

import errno
import json
import signal
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from data_fakes import TinyEngine

from worldsim.actions import action_space, noop, to_dict, to_vector
from worldsim.data.recorder import Recorder
from worldsim.data.rollout import record
from worldsim.data.storage import EpisodeStore
from worldsim.data.verify import verify
from worldsim.data.video import VideoReader, VideoWriter, write_video
from worldsim.data.writer import EpisodeWriter
from worldsim.errors import InvalidAction, MediaError, ResourceLimitError, UsageError


class TinyEnv(gymnasium.Env[Any, Any]):
    """The tiny game behind the Gymnasium API; ends after 20 ticks."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}
    world_id = "tiny@12345678"

    def __init__(self, render_mode: str | None = None, width: int = 32) -> None:
        self.engine = TinyEngine(width=width, height=16)
        self.action_space = action_space()
        self.observation_space = gymnasium.spaces.Box(0, 255, (16, width, 3), np.uint8)
        self.render_mode = render_mode

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.engine.reset(seed or 0)
        return self.engine.render(), {"state": self.engine.state()}

    def step(self, action: Any) -> Any:
        self.engine.step(to_vector(action))
        done = self.engine.tick == 20
        return self.engine.render(), float(self.engine.tick), done, False, {"state": self.engine.state()}

    def render(self) -> Any:
        return self.engine.render()

    def buffers(self) -> dict[str, Any]:
        return {"depth": self.engine.render_buffers()[1]}


@pytest.fixture(autouse=True)
def tiny_id() -> Any:
    gymnasium.register("Tiny-v0", entry_point=TinyEnv)
    yield
    del gymnasium.registry["Tiny-v0"]


def test_recorded_is_lived(tmp_path: Path) -> None:
    env = Recorder(TinyEnv(), tmp_path, policy="test")
    env.action_space.seed(1)
    obs, _ = env.reset(seed=5)
    frames, actions, done = [obs], [], False
    while not done:
        actions.append(env.action_space.sample())
        obs, _, done, _, _ = env.step(actions[-1])
        frames.append(obs)
    env.close()
    episode = EpisodeStore(tmp_path).read(0)
    np.testing.assert_array_equal(episode.frames, frames)
    np.testing.assert_array_equal(episode.actions, [to_vector(a) for a in actions])
    np.testing.assert_array_equal(episode.rewards, np.arange(1, 21))
    np.testing.assert_array_equal(episode.depth[:, 0, 0], np.arange(1, 22))
    np.testing.assert_array_equal(episode.columns["events.broken"], np.arange(21) % 2)
    assert episode.columns["pose"].shape == (21, 5) and episode.columns["items"].shape == (21, 9)
    assert episode.captions == ["a tiny world 5"] * 21
    assert (episode.terminated, episode.truncated) == (True, False)
    assert episode.meta == {
        "env": "tiny@12345678", "seed": 5, "policy": "test", "action_space": "minerl", "fps": 10.0,
    }  # fmt: skip
    replay = TinyEnv()
    frame, _ = replay.reset(seed=episode.meta["seed"])
    for i, vector in enumerate(episode.actions):
        np.testing.assert_array_equal(frame, episode.frames[i])
        frame = replay.step(to_dict(vector))[0]


def test_an_open_episode_is_kept_as_truncated(tmp_path: Path) -> None:
    env = Recorder(TinyEnv(), tmp_path, depth=False)
    env.reset()
    env.reset()  # nothing happened: no episode
    env.step(noop())
    env.reset()
    for _ in range(3):
        env.step(noop())
    with pytest.raises(InvalidAction):
        env.step({})
    env.close()
    store = EpisodeStore(tmp_path)
    assert [store.manifest(i).frames for i in range(len(store))] == [2, 4]
    assert store.manifest(0).truncated and not store.manifest(0).depth


@pytest.mark.parametrize("raise_errors", [True, False])
def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raise_errors: bool) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    env = Recorder(TinyEnv(), tmp_path, raise_errors=raise_errors)
    env.reset()
    env.step(noop())
    with monkeypatch.context() as patch:
        patch.setattr("worldsim.data.video.VideoWriter.append", full)
        if raise_errors:
            with pytest.raises(ResourceLimitError, match="No space left"):
                env.step(noop())
        else:
            with pytest.warns(UserWarning, match="not recording: .*No space left"):
                env.step(noop())
    env.step(noop())
    assert isinstance(env.error, ResourceLimitError) and len(env.store) == 0
    env.reset()
    env.step(noop())
    env.close()
    assert verify(tmp_path).ok and len(EpisodeStore(tmp_path)) == 1


@pytest.mark.parametrize("policy", ["random", "explorer"])
def test_record(tmp_path: Path, policy: str) -> None:
    report = record("Tiny-v0", policy, episodes=2, steps=8, out=tmp_path, seed=3)
    assert report.episodes == ("ep-000000", "ep-000001")
    assert report.steps == (8, 8) and report.rewards == (36, 36)
    again = record("Tiny-v0", policy, episodes=1, steps=50, out=tmp_path, seed=3, env_options={"width": 32})
    assert again.episodes == ("ep-000002",) and again.steps == (20,)
    store = EpisodeStore(tmp_path)
    a, b = store.read(0), store.read(2)
    np.testing.assert_array_equal(a.actions, b.actions[:8])
    np.testing.assert_array_equal(a.frames, b.frames[:9])
    assert a.truncated and b.terminated and a.meta["policy"] == policy


def test_record_other_environments(tmp_path: Path) -> None:
    pytest.importorskip("pygame")
    record("CartPole-v1", "random", episodes=1, steps=5, out=tmp_path)
    episode = EpisodeStore(tmp_path).read(0)
    assert episode.frames.shape[-1] == 3 and episode.actions.shape[1] == 2
    assert episode.columns["obs"].shape == (len(episode.frames), 4)
    assert episode.meta["env"] == "CartPole-v1" and verify(tmp_path).ok
    with pytest.raises(UsageError, match="plays MineRL's action space only"):
        record("CartPole-v1", "explorer", out=tmp_path)


def test_record_tracks(tmp_path: Path) -> None:
    record("Tiny-v0", "random", episodes=1, steps=3, out=tmp_path, wandb_mode="offline")
    lines = [json.loads(line) for line in (tmp_path / "log" / "metrics.jsonl").read_text().splitlines()]
    assert any(line.get("episode/reward") == 6.0 for line in lines)
    assert (tmp_path / "log" / "ep-000000.mp4").stat().st_size > 0
    assert verify(tmp_path).ok


def test_interrupt_keeps_what_was_lived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(self: TinyEnv, action: Any) -> Any:
        if self.engine.tick == 4:
            raise KeyboardInterrupt
        return step(self, action)

    step = TinyEnv.step
    monkeypatch.setattr(TinyEnv, "step", interrupt)
    with pytest.raises(KeyboardInterrupt):
        record("Tiny-v0", "random", out=tmp_path)
    assert verify(tmp_path).ok and EpisodeStore(tmp_path).manifest(0).frames == 5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(("where", "frames"), [("_append_columns", 4), ("_finish", 7)])
def test_a_signal_while_a_tick_is_written_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, frames: int, number: int
) -> None:
    def terminate(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    calls: list[None] = []
    usual = getattr(EpisodeWriter, where)

    def interrupted(self: EpisodeWriter, *arguments: Any) -> Any:
        calls.append(None)
        if len(calls) == (4 if where == "_append_columns" else 1):
            signal.raise_signal(number)
        return usual(self, *arguments)

    monkeypatch.setattr(EpisodeWriter, where, interrupted)
    kept = signal.signal(signal.SIGTERM, terminate)
    try:
        with pytest.raises(KeyboardInterrupt):
            record("Tiny-v0", "random", steps=6, out=tmp_path / "set")
        assert signal.getsignal(signal.SIGTERM) is terminate
    finally:
        signal.signal(signal.SIGTERM, kept)
    assert verify(tmp_path / "set").ok
    assert EpisodeStore(tmp_path / "set").manifest(0).frames == frames


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("Tiny-v9", "random"), {}, "Tiny-v9"),
        (("Tiny-v0", "rundom"), {}, "did you mean random"),
        (("Tiny-v0", "random"), {"episodes": 0}, "episodes: got 0"),
        (("Tiny-v0", "random"), {"steps": 0}, "steps: got 0"),
        (("Tiny-v0", "random"), {"seed": -1}, "seed: got -1"),
        (("Tiny-v0", "random"), {"env_options": {"colour": 1}}, "colour"),
    ],
)
def test_bad_arguments(tmp_path: Path, arguments: Any, options: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        record(*arguments, out=tmp_path / "set", **options)
    assert "\n" not in str(caught.value) and not (tmp_path / "set").exists()


# Videos ---------------------------------------------------------------------------------------


def test_video_random_access_is_exact(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (47, 18, 30, 3), dtype=np.uint8)
    with open(tmp_path / "a.mp4", "wb") as file:
        writer = VideoWriter(file, fps=20)
        for frame in frames:
            writer.append(frame)
        writer.close()
    reader = VideoReader(open(tmp_path / "a.mp4", "rb"), width=30, height=18)  # noqa: SIM115
    assert reader.length() == 47
    for _ in range(40):
        start = int(rng.integers(0, 47))
        count = int(rng.integers(1, 48 - start))
        np.testing.assert_array_equal(reader.read(start, count), frames[start : start + count])
    with pytest.raises(MediaError, match="frame 47 is missing"):
        reader.read(45, 3)
    np.testing.assert_array_equal(reader.read(0, 2), frames[:2])
    reader.close()


def test_viewable_video(tmp_path: Path) -> None:
    frames = np.zeros((5, 17, 31, 3), np.uint8)
    frames[:, 4:8] = 200
    write_video(tmp_path / "a.mp4", frames)
    reader = VideoReader(open(tmp_path / "a.mp4", "rb"), width=30, height=16)  # noqa: SIM115
    assert np.abs(reader.read(0, 5).astype(int) - frames[:, :16, :30]).mean() < 5
    reader.close()


def test_videos_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = np.zeros((5, 16, 16, 3), np.uint8)
    with pytest.raises(MediaError, match="got no frames"):
        write_video(tmp_path / "a.mp4", [])
    with pytest.raises(MediaError, match="expected uint8"):
        write_video(tmp_path / "a.mp4", [frames[0], frames[0, :8]])
    (tmp_path / "file").touch()
    with pytest.raises(ResourceLimitError, match="can't be written"):
        write_video(tmp_path / "file" / "a.mp4", frames)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    "data", [b"", b"\0", b"#EXTM3U\n/etc/passwd\n", b"ffconcat version 1.0\nfile /etc/passwd\n", bytes(5000)]
)
def test_what_is_no_video(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.mp4").write_bytes(data)
    with pytest.raises(MediaError, match="no mp4 video"):
        VideoReader(open(tmp_path / "a.mp4", "rb"), width=16, height=16)  # noqa: SIM115


def test_video_of_another_size_or_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    frames = np.random.default_rng(0).integers(0, 256, (50, 16, 16, 3), dtype=np.uint8)
    write_video(path, frames, viewable=False)
    with pytest.raises(MediaError, match="expected h264 32x16"):
        VideoReader(open(path, "rb"), width=32, height=16)  # noqa: SIM115
    whole = path.read_bytes()
    for length in range(0, len(whole) * 9 // 10, len(whole) // 20):  # the tail has tags only
        path.write_bytes(whole[:length])
        with pytest.raises(MediaError):
            VideoReader(open(path, "rb"), width=16, height=16).read(0, 50)  # noqa: SIM115
