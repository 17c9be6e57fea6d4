"""Probes: what reads a frame without the game's help: which blocks it shows, how the eye moved, which keys act."""

from worldsim.evaluate.probes.bundle import Probes, load_probes
from worldsim.evaluate.probes.motion import Moves

__all__ = ["Moves", "Probes", "load_probes"]
