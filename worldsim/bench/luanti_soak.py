"""Starts Luanti many times and ends it in every way there is, and looks for what is left behind:

    python -m worldsim.bench.luanti_soak --rounds 50 --out runs/soak.json

Each round is a program of its own that plays a few steps and then closes, raises, is interrupted or killed,
or has its game, its display or its keeper killed, or is killed while it starts. After each, processes, folders
and locks of displays are counted that outlive it by more than 10 s. Ends with exit code 1 if there are any.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

WAYS = (
    "close", "raise", "exit", "SIGKILL", "SIGTERM", "SIGINT", "game", "display", "keeper", "early",
)  # fmt: skip
"""How rounds end, in turn: "game" and so on are the part that is killed, "early" is SIGKILL at a random moment."""
_PATIENCE, _LONGEST = 10.0, 120.0
_EARLIEST, _LATEST = 0.3, 6.0  # seconds after the start of a program that is killed early
_STEPS = 100
_PARTS = {"game": b"minetest\0", "display": b"Xvfb\0", "keeper": b"luanti_keeper.py\0"}
_PLAYER = """
import json, signal, sys, time
import gymnasium, worldsim
from worldsim.actions import noop
from worldsim.errors import EngineError
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
way, steps = sys.argv[1], int(sys.argv[2])
env = gymnasium.make("worldsim/Luanti-v0", width=320, height=180)
began = time.monotonic()
env.reset(seed=11)
first = time.monotonic() - began
began = time.monotonic()
for _ in range(steps):
    env.step({**noop(), "forward": 1})
print(json.dumps({"first_frame": first, "steps_per_second": steps / (time.monotonic() - began)}), flush=True)
if way == "close":
    env.close()
elif way == "raise":
    raise RuntimeError("as asked")
elif way != "exit":
    try:
        while True:
            env.step(noop())
    except EngineError:
        env.close()
"""


def main() -> int:
    """Parse the command line, play the rounds, print and write what was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--steps", type=int, default=_STEPS, help="steps of a round at 320x180")
    parser.add_argument("--seed", type=int, default=0, help="decides when programs are killed early")
    parser.add_argument("--out", type=Path, help="JSON file for the result")
    options = parser.parse_args()
    report = soak(options.rounds, options.steps, random.Random(options.seed))
    print(json.dumps(report, indent=1))
    if options.out is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(report, indent=1) + "\n")
    return 1 if any(report["left"].values()) else 0


def soak(rounds: int, steps: int, rng: random.Random) -> dict[str, Any]:
    """Play that many rounds; says how fast the game began and ran, and what was left, which should be nothing."""
    told: list[dict[str, float]] = []
    ways: dict[str, int] = {}
    left = {"processes": 0, "folders": 0, "locks": 0}
    stale = _stale_locks()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        for number in range(rounds):
            way = WAYS[number % len(WAYS)]
            ways[way] = ways.get(way, 0) + 1
            told += _round(way, steps, Path(folder), rng)
            for what, things in _wait(Path(folder), stale).items():
                left[what] += len(things)
                if things:
                    print(f"round {number} ({way}): left {what}: {things}", file=sys.stderr)
            _tidy(Path(folder))
    return {
        "rounds": rounds, "ways": ways, "left": left, "started": len(told),
        "parts_killed": int(sum(row["parts_killed"] for row in told)),
        "first_frame_s": _spread([row["first_frame"] for row in told]),
        "steps_per_second_320x180": _spread([row["steps_per_second"] for row in told]),
        "load": round(os.getloadavg()[0], 1),
    }  # fmt: skip


def _round(way: str, steps: int, folder: Path, rng: random.Random) -> list[dict[str, float]]:
    """Play once; the figures that the program told, if it came to that."""
    command, killed = [sys.executable, "-c", _PLAYER, way, str(steps)], 0
    program = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={**os.environ, "TMPDIR": str(folder)},
    )  # fmt: skip
    assert program.stdout is not None
    if way == "early":
        time.sleep(rng.uniform(_EARLIEST, _LATEST))
        program.kill()
        line = ""
    else:
        line = program.stdout.readline()
        if way in _PARTS:
            parts = _processes(folder, _PARTS[way])  # none where the game did not come up in time
            for part in parts:
                os.kill(part, signal.SIGKILL)
            killed += len(parts)
        elif way.startswith("SIG"):
            program.send_signal(signal.Signals[way])
    try:
        program.wait(_LONGEST)
    finally:
        program.kill()
        program.stdout.close()
    return [{**json.loads(line), "parts_killed": killed}] if line.strip() else []


def _wait(folder: Path, stale: set[str]) -> dict[str, list[str]]:
    """What is there of a round that has ended, once it is nothing or patience is at its end."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        found = {
            "processes": [str(pid) for pid in _processes(folder)],
            "folders": [path.name for path in folder.glob("worldsim-luanti-*") if not _is_slots(path)],
            "locks": sorted(_stale_locks() - stale),
        }
        if not any(found.values()) or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


def _is_slots(path: Path) -> bool:
    """The numbers of running games: empty files that stay, on purpose."""
    return path.name == f"worldsim-luanti-{os.getuid()}"


def _processes(folder: Path, word: bytes = b"") -> list[int]:
    """Games, displays and keepers whose files lie in `folder`, by what stands on their command lines."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            line = (place / "cmdline").read_bytes()
            if os.fsencode(folder / "worldsim-luanti-") in line and word in line:
                found.append(int(place.name))
    return found


def _stale_locks() -> set[str]:
    """Lock files of displays whose process is gone."""
    found = set()
    for lock in Path("/tmp").glob(".X*-lock"):
        with contextlib.suppress(OSError, ValueError):
            if not Path("/proc", str(int(lock.read_text()))).exists():
                found.add(lock.name)
    return found


def _tidy(folder: Path) -> None:
    """End what a round has left, so that it is counted once."""
    for pid in _processes(folder):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def _spread(values: list[float]) -> dict[str, float]:
    """Median, smallest and largest."""
    if not values:
        return {}
    parts = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return {name: round(value, 2) for name, value in parts.items()}


if __name__ == "__main__":
    sys.exit(main())
