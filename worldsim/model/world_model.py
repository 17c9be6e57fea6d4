"""The whole learned world: tokenizer, motion head, denoiser and heads behind a few calls.

step = model.move(pitch, actions, past, space)              # where does the action lead?
context = model.context(references, pose, step, actions)    # what is known from there?
prediction = model.denoise(x, noise_level, step_size, context)
frame, depth = model.frame(prediction), model.depth(prediction)
signals = model.read(prediction)                            # what happens in it?
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from worldsim.actions import CAMERA
from worldsim.errors import ConfigError
from worldsim.model.camera import decode_depth, encode_depth
from worldsim.model.denoiser import Context, Denoiser, DenoiserConfig, Inputs, Prediction
from worldsim.model.fill import composite, go_on, pull_push
from worldsim.model.hands import Hands, HandsConfig
from worldsim.model.heads import Heads, HeadsConfig, read, read_first
from worldsim.model.kernels import has_numbers
from worldsim.model.monodepth import MonoDepth, MonoDepthConfig
from worldsim.model.motion import MotionConfig, MotionHead
from worldsim.model.overlay import Overlay, OverlayConfig
from worldsim.model.references import References, View, look
from worldsim.model.tokenizer import SpaceToDepth, build_tokenizer, to_cells, to_pixels
from worldsim.signals import TABLE

_STILL = 0.7
"""Cosine of the turn within a tick up to which what stood in the last frame may stand where nothing else is known."""
_GONE = 32.0
"""Blocks that something is taken to be away of which a reference no longer tells (depth 0)."""


@dataclass(frozen=True)
class WorldModelConfig:
    """A complete architecture."""

    denoiser: DenoiserConfig = field(default_factory=DenoiserConfig)
    """The frame denoiser, with the tokenizer and the frame size."""
    motion: MotionConfig = field(default_factory=MotionConfig)
    """The motion head."""
    heads: HeadsConfig = field(default_factory=HeadsConfig)
    """Heads that read the game's signals; none by default, so that worlds without them load as they are."""
    hands: HandsConfig = field(default_factory=HandsConfig)
    """Hands that break and place blocks; none by default, likewise."""
    overlay: OverlayConfig = field(default_factory=OverlayConfig)
    """What lies over the picture; none by default, likewise."""
    monodepth: MonoDepthConfig = field(default_factory=MonoDepthConfig)
    """What tells depth from a single picture; none by default, likewise."""


@dataclass(frozen=True)
class Held:
    """Pixels that are given and shall stay."""

    frames: Tensor
    """`[B, 3, H, W]` float in [-1, 1]."""
    mask: Tensor
    """`[B, 1, H, W]`, 1 where a pixel is given."""


