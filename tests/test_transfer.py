"""The transfer experiment with minute sizes: it trains in both places, judges in both, goes on, and writes a page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from model_fakes import HEADED, save_tiny_world

from worldsim import cli


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    pytest.importorskip("stable_baselines3", reason="pip install 'worldsim[rl]'")
    scratch = tmp_path_factory.mktemp("transfer")
    world = save_tiny_world(scratch / "world", config=HEADED)
    text = (
        f"transfer --tasks beacon --seeds 0 1 --steps 32 --episodes 2 --rank-episodes 2 --policies 8 --limit 8 "
        f"--size 64x48 --num-envs 2 --rollout 8 --world {world} --out {scratch / 'out'}"
    )
    return text.split()


def test_one_command_one_page(line: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(line) == 0
    said = capsys.readouterr()
    assert "learnt in the dream" in said.out and "gap" in said.out and "PPO in the dream, seed 1" in said.err
    out = Path(line[-1])
    document = json.loads((out / "transfer.json").read_text())
    (task,) = document["tasks"]
    assert [one["player"] for one in task["lines"]] == [
        "random", "scripted", "learnt in the dream", "learnt in the game"
    ]  # fmt: skip
    dream = task["lines"][2]
    assert len(dream["each"]) == 2 and dream["decisions_per_s"] > 0
    assert dream["gap"] == pytest.approx(dream["dream"][0] - dream["game"][0])
    assert len(task["points"]) == 8 and {p[0] for p in task["points"]} == {
        "beacon-game-0", "beacon-game-1", "beacon-dream-0", "beacon-dream-1"
    }  # fmt: skip
    page = (out / "transfer.html").read_text()
    assert (
        "<svg" in page
        and "Rank correlation over 8 policies" in page
        and "http" not in page.split("<body>")[1]
    )
    assert "learnt in the game" in page and "<script" not in page


def test_what_is_known_is_not_measured_again(line: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    before = (Path(line[-1]) / "scores.json").read_bytes()
    assert cli.main(line) == 0
    assert capsys.readouterr().err == ""
    assert (Path(line[-1]) / "scores.json").read_bytes() == before
    (Path(line[-1]) / "transfer.html").unlink()
    assert cli.main([*line, "--page-only"]) == 0
    assert (Path(line[-1]) / "transfer.html").exists()


def test_other_options_want_another_folder(line: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    changed = [*line]
    changed[changed.index("--episodes") + 1] = "3"
    assert cli.main(changed) == 3
    assert "episodes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("--tasks fly", "expected one of"),
        ("--tasks beacon beacon", "each once"),
        ("--episodes 1", "--episodes"),
        ("--set tower.goal=3 --tasks beacon", "TASK.KEY=VALUE"),
        ("--page-only", "scores.json"),
    ],
)
def test_bad_command_lines(text: str, match: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["transfer", "--out", str(tmp_path / "none"), *text.split()]) == 2
    error = capsys.readouterr().err
    assert match in error and error.count("\n") == 1
