"""`worldsim evaluate` through its front door: a report of a tiny world, and two worlds side by side."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from model_fakes import save_tiny_world

from worldsim.cli import main
from worldsim.evaluate.report import read_document
from worldsim.evaluate.report.shipped import previous_report
from worldsim.locate import WORLDS, shipped_worlds

TINY = ["--suite", "tiny", "--only", "counterfactual"]


def evaluate(*arguments: object) -> int:
    return main(["evaluate", *map(str, arguments), *TINY])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_world(tmp_path_factory.mktemp("worlds") / "mine")


@pytest.fixture(scope="module")
def reported(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report")
    assert evaluate("--world", world, "--out", out) == 0
    return out


def test_a_report_names_what_made_it(world: Path, reported: Path) -> None:
    report = read_document(reported).report
    assert report.command == f"worldsim evaluate --world {world} {' '.join(TINY)} --out {reported}"
    assert report.frames > 0 and report.world == "mine" and len(report.world_hash) == 64
    assert report.command in (reported / "report.html").read_text()
    assert report.command in (reported / "card.md").read_text()


def test_two_reports(reported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate("--compare", reported, reported / "report.json", "--out", tmp_path) == 0
    printed = capsys.readouterr().out
    assert "mine (second) against mine (first)" in printed and "Different actions" in printed
    assert "Both are the same weights" in (tmp_path / "comparison.html").read_text()


def test_a_remark_is_put_into_a_report_that_is_there(reported: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(reported, copy)
    assert evaluate("--remark", "trees <melt>", "--out", copy) == 0
    before, after = read_document(reported), read_document(copy)
    assert after.report.remark == "trees <melt>" and after.pictures == before.pictures
    assert after.report.sections[0].figures == before.report.sections[0].figures
    assert "trees &lt;melt&gt;" in (copy / "report.html").read_text()
    assert "trees <melt>" in (copy / "card.md").read_text()


def test_a_world_without_a_report_is_measured_first(world: Path, reported: Path, tmp_path: Path) -> None:
    assert evaluate("--compare", reported, world, "--out", tmp_path) == 0
    second = read_document(tmp_path / "second").report
    first = read_document(reported).report
    assert second.world_hash == first.world_hash and not (tmp_path / "first").exists()
    same = [(a.value, b.value) for a, b in zip(first.sections[0].figures, second.sections[0].figures)]
    assert same and all(a == b for a, b in same)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["one"], "got 1 names, expected two"),
        (["no-such-thing", "voxel"], "no such world"),
    ],
)
def test_what_cannot_be_compared(names: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--compare", *names]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("name", shipped_worlds())
def test_a_shipped_report_speaks_of_the_shipped_weights(name: str) -> None:
    from worldsim.checkpoint import load_checkpoint

    if not (WORLDS / name / "report.json").exists():
        pytest.skip("ships without a report")
    shipped = load_checkpoint(WORLDS / name).hash
    report = read_document(WORLDS / name).report
    assert report.world_hash == shipped
    previous = previous_report(shipped, name)
    assert previous is None or previous.world_hash != shipped
    assert previous_report("0" * 64, name) is not None
