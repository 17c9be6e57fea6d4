"""Uses an installed wheel from outside the repository whose path is given; run by .ci/run."""

import sys
from importlib.util import find_spec
from pathlib import Path

import gymnasium

import worldsim

FOLDERS = ["agents", "bench", "commands", "data", "envs", "model", "play", "sim", "train", "worlds"]

assert not worldsim.__file__.startswith(sys.argv[1]), worldsim.__file__
for folder in FOLDERS:
    assert find_spec(f"worldsim.{folder}"), f"worldsim.{folder} is not in the wheel"
for env_id in ("worldsim/Voxel-v0", "worldsim/Dream-v0"):
    env = gymnasium.make(env_id)
    env.reset(seed=1)
    observation, *_ = env.step(env.action_space.sample())
    assert env.observation_space.contains(observation)
    env.close()
    print(env_id, "made, reset and stepped from the wheel")

here = Path(find_spec("worldsim.envs").submodule_search_locations[0])
for name in ("luanti_clock.c", "luanti_mods/worldsim_oracle/init.lua", "luanti_mods/worldsim_probe/mod.conf"):
    assert (here / name).is_file(), f"{name} is not in the wheel"
gymnasium.make("worldsim/Luanti-v0").close()
