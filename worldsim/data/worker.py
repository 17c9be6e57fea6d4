"""A worker process of the live source: plays several games and writes their ticks into the rings.

Started by `worldsim.data.live` as `python -m worldsim.data.worker JSON`; not for the hand. It runs
a plain interpreter of its own, so that it neither imports the trainer's script nor torch.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

from worldsim.data.ring import Ring, RingLayout
from worldsim.data.stream import GameStream

_IDLE_SECONDS = 0.005


@dataclass(frozen=True)
class WorkerConfig:
    """What a worker is told: its number, its games and the shared memory it writes to."""

    worker: int
    fd: int
    parent: int
    engine: str
    policy: str
    key: tuple[int, ...]
    episode_ticks: tuple[int, int]
    layout: RingLayout
    nice: int = 10

    def to_json(self) -> str:
        """The one argument of the worker's command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> WorkerConfig:
        """Read what `to_json` wrote."""
        values: dict[str, Any] = json.loads(text)
        values["layout"] = RingLayout(**values["layout"])
        low, high = values["episode_ticks"]
        values["key"], values["episode_ticks"] = tuple(values["key"]), (low, high)
        return cls(**values)


def load(name: str) -> Any:
    """Import what "module:attribute" names."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def run(config: WorkerConfig) -> None:
    """Play until told to stop, or until the process that started this one is gone."""
    layout = config.layout
    ring = Ring(layout, config.fd)
    first = config.worker * layout.engines
    engine_class, policy_class = load(config.engine), load(config.policy)
    streams = [
        GameStream(
            engine_class(width=layout.width, height=layout.height),
            policy_class(0),
            key=(*config.key, first + i),
            episode_ticks=config.episode_ticks,
            depth=layout.depth,
            stagger=True,
        )
        for i in range(layout.engines)
    ]
    produced = 0
    while not ring.stop[0] and os.getppid() == config.parent:
        if produced >= ring.allowed[config.worker]:
            time.sleep(_IDLE_SECONDS)
            continue
        for i, stream in enumerate(streams):
            ring.write(first + i, stream.next())
        produced += len(streams)


def main() -> None:
    """Entry point of the worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the trainer's; it then stops the workers
    config = WorkerConfig.from_json(sys.argv[1])
    with contextlib.suppress(OSError):
        os.nice(max(0, config.nice - os.nice(0)))
    run(config)
    os._exit(0)  # nothing is left to do, and tearing an interpreter down takes its time


if __name__ == "__main__":
    main()
