"""One stretch of training on a lent machine, ended in time; started by gpu_lease.sh, which says how.

The training itself is a process of its own: whatever becomes of it, the newest world it saved is in
the folder of results.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worldsim.errors import ResourceLimitError, UsageError, WorldSimError
from worldsim.locate import CONFIG_FILE, find_world, shipped_worlds
from worldsim.registry import GAME

from .handover import Stamp, export, has_room_for_profile, verify

PHASES: dict[str, tuple[str, ...]] = {
    "first": ("decay_start=1.0",),
    "middle": ("decay_start=1.0",),
    "last": ("decay_start=0.3",),
    "whole": (),
}
"""What each phase changes in the recipe: the learning rate stays until the last command."""
SHIPPED = "voxel"
CLOSING_SECONDS, GRACE_SECONDS = 15.0, 40.0
"""What saving is given of the command's minutes, and of what is beyond them."""

_IN_TIME = (0, -signal.SIGTERM, 128 + signal.SIGTERM)
_KNOWING = ("rollout_after=0", "objective.shortcut_after=0", "warmup=200")
_TINY_MODEL = (
    "model.denoiser.height=48", "model.denoiser.width=64", "model.denoiser.channels=16",
    "model.denoiser.blocks=1", "model.denoiser.attention=1", "model.denoiser.head_size=16",
    "model.denoiser.cond=32", "model.motion.width=32",
)  # fmt: skip
_TINY = (
    "batch=2", "clip=12", "long_clip=12", "workers=2", "engines=2", "memory_mb=20", "resident_gb=0.04",
    "compile=false", "exemplars=4", "places=1", "caves=0", "rollout_after=1", "objective.shortcut_after=1",
)  # fmt: skip


@dataclass(frozen=True)
class LeaseOptions:
    """One command on the machine."""

    work: Path
    """Folder of the run; its state serves the next command if the machine is the same."""
    out: Path
    """Folder of the results."""
    phase: str = "first"
    """A name of `PHASES`."""
    init: str | None = None
    """World to start from: a shipped name, a folder, or "none"; None for the run in `work`, else the shipped one."""
    set: tuple[str, ...] = ()
    """Changes of the recipe."""
    profile: bool = False
    """Tell where the time of a few steps goes."""
    dry_run: bool = False
    """A few steps of a tiny world on the CPU."""

    @property
    def run(self) -> Path:
        """Run folder of the training."""
        return self.work / "run"


def plan(options: LeaseOptions) -> dict[str, Any]:
    """The arguments of `world.TrainOptions`, `within` left out.

    Raises:
        UsageError: there is no world of the given name.
    """
    resume, init = _start(options)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    changes = [f"workers={max(1, min(13, cores - 3))}", "save_minutes=2", "preview_minutes=null"]
    changes += [*PHASES[options.phase], *(_KNOWING if init else ())]
    if options.dry_run:
        changes += [*_TINY, *(() if init else _TINY_MODEL)]
    return {
        "recipe": "gpu", "live": GAME, "out": str(options.run), "resume": resume, "init": init,
        "device": "cpu" if options.dry_run else "cuda", "wandb": "disabled", "set": [*changes, *options.set],
        "profile": options.profile,
        "steps": (6 if resume else 3) if options.dry_run else None,
    }  # fmt: skip


