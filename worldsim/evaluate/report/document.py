"""A report on disk: `report.json` with everything but the pictures, and the strips as PNG files beside it.

The JSON is strict (nan becomes null) and carries a format number. It is small enough to ship with a
world: `worldsim/worlds/NAME/report.json` is what later worlds are measured against.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, nan
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import numpy as np
from numpy.typing import NDArray

from worldsim.atomic import read_file
from worldsim.errors import IntegrityError, UnsupportedVersion
from worldsim.evaluate.result import Curve, Figure, Report, Section, Strip
from worldsim.png import encode_png

KIND = "worldsim evaluation"
FORMAT = 1
REPORT_FILE = "report.json"
STRIPS = "strips"
GAP = 4
"""Pixels between the rows of a strip."""
_LARGEST = 64_000_000

T = TypeVar("T")


@dataclass(frozen=True)
class Picture:
    """A strip that is ready to be shown."""

    section: str
    name: str
    caption: str
    labels: tuple[str, ...]
    columns: tuple[str, ...]
    png: bytes

    @property
    def file(self) -> str:
        """Its name below the report's folder."""
        return f"{STRIPS}/{_plain_name(self.section)}-{_plain_name(self.name)}.png"


@dataclass(frozen=True)
class Document:
    """A report and its pictures; the report's own strips are left out."""

    report: Report
    pictures: tuple[Picture, ...] = ()

    def of(self, section: str) -> list[Picture]:
        """The pictures of one section."""
        return [picture for picture in self.pictures if picture.section == section]


def document(report: Report, kept: Sequence[Picture] = ()) -> Document:
    """Encode the strips of a fresh report.

    Args:
        kept: pictures of those sections that come from an earlier report and have no strips any more.
    """
    pictures = tuple(picture for section in report.sections for picture in _pictures(section, kept))
    bare = tuple(dataclasses.replace(section, strips=()) for section in report.sections)
    return Document(dataclasses.replace(report, sections=bare), pictures)


def to_json(doc: Document) -> dict[str, Any]:
    """Plain JSON values."""
    values: dict[str, Any] = {"kind": KIND, "format": FORMAT, **_plain(doc.report)}
    for section in values["sections"]:
        section["strips"] = [
            {
                "name": p.name,
                "caption": p.caption,
                "labels": list(p.labels),
                "columns": list(p.columns),
                "file": p.file,
            }
            for p in doc.of(section["key"])
        ]
    return values


def to_text(doc: Document) -> str:
    """The JSON file's text."""
    return json.dumps(to_json(doc), indent=1, allow_nan=False) + "\n"


def read_document(path: Path) -> Document:
    """Read a report back: the file, or the folder that holds `report.json`.

    Raises:
        IntegrityError: there is none, or it is not what it should be.
        UnsupportedVersion: it was written by a later release.
    """
    file = path if path.suffix == ".json" else path / REPORT_FILE
    if not file.exists():
        raise IntegrityError(f"{file}: there is no report; run  worldsim evaluate --out {file.parent}")
    try:
        values = json.loads(read_file(file, _LARGEST))
    except (ValueError, RecursionError) as error:
        raise IntegrityError(f"{file}: is not valid JSON ({error}); run worldsim evaluate again") from error
    if not isinstance(values, dict) or values.get("kind") != KIND:
        raise IntegrityError(f"{file}: is no report of worldsim evaluate; give its report.json or its folder")
    if values.get("format") != FORMAT:
        raise UnsupportedVersion(
            f"{file}: format {values.get('format')!r}, this release reads {FORMAT}; run worldsim evaluate again"
        )
    try:
        return _document(values, file.parent)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise IntegrityError(f"{file}: is damaged ({error!r}); run worldsim evaluate again") from error


def stack_rows(rows: Sequence[Sequence[NDArray[np.uint8]]]) -> NDArray[np.uint8]:
    """Rows of frames uint8 [H, W, 3] under each other, `GAP` grey lines between; short rows are filled grey."""
    longest = max(len(row) for row in rows)
    height, width = rows[0][0].shape[:2]
    pitch = height + GAP
    picture = np.full((pitch * len(rows) - GAP, width * longest, 3), 128, np.uint8)
    for i, row in enumerate(rows):
        for j, frame in enumerate(row):
            picture[i * pitch : i * pitch + height, j * width : (j + 1) * width] = frame
    return picture


def _document(values: dict[str, Any], folder: Path) -> Document:
    sections, pictures = [], []
    for entry in values["sections"]:
        sections.append(
            Section(
                key=str(entry["key"]),
                title=str(entry["title"]),
                text=str(entry["text"]),
                figures=tuple(_build(Figure, figure) for figure in entry["figures"]),
                curves=tuple(_build(Curve, curve) for curve in entry["curves"]),
            )
        )
        pictures += [_load_picture(str(entry["key"]), strip, folder) for strip in entry.get("strips", [])]
    rest = {k: v for k, v in values.items() if k not in ("kind", "format", "sections")}
    report = _build(Report, {**rest, "sections": tuple(sections)})
    return Document(report, tuple(p for p in pictures if p is not None))


def _load_picture(section: str, strip: dict[str, Any], folder: Path) -> Picture | None:
    """None where the PNG was not kept: reports that ship with a world have no pictures."""
    picture = Picture(
        section,
        str(strip["name"]),
        str(strip["caption"]),
        tuple(strip["labels"]),
        tuple(strip["columns"]),
        b"",
    )
    try:
        return dataclasses.replace(picture, png=read_file(folder / picture.file, _LARGEST))
    except IntegrityError:
        return None


def _pictures(section: Section, kept: Sequence[Picture]) -> list[Picture]:
    own = [_picture(section.key, strip) for strip in section.strips if strip.rows]
    return [*(picture for picture in kept if picture.section == section.key), *own]


def _picture(section: str, strip: Strip) -> Picture:
    png = encode_png(stack_rows([frames for _label, frames in strip.rows]))
    labels = tuple(label for label, _frames in strip.rows)
    return Picture(section, strip.name, strip.caption, labels, tuple(strip.columns), png)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, float):
        return float(f"{value:.7g}") if isfinite(value) else None
    return value


def _build(kind: type[T], values: dict[str, Any]) -> T:
    """A dataclass from JSON values: null is nan where a number belongs; unknown keys are an error."""
    hints = get_type_hints(kind)
    return kind(**{name: _typed(hints[name], value) for name, value in values.items()})


def _typed(hint: Any, value: Any) -> Any:
    if hint is float:
        return nan if value is None else float(value)
    if hint in (str, int):
        if not isinstance(value, hint):
            raise TypeError(f"got {value!r}, expected {hint.__name__}")
        return value
    if hint == list[float]:
        return [nan if v is None else float(v) for v in value]
    if hint == tuple[float, ...]:
        return tuple(nan if v is None else float(v) for v in value)
    if hint == dict[str, list[float]]:
        return {str(k): [nan if v is None else float(v) for v in line] for k, line in value.items()}
    if hint == dict[str, str]:
        return {str(k): str(v) for k, v in value.items()}
    return value


def _plain_name(text: str) -> str:
    return "".join(c if c.isalnum() and c.isascii() else "-" for c in text.lower()).strip("-") or "strip"
