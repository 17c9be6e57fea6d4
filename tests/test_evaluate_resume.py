"""An evaluation that is cut short: what lies on disk by then, how it goes on, and how far it says it is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from model_fakes import save_tiny_world

from worldsim.cli import main
from worldsim.commands.evaluate import EvaluateOptions, _command, _to_repeat
from worldsim.commands.evaluate_progress import Lines
from worldsim.errors import ConfigError
from worldsim.evaluate import counterfactual, heads, latency
from worldsim.evaluate.dreamer import WorldDreamer
from worldsim.evaluate.fakes import Oracle
from worldsim.evaluate.report import read_document
from worldsim.evaluate.result import Report, Section
from worldsim.evaluate.resume import SECONDS, check_alike, joined, missing
from worldsim.evaluate.run import INTERRUPTED, NOT_YET, Survey, survey
from worldsim.evaluate.suite import METRICS, Count, Suite

SIZE = (48, 64)
THREE = ("counterfactual", "heads", "latency")
SHORT = Suite("short", {"counterfactual": Count(1, 2), "play": Count(1, 8), "latency": Count(1, 2)})
PROBES = ("one network", "another network")


class Killed(BaseException):
    """What `kill -9` leaves behind, nothing tidied up, without an end to the tests."""


def killed(*_: object) -> Section:
    raise Killed


def evaluate(world: Path, out: Path, *options: object, only: tuple[str, ...] = THREE) -> int:
    words = ["--world", world, "--suite", "tiny", "--out", out, "--only", *only, *options]
    return main(["evaluate", *map(str, words)])


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def figures(out: Path, key: str) -> list[dict[str, Any]]:
    sections = json.loads((out / "report.json").read_text())["sections"]
    return next(section for section in sections if section["key"] == key)["figures"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_world(tmp_path_factory.mktemp("worlds") / "mine")


@pytest.fixture(scope="module")
def whole(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report that was never cut short."""
    out = tmp_path_factory.mktemp("whole")
    assert evaluate(world, out) == 0
    return out


