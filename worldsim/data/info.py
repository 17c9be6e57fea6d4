"""What is in a dataset, read from its manifests."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from worldsim.data.storage import EpisodeStore


@dataclass(frozen=True)
class InfoReport:
    """What a dataset holds. seconds: of play. size: bytes on the disk."""

    folder: str
    episodes: int
    frames: int
    seconds: float
    size: int
    envs: dict[str, int] = field(default_factory=dict)
    policies: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    depth: int = 0
    captions: int = 0
    terminated: int = 0


def info(folder: str | os.PathLike[str]) -> InfoReport:
    """Sum up a dataset from its manifests.

    Raises:
        DatasetError: no dataset, or a manifest that can't be read.
    """
    store = EpisodeStore(folder)
    manifests = [store.manifest(i) for i in range(len(store))]
    return InfoReport(
        folder=str(folder),
        episodes=len(manifests),
        frames=sum(m.frames for m in manifests),
        seconds=sum((m.frames - 1) / m.fps for m in manifests),
        size=sum(m.size for m in manifests),
        envs=_count(m.meta.get("env") for m in manifests),
        policies=_count(m.meta.get("policy") for m in manifests),
        sizes=_count(f"{m.width}x{m.height}" for m in manifests),
        columns=tuple(sorted({n for m in manifests for n in m.arrays if n.startswith("column.")})),
        depth=sum(m.depth for m in manifests),
        captions=sum("captions" in m.arrays for m in manifests),
        terminated=sum(m.terminated for m in manifests),
    )


def _count(values: Iterable[Any]) -> dict[str, int]:
    return dict(Counter(str(value) for value in values))
