"""Names and what they stand for: the only place where the library names its sibling folders.

Each registry is a small dict of name to "module:attribute", imported when it is used.
"""

from __future__ import annotations

import difflib
import importlib
from typing import Any

from worldsim.errors import UsageError

GAME, DREAM = "worldsim/Voxel-v0", "worldsim/Dream-v0"
"""The game that ships, and the dream of a world: what everything plays in unless told otherwise."""

ENVS: dict[str, str] = {
    GAME: "worldsim.envs.voxel:VoxelEnv",
    DREAM: "worldsim.sim.env:DreamEnv",
    "worldsim/Luanti-v0": "worldsim.envs.luanti:LuantiEnv",
    "worldsim/MineRL-v0": "worldsim.envs.minerl_env:MineRLEnv",
}
"""Gymnasium ids that `import worldsim` registers."""

VECTOR_ENVS: dict[str, str] = {
    GAME: "worldsim.envs.voxel_vector:VoxelVectorEnv",
    DREAM: "worldsim.sim.vector:DreamVectorEnv",
}
"""The same ids for `gymnasium.make_vec`."""

ENGINES: dict[str, str] = {GAME: "worldsim.envs.voxel_engine:VoxelEngine"}
"""Games that a live source can run with numpy and numba alone."""

POLICIES: dict[str, str] = {
    "explorer": "worldsim.agents.explorer:Explorer",
    "tinker": "worldsim.agents.tinker:Tinker",
    "dancer": "worldsim.agents.dancer:Dancer",
    "random": "worldsim.agents.uniform:Uniform",
}
"""Scripted players: `Policy(seed).act(state) -> float32 [25]`."""

AGENTS: dict[str, str] = {
    "random": "worldsim.agents.lottery:Lottery",
    "scripted": "worldsim.agents.scripted:Scripted",
    "cem": "worldsim.agents.planner:Planner",
}
"""Agents that need no training; see agents/agent.py for what an agent is."""

LEARNT: dict[str, str] = {"network": "worldsim.agents.network:load"}
"""Kinds of agents in folders: `load(checkpoint)` gives the agent."""

LEARNERS: dict[str, str] = {"ppo": "worldsim.agents.ppo:train", "bc": "worldsim.agents.cloning:train"}
"""What `worldsim train agent --algo NAME` runs: `train(options)` gives the run's folder."""

RECIPES: dict[str, str] = {
    "debug": "worldsim.train.recipes:debug",
    "small": "worldsim.train.recipes:small",
    "cpu": "worldsim.train.recipes:cpu",
    "gpu": "worldsim.train.recipes:gpu",
    "latent": "worldsim.train.recipes:latent",
    "luanti": "worldsim.train.recipes:luanti",
}
"""Functions that return a complete training configuration."""


PROGRAMS: dict[str, str] = {
    "world": "worldsim.train.world:main",
    "tokenizer": "worldsim.train.tokenizer:main",
    "probes": "worldsim.train.probes:main",
    "idm": "worldsim.train.idm:main",
    "motion": "worldsim.train.motion:main",
    "hands": "worldsim.train.hands:main",
    "overlay": "worldsim.train.overlay:main",
    "monodepth": "worldsim.train.monodepth:main",
    "agent": "worldsim.train.agent:main",
}
"""What `worldsim train NAME` runs: `main(options)`, its options dataclass is `TrainOptions` beside it."""


def resolve(registry: dict[str, str], name: str, what: str) -> Any:
    """Import what `name` stands for.

    Raises:
        UsageError: the name is not registered; near names are listed.
    """
    if name not in registry:
        near = difflib.get_close_matches(name, registry, 3) or sorted(registry)
        raise UsageError(f"{what} {name!r}: unknown; did you mean {' or '.join(near)}?")
    module, _, attribute = registry[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def register_envs() -> None:
    """Make every id of `ENVS` known to Gymnasium; safe to call twice."""
    import gymnasium

    for env_id, entry_point in ENVS.items():
        if env_id not in gymnasium.registry:
            gymnasium.register(env_id, entry_point=entry_point, vector_entry_point=VECTOR_ENVS.get(env_id))
