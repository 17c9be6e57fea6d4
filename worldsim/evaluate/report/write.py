"""Write reports: everything is rendered first, so that a mistake leaves an old report as it was."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from worldsim.atomic import sync_folder, write_file
from worldsim.errors import ResourceLimitError
from worldsim.evaluate.report.card import STRIP_FILE, card_figures, card_strip
from worldsim.evaluate.report.difference import compare
from worldsim.evaluate.report.document import REPORT_FILE, STRIPS, Document, Picture, document, to_text
from worldsim.evaluate.report.page import report_page
from worldsim.evaluate.report.shipped import previous_report
from worldsim.evaluate.report.verdicts import lines
from worldsim.evaluate.report.versus import comparison_page, names
from worldsim.evaluate.result import Report

PAGE_FILE = "report.html"
CARD_FILE = "card.md"
COMPARISON_FILE = "comparison.html"


def write_report(report: Report, out: Path, kept: Sequence[Picture] = ()) -> Document:
    """Write `report.html`, `report.json`, `strips/`, and the card's figures (`card.md`, `strip.png`).

    Args:
        kept: pictures of sections that come from an earlier report, see `document`.

    Raises:
        ResourceLimitError: the folder can't be written.
    """
    doc = document(report, kept)
    write_document(doc, out)
    return doc


def write_document(doc: Document, out: Path) -> None:
    """Write the files of a report that may have been read back.

    Raises:
        ResourceLimitError: the folder can't be written.
    """
    files = {picture.file: picture.png for picture in doc.pictures}
    files[PAGE_FILE] = report_page(doc, previous_report(doc.report.world_hash)).encode()
    files[CARD_FILE] = card_figures(doc).encode()
    picture = card_strip(doc)
    if picture is not None:
        files[STRIP_FILE] = picture.png
    files[REPORT_FILE] = to_text(doc).encode()  # last: it makes the folder a report
    _write(out, files)
    for old in (out / STRIPS).glob("*.png"):
        if f"{STRIPS}/{old.name}" not in files:
            old.unlink()


def write_comparison(first: Document, second: Document, out: Path) -> str:
    """Write `comparison.html` and return the verdicts as text.

    Raises:
        ResourceLimitError: the folder can't be written.
    """
    _write(out, {COMPARISON_FILE: comparison_page(first, second).encode()})
    return lines(compare(first.report, second.report), *names(first, second))


def _write(out: Path, files: dict[str, bytes]) -> None:
    """Each file is replaced in one go; a reader finds the old or the new one."""
    for name, data in files.items():
        path = out / name
        fresh = path.with_name(f".{path.name}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh.unlink(missing_ok=True)
            write_file(fresh, data)
            os.replace(fresh, path)
            sync_folder(path.parent)
        except OSError as error:
            raise ResourceLimitError(
                f"{path}: can't be written: {error.strerror or error}; free space there or choose another folder"
            ) from error
