"""Clips on a device: what the game showed, and what the model drew over it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from worldsim.data.episode import ClipBatch
from worldsim.errors import DatasetError
from worldsim.model.camera import FAR, to_yaw_frame
from worldsim.model.grounding import SHRINK, agreement, shrink
from worldsim.model.retrieval import shrink_depth
from worldsim.model.tokenizer import frames_to_float
from worldsim.signals import SCALE
from worldsim.text import embed_captions


class ClipTensors:
    """A batch of clips on a device; frames that the model drew itself can be written into it."""

    def __init__(self, clips: ClipBatch, device: torch.device) -> None:
        if clips.pose is None:
            raise DatasetError(
                "clips: got no pose, expected that of every frame: it decides what the next frame shows of this one"
            )
        self.device = device
        # Arrays, or tensors that are there already (`resident`).
        self.frames = torch.as_tensor(clips.frames, device=device)
        self.depth_blocks, self.deep = self._depth(clips)
        self.pose = torch.as_tensor(clips.pose, device=device)
        self.actions = torch.as_tensor(clips.actions, device=device)
        signals = self._signals(clips) / torch.tensor(SCALE, device=device)
        # Finite, since they are saved with a run: what is not known is 0 and marked as not told.
        self.told, self.signals = signals.isfinite().to(torch.uint8), signals.nan_to_num(0.0)
        self.captions = torch.from_numpy(embed_captions(list(clips.captions))).to(device)
        self.rows = torch.arange(len(self.frames), device=device)
        self.true_frames, self.true_depth = self.frames, self.depth_blocks
        height, width = (n // SHRINK for n in self.frames.shape[2:4])
        self.ground = torch.full(
            (*self.frames.shape[:2], height, width), 255, dtype=torch.uint8, device=device
        )
        self.coarse = shrink_depth(self.depth_blocks)

    def _depth(self, clips: ClipBatch) -> tuple[Tensor, Tensor]:
        """Depth `[B, T, H, W]` in blocks, and 1 `[B]` where it is the truth.

        What has none is as far away as the sky: then moving changes nothing, and turning all. Where no clip has
        any, that is the truth of this world, and it learns to dream so. Clips without, among others that
        have it, teach nothing about depth.
        """
        if clips.depth is None:
            far = torch.full(clips.frames.shape[:4], FAR, dtype=torch.float16, device=self.device)
            return far, torch.ones(len(far), dtype=torch.uint8, device=self.device)
        depth = torch.as_tensor(clips.depth, device=self.device)
        if isinstance(clips.depth, Tensor):
            # Of a live game (`resident`), which has all of it; to ask a GPU would be to wait for it.
            return depth, torch.ones(len(depth), dtype=torch.uint8, device=self.device)
        deep = depth[:, 0, 0, 0].isfinite()
        told = depth if bool(deep.all()) else torch.where(deep[:, None, None, None], depth, FAR)
        return told, deep.to(torch.uint8)

    def _signals(self, clips: ClipBatch) -> Tensor:
        """Signals `[B, T, S]` in the game's units, nan where they are not told."""
        if clips.signals is not None:
            return torch.as_tensor(clips.signals, device=self.device)
        return torch.full((*clips.frames.shape[:2], len(SCALE)), torch.nan, device=self.device)

    def state_dict(self) -> dict[str, Tensor]:
        """All tensors, by name."""
        return {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}

    @classmethod
    def from_state(cls, state: dict[str, Tensor], device: torch.device) -> ClipTensors:
        """The clips whose `state_dict` this is."""
        clips = cls.__new__(cls)
        clips.device = device
        for name, value in state.items():
            setattr(clips, name, value.to(device))
        if "deep" not in state:  # of a run that knew clips with depth alone
            clips.deep = torch.ones(len(clips.frames), dtype=torch.uint8, device=device)
        if "told" not in state:  # of a run that knew the first signals alone
            clips.told = torch.ones_like(clips.signals, dtype=torch.uint8)
            clips.told, clips.signals = (
                F.pad(part, (0, len(SCALE) - part.shape[-1])) for part in (clips.told, clips.signals)
            )
        return clips

    def repeated(self, times: int) -> ClipTensors:
        """The same clips, each as `times` rows that share what they hold; nothing can be written into them."""
        clips = ClipTensors.__new__(ClipTensors)
        vars(clips).update(vars(self))
        clips.rows = self.rows.repeat(times)
        return clips

    def renew(self, rows: Tensor, fresh: ClipTensors) -> None:
        """Put the first n clips of `fresh` into `rows` `[n]` (indices); the others keep what was dreamt in them."""
        self._own()
        for name, value in self.state_dict().items():
            if name != "rows":
                value[rows] = getattr(fresh, name)[: len(rows)]

    def _own(self) -> None:
        """Let what the model draws stand apart from the truth."""
        if self.frames is self.true_frames:
            self.frames, self.depth_blocks = self.frames.clone(), self.depth_blocks.clone()

    @property
    def length(self) -> int:
        """Frames a clip."""
        return self.frames.shape[1]

    def frame(self, t: Tensor) -> Tensor:
        """`[B, n, 3, H, W]` float frames at `t` `[B, n]`, own predictions included."""
        return frames_to_float(self.frames[self.rows[:, None], t])

    def depth(self, t: Tensor) -> Tensor:
        """`[B, n, 1, H, W]` depth in blocks at `t`."""
        return self.depth_blocks[self.rows[:, None], t].float().unsqueeze(2)

    def grounding(self, t: Tensor) -> Tensor:
        """`[B, n, 1, H / 2, W / 2]` grounding in [0, 1] of the frames at `t` `[B, n]`: 1 for the game's own."""
        return self.ground[self.rows[:, None], t].float().unsqueeze(2) / 255

    def write(self, t: Tensor, frame: Tensor, depth: Tensor, grounding: Tensor) -> None:
        """Put predictions where the true frames stood at `t`.

        Args:
            frame: uint8 `[B, H, W, 3]`.
            depth: `[B, 1, H, W]` blocks.
            grounding: `[B, 1, H, W]`, see `grounding.grounding`; less is kept where the dream left the truth.
        """
        self._own()
        self.frames[self.rows, t] = frame
        self.depth_blocks[self.rows, t] = depth[:, 0].to(self.depth_blocks.dtype)
        self.coarse[self.rows, t] = shrink_depth(depth[:, 0])
        off = frames_to_float(frame) - frames_to_float(self.true_frames[self.rows, t])
        kept = shrink(torch.minimum(grounding, agreement(off)))
        self.ground[self.rows, t] = (kept[:, 0] * 255).round().to(torch.uint8)

    def steps(self, t: Tensor) -> Tensor:
        """The step to `t` and the two before it `[B, 3, 3]`, newest first, in the level frame of the yaw at `t`."""
        when = t[:, None] - torch.arange(4, device=t.device)
        position = self.pose[self.rows[:, None], when.clamp(0)][..., :3]
        yaw = self.pose[self.rows, t][:, None, 3]
        return to_yaw_frame(position[:, :-1] - position[:, 1:], yaw.expand(-1, 3))

    def led_to(self, t: Tensor, history: int) -> Tensor:
        """The actions `[B, history, 25]` that led to `t`, newest first."""
        return self.actions[
            self.rows[:, None], (t[:, None] - torch.arange(history, device=t.device)).clamp(0)
        ]
