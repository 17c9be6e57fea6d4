"""One stretch of training on a lent machine, ended in time; started by gpu_lease.sh, which says how.

The training itself is a process of its own: whatever becomes of it, the newest world it saved is in
the folder of results.
"""

from __future__ import annotations

import argparse
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

from worldsim.atomic import new_folder
from worldsim.errors import ResourceLimitError, UsageError, WorldSimError
from worldsim.locate import CONFIG_FILE, find_world, shipped_worlds

PHASES: dict[str, tuple[str, ...]] = {
    "first": ("decay_start=1.0",),
    "middle": ("decay_start=1.0",),
    "last": ("decay_start=0.3",),
    "whole": (),
}
"""What each phase changes in the recipe: a constant learning rate until the last command."""
LIVE = "worldsim/Voxel-v0"
SHIPPED = "voxel"
CLOSING_SECONDS, GRACE_SECONDS = 40.0, 40.0
FILES, FILE_BYTES, ALL_BYTES = 8, 16 * 2**20, 64 * 2**20
"""What comes back from such a machine."""

_KNOWING = ("rollout_after=0", "objective.shortcut_after=0", "warmup=200")
_TINY = (
    "model.denoiser.height=48", "model.denoiser.width=64", "model.denoiser.channels=16",
    "model.denoiser.blocks=1", "model.denoiser.attention=1", "model.denoiser.head_size=16",
    "model.denoiser.cond=32", "model.motion.channels=16", "model.motion.cond=16", "batch=2", "clip=12",
    "workers=2", "engines=2", "memory_mb=20", "compile=false", "rollout_after=1", "objective.shortcut_after=1",
)  # fmt: skip