@pytest.fixture(scope="module")
def killed_run(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run leaves that is killed while it measures the second of three metrics."""
    out = tmp_path_factory.mktemp("runs") / "killed"
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(heads, "measure", killed)
        evaluate(world, out)
    return out


@pytest.fixture
def cut(killed_run: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    shutil.copytree(killed_run, tmp_path / "cut")
    return tmp_path / "cut"


# What lies on disk


def test_what_was_found_is_handed_over_after_each_metric_but_the_last() -> None:
    told: list[tuple[list[str], dict[str, str]]] = []

    def keep(found: Survey) -> None:
        told.append(([s.key for s in found.sections], dict(found.failed)))

    found = survey(Oracle(SIZE), SHORT, metrics=THREE, keep=keep, strict=True)
    assert told == [
        (["counterfactual"], {"heads": NOT_YET, "latency": NOT_YET}),
        (["counterfactual", "heads"], {"latency": NOT_YET}),
    ]
    assert [s.key for s in found.sections] == list(THREE) and not found.failed


def test_nothing_is_handed_over_before_there_is_a_section(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, str]] = []

    def broken(*_: object) -> Section:
        raise ValueError("a mistake")

    monkeypatch.setattr(counterfactual, "measure", broken)
    survey(Oracle(SIZE), SHORT, metrics=THREE, keep=lambda found: told.append(dict(found.failed)))
    assert told == [{"counterfactual": "ValueError: a mistake", "latency": NOT_YET}]


def test_ctrl_c_while_a_metric_is_measured_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> Section:
        raise KeyboardInterrupt

    monkeypatch.setattr(heads, "measure", stop)
    found = survey(Oracle(SIZE), SHORT, metrics=THREE)
    assert [s.key for s in found.sections] == ["counterfactual"]
    assert found.failed == {"heads": INTERRUPTED, "latency": INTERRUPTED}


def test_a_killed_run_leaves_a_whole_report_of_what_it_measured(cut: Path, whole: Path) -> None:
    doc = read_document(cut)
    assert [s.key for s in doc.report.sections] == ["counterfactual"]
    assert doc.report.failed == {"heads": NOT_YET, "latency": NOT_YET}
    assert figures(cut, "counterfactual") == figures(whole, "counterfactual")
    assert doc.pictures == tuple(read_document(whole).of("counterfactual")) != ()
    assert doc.report.frames > 0 and doc.report.seconds > 0
    page = (cut / "report.html").read_text()
    assert NOT_YET in page and {"card.md", "strip.png"} <= files(cut).keys()


def test_a_report_that_is_there_stays_until_a_metric_is_done(
    world: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert evaluate(world, tmp_path, only=("latency",)) == 0
    before = files(tmp_path)
    monkeypatch.setattr(counterfactual, "measure", killed)
    with pytest.raises(Killed):
        evaluate(world, tmp_path)
    assert files(tmp_path) == before


# Going on


def test_a_resumed_run_measures_the_rest_and_is_as_good_as_a_whole_one(
    world: Path, cut: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = read_document(cut).report
    assert main(["evaluate", "--remark", "trees melt", "--out", str(cut)]) == 0
    monkeypatch.setattr(counterfactual, "measure", killed)
    assert evaluate(world, cut, "--resume") == 0
    one, two = read_document(whole), read_document(cut)
    assert [s.key for s in two.report.sections] == list(THREE) and not two.report.failed
    for key in ("counterfactual", "heads"):
        assert figures(cut, key) == figures(whole, key)
    assert two.pictures == one.pictures and files(cut).keys() == files(whole).keys()
    assert two.report.frames == one.report.frames and two.report.seconds > before.seconds
    assert [part.split()[0] for part in two.report.settings[SECONDS].split(", ")] == list(THREE)
    assert two.report.command == one.report.command.replace(str(whole), str(cut))
    assert two.report.remark == "trees melt" and two.report.date >= before.date
    assert files(cut)["strip.png"] == files(whole)["strip.png"]


def test_a_resumed_run_can_be_killed_and_resumed(
    world: Path, cut: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(latency, "measure", killed)
        evaluate(world, cut, "--resume")
    report = read_document(cut).report
    assert [s.key for s in report.sections] == ["counterfactual", "heads"]
    assert report.failed == {"latency": NOT_YET} and read_document(cut).pictures
    assert "--only counterfactual heads --out" in report.command
    assert evaluate(world, cut, "--resume") == 0
    assert [s.key for s in read_document(cut).report.sections] == list(THREE)


def test_named_metrics_are_measured_and_all_others_kept(world: Path, cut: Path) -> None:
    assert evaluate(world, cut, "--resume", only=("latency",)) == 0
    report = read_document(cut).report
    assert [s.key for s in report.sections] == ["counterfactual", "latency"]
    assert report.failed == {"heads": NOT_YET}, "it stands there as not measured"
    assert "--only counterfactual latency --out" in report.command and "--resume" not in report.command


def test_a_metric_that_failed_is_measured_again(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> Section:
        raise ValueError("a mistake")

    with monkeypatch.context() as patch:
        patch.setattr(heads, "measure", broken)
        assert evaluate(world, tmp_path) == 1
    assert read_document(tmp_path).report.failed == {"heads": "ValueError: a mistake"}
    monkeypatch.setattr(latency, "measure", killed)
    assert evaluate(world, tmp_path, "--resume") == 0
    report = read_document(tmp_path).report
    assert [s.key for s in report.sections] == list(THREE) and not report.failed


def test_without_a_report_it_is_a_first_run(world: Path, tmp_path: Path) -> None:
    assert evaluate(world, tmp_path / "new", "--resume", only=("latency",)) == 0
    report = read_document(tmp_path / "new").report
    assert [s.key for s in report.sections] == ["latency"] and "--resume" not in report.command


@pytest.fixture
def no_dreams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WorldDreamer, "begin", killed)


@pytest.mark.usefixtures("no_dreams")
def test_where_nothing_is_missing_nothing_is_written(
    world: Path, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(whole)
    assert evaluate(world, whole, "--resume", only=("heads",)) == 0
    assert "holds every metric that was asked for; nothing was measured" in capsys.readouterr().out
    assert files(whole) == before


def changed(**values: object) -> Callable[[dict[str, Any]], None]:
    return lambda report: report.update(values)


def set_to(name: str, value: str) -> Callable[[dict[str, Any]], None]:
    return lambda report: report["settings"].update({name: value})


@pytest.mark.usefixtures("no_dreams")
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (changed(world_hash="a" * 64), f"world hash: got HASH…, expected {'a' * 16}… as in"),
        (changed(suite="full"), "suite: got tiny, expected full as in"),
        (changed(version="0.0.9"), "expected 0.0.9 as in"),
        (set_to("size", "32x16"), "size: got 64x48, expected 32x16 as in"),
        (set_to("sampler steps", "2"), "sampler steps: got 1, expected 2 as in"),
        (set_to("given frames", "4"), "given frames: got 8, expected 4 as in"),
        (set_to("device", "cuda"), "device: got cpu, expected cuda as in"),
        (set_to("backend", "onnx"), "backend: got eager, expected onnx as in"),
        (set_to("precision", "other"), "expected other as in"),
        (changed(settings={}), "size: got 64x48, expected nothing as in"),
    ],
)
def test_reports_of_something_else_are_refused_before_anything_is_dreamt(
    world: Path, cut: Path, change: Callable[[dict[str, Any]], None], words: str, capsys: Any
) -> None:
    report = json.loads((cut / "report.json").read_text())
    own = report["world_hash"][:16]
    change(report)
    (cut / "report.json").write_text(json.dumps(report))
    before = files(cut)
    capsys.readouterr()
    assert evaluate(world, cut, "--resume") == ConfigError.exit_code
    line = capsys.readouterr().err
    assert words.replace("HASH", own) in line and "--resume: " in line and line.count("\n") == 1
    assert "go on as it began (worldsim evaluate" in line and "another --out" in line
    assert files(cut) == before


# Two reports as one


def report(*keys: str, **values: Any) -> Report:
    told = {
        "world": "w", "world_hash": "a" * 64, "suite": "quick", "seconds": 10.0, "frames": 100, "machine": "",
        "command": "worldsim evaluate", **values,
    }  # fmt: skip
    return Report(sections=tuple(Section(key, key, "") for key in keys), **told)


def test_probes_have_to_be_the_same_where_both_name_them() -> None:
    one, other, none = ({"probes": name} if name else {} for name in (*PROBES, ""))
    with pytest.raises(ConfigError, match="probes: got another network, expected one network"):
        check_alike(report(probes=one), report(probes=other))
    for earlier, fresh in ((one, one), (one, none), (none, one)):
        check_alike(report(probes=earlier), report(probes=fresh))
        assert joined(report(probes=earlier), report(probes=fresh)).probes == one


def test_what_is_missing_is_asked_in_the_order_given() -> None:
    earlier = report("drift", failed={"heads": "a mistake"})
    assert missing(earlier, ("latency", "drift", "heads")) == ("latency", "heads")


def test_joined_reports_add_up_and_are_in_order() -> None:
    earlier = report(
        "drift", "standard", settings={SECONDS: "drift 7, heads 1, standard 2", "device": "cpu"}, date="2",
        failed={"heads": "a mistake", "latency": NOT_YET, "horizon": NOT_YET}, remark="seen",
    )  # fmt: skip
    fresh = report(
        "horizon", "heads", settings={SECONDS: "horizon 5, heads 6", "device": "cpu"}, date="3",
        failed={"latency": "another mistake"},
    )  # fmt: skip
    both = joined(earlier, fresh)
    assert [s.key for s in both.sections] == ["horizon", "drift", "heads", "standard"]
    assert both.settings == {SECONDS: "horizon 5, drift 7, heads 6, standard 2", "device": "cpu"}
    assert both.failed == {"latency": "another mistake"}
    assert (both.frames, both.seconds, both.date, both.remark) == (200, 20.0, "3", "seen")


def test_machines_are_all_named_once() -> None:
    a, b = "A, 2 cores, load 1", "B, 4 cores, load 9"
    ab = joined(report(machine=a), report(machine=b)).machine
    assert ab == "A, 2 cores; B, 4 cores, load 9"
    assert joined(report(machine=a), report(machine="A, 2 cores, load 5")).machine == "A, 2 cores, load 5"
    assert joined(report(machine=ab), report(machine=a)).machine == "B, 4 cores; A, 2 cores, load 1"


@pytest.mark.parametrize(
    ("there", "words"),
    [
        (METRICS, "--suite quick --out"),
        ((*METRICS, "standard"), "--suite quick --standard --out"),
        (("drift", "horizon"), "--suite quick --only horizon drift --out"),
        (("horizon", "standard"), "--suite quick --only horizon --standard --out"),
        (("standard",), "--suite quick --only standard --out"),
    ],
)
def test_the_command_measures_all_that_is_there(there: tuple[str, ...], words: str) -> None:
    options = EvaluateOptions(resume=True, only=("latency",), standard=True)
    assert words in _command(_to_repeat(options, there))


# How far it is


def test_lines_tell_when_a_metric_begins_and_then_every_minute(capsys: pytest.CaptureFixture[str]) -> None:
    told = [
        (0, 0, "choosing episodes", "horizon"), (40, 0, "choosing episodes", "drift"),
        (90, 0, "horizon", "playing twin 1 of 64"), (120, 1, "horizon", ""), (149, 2, "horizon", ""),
        (150, 12345, "horizon", ""), (200, 12345, "horizon", "measuring"), (201, 12346, "drift", ""),
    ]  # fmt: skip
    clock = iter([0, *(seconds for seconds, *_ in told)])
    lines = Lines(lambda: next(clock))
    for _, done, metric, doing in told:
        lines.tell(done, 0 if metric == "choosing episodes" else 70112, metric, doing)
    captured = capsys.readouterr()
    assert not captured.out and captured.err.splitlines() == [
        "worldsim evaluate: choosing episodes, horizon, 0 min",
        "worldsim evaluate: horizon, playing twin 1 of 64, 0 of 70,112 frames, 2 min",
        "worldsim evaluate: horizon, 12,345 of 70,112 frames, 2 min",
        "worldsim evaluate: drift, 12,346 of 70,112 frames, 3 min",
    ]


def test_each_metric_tells_what_is_done_for_it() -> None:
    told: list[tuple[int, int, str, str]] = []
    metrics = ("horizon", "heads")
    survey(Oracle(SIZE), SHORT, metrics=metrics, progress=lambda *news: told.append(news), strict=True)
    assert told[:3] == [
        (0, 0, "choosing episodes", "horizon"),
        (0, 0, "choosing episodes", "heads"),
        (0, 8, "horizon", "playing twin 1 of 1"),
    ]
    assert told[3:-2] == [(n, 8, "horizon", "") for n in range(1, 9)]
    assert told[-2:] == [(8, 8, name, "measuring") for name in metrics], "one episode serves both"


def test_without_a_terminal_it_is_told_in_lines(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(world, tmp_path, only=("latency",)) == 0
    first, second = capsys.readouterr().err.splitlines()
    assert first == "worldsim evaluate: choosing episodes, latency, 0 min"
    assert second == "worldsim evaluate: latency, playing twin 1 of 1, 0 of 12 frames, 0 min"
