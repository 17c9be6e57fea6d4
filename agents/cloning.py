"""Behaviour cloning: the network learns to press what was pressed in recordings, frame by frame.

Recorded actions become the nearest of the repertoire. The last tenth of the episodes (of a single one, of its
frames) is held out; accuracy there is set against always naming the commonest action.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from worldsim.action_sets import DiscreteActions
from worldsim.arena.arena import TOLD
from worldsim.arena.folder import AGENT_FOLDER, STATE_FOLDER
from worldsim.arena.options import TrainOptions
from worldsim.arena.shrink import shrink
from worldsim.checkpoint import load_into, save_training_state
from worldsim.data.storage import EpisodeStore
from worldsim.errors import DatasetError, UsageError
from worldsim.tracking import Tracker

from .network import NetworkConfig, PolicyNetwork, save

HELD_OUT = 0.1
_EVERY = 100
"""Steps between two lines of metrics."""
_MOST_BYTES = 2 * 2**30
"""Frames that are kept in memory, at most."""


def train(options: TrainOptions, saved: dict[str, Any] | None = None) -> Path:
    """Train for `options.total` optimiser steps, say how well it does, and return the run's folder.

    Raises:
        UsageError: no --data.
        DatasetError: no recordings, too few, or not of MineRL's actions.
    """
    if options.data is None:
        raise UsageError("--data: bc learns from recordings; give a folder that  worldsim record  made")
    config, folder = options.arena(), Path(options.out)
    torch.manual_seed(options.seed)
    lessons, exam = read_pairs(options.data, config.action_names, config.width, config.height)
    network = PolicyNetwork(NetworkConfig(config.width, config.height, len(TOLD), config.action_names))
    optimizer = torch.optim.Adam(network.parameters(), options.learning_rate)
    done = Done()
    if saved is not None:
        load_into(network, saved["network"])
        optimizer.load_state_dict(saved["optimizer"])
        done.steps = int(saved["step"])
    with Tracker(folder, options.wandb, config=dataclasses.asdict(options)) as tracker:
        try:
            _teach(network, optimizer, lessons, options, done, tracker)
        finally:
            state = {
                "network": dict(network.state_dict()), "optimizer": optimizer.state_dict(), "step": done.steps
            }  # fmt: skip
            save_training_state(folder / STATE_FOLDER, state)
        result = examine(network, exam, lessons)
        tracker.log(result, done.steps)
    info = {"algo": "bc", "step": done.steps, "seed": options.seed, "accuracy": result}
    save(folder / AGENT_FOLDER, network, config, info)
    print(
        f"{folder}: accuracy {result['accuracy']:.1%} on {len(exam)} frames that it never saw; "
        f"always the commonest action: {result['majority']:.1%}"
    )
    return folder


@dataclass
class Done:
    """Optimiser steps so far, also if the run is cut short."""

    steps: int = 0


@dataclass(frozen=True)
class Pairs:
    """Frames uint8 [n, H, W, 3] and the number of the action that followed each, int64 [n]."""

    frames: NDArray[np.uint8]
    actions: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.actions)


def read_pairs(folder: str, names: tuple[str, ...], width: int, height: int) -> tuple[Pairs, Pairs]:
    """Pairs to learn from, and pairs to be examined on.

    Raises:
        DatasetError: no recordings, fewer than 20 actions, or others than MineRL's.
    """
    store, actions = EpisodeStore(folder), DiscreteActions(names)
    parts = []
    for number in range(len(store)):
        episode = store.read(number)
        if episode.actions.shape[1:] != (25,):
            raise DatasetError(
                f"{folder}: {store.names[number]} has actions of {episode.actions.shape[1]} numbers, expected "
                "MineRL's 25; record with MineRL's action dict"
            )
        parts.append(Pairs(shrink(episode.frames[:-1], width, height), actions.nearest(episode.actions)))
        if sum(part.frames.nbytes for part in parts) > _MOST_BYTES:
            raise DatasetError(
                f"{folder}: more than {_MOST_BYTES >> 30} GiB of small frames; give fewer or smaller ones"
            )
    if sum(map(len, parts)) < 20:
        raise DatasetError(f"{folder}: has {sum(map(len, parts))} actions, expected 20 or more; record more")
    if len(parts) == 1:
        cut = int(len(parts[0]) * (1 - HELD_OUT))
        (one,) = parts
        return Pairs(one.frames[:cut], one.actions[:cut]), Pairs(one.frames[cut:], one.actions[cut:])
    cut = min(len(parts) - 1, int(np.ceil(len(parts) * (1 - HELD_OUT))))
    return _join(parts[:cut]), _join(parts[cut:])


def _join(parts: list[Pairs]) -> Pairs:
    return Pairs(np.concatenate([p.frames for p in parts]), np.concatenate([p.actions for p in parts]))


def _teach(
    network: PolicyNetwork,
    optimizer: Any,
    lessons: Pairs,
    options: TrainOptions,
    done: Done,
    tracker: Tracker,
) -> None:
    from tqdm import trange

    told = torch.zeros(options.batch, len(TOLD))
    for step in (bar := trange(done.steps, options.total, desc="bc", unit=" steps", disable=None)):
        picks = np.random.default_rng([options.seed, step]).integers(0, len(lessons), options.batch)
        logits, _ = network(torch.from_numpy(lessons.frames[picks]), told)
        loss = F.cross_entropy(logits, torch.from_numpy(lessons.actions[picks]))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        done.steps = step + 1
        if done.steps % _EVERY == 0 or done.steps == options.total:
            tracker.log({"loss": float(loss.detach())}, done.steps)
            bar.set_postfix_str(f"loss {float(loss.detach()):.3f}", refresh=False)


def examine(network: PolicyNetwork, exam: Pairs, lessons: Pairs, batch: int = 512) -> dict[str, float]:
    """Share of the held-out actions that are named first, what the commonest of the lessons would get, and the loss
    in nats beside that of the lessons' frequencies."""
    logits = []
    with torch.no_grad():
        for start in range(0, len(exam), batch):
            frames = torch.from_numpy(exam.frames[start : start + batch])
            logits.append(network(frames, torch.zeros(len(frames), len(TOLD)))[0])
    scores, truth = torch.cat(logits), torch.from_numpy(exam.actions)
    counts = np.bincount(lessons.actions, minlength=scores.shape[1]) + 1.0
    frequencies = torch.from_numpy(np.log(counts / counts.sum()))
    return {
        "accuracy": float((scores.argmax(1) == truth).double().mean()),
        "majority": float((truth == int(counts.argmax())).double().mean()),
        "held_out_loss": float(F.cross_entropy(scores, truth)),
        "frequency_loss": float(-frequencies[truth].mean()),
    }
