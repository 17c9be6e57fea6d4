"""The benchmark of a GPU where there is none: it runs on a bare machine, ends in time and keeps what it has."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from test_gpu_lease import BARE

from worldsim.bench import gpu
from worldsim.bench.gpu import GpuBench, Job

ROOT = Path(__file__).resolve().parents[1]


def bench(out: Path, minutes: float = 10.0) -> GpuBench:
    return GpuBench(out, torch.device("cpu"), True, time.monotonic() + 60 * minutes)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_dry_run_on_a_bare_machine(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(BARE)
    out = tmp_path / "out"
    command = [sys.executable, "-m", "worldsim.bench.gpu", "--device", "cpu", "--tiny", "--out", str(out)]
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert sorted(p.name for p in out.iterdir()) == ["gpu.json", "operations_1.txt", "operations_2.txt"]
    values = json.loads((out / "gpu.json").read_text())
    rows = values["rows"]
    drawn = {(r["world"], r["way"], r["batch"], r["what"]) for r in rows if r.get("frames_per_s")}
    for way in ("eager bf16", "eager float32"):
        assert {("tiny", way, batch, what) for batch in (1, 2) for what in ("step", "network")} <= drawn
    assert ("large", "eager bf16", 1, "step") in drawn
    assert {r["of"] for r in rows if r.get("what") == "ceilings"} == {
        "matrix_bf16", "matrix_float32", "matrix_tf32", "copy",
    }  # fmt: skip
    skipped = {r["way"] for r in rows if "CUDA device only" in r.get("skipped", "")}
    assert skipped == {way for way in gpu.WAYS if way.startswith("cudagraph")}
    staged = [r for r in rows if r.get("stages_ms")]
    assert staged and {"references", "context", "denoise", "decode"} <= set(staged[0]["stages_ms"])
    assert "eager bf16" in done.stdout and values["machine"]["cpu"] in done.stdout
    assert "aten::" in (out / "operations_1.txt").read_text()


def test_what_fails_and_what_is_too_late_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, seen = bench(tmp_path / "out"), []

    def short() -> list[dict[str, Any]]:
        raise torch.OutOfMemoryError("CUDA out of memory")

    def broken() -> list[dict[str, Any]]:
        seen.append(json.loads((tmp_path / "out" / "gpu.json").read_text())["rows"])  # what is there by now
        raise RuntimeError("no such kernel\nmore lines")

    jobs = [
        Job({"way": "a"}, short, 0), Job({"way": "b"}, lambda: [{"ms_p50": 1.0}], 0), Job({"way": "c"}, broken, 0),
        Job({"way": "d"}, lambda: [{"ms_p50": 2.0}], 3600),
    ]  # fmt: skip
    monkeypatch.setattr(run, "_jobs", lambda: jobs)
    run.run()
    reasons = [row.get("skipped") for row in json.loads((tmp_path / "out" / "gpu.json").read_text())["rows"]]
    assert reasons[:3] == ["out of memory", None, "RuntimeError: no such kernel"]
    assert "left, 3600 needed" in reasons[3]
    assert [row["way"] for row in seen[0]] == ["a", "b"]
    assert "no such kernel" in run.table()


def test_the_important_rows_come_first(tmp_path: Path) -> None:
    run = bench(tmp_path)
    run.tiny = False
    jobs = [job.facts for job in run._jobs()]
    assert jobs[0] == {"what": "ceilings"}
    assert jobs[1] == {"world": "voxel", "way": "cudagraph bf16", "batch": 1}
    assert {"world": "large", "way": "cudagraph bf16", "batch": 1} in jobs[:8]
    rows = {(job["way"], job["batch"]) for job in jobs if job.get("world") == "voxel" and "what" not in job}
    assert rows == {(way, batch) for way in gpu.WAYS for batch in (1, 16, 64, 256, 1024)}


def test_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main(["--out", str(tmp_path)]) == 2
    assert gpu.main(["--out", str(tmp_path), "--device", "cpu", "--minutes", "0"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert "torch finds no GPU here" in said[0] and "--minutes: got 0.0" in said[1] and len(said) == 2
