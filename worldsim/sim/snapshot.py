"""The state of a dream at one tick, in memory and as bytes: exact, and restorable in another process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worldsim.actions import ACTION_SIZE
from worldsim.errors import UsageError
from worldsim.model.cells import FACES, Aim
from worldsim.model.grounding import SHRINK
from worldsim.model.hands import STRIP
from worldsim.model.overlay import PHASES
from worldsim.model.retrieval import GRID
from worldsim.packed import check_generator, need_array, need_integer, pack, unpack
from worldsim.signals import SLOTS
from worldsim.sim.simulator import Simulator
from worldsim.sim.state import Grip, KeyFrame, Memory, Scene, WorldState

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class DreamState:
    """Everything a dream is at one tick; made by `clone_state`, shares its frames with it.

    Picklable; `to_bytes` and `from_bytes` do the same without a pickle, for files.
    """

    kind: ClassVar[str] = "worldsim.dream"
    world: WorldState
    rng: dict[str, Any]
    episode: int
    world_hash: str

    @property
    def ended(self) -> bool:
        """Whether the model's numbers went wrong."""
        return bool(self.world.failed)

    def to_bytes(self) -> bytes:
        """All of it, about 80 kB for each remembered frame of 160x96."""
        w = self.world
        facts = {
            "seed": w.seed, "episode": w.episode, "tick": w.tick, "failed": w.failed, "recent": len(w.recent),
            "rng": self.rng, "resets": self.episode, "world_hash": self.world_hash,
        }  # fmt: skip
        return pack(self.kind, _arrays(w), facts)

    @classmethod
    def from_bytes(cls, data: bytes) -> DreamState:
        """Read what `to_bytes` wrote, in any process.

        Raises:
            UsageError: damaged bytes or another kind of state.
            UnsupportedVersion: a newer format.
        """
        _, arrays, facts = unpack(data, cls.kind)
        failed, world_hash = facts.get("failed"), facts.get("world_hash")
        if not isinstance(failed, str) or not isinstance(world_hash, str):
            raise UsageError("state: failed and world_hash: expected text")
        world = WorldState(
            seed=need_integer(facts, "seed", 0, 2**64 - 1),
            episode=need_integer(facts, "episode", 0, 2**63),
            tick=need_integer(facts, "tick", 0, 2**63),
            failed=failed,
            **_fields(arrays, need_integer(facts, "recent", 1, 2)),
        )
        episode = need_integer(facts, "resets", 0, 2**63)
        return cls(world, check_generator(facts.get("rng")), episode, world_hash)

    def __reduce__(self) -> tuple[Any, tuple[bytes]]:
        # Not tensor by tensor: a view would take the whole batch that it is part of with it.
        return type(self).from_bytes, (self.to_bytes(),)


def check_fits(state: Any, simulator: Simulator, world_hash: str) -> None:
    """Raise UsageError unless a dream of these weights can go to `state`."""
    if not isinstance(state, DreamState):
        raise UsageError(f"restore_state: got {type(state).__name__}, expected what clone_state() returned")
    if state.world_hash != world_hash:
        raise UsageError("restore_state: the state is of another world; make the env with the same weights")
    w, size = state.world, (simulator.height, simulator.width)
    signals = simulator.model.signal_count
    fits = (
        w.newest.depth.shape == size
        and w.actions.shape[0] == simulator.history
        and w.caption.shape[0] == simulator.model.config.denoiser.caption_size
        and (w.signals is None or w.signals.shape == (signals,))
        and (w.apart is None or w.apart.shape == (simulator.doubt.places,))
    )
    if not fits:
        raise UsageError("restore_state: the state's sizes are not those of this world")


def on_device(world: WorldState, device: torch.device) -> WorldState:
    """The same world with its frames on `device`; itself if they are there."""
    if world.newest.frame.device == device:
        return world

    def moved(keys: Sequence[KeyFrame]) -> tuple[KeyFrame, ...]:
        return tuple(
            replace(k, frame=k.frame.to(device), depth=k.depth.to(device), ground=k.ground.to(device))
            for k in keys
        )

    memory = replace(world.memory, frames=moved(world.memory.frames))
    overlay = None if world.overlay is None else world.overlay.to(device)
    return replace(world, recent=moved(world.recent), memory=memory, overlay=overlay)


def _arrays(w: WorldState) -> dict[str, NDArray[Any]]:
    keys = (*w.recent, *w.memory.frames)
    arrays = {
        "frames": _numpy([k.frame for k in keys]),
        "depth": _numpy([k.depth for k in keys]),
        "ground": _numpy([k.ground for k in keys]),
        "pose": _numpy([k.pose for k in keys]),
        "ticks": np.array([k.tick for k in keys], np.int64),
        "imagined": np.array([k.imagined for k in keys], np.uint8),
        "actions": w.actions.cpu().numpy(),
        "past": w.past.cpu().numpy(),
        "caption": w.caption.cpu().numpy(),
        "uncertainty": np.array([w.uncertainty, w.invented], np.float64),
        "daytime": np.array([w.daytime], np.float64),
        "strange": np.array([w.strange], np.float64),
        "scene": np.array([w.scene.place, w.scene.since], np.int64),
        "grip": _grip_numbers(w.grip),
    }
    if w.apart is not None:
        arrays["apart"] = w.apart.cpu().numpy()
    if w.signals is not None:
        arrays["signals"] = w.signals.cpu().numpy()
    if w.overlay is not None:
        arrays["overlay"] = w.overlay.cpu().numpy()
    if w.eye is not None:
        arrays["eye"] = w.eye.cpu().numpy()
    if w.memory.coarse is not None and w.memory.poses is not None:
        arrays |= {"coarse": w.memory.coarse.cpu().numpy(), "coarse_pose": w.memory.poses.cpu().numpy()}
    return arrays


