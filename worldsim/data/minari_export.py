"""Episodes of ours as a Minari dataset, lossless: `minari.MinariDataset(OUT / "data")` reads it.

Minari needs Python 3.11 and the extra `minari`. Observations are the frames, actions MineRL's dict; the columns
(pose and whatever else was recorded) are the infos. Depth and captions have no place there.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from worldsim.action_sets import DictActions
from worldsim.actions import ACTION_SIZE
from worldsim.atomic import new_folder
from worldsim.data.episode import Episode
from worldsim.data.exporter import ExportReport
from worldsim.data.storage import EpisodeStore
from worldsim.errors import DatasetError, MissingDependency, UsageError

DATA = "data"


def export_minari(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> ExportReport:
    """Write every episode of the dataset `source` into the new folder `out`, all of it or nothing.

    Args:
        progress: called with episodes done and episodes in all.

    Raises:
        MissingDependency: Minari is not installed.
        UsageError: `out` holds something.
        DatasetError: no dataset, none or several sizes of frames, or actions that are not MineRL's.
        IntegrityError: an episode is not as it was committed.
        ResourceLimitError: the disk is full or can't be written.
    """
    minari, storage_type, buffer_type = _load()
    target = Path(out)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target}: is there already; choose another folder")
    store = EpisodeStore(source)
    space = _observation_space(store)
    with new_folder(target) as fresh:
        storage = storage_type.new(
            fresh / DATA, observation_space=space, action_space=DictActions().space, jpeg_encoding=False
        )
        for number in range(len(store)):
            storage.update_episodes([buffer_type(**_episode(store.read(number), number))])
            if progress is not None:
                progress(number + 1, len(store))
        storage.update_metadata(_about(store, target, minari))
    frames = sum(store.manifest(i).frames for i in range(len(store)))
    return ExportReport(str(out), store.names, frames)


def _load() -> tuple[Any, Any, Any]:
    try:
        minari = importlib.import_module("minari")
        storage = importlib.import_module("minari.dataset.minari_storage").MinariStorage
        buffer = importlib.import_module("minari.data_collector.episode_buffer").EpisodeBuffer
        importlib.import_module("h5py")
    except ModuleNotFoundError as error:
        raise MissingDependency(
            f"{error.name}: not installed; run  pip install 'worldsim[minari]'  (Python 3.11 or newer)"
        ) from error
    return minari, storage, buffer


def _observation_space(store: EpisodeStore) -> spaces.Box:
    manifests = [store.manifest(i) for i in range(len(store))]
    sizes = {(m.height, m.width) for m in manifests}
    if len(sizes) != 1:
        raise DatasetError(
            f"{store.folder}: has frames of {len(sizes)} sizes, expected one; export each by itself"
        )
    (size,) = sizes
    return spaces.Box(0, 255, (*size, 3), np.uint8)


def _episode(episode: Episode, number: int) -> dict[str, Any]:
    """The fields of Minari's buffer: n + 1 observations and infos, n of all else."""
    if episode.actions.shape[1] != ACTION_SIZE:
        raise DatasetError(
            f"episode {number}: has actions of {episode.actions.shape[1]} numbers, expected MineRL's {ACTION_SIZE}"
        )
    count = len(episode)
    ends, cuts = np.zeros((2, count), np.bool_)
    if count:
        ends[-1], cuts[-1] = episode.terminated, episode.truncated or not episode.terminated
    seed = episode.meta.get("seed")
    return {
        "id": number,
        "seed": seed if isinstance(seed, int) and 0 <= seed < 2**63 else None,
        "observations": episode.frames,
        "actions": DictActions().nearest(episode.actions),
        "rewards": episode.rewards,
        "terminations": ends,
        "truncations": cuts,
        "infos": {name: column for name, column in episode.columns.items() if column.dtype.kind in "biuf"},
    }


def _about(store: EpisodeStore, target: Path, minari: Any) -> dict[str, Any]:
    policies = {str(store.manifest(i).meta.get("policy", "")) for i in range(len(store))} - {""}
    return {
        "dataset_id": f"worldsim/{target.name or 'episodes'}-v0",
        "minari_version": minari.__version__,
        "algorithm_name": ", ".join(sorted(policies)) or "unknown",
        "description": "Recorded with worldsim: frames of a block world, MineRL's actions, 20 steps a second.",
    }
