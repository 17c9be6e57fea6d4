"""worldsim: an action-conditioned interactive world simulator for agents.

Importing it registers `worldsim/Voxel-v0` (the game) and `worldsim/Dream-v0` (the learned
world) with Gymnasium, where Gymnasium is installed.
"""

from importlib.util import find_spec as _find_spec

from worldsim.errors import WorldSimError as WorldSimError
from worldsim.registry import register_envs as register_envs

__version__ = "0.1.0"

if _find_spec("gymnasium") is not None:
    register_envs()
