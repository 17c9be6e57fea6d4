"""What a lent machine gives back: the newest world of a run, its figures and its last strip."""

from __future__ import annotations

import shutil
from pathlib import Path

from worldsim.atomic import new_folder
from worldsim.errors import ResourceLimitError
from worldsim.locate import CONFIG_FILE

FILES, FILE_BYTES, ALL_BYTES = 8, 16 * 2**20, 64 * 2**20
"""What may come back; files are at most two folders deep."""

Stamp = tuple[tuple[str, int], ...]
"""Names and times of the files of a save."""


def export(run: Path, out: Path, seen: Stamp) -> Stamp:
    """Copy the newest save of `run` to `out`, unless it is the one of stamp `seen`, and what tells of it.

    Returns the stamp of the save that `out` now holds.

    Raises:
        ResourceLimitError, OSError: the save was replaced while it was copied, or the disk is full.
    """
    world = run / "world"
    stamp = tuple(sorted((p.name, p.stat().st_mtime_ns) for p in world.iterdir())) if world.is_dir() else ()
    if stamp != seen and any(name == CONFIG_FILE for name, _ in stamp):
        out.mkdir(parents=True, exist_ok=True)
        with new_folder(out / "world") as fresh:
            shutil.copytree(world, fresh, dirs_exist_ok=True)
        seen = stamp
    strip = max((run / "strips").glob("*.png"), default=run / "strips" / "none")
    told = [(run / "metrics.jsonl", out / "metrics.jsonl"), (strip, out / "strip.png")]
    if has_room_for_profile(out):
        told.append((run / "profile.txt", out / "profile.txt"))
    for source, target in told:
        if source.exists() and out.is_dir() and _differ(source, target):
            shutil.copy2(source, target)
    return seen


def has_room_for_profile(out: Path) -> bool:
    """Whether a file more may come back than the world, its figures and its strip."""
    world = out / "world"
    return not world.is_dir() or sum(path.is_file() for path in world.iterdir()) + 3 <= FILES


def verify(out: Path) -> str:
    """Load the world of the results, see that all of it may come back, and return a line that describes it.

    Raises:
        WorldSimError: it can't be used, or is more than may come back.
    """
    from worldsim.checkpoint import load_checkpoint
    from worldsim.sim.world import load_world

    saved, world = load_checkpoint(out / "world"), load_world(out / "world")
    sizes = [path.stat().st_size for path in out.rglob("*") if path.is_file()]
    if len(sizes) > FILES or max(sizes) >= FILE_BYTES or sum(sizes) > ALL_BYTES:
        raise ResourceLimitError(
            f"{out}: got {len(sizes)} files of {sum(sizes)} bytes, expected at most {FILES} files below "
            f"{FILE_BYTES} bytes, {ALL_BYTES} in all; empty the folder first, or train a smaller world"
        )
    weights = sum(p.numel() for p in world.model.parameters())
    return (
        f"world {saved.hash[:8]}: step {saved.step}, {saved.frames} frames seen, {weights / 1e6:.1f} M weights, "
        f"{0 if world.seeds is None else len(world.seeds)} beginnings; "
        f"{len(sizes)} files of {sum(sizes) / 2**20:.1f} MiB in {out}"
    )


def _differ(source: Path, target: Path) -> bool:
    return not target.exists() or source.stat().st_mtime_ns != target.stat().st_mtime_ns
