"""Where an action leads: the motion head's step, less what is no step at all and what leads through a surface."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from worldsim.actions import CAMERA, INDEX
from worldsim.model.barriers import held
from worldsim.model.camera import from_yaw_frame, to_yaw_frame, turn
from worldsim.model.surroundings import OLDER, Remembered, sense
from worldsim.model.world_model import WorldModel
from worldsim.sim.precision import autocast
from worldsim.sim.state import WorldState

_WALK = [INDEX[key] for key in ("forward", "back", "left", "right", "jump", "sneak")]


class Legs:
    """Moves players by what they remember of the space around them; holds weights and no state.

    Args:
        dtype: of the motion head's numbers.
    """

    def __init__(self, model: WorldModel, dtype: torch.dtype) -> None:
        self.model, self.device, self.dtype = model, model.usable.device, dtype

    def tread(self, worlds: Sequence[WorldState], actions: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Take actions `[B, 25]`.

        Returns:
            What was done lately `[B, K, 25]`, the step in the yaw's frame and in the world's, `[B, 3]` each, and the
            pose `[B, 5]` that it leads to.
        """
        shifted = torch.stack([w.actions for w in worlds]).roll(1, 1)
        shifted[:, 0] = actions.float()
        felt = self._felt(worlds)
        step = self.step(worlds, shifted, felt)
        before = torch.stack([w.pose for w in worlds])
        pose = turn(before, shifted[:, 0, CAMERA])
        wanted = from_yaw_frame(step, pose[:, 3])
        offset = self.hold(wanted, before[:, :3], felt)
        if offset is not wanted:
            step = to_yaw_frame(offset, pose[:, 3])
        return shifted, step, offset, torch.cat([pose[:, :3] + offset, pose[:, 3:]], 1)

    def move(self, worlds: Sequence[WorldState], actions: Tensor) -> Tensor:
        """The step `[B, 3]` after actions `[B, K, 25]`, in the level frame of the new yaw, that nothing holds."""
        return self.step(worlds, actions, self._felt(worlds))

    def hold(self, offset: Tensor, eye: Tensor, felt: Remembered) -> Tensor:
        """What surfaces leave of steps `[B, 3]` of the world from `eye` `[B, 3]`."""
        return held(offset, eye, felt, self.model.usable)

    def step(self, worlds: Sequence[WorldState], actions: Tensor, felt: Remembered) -> Tensor:
        """As `move`, given the frames by whose depth players feel their way."""
        pose = torch.stack([w.pose for w in worlds])
        yaw = pose[:, 3] + actions[:, 0, CAMERA][:, 1]
        past = to_yaw_frame(torch.stack([w.past for w in worlds]), yaw[:, None].expand(-1, 2))
        device = self.device
        space = sense(felt, pose[:, :3].to(device), yaw.to(device), self.model.usable)
        with autocast(device, self.dtype):
            step = self.model.move(pose[:, 4].to(device), actions.to(device), past.to(device), space).cpu()
        return settle(step, actions[:, 0])

    def _felt(self, worlds: Sequence[WorldState]) -> Remembered:
        """The frames by whose depth players feel their way: the newest two, and those remembered last."""
        rows = [[*w.recent, *w.memory.frames[: -OLDER - 1 : -1]] for w in worlds]
        longest = max(len(row) for row in rows)
        valid = torch.tensor([[k < len(row) for k in range(longest)] for row in rows])
        padded = [row + row[:1] * (longest - len(row)) for row in rows]
        keys, shape = [key for row in padded for key in row], (len(rows), longest)
        return Remembered(
            depth=torch.stack([key.depth for key in keys]).unflatten(0, shape),
            pose=torch.stack([key.pose for key in keys]).unflatten(0, shape).to(self.device),
            valid=valid.to(self.device),
        )


def settle(step: Tensor, actions: Tensor) -> Tensor:
    """Take small steps `[B, 3]` for none, so that a player at rest does not creep away on the head's decimals.

    In the game gravity adds 0.08 blocks a tick and a walk 0.2; what is far below is the head's error.
    """
    pressed = actions[:, _WALK].amax(1, keepdim=True) > 0.5
    least = torch.where(pressed, 0.008, 0.03).repeat(1, 3)
    least[:, 1] = 0.03
    return torch.where(step.abs() < least, 0.0, step)
