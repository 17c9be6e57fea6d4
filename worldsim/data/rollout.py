"""`worldsim record`: let a player play episodes of any environment and keep them.

record("worldsim/Voxel-v0", "explorer", episodes=2, out="runs/mine")
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from worldsim import registry
from worldsim.actions import to_dict
from worldsim.data.storage import EpisodeStore
from worldsim.errors import MissingDependency, UsageError

HUMAN: dict[str, str] = {"human": "worldsim.play.record:record_human"}
"""Who lets a person play: `record_human(env, *, episodes, steps, seed)`, with `env` a `Recorder`."""

WandbMode = Literal["disabled", "offline", "online"]
MAX_EPISODES = 1_000_000


@dataclass(frozen=True)
class RecordReport:
    """What `record` wrote: names of the new episodes, actions and reward of each."""

    folder: str
    env: str
    policy: str
    episodes: tuple[str, ...]
    steps: tuple[int, ...]
    rewards: tuple[float, ...]


def record(
    env_id: str,
    policy: str = "explorer",
    *,
    episodes: int = 1,
    steps: int = 600,
    out: str | os.PathLike[str],
    seed: int = 0,
    depth: bool = True,
    wandb_mode: WandbMode = "disabled",
    env_options: dict[str, Any] | None = None,
    progress: bool = False,
) -> RecordReport:
    """Record `episodes` of `env_id`, each of at most `steps` actions.

    Args:
        env_id: any Gymnasium id.
        policy: `explorer`, `random` or `human`. The explorer needs MineRL's action space.
        out: the dataset's folder; an existing dataset is continued.
        seed: episode `i` is reset with `seed + i`, and its player is seeded from the same number.
        wandb_mode: `disabled`, `offline` or `online`: also log a summary and a video of each episode.
        env_options: arguments of `gymnasium.make`.

    Raises:
        UsageError: an unknown id or policy, or a number out of range.
        ResourceLimitError: the disk is full or can't be written; committed episodes stay.
        KeyboardInterrupt: Ctrl-C; the open episode is kept as truncated.
    """
    from worldsim.data.recorder import Recorder

    _in_range("episodes", episodes, 1, MAX_EPISODES)
    _in_range("steps", steps, 1, MAX_EPISODES)
    _in_range("seed", seed, 0, 2**64 - episodes)
    if policy not in registry.POLICIES and policy not in HUMAN:
        registry.resolve({**registry.POLICIES, **HUMAN}, policy, "policy")
    env = Recorder(make(env_id, env_options or {}), out, policy=policy, depth=depth)
    known = len(env.store)
    try:
        if policy in HUMAN:
            registry.resolve(HUMAN, policy, "policy")(env, episodes=episodes, steps=steps, seed=seed)
        else:
            _play(env, policy, episodes, steps, seed, progress)
    finally:
        env.close()
    report = report_on(out, known, env_id, policy)
    if wandb_mode != "disabled":
        _track(report, wandb_mode)
    return report


def make(env_id: str, options: dict[str, Any]) -> Any:
    """Make an environment that shows frames.

    Raises:
        UsageError: the id is unknown, or its arguments are wrong.
        MissingDependency: Gymnasium or a package that the environment needs is not installed.
    """
    try:
        import gymnasium
    except ImportError as error:
        raise MissingDependency("record: needs gymnasium; pip install gymnasium") from error
    try:
        return gymnasium.make(env_id, **{"render_mode": "rgb_array", **options})
    except gymnasium.error.DependencyNotInstalled as error:
        raise MissingDependency(f"env {env_id!r}: {error}") from error
    except (gymnasium.error.Error, TypeError) as error:
        raise UsageError(f"env {env_id!r}: {' '.join(str(error).split())}") from error


def _play(env: Any, policy: str, episodes: int, steps: int, seed: int, progress: bool) -> None:
    from tqdm import tqdm

    choose = _chooser(env, policy)
    with tqdm(total=episodes * steps, unit="frame", disable=not progress) as bar:
        for episode in range(episodes):
            _, info = env.reset(seed=seed + episode)
            choose.reset(seed + episode)
            for step in range(steps):
                _, _, terminated, truncated, info = env.step(choose(info))
                bar.update()
                if terminated or truncated:
                    bar.update(steps - step - 1)
                    break


class _Scripted:
    """A player of the registry in front of MineRL's action space."""

    def __init__(self, policy: str) -> None:
        self._policy = registry.resolve(registry.POLICIES, policy, "policy")(0)

    def reset(self, seed: int) -> None:
        self._policy.reset(seed)

    def __call__(self, info: dict[str, Any]) -> Any:
        return to_dict(self._policy.act(info.get("state") or {}))


class _Sampler:
    """Random actions of any space."""

    def __init__(self, space: Any) -> None:
        self._space = space

    def reset(self, seed: int) -> None:
        self._space.seed(int(np.random.default_rng(seed).integers(2**31)))

    def __call__(self, info: dict[str, Any]) -> Any:
        return self._space.sample()


def _chooser(env: Any, policy: str) -> _Scripted | _Sampler:
    from worldsim.data.recorder import is_minerl

    if is_minerl(env.action_space):
        return _Scripted(policy)
    if policy != "random":
        raise UsageError(f"policy {policy!r}: plays MineRL's action space only; use --policy random here")
    return _Sampler(env.action_space)


def report_on(out: str | os.PathLike[str], known: int, env_id: str, policy: str) -> RecordReport:
    """Say what was added to a dataset that had `known` episodes."""
    from worldsim.data.parts import read_steps

    store = EpisodeStore(out)
    new = range(known, len(store))
    manifests = [store.manifest(i) for i in new]
    rewards = [read_steps(store.folder / store.names[i], m, check=False)[1] for i, m in zip(new, manifests)]
    return RecordReport(
        folder=str(out),
        env=env_id,
        policy=policy,
        episodes=store.names[known:],
        steps=tuple(m.frames - 1 for m in manifests),
        rewards=tuple(float(r.sum()) for r in rewards),
    )


def _track(report: RecordReport, wandb_mode: WandbMode) -> None:
    """Log a summary and a video of every new episode; the tracker's files lie in `OUT/log`."""
    from worldsim.data.parts import open_video
    from worldsim.data.video import write_video
    from worldsim.tracking import Tracker

    store = EpisodeStore(report.folder)
    log = Path(report.folder) / "log"
    tracker = Tracker(log, wandb_mode)
    try:
        for step, name in enumerate(report.episodes):
            manifest = store.manifest(store.names.index(name))
            video = open_video(store.folder / name, manifest, check=False)
            path = log / f"{name}.mp4"
            try:
                frames = (video.read(i, 1)[0] for i in range(manifest.frames))
                write_video(path, frames, fps=manifest.fps)
            finally:
                video.close()
            tracker.log({"episode/steps": report.steps[step], "episode/reward": report.rewards[step]}, step)
            tracker.video("episode", path, step)
    finally:
        tracker.close()


def _in_range(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise UsageError(f"{name}: got {value}, expected {low} to {high}")
