"""`worldsim worlds`: the worlds that ship with the package, and their cards."""

from __future__ import annotations

import dataclasses
import difflib
from pathlib import Path

import tyro

import worldsim.worlds
from worldsim.errors import UsageError

CARD = "CARD.md"


@dataclasses.dataclass(frozen=True)
class WorldsOptions:
    """Which world to show."""

    name: tyro.conf.Positional[str] = ""
    """Print this world's card; without a name the worlds are listed."""


def run(options: WorldsOptions) -> None:
    """List the shipped worlds with the first line of their card, or print one card."""
    worlds = shipped()
    if not options.name:
        for name, folder in worlds.items():
            print(f"{name:<16} {_size(folder):>9}  {_title(folder)}")
        if not worlds:
            print("no world ships with this build; train one:  worldsim train world --help")
        return
    if options.name not in worlds:
        near = " or ".join(difflib.get_close_matches(options.name, worlds, 3) or sorted(worlds))
        hint = f"did you mean {near}?" if near else "this build ships none"
        raise UsageError(f"world {options.name!r}: unknown; {hint}")
    card = worlds[options.name] / CARD
    print(card.read_text(encoding="utf-8").rstrip() if card.is_file() else f"{options.name}: no card")


def shipped() -> dict[str, Path]:
    """Folders of `worldsim/worlds` that hold a world, by name."""
    root = Path(worldsim.worlds.__path__[0])
    return {folder.name: folder for folder in sorted(root.iterdir()) if any(folder.glob("*.json"))}


def _title(folder: Path) -> str:
    card = folder / CARD
    lines = card.read_text(encoding="utf-8").splitlines() if card.is_file() else []
    return next((line.strip("# ") for line in lines if line.strip("# ")), "no card")


def _size(folder: Path) -> str:
    total = sum(p.stat().st_size for p in folder.iterdir())
    return f"{total / 2**20:.1f} MiB"