class WorldModel(nn.Module):
    """See the module's docstring. Frames are float in [-1, 1], depth in blocks."""

    usable: Tensor

    def __init__(self, config: WorldModelConfig) -> None:
        super().__init__()
        d = config.denoiser
        self.config = config
        self.tokenizer: Any = build_tokenizer(d.tokenizer)
        self.factor: int = self.tokenizer.factor
        cell = self.factor * 2 ** (len(d.multipliers) - 1)
        if d.height % cell or d.width % cell:
            raise ConfigError(
                f"denoiser: {d.width}x{d.height} frames don't divide into cells of {cell} pixels"
            )
        channels: int = self.tokenizer.latent_channels
        groups = self.factor**2 if channels == 3 * self.factor**2 else 1
        self.latent_shape = (channels, d.height // self.factor, d.width // self.factor)
        self.denoiser = Denoiser(d, channels, self.factor, groups)
        self.motion = MotionHead(config.motion, d.action_history)
        # Last, so that the order of the other parameters, which optimiser states go by, stays.
        self.heads = Heads(config.heads, d, self.factor) if config.heads.width else None
        self.hands = Hands(config.hands) if config.hands.width else None
        self.overlay = Overlay(config.overlay, d.width) if config.overlay.width else None
        self.monodepth = MonoDepth(config.monodepth) if config.monodepth.width else None
        self.register_buffer("usable", torch.ones(d.height, d.width, dtype=torch.bool))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def move(self, pitch: Tensor, actions: Tensor, past: Tensor, space: Tensor) -> Tensor:
        """Predict the step `[B, 3]` (right, up, forward) that the newest action leads to.

        Args:
            pitch: `[B]` degrees of the last frame.
            actions: `[B, K, 25]` newest first.
            past: `[B, history, 3]` the steps before, newest first.
            space: `[B, 980]` what is free around the player, see `surroundings.sense`.
        """
        return self.motion(scale_actions(actions), direction(pitch), past, space)  # type: ignore[no-any-return]

    def context(
        self,
        references: References,
        pose: Tensor,
        step: Tensor,
        actions: Tensor,
        caption: Tensor | None = None,
        held: Held | None = None,
    ) -> Context:
        """Bring references into the view from `pose` and compute all that the steps share; see `inputs`."""
        return self.denoiser.context(self.inputs(references, pose, step, actions, caption, held))

    def inputs(
        self,
        references: References,
        pose: Tensor,
        step: Tensor,
        actions: Tensor,
        caption: Tensor | None = None,
        held: Held | None = None,
        view: View | None = None,
        temperature: Tensor | None = None,
    ) -> Inputs:
        """Bring references into the view from `pose` `[B, 5]`: what the denoiser is given beside the noise.

        Args:
            step: `[B, 3]` the eye's step that led here, (right, up, forward) in blocks.
            actions: `[B, K, 25]` newest first.
            caption: `[B, 384]` or None.
            view: the references in that view, where they have been brought there already.
            temperature: `[B, 1, H, W]` in (0, 1], see `denoiser.Inputs`; 1 if missing.
        """
        view = view or look(references, pose, self.usable, self.config.denoiser.compensation)
        motion = torch.cat([direction(pose[:, 4]), step * 4], 1)
        if caption is None:
            caption = pose.new_zeros(len(pose), self.config.denoiser.caption_size)
        if temperature is None:
            temperature = torch.ones_like(view.newest[:, :1])
        return self._inputs(view, references, pose, motion, actions, caption, held, temperature)

    def denoise(
        self, x: Tensor, noise_level: Tensor, step_size: Tensor, context: Context, calm: float = 0.0
    ) -> Prediction:
        """Predict the clean frame from noisy latents `x` `[B, C, h, w]`; levels and sizes `[B]` in [0, 1]."""
        return self.denoiser(x, noise_level, step_size, context, calm)  # type: ignore[no-any-return]

    def frame(self, latents: Tensor) -> Tensor:
        """Latents `[B, C, h, w]` to frames `[B, 3, H, W]` in [-1, 1]."""
        frames: Tensor = self.tokenizer.decode(latents)
        return frames.clamp(-1, 1)

    def depth(self, prediction: Prediction) -> Tensor:
        """Predicted z-depth `[B, 1, H, W]` in blocks."""
        return decode_depth(to_pixels(prediction.depth, self.factor))

    def spread(self, prediction: Prediction) -> Tensor:
        """Expected absolute error `[B, 1, H, W]` of each pixel, in units of [-1, 1]."""
        return to_pixels(prediction.spread, self.factor)

    @property
    def signal_count(self) -> int:
        """Entries of what `read` returns."""
        return self.config.denoiser.signals if self.heads is None else len(TABLE)

    def read(self, prediction: Prediction) -> Tensor:
        """The signals `[B, S]` of a drawn frame in the game's units, see `worldsim.signals`.

        Without heads the first seven, from the denoiser's own linear reading.
        """
        if self.heads is None:
            return read_first(prediction.signals)
        return read(self.heads(prediction.features))

    def _inputs(
        self,
        view: View,
        references: References,
        pose: Tensor,
        motion: Tensor,
        actions: Tensor,
        caption: Tensor,
        held: Held | None,
        temperature: Tensor,
    ) -> Inputs:
        slots = view.valid.shape[1]
        batch, empty = len(view.newest), torch.zeros_like(view.newest)
        given = Held(empty, empty[:, :1]) if held is None else Held(held.frames * held.mask, held.mask)
        newest_depth = encode_depth(_told(references.depth[:, 0]))
        warped, codes, begun = _continued(view, references, newest_depth, pose[:, 4])
        latents = self._encode_all(warped, view)
        depth_code = self._cells(codes.flatten(0, 1))
        first = references.valid[:, :1, None, None]
        return Inputs(
            warped=latents[0],
            references=to_cells(latents[1].flatten(0, 1), self.denoiser.shrink).unflatten(0, (batch, slots)),
            newest=latents[1][:, 0],
            warped_depth=depth_code.unflatten(0, (batch, slots)),
            begun=self._cells(begun),
            known=self._cells(view.known.flatten(0, 1)).unflatten(0, (batch, slots)),
            newest_depth=self._cells(newest_depth * first),
            held=self.tokenizer.encode(given.frames),
            held_mask=self._cells(given.mask),
            fixed=self._cells((~self.usable).to(view.known.dtype)[None, None])[0],
            description=view.description,
            valid=view.valid,
            actions=scale_actions(actions),
            motion=motion,
            caption=caption,
            temperature=self._cells(temperature),
        )

    def _encode_all(self, warped: Tensor, view: View) -> tuple[Tensor, Tensor]:
        batch, slots = view.valid.shape
        valid = view.valid[:, :, None, None, None]
        frames = view.frames * valid
        if isinstance(self.tokenizer, SpaceToDepth):  # each by itself is as fast, and needs no copy
            one, other = (self.tokenizer.encode(each.flatten(0, 1)) for each in (warped, frames))
            return one.unflatten(0, (batch, slots)), other.unflatten(0, (batch, slots))
        encoded = self.tokenizer.encode(torch.stack([warped, frames]).flatten(0, 2))
        encoded = encoded.unflatten(0, (2, batch, slots))
        return encoded[0], encoded[1]

    def _cells(self, pixels: Tensor) -> Tensor:
        return to_cells(pixels, self.factor)


def _continued(
    view: View, references: References, newest_depth: Tensor, pitch: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Warped frames `[B, R, 3, H, W]` and depth codes `[B, R, 1, H, W]`, the first without holes.

    Where slot 0 shows nothing it gets what the others show, and where none does a continuation of
    that: from there the network invents. The masks of what is known stay as they are; the last
    result `[B, 1, H, W]` is 1 in gaps that are continued with detail.
    """
    layers = torch.cat([view.warped, encode_depth(view.depth) * view.known], 2)
    seen, known = composite(layers, view.known)
    last = torch.cat([view.newest, newest_depth], 1)
    begun, now = go_on(seen, known, pitch, last, references.valid[:, 0] & (view.turned > _STILL))
    first = torch.where(view.known[:, 0] > 0, layers[:, 0], pull_push(begun, now))
    if has_numbers(layers):
        layers[:, 0] = first
    else:
        layers = torch.cat([first[:, None], layers[:, 1:]], 1)
    return layers[:, :, :3], layers[:, :, 3:], now - known


def _told(depth: Tensor) -> Tensor:
    return torch.where(depth > 0, depth, _GONE)


def scale_actions(actions: Tensor) -> Tensor:
    """Compress the camera's degrees (±180) to the order of one, with resolution near zero."""
    camera = actions[..., CAMERA]
    scaled = camera.sign() * torch.log1p(camera.abs()) / 2
    return torch.cat([actions[..., : CAMERA.start], scaled, actions[..., CAMERA.stop :]], -1)


def direction(degrees: Tensor) -> Tensor:
    """Sine and cosine `[B, 2]` of angles `[B]`."""
    radians = torch.deg2rad(degrees)
    return torch.stack([radians.sin(), radians.cos()], -1)
