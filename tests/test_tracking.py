"""Tracking: metrics.jsonl is complete whatever wandb does, and wandb can't hold training up."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from worldsim.errors import ResourceLimitError
from worldsim.tracking import Tracker, read_metrics

FAKE = """
import json, os, sys, time
BEHAVIOUR = {behaviour!r}
def note(*what):
    with open({log!r}, "a") as file:
        file.write(json.dumps(what) + "\\n")
class Run:
    def log(self, values, step):
        if BEHAVIOUR == "log fails": raise RuntimeError("no route to host\\nsecond line")
        note("log", sorted(values.items()), step)
    def finish(self):
        if BEHAVIOUR == "never ends": time.sleep(600)
        note("finish")
def init(**arguments):
    print("chatter of a library")
    if BEHAVIOUR == "init fails": raise RuntimeError("api key missing\\nsecond line")
    if BEHAVIOUR == "init hangs": time.sleep(600)
    if BEHAVIOUR == "dies": os._exit(3)
    note("init", arguments)
    return Run()
def Image(path): return "image " + os.path.basename(path)
def Video(path, format): return "video " + os.path.basename(path)
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put a stand-in for wandb first on the path; returns how to choose its manners and its log."""

    def make(behaviour: str) -> Path:
        log = tmp_path / "fake.log"
        (tmp_path / "lib").mkdir()
        (tmp_path / "lib" / "wandb.py").write_text(FAKE.format(behaviour=behaviour, log=str(log)))
        monkeypatch.syspath_prepend(str(tmp_path / "lib"))
        return log

    return make


def test_metrics_alone(tmp_path: Path) -> None:
    with Tracker(tmp_path / "run", "disabled") as tracker:
        tracker.log({"loss": torch.tensor(0.5), "lr": np.float32(0.25), "n": 3, "bad": float("nan")}, 1)
        tracker.image("strip", tmp_path / "run" / "strips" / "1.png", 2)
        first, second = read_metrics(tmp_path / "run")  # flushed before the end
    assert {k: first[k] for k in ("step", "loss", "lr", "n", "bad")} == {
        "step": 1, "loss": 0.5, "lr": 0.25, "n": 3, "bad": None,
    }  # fmt: skip
    assert second["image"] == {"strip": "strips/1.png"}
    assert os.listdir(tmp_path / "run") == ["metrics.jsonl"]
    tracker.log({"late": 1}, 3)
    tracker.close()
    assert len(read_metrics(tmp_path / "run")) == 2


def test_a_resumed_run_goes_on_after_a_cut_line(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n{"step": 2, "lo')
    with Tracker(tmp_path, "disabled") as tracker:
        tracker.log({}, 2)
    assert [r["step"] for r in read_metrics(tmp_path)] == [1, 2]
    assert read_metrics(tmp_path / "none") == []


def test_a_folder_that_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceLimitError, match="can't be written"):
        Tracker(tmp_path / "file" / "run", "disabled")


def test_everything_reaches_wandb(tmp_path: Path, fake, capfd: pytest.CaptureFixture[str]) -> None:
    log = fake("works")
    with Tracker(tmp_path / "run", "online", project="p", config={"size": 3}) as tracker:
        tracker.log({"loss": 0.5, "bad": float("inf")}, 1)
        tracker.image("strip", "a.png", 2)
        tracker.video("roll", "b.mp4", 3)
    told = [json.loads(line) for line in log.read_text().splitlines()]
    arguments = told[0][1]
    assert arguments["mode"] == "online" and arguments["config"] == {"size": 3} and len(arguments["id"]) == 8
    assert told[1:] == [
        ["log", [["loss", 0.5]], 1],
        ["log", [["strip", "image a.png"]], 2],
        ["log", [["roll", "video b.mp4"]], 3],
        ["finish"],
    ]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("behaviour", ["init fails", "log fails", "dies"])
def test_broken_wandb_is_one_line(
    tmp_path: Path, fake, behaviour: str, capfd: pytest.CaptureFixture[str]
) -> None:
    fake(behaviour)
    with Tracker(tmp_path / "run", "offline") as tracker:
        for step in range(50):
            tracker.log({"loss": 0.5}, step)
    assert len(read_metrics(tmp_path / "run")) == 50
    out, err = capfd.readouterr()
    assert out == "" and err.count("\n") == 1 and "wandb" in err and "second" not in err


@pytest.mark.parametrize("behaviour", ["init hangs", "never ends"])
def test_a_wandb_that_hangs_delays_nothing(
    tmp_path: Path, fake, behaviour: str, capfd: pytest.CaptureFixture[str]
) -> None:
    fake(behaviour)
    tracker = Tracker(tmp_path / "run", "offline")
    begin = time.monotonic()
    for step in range(4000):
        tracker.log({"loss": 0.5, "text": "x" * 100}, step)
    assert time.monotonic() - begin < 20.0
    begin = time.monotonic()
    tracker.close(timeout=1.0)
    assert time.monotonic() - begin < 20.0
    assert len(read_metrics(tmp_path / "run")) == 4000
    assert "did not finish" in capfd.readouterr().err


def test_without_wandb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with Tracker(tmp_path, "offline") as tracker:
        tracker.log({"loss": 1.0}, 0)
    assert len(read_metrics(tmp_path)) == 1 and "not installed" in capfd.readouterr().err


def test_a_real_offline_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("wandb")
    image = pytest.importorskip("PIL.Image")
    image.new("RGB", (8, 8)).save(tmp_path / "strip.png")
    with Tracker(tmp_path / "run", "offline", config={"size": 3}) as tracker:
        tracker.log({"loss": 0.5}, 1)
        tracker.image("strip", tmp_path / "strip.png", 2)
        tracker.close(timeout=120)  # the machine may be busy
    assert list((tmp_path / "run" / "wandb").glob("offline-run-*/run-*.wandb"))
    assert capfd.readouterr().err == ""
