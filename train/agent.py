"""`worldsim train agent`: PPO in the dream or the game, or behaviour cloning from recordings.

The run's folder holds `agent/` (the newest one), `checkpoints/`, `videos/`, `state/` (to resume from),
`options.json` and `metrics.jsonl`.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from worldsim.arena.folder import STATE_FOLDER
from worldsim.arena.options import TrainOptions as TrainOptions
from worldsim.atomic import read_file
from worldsim.config import from_json
from worldsim.data.disk import disk_errors, replace_file
from worldsim.errors import CheckpointError, UsageError
from worldsim.registry import LEARNERS, resolve
from worldsim.strict import parse_json
from worldsim.training_state import load_training_state

OPTIONS_FILE = "options.json"
_LIMIT = 2**16


def main(options: TrainOptions) -> Path:
    """Train as told and return the run's folder.

    Raises:
        UsageError: no such algorithm, or a folder that can't be used.
        CheckpointError: nothing to resume from.
    """
    learn = resolve(LEARNERS, options.algo, "--algo")
    folder = Path(options.out)
    saved: dict[str, Any] | None = None
    if options.resume:
        options = resumed(options, folder)
        learn = resolve(LEARNERS, options.algo, "--algo")
        saved = load_training_state(folder / STATE_FOLDER)
    else:
        _need_empty(folder)
    options.arena().env_arguments()  # says what is wrong before anything is written
    if not options.resume:
        write_options(options, folder)
    learn(options, saved)
    print(f"{folder}: agent and metrics.jsonl; judge it with  worldsim evaluate-agent --agent {folder}")
    return folder


def resumed(given: TrainOptions, folder: Path) -> TrainOptions:
    """The options of the run in a folder, with the steps and the place that are given now."""
    path = folder / OPTIONS_FILE
    if not path.is_file():
        raise CheckpointError(f"{folder}: has no {OPTIONS_FILE}; there is nothing to resume, start a new run")
    own = from_json(TrainOptions, parse_json(read_file(path, _LIMIT), path), str(path))
    steps = own.steps if given.steps is None else max(own.total, given.steps)
    return dataclasses.replace(own, out=given.out, steps=steps, resume=True, wandb=given.wandb)


def write_options(options: TrainOptions, folder: Path) -> None:
    """Keep the options beside the run."""
    text = json.dumps({**dataclasses.asdict(options), "resume": False}, indent=1) + "\n"
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(folder / OPTIONS_FILE, text.encode())


def _need_empty(folder: Path) -> None:
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise UsageError(f"{folder}: is there already; go on with --resume, or choose another folder")