def lease(options: LeaseOptions, deadline: float) -> None:
    """Train until shortly before `deadline` (of `time.time()`) and leave the results in `options.out`.

    Raises:
        WorldSimError: the training failed; what it saved before is in `options.out`.
    """
    arguments = plan(options)
    if not arguments["resume"]:
        shutil.rmtree(options.run, ignore_errors=True)
    print(f"{options.phase}: {_beginning(arguments)}", flush=True)
    end = deadline - (0.0 if options.dry_run else CLOSING_SECONDS)
    text = json.dumps({**arguments, "end": end})
    child = subprocess.Popen([sys.executable, "-m", "worldsim.train.gpu_lease", "--train", text])
    seen: Stamp = ()
    try:
        while child.poll() is None and time.time() < deadline:
            time.sleep(0.2)
            with contextlib.suppress(ResourceLimitError, OSError):  # replaced while it was copied: once more
                seen = export(options.run, options.out, seen)
        _finish(child)
    finally:
        if child.poll() is None:
            child.kill()
        child.wait()
    export(options.run, options.out, seen)
    if child.returncode not in _IN_TIME:
        raise WorldSimError(
            f"training: failed with status {child.returncode}, see above; what it saved is in {options.out}"
        )
    print(verify(options.out), flush=True)
    profile = options.run / "profile.txt"
    if profile.exists() and not has_room_for_profile(options.out):
        print(profile.read_text(), flush=True)  # one file too many to come back


def train(text: str) -> None:
    """The process that trains: `plan`'s arguments and the time to end, as JSON."""
    import torch
    import torch._dynamo

    from .world import TrainOptions, main

    values = json.loads(text)
    torch.backends.cudnn.benchmark = True
    torch._dynamo.config.suppress_errors = True  # slower where it can't be compiled, but not lost
    end, values["set"] = values.pop("end"), tuple(values["set"])
    main(TrainOptions(within=max(end - time.time(), 1.0) / 60, **values))


def _finish(child: subprocess.Popen[bytes]) -> None:
    """Ask the training to save and end if it still runs."""
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)  # once: a second one would interrupt the saving
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(GRACE_SECONDS)


def _start(options: LeaseOptions) -> tuple[bool, str | None]:
    """Whether to resume the run that lies there, and the world to start from."""
    own, given = options.run / "world", options.init
    here = options.phase != "first" and (options.run / "state").is_dir() and (own / CONFIG_FILE).exists()
    if here and (given is None or (given != "none" and _same(own, find_world(given)))):
        return True, str(own)
    if given == "none" or (given is None and (options.dry_run or SHIPPED not in shipped_worlds())):
        return False, None
    return False, str(find_world(given or SHIPPED))


def _same(one: Path, other: Path) -> bool:
    return (one / CONFIG_FILE).read_bytes() == (other / CONFIG_FILE).read_bytes()  # it holds all hashes


def _beginning(arguments: dict[str, Any]) -> str:
    if arguments["resume"]:
        return f"going on with the run in {arguments['out']}, optimiser included"
    return f"from the world {arguments['init']}" if arguments["init"] else "from scratch"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gpu_lease.sh", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--phase", choices=list(PHASES), default="first", help="where in the whole run this is"
    )
    parser.add_argument("--init", help="world to start from: a shipped name, a folder, or none")
    parser.add_argument("--minutes", type=float, default=8.5, help="length of the command, saving included")
    parser.add_argument("--set", action="append", default=[], help="change of the recipe, such as batch=64")
    parser.add_argument("--profile", action="store_true", help="leave profile.txt: where the time goes")
    parser.add_argument("--dry-run", action="store_true", help="a few steps of a tiny world on the CPU")
    for hidden in ("--began", "--here", "--work", "--out", "--train"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    return parser


def main() -> int:
    """Entry point of gpu_lease.sh."""
    args = _parser().parse_args()
    try:
        if args.train is not None:
            train(args.train)
            return 0
        if not args.minutes > 0:
            raise UsageError(f"--minutes: got {args.minutes}, expected a positive number")
        init = args.init
        if init not in (None, "none", *shipped_worlds()):
            init = str(Path(args.here, init))
        work, out = Path(args.work), Path(args.here, args.out)
        options = LeaseOptions(work, out, args.phase, init, tuple(args.set), args.profile, args.dry_run)
        lease(options, float(args.began) + 60 * args.minutes)
    except WorldSimError as error:
        print(f"gpu_lease: error: {error}", file=sys.stderr, flush=True)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
