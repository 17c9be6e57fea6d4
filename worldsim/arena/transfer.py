"""The transfer experiment: agents trained in the dream alone and in the game alone, judged in both.

For each task and seed PPO learns the same number of decisions in either place. What is worth knowing: what the
dream's agents earn in the game, beside the game's own, random and scripted play; how much less that is than they earn
in the dream (the exploitation gap); and whether the dream ranks policies as the game does.

A run that was cut short goes on where it stopped: trained agents and scores that lie in the folder are not made again.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from worldsim.arena.arena import make_arena
from worldsim.arena.config import DREAM, GAME, ArenaConfig
from worldsim.arena.contest import Score, play
from worldsim.arena.folder import AGENT_FOLDER, CHECKPOINTS, STATE_FOLDER, find_agent
from worldsim.arena.options import TrainOptions
from worldsim.atomic import read_file
from worldsim.bench.report import at_least
from worldsim.config import from_json
from worldsim.data.disk import disk_errors, replace_file
from worldsim.errors import ConfigError, UsageError
from worldsim.locate import CONFIG_FILE
from worldsim.registry import PROGRAMS, resolve
from worldsim.strict import parse_json
from worldsim.tasks import find_task

PLACES = {"game": GAME, "dream": DREAM}
BASELINES = ("random", "scripted")
SCORES_FILE = "scores.json"
_LIMIT = 64 * 2**20


@dataclasses.dataclass(frozen=True)
class TransferOptions:
    """Trains and judges; everything lies in OUT, the page is OUT/transfer.html.

    The game is drawn in the size of the dream's frames and both are made smaller in the same way, so that they look
    alike. The same command goes on with a run that was cut short.
    """

    out: str = "runs/transfer"
    """Folder of agents, scores and the page."""
    tasks: tuple[str, ...] = ("beacon", "tower")
    """Names of tasks."""
    set: tuple[str, ...] = ()
    """Changes to a task as task.key=value, such as collect.shaping=0.5; agents are judged without shaping."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of training."""
    steps: int = 20_000
    """Decisions that each agent learns from, in either place."""
    episodes: int = 30
    """Episodes that an agent is judged by, in each place."""
    policies: int = 20
    """Checkpoints of all runs of a task that are ranked in both places."""
    rank_episodes: int = 10
    """Episodes that a checkpoint is ranked by."""
    world: str | None = None
    """World of the dream: a shipped name or a folder."""
    sampler_steps: int | None = None
    """Sampler steps a frame of the dream."""
    device: str | None = None
    """Device of the dream, such as cuda."""
    max_uncertainty: float | None = None
    """Grey levels of expected error above which a dream's episode is cut off."""
    limit: int | None = None
    """Ticks an episode may take."""
    frame_skip: int = 4
    """Ticks that an action lasts."""
    size: str = "80x48"
    """Frames as the agents see them."""
    num_envs: int = 8
    """Worlds played beside each other."""
    rollout: int = 128
    """Decisions of each world between two updates."""
    learning_rate: float = TrainOptions.learning_rate
    """Step size of Adam."""
    epochs: int = TrainOptions.epochs
    """How often each update goes over its decisions."""
    gamma: float = TrainOptions.gamma
    """Discount of a decision."""
    page_only: bool = False
    """Write the page anew from what lies there."""

    def __post_init__(self) -> None:
        for name, low in (
            ("episodes", 2),
            ("rank_episodes", 2),
            ("policies", 0),
            ("steps", 1),
            ("num_envs", 1),
        ):
            at_least(name.replace("_", "-"), getattr(self, name), low)
        for name in ("tasks", "seeds"):
            values = getattr(self, name)
            if not values or len(set(values)) != len(values):
                raise UsageError(f"--{name}: got {list(values)}, expected one or more, each once")
        for task in self.tasks:
            find_task(task)
        for text in self.set:
            if text.partition(".")[0] not in self.tasks or "=" not in text:
                raise UsageError(f"--set {text}: expected TASK.KEY=VALUE with one of {', '.join(self.tasks)}")

    def settings(self, task: str, *, judged: bool = False) -> tuple[str, ...]:
        """The changes to a task; shaping helps to learn and does not count in judgement."""
        own = [text.partition(".")[2] for text in self.set if text.partition(".")[0] == task]
        return tuple(text for text in own if not (judged and text.startswith("shaping=")))

    def training(self, task: str, place: str, seed: int) -> TrainOptions:
        """How an agent is trained."""
        dreamt = place == "dream"
        each = -(-self.policies // (2 * len(self.seeds)))
        own: dict[str, Any] = {"render": self.render()}
        if dreamt:
            names = ("world", "sampler_steps", "device", "max_uncertainty")
            own = {name: getattr(self, name) for name in names}
        return TrainOptions(
            env=PLACES[place], task=task, set=self.settings(task), steps=self.steps, seed=seed,
            out=str(self.run(task, place, seed)), limit=self.limit, frame_skip=self.frame_skip, size=self.size,
            num_envs=self.num_envs, rollout=self.rollout, learning_rate=self.learning_rate,
            epochs=self.epochs, gamma=self.gamma, checkpoints=max(1, each), videos=1, wandb="disabled", **own,
        )  # fmt: skip

    def judging(self, task: str, place: str) -> ArenaConfig:
        """The arena that agents are judged in."""
        return dataclasses.replace(
            self.training(task, place, self.seeds[0]).arena(), settings=self.settings(task, judged=True)
        )

    def run(self, task: str, place: str, seed: int) -> Path:
        """The folder of one agent."""
        return Path(self.out) / "agents" / f"{task}-{place}-{seed}"

    def render(self) -> str:
        """The size of the dream's frames, in which the game is drawn, too."""
        height, width = dream_size(self.world)
        return f"{width}x{height}"


def experiment(options: TransferOptions, say: Callable[[str], None]) -> dict[str, Any]:
    """Train and judge whatever is not there yet; returns what `results` makes of it.

    Raises:
        UsageError, ConfigError: options that do not go together, or differ from those of the run in the folder.
        MissingDependency: Stable-Baselines3 is not installed.
    """
    scores = Scores(Path(options.out), options)
    train = resolve(PROGRAMS, "agent", "program")
    for task in options.tasks:
        for seed in options.seeds:
            for place in PLACES:
                told = options.training(task, place, seed)
                done = _learnt(Path(told.out))
                if done < options.steps:
                    say(f"{task}: PPO in the {place}, seed {seed}, {done} of {options.steps} decisions done")
                    train(dataclasses.replace(told, resume=done > 0))
        for place in PLACES:
            names = [*BASELINES, *(str(options.run(task, p, s)) for p in PLACES for s in options.seeds)]
            for name in names:
                scores.judge(task, place, name, options.episodes, say)
            for folder in checkpoints(options, task):
                scores.judge(task, place, str(folder), options.rank_episodes, say)
    return scores.all


class Scores:
    """What is known so far: scores by task, place, agent and number of episodes, kept in a file."""

    def __init__(self, folder: Path, options: TransferOptions) -> None:
        self._path, self._options = folder / SCORES_FILE, options
        given = {**dataclasses.asdict(options), "out": "", "page_only": False}
        plain = json.loads(json.dumps(given))
        self.all: dict[str, Any] = {"options": plain, "scores": {}}
        if self._path.is_file():
            self.all = parse_json(read_file(self._path, _LIMIT), self._path)
            old = self.all.get("options", {})
            changed = [name for name in plain if old.get(name) != plain[name]]
            if changed and not options.page_only:
                raise ConfigError(
                    f"{self._path}: was made with {changed[0]} {old.get(changed[0])!r:.60}, got "
                    f"{plain[changed[0]]!r:.60}; choose another --out"
                )

    def judge(self, task: str, place: str, name: str, episodes: int, say: Callable[[str], None]) -> None:
        """Let an agent play, unless that is known."""
        key = key_of(task, place, name, episodes)
        if key in self.all["scores"]:
            return
        arena = make_arena(
            self._options.judging(task, place), min(self._options.num_envs, episodes), renews=False
        )
        try:
            # Seeds that training has not seen.
            score = play(find_agent(name).agent, arena, episodes, seed=10**9)
        finally:
            arena.close()
        say(f"{key}: {score.mean:.2f} [{score.low:.2f}, {score.high:.2f}], {score.ticks_per_s:.0f} ticks/s")
        self.all["scores"][key] = dataclasses.asdict(score)
        with disk_errors(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(self._path, (json.dumps(self.all, indent=1) + "\n").encode())


def key_of(task: str, place: str, name: str, episodes: int) -> str:
    """What a score is kept under."""
    path = Path(name)
    parts = path.parts[::-1]
    short = name if name in BASELINES else "/".join(parts[: parts.index("agents")][::-1])
    return f"{task} | {place} | {short} | {episodes}"


def checkpoints(options: TransferOptions, task: str) -> list[Path]:
    """Up to `policies` checkpoints of a task's runs, evenly from all."""
    found = [
        folder
        for place in PLACES
        for seed in options.seeds
        for folder in sorted((options.run(task, place, seed) / CHECKPOINTS).glob("[0-9]*"))
    ]
    if len(found) <= options.policies:
        return found
    return [found[i * len(found) // options.policies] for i in range(options.policies)]


def read_score(known: dict[str, Any], key: str) -> Score | None:
    """A score that is known."""
    values = known["scores"].get(key)
    return None if values is None else from_json(Score, values, "scores")


def _learnt(folder: Path) -> int:
    if not (folder / STATE_FOLDER).is_dir() or not (folder / AGENT_FOLDER / CONFIG_FILE).is_file():
        return 0
    return find_agent(str(folder)).step


@lru_cache(maxsize=4)
def dream_size(world: str | None) -> tuple[int, int]:
    """Height and width of a dream's frames."""
    import gymnasium

    made: dict[str, Any] = {"world": world} if world else {}
    envs = gymnasium.make_vec(DREAM, num_envs=1, **made)
    try:
        shape = envs.single_observation_space.shape or (0, 0)
        return int(shape[0]), int(shape[1])
    finally:
        envs.close()
