"""Probes: small networks, trained on the game alone, that say what a frame shows and how the eye moved."""

from worldsim.evaluate.probes.bundle import Moves, Probes, load_probes

__all__ = ["Moves", "Probes", "load_probes"]
