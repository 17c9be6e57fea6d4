"""`worldsim evaluate-agent`: what an agent earns in the game or the dream."""

from __future__ import annotations

import dataclasses
import json as json_text
from pathlib import Path

from worldsim.arena.config import GAME, ArenaConfig
from worldsim.arena.folder import Found, find_agent
from worldsim.errors import UsageError


@dataclasses.dataclass(frozen=True)
class EvaluateAgentOptions:
    """Plays episodes of seeds 0, 1, ... and prints the mean return with its 95 % bootstrap interval.

    An agent from a folder plays in the arena that it learnt in; what is given here takes its place. Names play
    with the defaults of  worldsim train agent.
    """

    agent: str
    """random, scripted, cem, or a folder of  worldsim train agent."""
    env: str | None = None
    """worldsim/Voxel-v0 or worldsim/Dream-v0; default: where it learnt, or the game."""
    task: str | None = None
    """collect, beacon, roam, tower, dry or night; default: what it learnt, or beacon."""
    episodes: int = 20
    """How many."""
    seed: int = 0
    """Seed of the first episode; the next ones follow."""
    set: tuple[str, ...] = ()
    """Changes to the task as key=value."""
    limit: int | None = None
    """Ticks an episode may take."""
    actions: str | None = None
    """Repertoire: auto, walk, gather, build or all."""
    frame_skip: int | None = None
    """Ticks that an action lasts."""
    size: str | None = None
    """Frames as the agent sees them, such as 80x48."""
    render: str | None = None
    """Frames as the game draws them, before they are made smaller."""
    world: str | None = None
    """World of worldsim/Dream-v0: a shipped name or a folder."""
    sampler_steps: int | None = None
    """Sampler steps a frame of worldsim/Dream-v0."""
    device: str | None = None
    """Device of worldsim/Dream-v0, such as cuda."""
    max_uncertainty: float | None = None
    """Grey levels of expected error above which a dream's episode is cut off."""
    num_envs: int = 8
    """Episodes played beside each other."""
    greedy: bool = False
    """Take the likeliest action instead of drawing one."""
    video: str | None = None
    """Also write a video of the first episode there (.mp4)."""
    json: str | None = None
    """File to write all figures to; `-` prints them as JSON."""


def run(options: EvaluateAgentOptions) -> None:
    """Play, and say what came of it.

    Raises:
        UsageError, CheckpointError, ConfigError: no such agent, env or task, or they do not go together.
    """
    from worldsim.arena.arena import make_arena
    from worldsim.arena.contest import play
    from worldsim.bench.report import machine, without_nan, write_whole

    for name in ("episodes", "num_envs"):
        if not 1 <= getattr(options, name) <= 4096 * 16:
            raise UsageError(f"--{name.replace('_', '-')}: got {getattr(options, name)}, expected 1 or more")
    found = find_agent(options.agent, greedy=options.greedy)
    config = arena_of(options, found)
    arena = make_arena(config, min(options.num_envs, options.episodes), renews=False)
    try:
        with _bar(options.episodes) as bar:
            score = play(
                found.agent,
                arena,
                options.episodes,
                seed=options.seed,
                progress=lambda n: bar.update(n - bar.n),
            )
    finally:
        arena.close()
    if options.video is not None:
        _film(options, found, config)
    document = {
        "score": dataclasses.asdict(score),
        "arena": dataclasses.asdict(config),
        "agent": options.agent,
        "learnt_from": found.step,
        "seed": options.seed,
        "machine": machine(),
    }
    text = json_text.dumps(without_nan(document), indent=1, allow_nan=False) + "\n"
    if options.json == "-":
        print(text, end="")
        return
    print(score.line())
    if options.json is not None:
        write_whole(Path(options.json), text)


def arena_of(options: EvaluateAgentOptions, found: Found) -> ArenaConfig:
    """The agent's own arena, with what the options put in its place."""
    base = found.arena or ArenaConfig(env=options.env or GAME)
    changes = {
        name: getattr(options, name)
        for name in (
            "task", "limit", "actions", "frame_skip", "size", "render", "world", "sampler_steps", "device",
            "max_uncertainty",
        )
    }  # fmt: skip
    settings = tuple(options.set)
    if options.task is not None and options.task != base.task:
        return base.in_env(options.env, settings=settings or (), **changes)
    return base.in_env(options.env, settings=settings or None, **changes)


def _film(options: EvaluateAgentOptions, found: Found, config: ArenaConfig) -> None:
    from worldsim.arena.film import film

    path = Path(options.video or "")
    if path.suffix.lower() != ".mp4":
        raise UsageError(f"--video: got {options.video!r:.80}, expected a name that ends in .mp4")
    film(found.agent, config, path, seed=options.seed)


def _bar(total: int):  # type: ignore[no-untyped-def]
    from tqdm import tqdm

    return tqdm(total=total, desc="playing", unit=" episodes", delay=1, leave=False, disable=None)
