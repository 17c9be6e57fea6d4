"""The report of the world that ships, which every other world is set against."""

from __future__ import annotations

from worldsim.errors import WorldSimError
from worldsim.evaluate.report.document import REPORT_FILE, read_document
from worldsim.evaluate.result import Report
from worldsim.locate import WORLDS, shipped_worlds

DEFAULT = "voxel"
PREVIOUS = "report-previous.json"
"""Beside a world's own report: that of the world which shipped before it."""


def previous_report(world_hash: str, name: str = DEFAULT) -> Report | None:
    """The shipped world's report; if that world is the one in hand, the report of its predecessor.

    None where there is none, or where this release can't read it.
    """
    if name not in shipped_worlds():
        return None
    for file in (REPORT_FILE, PREVIOUS):
        path = WORLDS / name / file
        if not path.is_file():
            continue
        try:
            report = read_document(path).report
        except WorldSimError:
            continue
        if report.world_hash != world_hash:
            return report
    return None
