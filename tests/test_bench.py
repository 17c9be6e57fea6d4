"""Measurements: medians, tables, files; and each benchmark once with minute sizes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from worldsim import cli
from worldsim.bench import ceilings, everything, pixel_unet, play, report, scaling, stages, train
from worldsim.errors import ResourceLimitError, UsageError, WorldSimError


def test_figures_are_medians_and_words_stay() -> None:
    runs = [{"fps": v, "size": "a"} for v in (1.0, 9.0, 2.0)]
    assert report.median_of(lambda i: runs[i], 3) == {"fps": 2.0, "size": "a"}


def test_quantiles() -> None:
    assert report.quantiles([float(v) for v in range(100)], "ms") == {
        "ms_p50": 50.0,
        "ms_p95": 95.0,
        "ms_p99": 99.0,
    }
    assert report.quantiles([3.0], "ms") == {"ms_p50": 3.0, "ms_p95": 3.0, "ms_p99": 3.0}


def test_the_table_aligns_and_names_the_machine() -> None:
    machine = {**report.machine(), "load": 0.1}
    lines = (
        report.Report("x", {}, [{"size": "a", "fps": 1234.5}, {"size": "bb"}], machine).table().splitlines()
    )
    assert lines[0].split() == ["size", "fps"] and lines[1].split() == ["a", "1,234"]
    assert len(lines[0]) == len(lines[1])
    assert "cores" in lines[4] and "numpy" in lines[5]


def test_a_busy_machine_is_said() -> None:
    assert "busy" in report.Report("x", {}, [{}], {**report.machine(), "load": 2.0}).table()


def test_json_is_whole_or_absent(tmp_path: Path) -> None:
    path = tmp_path / "new" / "out.json"
    report.Report("x", {"a": 1}, [{"fps": 2.0}], report.machine()).publish(str(path))
    assert json.loads(path.read_text())["rows"] == [{"fps": 2.0}]
    assert list(path.parent.iterdir()) == [path]
    (tmp_path / "file").touch()
    with pytest.raises(ResourceLimitError, match="can't be written"):
        report.write_whole(tmp_path / "file" / "out.json", "{}")


def test_training_rates_are_medians_over_stretches() -> None:
    lines = [{"step": 10 * i, "frames": 160 * i, "time": t, "loss": 0.5} for i, t in enumerate((0, 2, 4, 14))]
    assert train._rates(lines) == {"frames_per_s": 80.0, "steps_per_s": 5.0, "stretches": 3, "last_loss": 0.5}
    with pytest.raises(WorldSimError, match="raise --steps"):
        train._rates(lines[:1])


@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_at_least(value: float) -> None:
    with pytest.raises(UsageError, match="--frames: got"):
        report.at_least("frames", value, 1)


@pytest.mark.parametrize(
    "line",
    [
        "bench engine --sizes 64x48 --frames 3 --repeats 2",
        "bench env --env worldsim/Voxel-v0 --steps 3 --repeats 2 --num-envs 1 2",
        "bench data --size 64x48 --episodes 1 --steps 10 --length 4 --batch 2 --batches 1 --repeats 1",
        "bench play --env worldsim/Voxel-v0 --ticks 5 --repeats 1",
        "bench env --env worldsim/Dream-v0 --steps 2 --repeats 1 --num-envs 2",
        "bench play --ticks 3 --repeats 1 --no-window --no-baselines --backend eager",
        "bench scaling --references 2 --sizes 64x48 --channels 32 --batch 1 2 --frames 1",
    ],
)
def test_front_door(line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "out.json"
    assert cli.main([*line.split(), "--json", str(path)]) == 0
    values = json.loads(path.read_text())
    assert values["rows"] and values["machine"]["cores"]
    assert values["machine"]["cpu"] in capsys.readouterr().out


def test_all_benchmarks_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    small = ("--sizes", "64x48", "--frames", "3", "--repeats", "1")
    monkeypatch.setitem(everything.SUBJECTS, "engine", small)
    path = tmp_path / "out.json"
    assert cli.main(["bench", "--only", "engine", "--json", str(path)]) == 0
    values = json.loads(path.read_text())
    assert values["machine"]["cores"] and values["reports"]["engine"]["rows"]
    out, said = capfd.readouterr()
    assert out.startswith("engine") and "64x48" in out and said == "worldsim: bench engine\n"
    monkeypatch.setitem(everything.SUBJECTS, "engine", ("--frames", "0"))
    assert cli.main(["bench", "--only", "engine"]) != 0
    assert "--frames: got 0" in capfd.readouterr().err
    assert cli.main(["bench", "--only", "enigne"]) == 2
    assert cli.main(["bench", "plya"]) == 2
    assert "did you mean play" in capfd.readouterr().err


def test_a_stage_is_timed_without_those_inside_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(stages.time, "perf_counter", lambda: now[0])

    class Loop:
        def outer(self) -> None:
            now[0] += 1
            self.inner()
            now[0] += 2

        def inner(self) -> None:
            now[0] += 10

    clock, loop = stages.Clock(lambda: None), Loop()
    clock.around(loop, "inner", "denoise")
    clock.around(loop, "outer", "draw")
    loop.outer()
    loop.inner()
    taken = clock.take()
    assert (taken["draw"], taken["denoise"], taken["motion"]) == (3000, 20000, 0)
    assert not any(clock.take().values())


def test_stage_rows_hold_the_network_against_the_matrix_rate() -> None:
    stage = dict.fromkeys(stages.STAGES, 0.0)
    measured = {
        "latencies": [40.0] * 3, "backend": "eager", "threads": 2, "flops": 3_000_000_000,
        "stages": [{**stage, "context": 5.0, "denoise": 25.0, "draw": 10.0}] * 3,
    }  # fmt: skip
    whole, *parts = play.stage_rows(measured, 400.0)
    assert whole["frames_per_second"] == 25 and whole["gflop_s"] == 100 and whole["of_matrix_pct"] == 25
    assert [row["what"] for row in parts] == [". context", ". denoise", ". draw"]
    assert parts[1]["share_pct"] == pytest.approx(62.5)


def test_operations_are_counted_and_slopes_fitted() -> None:
    a = torch.ones(8, 4)
    assert ceilings.count_flops(lambda: a @ a.T) == 2 * 8 * 8 * 4
    assert scaling.slope([1, 2, 4], [3, 6, 12]) == pytest.approx(1)
    row = scaling.estimate(0.5)
    assert 450 < row["parameters_m"] < 600 and row["frames_per_s"] == pytest.approx(1e3 / row["ms_p50"])


def test_the_yardstick_has_the_size_it_says() -> None:
    found = pixel_unet.reference(16, 16, 1)
    assert 4.2e6 < found["parameters"] < 4.6e6
    assert pixel_unet.sigmas()[0] == pytest.approx(5) and pixel_unet.sigmas()[-1] == 0
    model = pixel_unet.PixelUNet().eval()
    past, still = torch.rand(1, 12, 16, 16), torch.zeros(1, 4, dtype=torch.long)
    noisy = torch.rand(1, 3, 16, 16)
    with torch.inference_mode():
        same, other = (model(noisy, torch.tensor(1.0), past, still + k) for k in (0, 1))
    assert same.shape == noisy.shape and not torch.equal(same, other)
