"""`worldsim data import | export`: other people's recordings into a dataset, and ours into their layout."""

from __future__ import annotations

import dataclasses
import json as json_text
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import tyro

from worldsim.errors import DatasetError, UsageError


@dataclasses.dataclass(frozen=True)
class ImportOptions:
    """What to take in, and how.

    A recording is a video and, beside it, its actions: VPT's jsonl, or a small CSV or jsonl (docs/data.md). Each
    becomes an episode. The same import again adds what is new, also after it was cut short.
    """

    source: tyro.conf.Positional[str]
    """A video, a folder of videos (searched whole), or an index of VPT's (.json)."""
    out: str
    """Folder of the dataset; one that is there already is continued."""
    format: Literal["auto", "vpt", "video"] = "auto"
    """vpt: mp4 + jsonl of the VPT and BASALT recordings; video: any videos with an action file; auto: look."""
    size: str | None = None
    """Size of the frames, such as 160x96; by default they stay as they are."""
    fit: Literal["crop", "stretch"] = "crop"
    """Where the shape differs: cut two sides off, so that angles stay true, or stretch."""
    every: int = 1
    """Keep one frame of so many and add up the actions between: 3 makes 20 frames a second of 60."""
    actions: str | None = None
    """Action file of a single video; by default the .jsonl or .csv of its name beside it."""
    label: str | None = None
    """Model of  worldsim train idm  that makes up the actions of videos which have none."""
    root: str | None = None
    """Where the files of an index lie; by default beside it."""
    cursor: bool = True
    """VPT: the mouse pointer, which recordings lack, is drawn where a screen is open; --no-cursor leaves it out."""
    skip_null: bool = False
    """Leave ticks out in which nobody did anything, as VPT's training did; time then jumps."""
    escape: Literal["keep", "inventory"] = "keep"
    """VPT: inventory reads ESC as inventory while a screen is open and drops it otherwise, as VPT's training did."""
    compat: Literal["none", "openai"] = "none"
    """VPT: openai reproduces the bugs of the published loader, degrees cut to integers among them."""
    min_light: float = 0.0
    """Leave out frames darker than so many grey levels in the mean, such as 25: caves and nights. Each bright
    stretch of 64 frames or more becomes an episode of its own."""
    json: bool = False
    """Print JSON."""


@dataclasses.dataclass(frozen=True)
class ExportOptions:
    """What to write, and where.

    Frames and actions are kept to the bit. VPT's layout also keeps slots and poses, Minari's rewards and state;
    depth and captions have no place in either.
    """

    folder: tyro.conf.Positional[str]
    """Folder of the dataset."""
    out: str
    """New folder: NAME.mp4, NAME.jsonl and index.json, or Minari's data/."""
    format: Literal["vpt", "minari"] = "vpt"
    """vpt: the layout of the VPT recordings; minari: a dataset of Minari's (extra `minari`, Python 3.11)."""
    viewable: bool = False
    """vpt: video that browsers play; lossy. By default it is lossless RGB H.264."""
    json: bool = False
    """Print JSON."""


def import_(options: ImportOptions) -> None:
    """Import, and say what came of it.

    Raises:
        DatasetError: some recordings could not be read; the others are there.
    """
    from worldsim.data.importer import ImportSettings, import_recordings

    settings = ImportSettings(
        size=_size(options.size),
        fit=options.fit,
        every=options.every,
        cursor=options.cursor,
        skip_null=options.skip_null,
        compat=None if options.compat == "none" else options.compat,
        escape=options.escape,
        min_light=options.min_light,
    )
    with _bar("importing", "frame") as bar:

        def progress(done: int, total: int) -> None:
            bar.set_description(f"importing {done + 1} of {total}", refresh=False)
            bar.update()

        report = import_recordings(
            options.source,
            options.out,
            format=options.format,
            settings=settings,
            actions=options.actions,
            root=options.root,
            label=_labeller(options.label),
            progress=progress,
        )
    if options.json:
        print(json_text.dumps(dataclasses.asdict(report), indent=2))
    else:
        _say(report)
    if report.failed:
        good = len(report.episodes) + report.already
        raise DatasetError(
            f"{len(report.failed)} of {len(report.failed) + good} recordings could not be imported: {report.failed[0]}"
        )


def export(options: ExportOptions) -> None:
    """Export, and say what was written."""
    if options.viewable and options.format != "vpt":
        raise UsageError(f"--viewable: for --format vpt only, got {options.format}")
    with _bar("exporting", "episode") as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update()

        if options.format == "minari":
            from worldsim.data.minari_export import export_minari

            report = export_minari(options.folder, options.out, progress=progress)
        else:
            from worldsim.data.exporter import export_vpt

            report = export_vpt(options.folder, options.out, viewable=options.viewable, progress=progress)
    if options.json:
        print(json_text.dumps(dataclasses.asdict(report), indent=2))
    else:
        what = "mp4 and jsonl" if options.format == "vpt" else "as a Minari dataset"
        print(f"{report.folder}: {len(report.episodes)} episodes, {report.frames} frames, {what}")


def _say(report: Any) -> None:
    for line in report.notices:
        print(f"notice: {line}")
    for line in report.failed:
        print(f"failed: {line}")
    already = f", {report.already} were there already" if report.already else ""
    speed = f" in {report.seconds:.1f} s, {report.played / report.seconds:.1f} times as fast as played"
    labelled = f", {report.labelled} labelled by the model" if report.labelled else ""
    print(
        f"{report.folder}: {len(report.episodes)} new episodes, {report.frames} frames of {report.format}"
        f"{speed if report.frames else ''}{labelled}{already}"
    )


def _labeller(folder: str | None) -> Any:
    if folder is None:
        return None
    from worldsim.sim.labeller import Labeller

    return Labeller(folder)


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    found = re.fullmatch(r"([0-9]{1,5})x([0-9]{1,5})", text)
    if not found:
        raise UsageError(f"--size: got {text!r}, expected WIDTHxHEIGHT such as 160x96")
    return int(found[1]), int(found[2])


@contextmanager
def _bar(what: str, unit: str) -> Iterator[Any]:
    from tqdm import tqdm

    with tqdm(desc=what, unit=f" {unit}s", delay=1, leave=False, disable=not sys.stderr.isatty()) as bar:
        yield bar
