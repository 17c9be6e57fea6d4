"""The report: targets, verdicts, JSON and pages; figures here are made up, the real ones come from `run`."""

from __future__ import annotations

import dataclasses
import json
import zlib
from html.parser import HTMLParser
from math import isnan, nan
from pathlib import Path

import numpy as np
import pytest

from worldsim.errors import IntegrityError, ResourceLimitError, UnsupportedVersion
from worldsim.evaluate.report import read_document, write_comparison, write_report
from worldsim.evaluate.report.chart import chart, legend, ticks
from worldsim.evaluate.report.difference import caveats, compare, difference
from worldsim.evaluate.report.document import Document, document, stack_rows, to_json
from worldsim.evaluate.report.families import families, family_table
from worldsim.evaluate.report.number import interval, number, signed
from worldsim.evaluate.report.page import report_page
from worldsim.evaluate.report.reach import bounds, status
from worldsim.evaluate.report.versus import comparison_page, together
from worldsim.evaluate.result import Curve, Figure, Report, Section, Strip
from worldsim.png import encode_png

VOID = {"meta", "img", "br", "line", "circle", "path"}


class Balance(HTMLParser):
    """Collects tags that are not closed in order, ids, link targets and everything that would be fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.sources: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append(tag)
        self.ids += [v for k, v in attrs if k == "id" and v]
        self.links += [str(values["href"])] if "href" in values else []
        self.sources += [str(values["src"])] if "src" in values else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def frame(grey: int) -> np.ndarray:
    return np.full((8, 16, 3), grey, np.uint8)


def report(
    shift: float = 0.0, *, name: str = "voxel", world_hash: str = "a" * 64, suite: str = "quick"
) -> Report:
    rng = np.random.default_rng(0)
    episodes = tuple(float(v) for v in 20 + shift + rng.normal(0, 1, 8))
    horizon = Section(
        "horizon",
        "Horizon",
        "How far a dream stays with <its> twin.",
        (
            Figure(
                "psnr_1",
                20 + shift,
                19 + shift,
                21 + shift,
                "dB",
                "higher",
                "at least 18",
                8,
                episodes=episodes,
            ),
            Figure("ssim_1", 0.5),
            Figure("ssim_4", 0.4),
            Figure("detail_16", nan, note="nothing to measure & so on"),
        ),
        (Curve("psnr", [1, 2, 4], {"dream": [25 + shift, nan, 20], "copy": [20, 18, 15]}, "frame", "dB"),),
        (
            Strip(
                "median episode",
                "by PSNR",
                [("game", [frame(9), frame(99)]), ("dream", [frame(9)])],
                ["0", "16"],
            ),
        ),
    )
    walls = Section(
        "physics", "Walls", "Do walls stop?", (Figure("violations", 20, 5, 60, "", "lower", "below 30", 8),)
    )
    return Report(
        name, world_hash, suite, (horizon, walls), 61.5, 512, "a machine", "worldsim evaluate", version="1"
    )


@pytest.mark.parametrize(
    ("words", "unit", "expected"),
    [
        ("at least 0.90", "", (0.9, float("inf"))),
        ("0.90 or more", "", (0.9, float("inf"))),
        ("at least 4 dB above copying", "dB", (4, float("inf"))),
        ("below 2 %", "", (float("-inf"), 0.02)),
        ("below 2 %", "%", (float("-inf"), 2)),
        ("below 30 per 1,000", "", (float("-inf"), 30)),
        ("less than 0.5 sigma", "sigma", (float("-inf"), 0.5)),
        ("0.95 to 1.05", "", (0.95, 1.05)),
        ("95 % or more", "", (0.95, float("inf"))),
        ("80 % to 90 %", "", (0.8, 0.9)),
        ("as high as it gets", "", None),
        ("not promised", "", None),
        ("", "", None),
    ],
)
def test_targets_in_words(words: str, unit: str, expected: tuple[float, float] | None) -> None:
    found = bounds(Figure("x", 1.0, unit=unit, reach=words))
    assert found == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("value", "low", "high", "expected"),
    [
        (0.95, 0.92, 0.97, "reached"),
        (0.95, 0.85, 0.97, "undecided"),
        (0.80, 0.70, 0.88, "missed"),
        (0.95, nan, nan, "reached"),
        (nan, nan, nan, "unmeasured"),
    ],
)
def test_status_asks_the_whole_interval(value: float, low: float, high: float, expected: str) -> None:
    assert status(Figure("x", value, low, high, reach="at least 0.90")) == expected


def test_a_number_alone_has_to_be_met_and_few_episodes_decide_nothing() -> None:
    assert bounds(Figure("lag", 0.0, reach="0")) == (0, 0)
    assert (
        status(Figure("lag", 0.0, reach="0")) == "reached"
        and status(Figure("lag", 1.0, reach="0")) == "missed"
    )
    assert status(Figure("x", 1.0, 1.0, 1.0, reach="at least 0.9", count=4)) == "undecided"
    assert status(Figure("x", 1.0, 1.0, 1.0, reach="at least 0.9", count=5)) == "reached"


def test_families_stand_side_by_side() -> None:
    names = ("psnr_1", "ssim_1", "psnr_16", "gain", "ssim_x")
    (rows,), rest = families([Figure(name, 1.5, unit="dB", reach="at least 1") for name in names])
    assert [(row.stem, list(row.members)) for row in rows] == [("psnr", ["1", "16"])]
    assert [f.name for f in rest] == ["ssim_1", "gain", "ssim_x"]
    assert family_table(rows).count("1.50<small>") == 2
    assert families([]) == ([], [])


def test_families_by_word_need_two_rows_of_one_unit() -> None:
    players = [
        Figure(f"{what}_{who}", 1.0, unit=what) for what in ("survival", "slope") for who in ("a", "b", "c")
    ]
    (rows,), rest = families(players)
    assert [(row.stem, list(row.members)) for row in rows] == [
        ("survival", ["a", "b", "c"]),
        ("slope", ["a", "b", "c"]),
    ]
    assert not rest
    ways = [Figure(f"{way}_{what}", 1.0, unit=what) for way in ("turn", "walk") for what in ("kept", "psnr")]
    (rows,), rest = families([*ways, Figure("walk_far", nan)])
    assert [(row.stem, list(row.members)) for row in rows] == [
        ("kept", ["turn", "walk"]),
        ("psnr", ["turn", "walk"]),
    ]
    assert [f.name for f in rest] == ["walk_far"]
    assert families([Figure("f1_attack", 1.0), Figure("f1_use", 1.0)])[0] == []


def test_numbers_are_short_and_honest() -> None:
    assert [number(v) for v in (0.9341, 1.234, 25.17, 1234.4, -0.0001, nan)] == [
        "0.934", "1.23", "25.2", "1,234", "0.000", "–",
    ]  # fmt: skip
    assert signed(0.5) == "+0.500" and signed(-3.0) == "-3.00" and signed(0.0) == "0.000"
    assert interval(Figure("x", 25.0, 9.5, 30.0)) == "9.5 to 30.0" and interval(Figure("x", 1.0)) == "–"


def figures(shift: float, count: int = 8) -> Figure:
    values = np.random.default_rng(1).normal(0, 10, count)
    return Figure(
        "x", float(values.mean()) + shift, -6, 8, "", "higher", "", count, episodes=tuple(values + shift)
    )


def test_paired_episodes_show_what_two_intervals_hide() -> None:
    paired = difference("s", figures(0.0), figures(1.0), paired=True)
    assert paired.paired and paired.verdict == "better" and paired.low == pytest.approx(1.0)
    alone = difference("s", figures(0.0), figures(1.0), paired=False)
    assert not alone.paired and alone.verdict == "even" and alone.low < 0 < alone.high


def test_verdicts_know_the_direction_and_when_to_be_silent() -> None:
    worse = dataclasses.replace(figures(0.0), better="lower")
    assert (
        difference("s", worse, dataclasses.replace(figures(1.0), better="lower"), paired=True).verdict
        == "worse"
    )
    neutral = dataclasses.replace(figures(1.0), better="neutral")
    assert difference("s", figures(0.0), neutral, paired=True).verdict == "changed"
    assert difference("s", figures(0.0, 3), figures(9.0, 3), paired=True).verdict == "unclear"
    assert difference("s", figures(0.0), figures(0.0), paired=True).verdict == "even"
    bare = Figure("x", 1.0, count=9, better="higher")
    assert difference("s", bare, dataclasses.replace(bare, value=2.0), paired=False).verdict == "unclear"


def test_metric_verdicts_and_caveats() -> None:
    better, walls = compare(report(), report(2.0))
    assert (better.section, better.verdict, better.counts["better"]) == ("horizon", "better", 1)
    assert walls.verdict == "even"
    assert compare(report(), report(-2.0))[0].verdict == "worse"
    other = report(suite="full", world_hash="b" * 64)
    assert not compare(report(), other)[0].differences[0].paired
    assert any("Suites differ" in line for line in caveats(report(), other))
    assert caveats(report(), report()) == [
        "Both are the same weights: what differs comes from settings, code or measurement."
    ]
    slow = dataclasses.replace(report(), settings={"sampler steps": "2"}, machine="a machine, load 3")
    fast = dataclasses.replace(other, suite="quick", settings={"sampler steps": "1"})
    assert caveats(fast, slow) == ["Settings differ: sampler steps 1, 2."]


def test_json_comes_back_as_it_was(tmp_path: Path) -> None:
    doc = write_report(report(), tmp_path)
    again = read_document(tmp_path)
    assert to_json(again) == to_json(doc) and again.pictures == doc.pictures
    values = json.loads((tmp_path / "report.json").read_text(), parse_constant=lambda c: pytest.fail(c))
    assert values["format"] == 1 and values["sections"][0]["figures"][3]["value"] is None
    assert isnan(again.report.sections[0].figures[3].value)
    assert (tmp_path / values["sections"][0]["strips"][0]["file"]).read_bytes().startswith(b"\x89PNG")


def test_a_report_without_pictures_is_one_too(tmp_path: Path) -> None:
    write_report(report(), tmp_path / "a")
    (tmp_path / "alone.json").write_bytes((tmp_path / "a" / "report.json").read_bytes())
    assert read_document(tmp_path / "alone.json").pictures == ()


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("{", IntegrityError, "not valid JSON"),
        ("[]", IntegrityError, "no report"),
        ('{"kind": "other"}', IntegrityError, "no report"),
        ('{"kind": "worldsim evaluation", "format": 9}', UnsupportedVersion, "format 9"),
        ('{"kind": "worldsim evaluation", "format": 1}', IntegrityError, "damaged"),
        ('{"kind": "worldsim evaluation", "format": 1, "sections": [1]}', IntegrityError, "damaged"),
        (
            '{"kind": "worldsim evaluation", "format": 1, "sections": [], "world": 3}',
            IntegrityError,
            "damaged",
        ),
    ],
)
def test_foreign_files_are_refused(tmp_path: Path, text: str, error: type[Exception], words: str) -> None:
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(error, match=words):
        read_document(tmp_path)
    for name in ("none.json", "none"):
        with pytest.raises(IntegrityError, match="there is no report; run  worldsim evaluate"):
            read_document(tmp_path / name)


@pytest.mark.parametrize("kind", ["page", "with previous", "versus"])
def test_pages_are_whole_and_fetch_nothing(kind: str) -> None:
    first, second = document(report(world_hash="b" * 64)), document(report(2.0))
    if kind == "versus":
        text = comparison_page(first, second)
    else:
        text = report_page(second, first.report if kind == "with previous" else None)
    seen = Balance()
    seen.feed(text)
    assert not seen.wrong and not seen.open
    assert len(set(seen.ids)) == len(seen.ids)
    assert {link.removeprefix("#") for link in seen.links} <= set(seen.ids)
    assert seen.sources and all(source.startswith("data:image/png;base64,") for source in seen.sources)
    assert "script" not in seen.tags and "link" not in seen.tags and "http" not in text
    assert "&lt;its&gt;" in text and "<its>" not in text


def test_markup_from_outside_stays_text() -> None:
    nasty = "<script>alert(1)</script>\"'"
    dirty = dataclasses.replace(report(name=nasty), command=nasty, machine=nasty, settings={nasty: nasty})
    dirty = dataclasses.replace(
        dirty, probes={nasty: nasty}, failed={nasty: nasty}, date=nasty, version=nasty
    )
    section = Section(
        nasty,
        nasty,
        nasty,
        (Figure(nasty, 1.0, 0.9, 1.1, nasty, "higher", f"at least 1 {nasty}", 9, nasty),),
        (Curve(nasty, [0, 1], {nasty: [0, 1]}, nasty, nasty),),
        (Strip(nasty, nasty, [(nasty, [frame(1)])], [nasty]),),
    )
    doc = document(dataclasses.replace(dirty, sections=(section,)))
    for text in (report_page(doc, doc.report), comparison_page(doc, doc)):
        assert "<script" not in text


def test_out_folder_and_comparison(tmp_path: Path) -> None:
    write_report(report(), tmp_path)
    (tmp_path / "strips" / "of-an-older-report.png").write_bytes(b"")
    write_report(report(), tmp_path)
    names = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    strip = "strips/horizon-median-episode.png"
    assert names == {"report.html", "report.json", "card.md", "strip.png", strip}
    card = (tmp_path / "card.md").read_text()
    assert "| Horizon | psnr 1 | 20.0 dB | 19.0 to 21.0 | at least 18 | reached |" in card and "![" in card
    assert "Horizon:\n\n|  | 1 | 4 |\n| --- | --- | --- |\n| ssim | 0.500 | 0.400 |" in card
    text = write_comparison(document(report(name="old")), document(report(2.0, name="new")), tmp_path)
    assert text.startswith("new against old:") and "Horizon: better" in text
    assert (tmp_path / "comparison.html").stat().st_size > 1000


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ResourceLimitError, match="can't be written"):
        write_report(report(), tmp_path / "file")


def test_strips_with_one_name_in_two_sections_keep_apart() -> None:
    base = report().sections[0]
    twice = dataclasses.replace(report(), sections=(base, dataclasses.replace(base, key="other")))
    assert len({p.file for p in document(twice).pictures}) == 2
    assert isinstance(to_json(Document(report())), dict)


def test_png_is_what_was_drawn() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (7, 5, 3), np.uint8)
    assert (decode(encode_png(picture), 7, 5) == picture).all()
    flat = stack_rows([[frame(1), frame(2)], [frame(3)]])
    assert flat.shape == (20, 32, 3) and flat[0, 0, 0] == 1 and flat[0, 20, 0] == 2
    assert (decode(encode_png(flat), 20, 32) == flat).all()


def decode(data: bytes, height: int, width: int) -> np.ndarray:
    """A reader of our own PNG files, written apart from the writer (PNG specification, section 9.2)."""
    start = data.index(b"IDAT") + 4
    length = int.from_bytes(data[start - 8 : start - 4], "big")
    raw = zlib.decompress(data[start : start + length])
    out = np.zeros((height + 1, width + 1, 3), int)
    for y in range(height):
        kind, *row = raw[y * (1 + 3 * width) : (y + 1) * (1 + 3 * width)]
        for i, value in enumerate(row):
            x, c = i // 3 + 1, i % 3
            a, b, corner = out[y + 1, x - 1, c], out[y, x, c], out[y, x - 1, c]
            p = a + b - corner
            paeth = min(((abs(p - v), k, v) for k, v in enumerate((a, b, corner))))[2]
            out[y + 1, x, c] = (value + (0, a, b, (a + b) // 2, paeth)[kind]) % 256
    return out[1:, 1:].astype(np.uint8)


def test_charts_leave_gaps_and_survive_flat_lines() -> None:
    curve = Curve("c", [0, 1, 2, 3], {"a": [1, 1, nan, 1]}, "frame", "dB")
    assert chart(curve).count("<path") == 1 and "nan" not in chart(curve)
    assert "Nothing" in chart(Curve("c", [], {}, "", "")) and "Nothing" in chart(
        Curve("c", [1], {"a": [nan]})
    )
    assert "nan" not in chart(Curve("c", [5], {"a": [0.0]}))
    assert ticks(0, 64, 6)[0] == 0 and ticks(0, 64, 6)[-1] >= 64
    assert ticks(1, 4, 6, whole=True) == [1, 2, 3, 4]
    assert ticks(3, 3, 5)[0] <= 3 <= ticks(3, 3, 5)[-1]


def test_curves_of_two_worlds_share_an_axis() -> None:
    a, b = Curve("c", [1, 2], {"dream": [1, 2]}), Curve("c", [2, 3], {"dream": [5, 6]})
    both, styles = together(a, b, ("old", "new"))
    assert styles == {"dream, new": (0, False), "dream, old": (0, True)}
    assert chart(both, styles).count('class="line s0 dashed"') == 1 and "s1" not in legend(both, styles)
    assert both.x == [1, 2, 3] and list(both.series) == ["dream, new", "dream, old"]
    assert isnan(both.series["dream, new"][0]) and both.series["dream, old"][:2] == [1, 2]
