"""`worldsim worlds`: the worlds that ship with the package, and their cards."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import tyro

from worldsim.locate import WORLDS, find_world, shipped_worlds

CARD = "CARD.md"


@dataclasses.dataclass(frozen=True)
class WorldsOptions:
    """Which world to show."""

    world: tyro.conf.Positional[str] = ""
    """Print the card of this world (a shipped name or a folder); without it the shipped ones are listed."""


def run(options: WorldsOptions) -> None:
    """List the shipped worlds with the first line of their card, or print one card.

    Raises:
        UsageError: no such world; near names are listed.
    """
    if options.world:
        print("\n".join(_card(find_world(options.world)) or [f"{options.world}: has no {CARD}"]))
        return
    for name in shipped_worlds():
        folder = WORLDS / name
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        title = next((line.strip("# ") for line in _card(folder) if line.strip("# ")), "")
        print(f"{name:<12} {size / 2**20:6.1f} MiB  {title}")
    if not shipped_worlds():
        print("no world ships with this build; train one:  worldsim train world --help")


def _card(folder: Path) -> list[str]:
    card = folder / CARD
    return card.read_text(encoding="utf-8").splitlines() if card.is_file() else []