def _fields(arrays: Arrays, recent: int) -> dict[str, Any]:
    depth = need_array(arrays, "depth", np.float16, (None, None, None))
    count, height, width = depth.shape
    frames = need_array(arrays, "frames", np.uint8, (count, height, width, 3))
    pose = need_array(arrays, "pose", np.float32, (count, 5))
    ticks = need_array(arrays, "ticks", np.int64, (count,))
    made = need_array(arrays, "imagined", np.uint8, (count,))
    if count < recent:
        raise UsageError(f"state: frames: got {count}, expected at least {recent}")
    half = (height // SHRINK, width // SHRINK)
    ground = need_array(arrays, "ground", np.uint8, (count, *half))
    keys = tuple(
        KeyFrame(_tensor(f), _tensor(d), _tensor(p), int(t), _tensor(g), bool(m))
        for f, d, p, t, g, m in zip(frames, depth, pose, ticks, ground, made)
    )
    doubt = need_array(arrays, "uncertainty", np.float64, (2,))
    apart = need_array(arrays, "apart", np.float32, (None,)) if "apart" in arrays else None
    signals = need_array(arrays, "signals", np.float32, (None,)) if "signals" in arrays else None
    eye = need_array(arrays, "eye", np.float32, (5,)) if "eye" in arrays else None
    lies = need_array(arrays, "overlay", np.uint8, (4, STRIP, width)) if "overlay" in arrays else None
    return {
        "recent": keys[:recent],
        "memory": _memory(arrays, keys[recent:]),
        "actions": torch.from_numpy(need_array(arrays, "actions", np.float32, (None, ACTION_SIZE))),
        "past": torch.from_numpy(need_array(arrays, "past", np.float32, (2, 3))),
        "caption": torch.from_numpy(need_array(arrays, "caption", np.float32, (None,))),
        "daytime": float(need_array(arrays, "daytime", np.float64, (1,))[0]),
        "strange": float(need_array(arrays, "strange", np.float64, (1,))[0]) if "strange" in arrays else 0.0,
        "apart": None if apart is None else torch.from_numpy(apart),
        "uncertainty": float(doubt[0]),
        "invented": float(doubt[1]),
        "signals": None if signals is None else torch.from_numpy(signals),
        "eye": None if eye is None else torch.from_numpy(eye),
        "scene": Scene(*need_array(arrays, "scene", np.int64, (2,)).tolist())
        if "scene" in arrays
        else Scene(),
        "grip": _grip(need_array(arrays, "grip", np.float64, (14,))),
        "overlay": None if lies is None else torch.from_numpy(lies),
    }


def _grip_numbers(grip: Grip) -> NDArray[np.float64]:
    aim = (*grip.aim.cell, grip.aim.face, grip.aim.distance) if grip.aim else (0, 0, 0, 0, 0)
    told = (grip.held, *grip.since, grip.slot, grip.broke, grip.placed, grip.arm, grip.swung)
    return np.array([grip.aim is not None, *aim, *told], np.float64)


def _grip(numbers: NDArray[Any]) -> Grip:
    has, *aim, held, since_broke, since_placed, slot, broke, placed, arm, swung = numbers.tolist()
    *whole, distance = aim
    if not (-1 <= slot < SLOTS and 0 <= arm < PHASES and 0 <= whole[3] < FACES):
        raise UsageError(
            f"state: grip: got slot {slot:g}, phase {arm:g} and face {whole[3]:g}, expected -1 to {SLOTS - 1}, "
            f"0 to {PHASES - 1} and 0 to {FACES - 1}"
        )
    x, y, z, face = (int(n) for n in whole)
    found = Aim((x, y, z), face, distance) if has else None
    since = int(since_broke), int(since_placed)
    return Grip(found, int(held), since, int(slot), bool(broke), bool(placed), int(arm), bool(swung))


def _memory(arrays: Arrays, keys: tuple[KeyFrame, ...]) -> Memory:
    if not keys:
        return Memory()
    coarse = need_array(arrays, "coarse", np.float32, (len(keys), *GRID))
    poses = need_array(arrays, "coarse_pose", np.float32, (len(keys), 5))
    return Memory(keys, torch.from_numpy(coarse), torch.from_numpy(poses))


def _numpy(tensors: Sequence[Tensor]) -> NDArray[Any]:
    stacked: NDArray[Any] = torch.stack(list(tensors)).cpu().numpy()
    return stacked


def _tensor(array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(array.copy())