@dataclass(frozen=True)
class LeaseOptions:
    """One command on the machine."""

    work: Path
    """Folder for the run; its state serves the next command if the machine is the same."""
    out: Path
    """Folder for the results."""
    phase: str = "first"
    init: str | None = None
    minutes: float = 8.5
    set: tuple[str, ...] = ()
    dry_run: bool = False

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
    changes = [f"workers={max(1, min(12, cores - 4))}", "save_minutes=1.5", "preview_minutes=1000"]
    changes += [*PHASES[options.phase], *(_KNOWING if init else ())]
    changes += [*(_TINY if options.dry_run else ()), *options.set]
    return {
        "recipe": "gpu", "live": LIVE, "out": str(options.run), "resume": resume, "init": init,
        "device": "cpu" if options.dry_run else "cuda", "steps": 3 if options.dry_run else None,
        "set": changes, "wandb": "disabled",
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
    closing = 0.0 if options.dry_run else CLOSING_SECONDS
    text = json.dumps({**arguments, "end": deadline - closing})
    child = subprocess.Popen([sys.executable, "-m", "worldsim.train.gpu_lease", "--train", text])
    seen = -1.0
    try:
        while child.poll() is None:
            time.sleep(0.2)
            seen = export(options, seen)
            if time.time() > deadline:
                child.send_signal(
                    signal.SIGTERM if time.time() < deadline + GRACE_SECONDS else signal.SIGKILL
                )
                time.sleep(5)
    finally:
        if child.poll() is None:
            child.kill()
        child.wait()
    export(options, seen)
    verify(options.out)
    if child.returncode:
        raise WorldSimError(
            f"training: ended with status {child.returncode}; its last save is in {options.out}"
        )


def export(options: LeaseOptions, seen: float) -> float:
    """Copy the newest save and what tells of it to the results, if it is not the one of time `seen`."""
    config = options.run / "world" / CONFIG_FILE
    time_of_save = config.stat().st_mtime if config.exists() else -1.0
    if time_of_save != seen:
        options.out.mkdir(parents=True, exist_ok=True)
        with new_folder(options.out / "world") as fresh:
            shutil.copytree(config.parent, fresh, dirs_exist_ok=True)
    for source, name in (
        (options.run / "metrics.jsonl", "metrics.jsonl"),
        (_last_strip(options), "strip.png"),
    ):
        target = options.out / name
        if source is not None and source.exists() and options.out.exists() and _newer(source, target):
            shutil.copy2(source, target)
    return time_of_save


def verify(out: Path) -> None:
    """Load the world of the results and see that all of it can come back.

    Raises:
        WorldSimError: it can't be used, or is more than comes back.
    """
    from worldsim.checkpoint import load_checkpoint
    from worldsim.sim.world import load_world

    saved, world = load_checkpoint(out / "world"), load_world(out / "world")
    sizes = {path: path.stat().st_size for path in out.rglob("*") if path.is_file()}
    if len(sizes) > FILES or max(sizes.values()) >= FILE_BYTES or sum(sizes.values()) > ALL_BYTES:
        raise ResourceLimitError(
            f"{out}: got {len(sizes)} files, {sum(sizes.values())} bytes, expected at most {FILES} files below "
            f"{FILE_BYTES} bytes, {ALL_BYTES} in all; train a smaller world"
        )
    weights = sum(p.numel() for p in world.model.parameters())
    print(
        f"world {saved.hash[:8]}: step {saved.step}, {saved.frames} frames seen, {weights / 1e6:.1f} M weights, "
        f"{len(world.seeds or ())} beginnings; {len(sizes)} files, {sum(sizes.values()) / 2**20:.1f} MiB in {out}",
        flush=True,
    )


def train(text: str) -> None:
    """The process that trains: `plan`'s arguments and the time to end, as JSON."""
    import torch
    import torch._dynamo

    from .world import TrainOptions, main

    values = json.loads(text)
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")
    torch._dynamo.config.suppress_errors = True  # slower where it can't be compiled, but not lost
    end, values["set"] = values.pop("end"), tuple(values["set"])
    main(TrainOptions(within=max(end - time.time(), 1.0) / 60, **values))


def _start(options: LeaseOptions) -> tuple[bool, str | None]:
    """Whether to resume the run that lies there, and the world to start from."""
    own, given = options.run / "world", options.init
    here = options.phase != "first" and (options.run / "state").is_dir() and (own / CONFIG_FILE).exists()
    if here and (given is None or _same(own, find_world(given))):
        return True, str(own)
    if given == "none" or (given is None and (options.dry_run or SHIPPED not in shipped_worlds())):
        return False, None
    return False, str(find_world(given or SHIPPED))


def _same(one: Path, other: Path) -> bool:
    return (one / CONFIG_FILE).read_bytes() == (other / CONFIG_FILE).read_bytes()


def _beginning(arguments: dict[str, Any]) -> str:
    if arguments["resume"]:
        return f"going on with the run in {arguments['out']}, optimiser included"
    return f"from the world {arguments['init']}" if arguments["init"] else "from scratch"


def _last_strip(options: LeaseOptions) -> Path | None:
    return max((options.run / "strips").glob("*.png"), default=None)


def _newer(source: Path, target: Path) -> bool:
    return not target.exists() or source.stat().st_mtime != target.stat().st_mtime


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gpu_lease.sh", description=__doc__)
    parser.add_argument(
        "--phase", choices=list(PHASES), default="first", help="where in the run this command is"
    )
    parser.add_argument("--init", help="world to start from: a shipped name, a folder, or none")
    parser.add_argument("--minutes", type=float, default=8.5, help="length of the command, saving included")
    parser.add_argument("--set", action="append", default=[], help="change of the recipe, such as batch=64")
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
        init = args.init
        if init is not None and init not in ("none", *shipped_worlds()):
            init = str(Path(args.here, init))
        if not args.minutes > 0:
            raise UsageError(f"--minutes: got {args.minutes}, expected a positive number")
        options = LeaseOptions(
            Path(args.work),
            Path(args.here, args.out),
            args.phase,
            init,
            args.minutes,
            tuple(args.set),
            args.dry_run,
        )
        lease(options, float(args.began) + 60 * args.minutes)
        return 0
    except WorldSimError as error:
        print(f"gpu_lease: error: {error}", file=sys.stderr, flush=True)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
