"""Agents by name or folder."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from worldsim.arena.config import ArenaConfig
from worldsim.checkpoint import load_checkpoint
from worldsim.config import from_json
from worldsim.errors import CheckpointError, UsageError
from worldsim.locate import CONFIG_FILE
from worldsim.registry import AGENTS, LEARNT, resolve

AGENT_FOLDER, CHECKPOINTS, STATE_FOLDER = "agent", "checkpoints", "state"
"""Where a run keeps its newest agent, agents on the way to it, and what resuming needs."""


@dataclasses.dataclass(frozen=True)
class Found:
    """An agent, and the arena that it learnt in if it learnt in one."""

    agent: Any
    arena: ArenaConfig | None
    step: int
    """Decisions it has learnt from."""


def find_agent(name: str, *, greedy: bool = False) -> Found:
    """An agent by its name ("random", "scripted", "cem") or by its folder, or by that of the run that made it.

    Raises:
        UsageError: neither.
        CheckpointError, IntegrityError, ConfigError: a folder that holds something else, or is damaged.
    """
    if name in AGENTS:
        return Found(resolve(AGENTS, name, "agent")(), None, 0)
    folder = Path(name)
    if not folder.is_dir():
        raise UsageError(
            f"--agent {name!r:.80}: neither {', '.join(AGENTS)} nor a folder; train one with  worldsim train agent"
        )
    if (folder / AGENT_FOLDER / CONFIG_FILE).is_file():
        folder = folder / AGENT_FOLDER
    checkpoint = load_checkpoint(folder)
    kind = checkpoint.config.get("kind")
    if not isinstance(kind, str) or kind not in LEARNT or "arena" not in checkpoint.config:
        raise CheckpointError(
            f"{folder}: holds a checkpoint that is no agent; give a folder that  worldsim train agent  made"
        )
    agent = resolve(LEARNT, kind, "agent")(checkpoint, greedy=greedy)
    return Found(agent, from_json(ArenaConfig, checkpoint.config["arena"], "config.arena"), checkpoint.step)
