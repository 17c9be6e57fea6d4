"""Every example, started as its docstring says, with minute sizes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from model_fakes import save_tiny_world

FOLDER = Path(__file__).resolve().parents[1] / "examples"
TINY = (
    "batch=2 clip=12 workers=0 steps=2 minutes=null model.denoiser.channels=16 model.denoiser.head_size=16 "
    "model.denoiser.cond=32 model.motion.width=32"
)
LINES = {
    "play_voxel_random.py": "--steps 5 --explorer",
    "record_and_read.py": "--steps 24 --out OUT/recorded",
    "dream_random.py": "--world WORLD --ticks 8 --every 2 --out OUT/dream.png",
    "train_tiny_world.py": "--out OUT/tiny " + " ".join(f"--set {change}" for change in TINY.split()),
    "evaluate_world.py": "--world WORLD --episodes 2 --frames 6 --out OUT/report",
    "tasks.py": "--env worldsim/Voxel-v0 --tasks beacon dry --episodes 1 --limit 20",
    "custom_policy.py": "--world WORLD --ticks 12",
    "train_ppo.py": "--steps 16 --limit 16 --episodes 2 --out OUT/ppo",
    "cleanrl_ppo.py": "--steps 32 --num-envs 2 --rollout 8 --limit 6",
    "add_a_game_vizdoom.py": "--episodes 1 --steps 12 --out OUT/doom --picture OUT/doom.png",
    "vector_random.py": "--env worldsim/Dream-v0 --world WORLD --num-envs 2 --steps 8 --episode 3",
}


def test_every_example_is_tried_and_says_how_to_run_it() -> None:
    assert {path.name for path in FOLDER.glob("*.py")} == LINES.keys()
    for name in LINES:
        assert re.search(rf"^Run:  python examples/{name} ", (FOLDER / name).read_text(), re.MULTILINE), name


@pytest.mark.parametrize("name", list(LINES))
def test_example(name: str, tmp_path: Path) -> None:
    if name == "train_ppo.py":
        pytest.importorskip("stable_baselines3", reason="pip install 'worldsim[rl]'")
    if "vizdoom" in name:
        pytest.importorskip("vizdoom", reason="ViZDoom is not installed (pip install vizdoom)")
    world = save_tiny_world(tmp_path / "world")
    line = LINES[name].replace("OUT", str(tmp_path)).replace("WORLD", str(world))
    command = [sys.executable, str(FOLDER / name), *line.split()]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip()
    for picture in re.findall(r"\S+\.png", done.stdout):
        assert (tmp_path / picture).read_bytes().startswith(b"\x89PNG")
