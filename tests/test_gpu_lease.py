"""Training on a bare machine: what it needs is there, each command begins where it should, all of it runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from model_fakes import save_tiny_world
from worldsim.train import gpu_lease, handover
from worldsim.train.gpu_lease import LeaseOptions, plan

from worldsim.checkpoint import load_checkpoint
from worldsim.errors import ResourceLimitError, UsageError

ROOT = Path(__file__).resolve().parents[1]
BARE = """
import sys
for name in ("gymnasium", "pygame", "wandb", "tyro", "av", "PIL"):
    sys.modules[name] = None  # neither found nor imported
sys.meta_path[:] = [f for f in sys.meta_path if "Editable" not in getattr(f, "__name__", type(f).__name__)]
"""
IMPORTS = """
import worldsim.sim.world, worldsim.data.live, worldsim.data.worker
import worldsim.envs.voxel_engine, worldsim.agents.explorer, worldsim.train.world, worldsim.train.gpu_lease
from worldsim import registry
for names in (registry.ENGINES, registry.POLICIES, registry.RECIPES, registry.PROGRAMS):
    for name in names:
        registry.resolve(names, name, "name")
"""


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """An environment in which Python finds neither the installed package nor what a machine may lack."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(BARE)
    return {
        **os.environ, "PYTHONPATH": str(tmp_path / "site"), "PYTHON": sys.executable,
        "TMPDIR": str(tmp_path), "OUT": str(tmp_path / "out"),
    }  # fmt: skip


def test_everything_is_imported_there(bare: dict[str, str], tmp_path: Path) -> None:
    package = tmp_path / "package"
    shutil.copytree(ROOT / "worldsim", package / "worldsim", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("envs", "agents", "train"):
        (package / "worldsim" / name).symlink_to(ROOT / name)
    path = os.pathsep.join([bare["PYTHONPATH"], str(package)])
    command = [sys.executable, "-c", IMPORTS]
    done = subprocess.run(command, cwd=package, env={**bare, "PYTHONPATH": path}, stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr.decode()[-2000:]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_dry_run(bare: dict[str, str], tmp_path: Path) -> None:
    command = ["bash", str(ROOT / "train" / "gpu_lease.sh"), "--dry-run", "--phase", "last"]
    done = subprocess.run(command, cwd=tmp_path, env=bare, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert "from scratch" in done.stdout and "24 beginnings" in done.stdout
    out = tmp_path / "out"
    assert sorted(p.name for p in out.iterdir()) == ["metrics.jsonl", "world"]
    assert load_checkpoint(out / "world").step == 3
    assert not list(tmp_path.glob("tmp.*")), "the work folder is left"


def options(tmp_path: Path, **changes: object) -> LeaseOptions:
    return LeaseOptions(tmp_path / "work", tmp_path / "out", **changes)  # type: ignore[arg-type]


def run_of(tmp_path: Path) -> Path:
    """A run that another command left on the machine."""
    run = tmp_path / "work" / "run"
    (run / "state").mkdir(parents=True)
    save_tiny_world(run / "world")
    return run


def test_a_command_begins_with_the_shipped_world_or_from_scratch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = save_tiny_world(tmp_path / "voxel")
    monkeypatch.setattr(gpu_lease, "shipped_worlds", lambda: ["voxel"])
    monkeypatch.setattr(gpu_lease, "find_world", lambda name: world)
    assert plan(options(tmp_path))["init"] == str(world)
    assert plan(options(tmp_path, init="none"))["init"] is None
    monkeypatch.setattr(gpu_lease, "shipped_worlds", lambda: [])
    made = plan(options(tmp_path))
    assert made["init"] is None and not made["resume"] and made["device"] == "cuda"


def test_a_command_goes_on_with_the_run_of_the_one_before(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    made = plan(options(tmp_path, phase="middle"))
    assert made["resume"] and made["init"] == str(run / "world")
    assert "rollout_after=0" in made["set"] and "decay_start=1.0" in made["set"]
    copy = shutil.copytree(run / "world", tmp_path / "carried")
    assert plan(options(tmp_path, phase="last", init=str(copy)))["resume"]
    other = save_tiny_world(tmp_path / "other", seeds=1)
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config))  # not the bytes of the run's
    made = plan(options(tmp_path, phase="last", init=str(other)))
    assert not made["resume"] and made["init"] == str(other) and "decay_start=0.3" in made["set"]
    assert not plan(options(tmp_path, phase="first", init="none"))["resume"]


def test_a_world_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere"):
        plan(options(tmp_path, init="nowhere"))


def test_only_what_comes_back_is_handed_over(tmp_path: Path) -> None:
    run, out = run_of(tmp_path), tmp_path / "out"
    seen = handover.export(run, out, ())
    assert "3 beginnings; 4 files" in handover.verify(out)
    (out / "world" / "card.md").write_text("kept, as nothing new was saved")
    assert handover.export(run, out, seen) == seen and (out / "world" / "card.md").exists()
    (run / "world" / "card.md").write_text("new")
    assert handover.export(run, out, seen) != seen
    assert (out / "world" / "card.md").read_text() == "new"
    (run / "profile.txt").write_text("where the time goes")
    handover.export(run, out, ())
    assert (out / "profile.txt").exists() and handover.has_room_for_profile(out)
    for i in range(handover.FILES):
        (out / f"{i}.txt").touch()
    with pytest.raises(ResourceLimitError, match="at most 8 files"):
        handover.verify(out)


def test_a_profile_stays_behind_where_it_is_one_file_too_many(tmp_path: Path) -> None:
    run, out = run_of(tmp_path), tmp_path / "out"
    (run / "profile.txt").write_text("where the time goes")
    for name in ("a", "b"):
        (run / "world" / name).touch()
    handover.export(run, out, ())
    assert not (out / "profile.txt").exists() and not handover.has_room_for_profile(out)
