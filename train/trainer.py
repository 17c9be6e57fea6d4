"""The state of a world's training run, and one optimiser step of it."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from worldsim.actions import ACTION_SIZE
from worldsim.data.episode import ClipBatch
from worldsim.errors import NumericalError
from worldsim.model import fused
from worldsim.model.camera import encode_depth
from worldsim.model.denoiser import Prediction
from worldsim.model.tokenizer import float_to_frames
from worldsim.model.world_model import WorldModel
from worldsim.signals import SCALE
from worldsim.sim.precision import choose_precision

from .adversary import Adversary
from .clips import ClipTensors
from .ema import EMA
from .examples import Example, build_example, continuing
from .lessons import Lessons, draw, draw_ticks
from .moments import blurred, build_moment, edits, eventful, mirrored, moment_loss
from .objective import Outcome, world_loss
from .recipes import Recipe
from .schedule import ema_decay, warmup_decay

DrawClips = Callable[[int], ClipBatch]
"""Draws as many clips for long rollouts as it is asked for, all of one length."""
_BAD_STEPS = 3
_ONCE_JUDGED = 0.5
_CHUNK = 2
"""Frames of a long rollout that one optimiser step adds."""
_APART = ("tokenizer.", "hands.", "overlay.", "monodepth.")
"""Parts that are taught by themselves, see `parts`."""
_FIRST = 4
"""First frame of a clip that is drawn: those before it are needed to tell motion."""


class WorldTrainer:
    """Owns the model, its average, the optimiser and the random stream; knows no files and no clock."""

    def __init__(self, recipe: Recipe, model: WorldModel, *, seed: int, device: torch.device) -> None:
        self.recipe, self.device = recipe, device
        self.model = model.to(device)
        self.ema = EMA(self.model, lambda n: ema_decay(n, recipe.ema))
        trained = [p for n, p in self.model.named_parameters() if _is_trained(n, recipe)]
        self.optimizer = torch.optim.AdamW(
            trained, lr=recipe.learning_rate, betas=(0.9, 0.95), weight_decay=recipe.weight_decay,
            fused=device.type == "cuda",
        )  # fmt: skip
        self.parameters = trained
        self.generator = torch.Generator().manual_seed(seed)
        self.dtype = choose_precision(recipe.precision, device)
        self.step_count, self.frames_seen, self.bad_steps = 0, 0, 0
        self.long: ClipTensors | None = None
        self.lessons: Lessons | None = None
        self.long_t = torch.zeros(0, dtype=torch.long)
        self.adversary = Adversary(recipe.critic, self.model.usable) if recipe.critic.pull > 0 else None
        fused.ask(recipe.compile)
        if recipe.compile:
            # In place, so that names in checkpoints stay those of the plain module.
            self.model.denoiser.compile(dynamic=False)

    def step(self, clips: ClipBatch, progress: float, draw_long: DrawClips | None = None) -> dict[str, float]:
        """One optimiser step on a batch; returns the mean losses of its frames.

        Args:
            progress: share of the run that is over, for the learning rate.
            draw_long: draws clips for long rollouts; `clips` serve if missing.

        Raises:
            NumericalError: the loss was not finite several steps in a row.
        """
        self.model.train()
        rate = self.recipe.learning_rate * warmup_decay(
            progress, step=self.step_count, warmup_steps=self.recipe.warmup,
            kind="linear", start=self.recipe.decay_start, floor=0.02,
        )  # fmt: skip
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        # Moments first: on a GPU they are drawn while nothing else is under way that they would wait for.
        tensors = ClipTensors(clips, self.device)
        motion = self._moments(tensors) if self.recipe.only != "heads" else None
        losses, frames = self._frames(tensors, draw_long or (lambda count: clips))
        if motion is not None:
            losses = {**losses, "loss": losses.get("loss", 0.0) + float(motion), "motion": float(motion)}
        norm = self._update(losses)
        self.step_count += 1
        self.frames_seen += frames * len(clips)
        return {**losses, "grad_norm": norm, "learning_rate": rate}

    def rehearse(self) -> None:
        """Compile what steps need on made-up clips, without learning from them: meanwhile the game may begin."""
        d, r = self.recipe.model.denoiser, self.recipe
        shape, rng = (r.batch, r.clip), np.random.default_rng(0)
        made_up = ClipBatch(
            frames=rng.integers(0, 256, (*shape, d.height, d.width, 3), np.uint8),
            actions=np.zeros((*shape, ACTION_SIZE), np.float32),
            depth=np.full((*shape, d.height, d.width), 5.0, np.float16),
            pose=np.zeros((*shape, 5), np.float32),
            signals=np.zeros((*shape, len(SCALE)), np.float32),
            captions=("",) * r.batch,
        )
        self.model.train()
        tensors = ClipTensors(made_up, self.device)
        self._moments(tensors)
        self._accumulate(tensors, torch.full((r.batch,), _FIRST), 2)
        self.optimizer.zero_grad(set_to_none=True)

    def _frames(self, clips: ClipTensors, draw_long: DrawClips) -> tuple[dict[str, float], int]:
        """Losses of frames that are drawn, and how many a clip."""
        if self.recipe.only == "motion":
            return {}, self.recipe.moments
        if self.recipe.only == "heads":
            return self._lesson(clips, draw_long), 1
        return self._long_rollout(clips, draw_long) if self._goes_on() else self._fresh(clips)

    def _moments(self, clips: ClipTensors) -> Tensor:
        """Mean loss of lessons of the motion head; it is small, and so gets more of them than frames are drawn."""
        o, count = self.recipe.objective, self.recipe.moments
        tensors = clips.repeated(count)
        t = eventful(tensors, _FIRST, self.generator)
        moment = build_moment(
            tensors, t, history=self.recipe.model.denoiser.action_history, usable=self.model.usable
        )
        half = torch.arange(len(t), device=self.device) % 2 == self.step_count % 2
        moment = blurred(mirrored(moment, half), o.blur, self.generator)
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            loss = o.motion * moment_loss(self.model, moment)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def _lesson(self, clips: ClipTensors, draw_long: DrawClips) -> dict[str, float]:
        """One frame for the heads, of a fresh clip or of the next moment of a long dream."""
        if self._goes_on():
            self._renew_long(len(clips.rows), draw_long)
            assert self.long is not None
            tensors, t, weight = self.long, self.long_t.to(self.device), None
            self.long_t = self.long_t + 1
        else:
            tensors = clips
            t, weight = draw_ticks(tensors, _FIRST, self.generator)
        example = self._example(tensors, t, looked_at=True)
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            drawn = draw(self.model, example, self.recipe.objective, self.generator)
        if weight is None:
            self._write(tensors, t, drawn, example)
        return {"loss": self._learn(drawn, example, weight)}

    def _learn(self, drawn: Prediction, example: Example, weight: Tensor | None) -> float:
        """Update the heads on this frame and earlier ones, and leave the gradients of a last time; the mean loss."""
        assert self.model.heads is not None
        if self.lessons is None:
            self.lessons = Lessons(self.model.heads, max(self.recipe.lessons, len(example.told)))
        self.lessons.add(drawn, example, weight)
        total = 0.0
        for k in range(self.recipe.repeats):
            loss = self.lessons.loss(4 * len(example.told), self.generator)
            loss.backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach()) / self.recipe.repeats
            if k < self.recipe.repeats - 1:
                self._update({"loss": float(loss.detach())})
        return total

    def _fresh(self, clips: ClipTensors) -> tuple[dict[str, float], int]:
        """A few consecutive frames from somewhere in fresh clips."""
        frames = self._draw_rollout()
        shortcut = frames == 1 and self._shortcut()
        start = self._starts(clips, frames)
        return self._accumulate(clips, start, frames, shortcut=shortcut), frames

    def _starts(self, tensors: ClipTensors, frames: int) -> Tensor:
        """First frames `[B]`: anywhere, or for some rows so that a block breaks or is placed in one of the frames."""
        rows, last = len(tensors.rows), tensors.length - frames
        anywhere = torch.randint(_FIRST, last + 1, (rows,), generator=self.generator)
        if self.recipe.eventful <= 0:
            return anywhere
        events = edits(tensors, _FIRST, self.generator).cpu()
        before = torch.randint(0, frames, (rows,), generator=self.generator)
        chosen = torch.rand(rows, generator=self.generator) < self.recipe.eventful
        return torch.where(chosen, (events - before).clamp(_FIRST, last), anywhere)

    def _long_rollout(self, clips: ClipTensors, draw_long: DrawClips) -> tuple[dict[str, float], int]:
        """The next two frames of clips that the model has been dreaming over earlier steps.

        Every row is at another moment of its dream, so that no step sees beginnings or ends alone.
        """
        self._renew_long(len(clips.rows), draw_long)
        assert self.long is not None
        start, self.long_t = self.long_t, self.long_t + _CHUNK
        real = None if self.adversary is None else clips
        return self._accumulate(self.long, start, _CHUNK, write_last=True, real=real), _CHUNK

    def _renew_long(self, count: int, draw_long: DrawClips) -> None:
        """Begin new dreams in the rows whose clips have come to their end."""
        if self.long is None:
            self.long = ClipTensors(draw_long(count), self.device)
            last = max(self.long.length - _CHUNK, _FIRST) + 1
            self.long_t = torch.randint(_FIRST, last, (count,), generator=self.generator)
        ended = (self.long_t + _CHUNK > self.long.length).nonzero()[:, 0]
        if len(ended):
            fresh = ClipTensors(draw_long(len(ended)), self.device)
            self.long.renew(ended.to(self.device), fresh)
            self.long_t[ended] = _FIRST

    def _accumulate(
        self,
        tensors: ClipTensors,
        start: Tensor,
        frames: int,
        *,
        shortcut: bool = False,
        write_last: bool = False,
        real: ClipTensors | None = None,
    ) -> dict[str, float]:
        """Train `frames` consecutive frames, each after the first with the model's own last frame as reference.

        With `real` clips the critic judges the frames beside those.
        """
        sums: dict[str, Tensor] = {}
        for k in range(frames):
            t = (start + k).to(self.device)
            looked_at = write_last or k < frames - 1
            example = self._example(tensors, t, looked_at)
            with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
                outcome = world_loss(
                    self.model, example, self.recipe.objective, generator=self.generator,
                    hard=looked_at, shortcut=shortcut,
                )  # fmt: skip
                pull, lesson = self._judge(example, outcome, real)
            ((outcome.loss + pull) / frames).backward()  # type: ignore[no-untyped-call]
            parts = {"loss": outcome.loss, **outcome.parts}
            for name, part in {**parts, **lesson}.items():
                sums[name] = sums.get(name, 0.0) + part.detach() / frames
            if looked_at:
                self._write(tensors, t, outcome.prediction, example)
        # Read at the end and all at once: to read a number is to wait for a GPU.
        return dict(zip(sums, torch.stack([value.float() for value in sums.values()]).tolist()))

    def _example(self, tensors: ClipTensors, t: Tensor, looked_at: bool) -> Example:
        """What is shown for the frames `t`; `looked_at` ones are references of the next."""
        d = self.recipe.model.denoiser
        return build_example(
            tensors, t, continuing(self.recipe.examples) if looked_at else self.recipe.examples,
            usable=self.model.usable, slots=d.references, history=d.action_history, generator=self.generator,
        )  # fmt: skip

    @torch.no_grad()
    def _write(self, tensors: ClipTensors, t: Tensor, drawn: Prediction, example: Example) -> None:
        """Put a drawn frame where the true one stood, for the next to look back on."""
        frame = float_to_frames(self.model.frame(drawn.latents.float()))
        tensors.write(t, frame, self.model.depth(drawn), example.grounding)

    def _judge(
        self, example: Example, outcome: Outcome, real: ClipTensors | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The critic's pull on a dreamt frame, after its own lesson on it and on frames of the game."""
        if self.adversary is None or real is None:
            return outcome.loss.new_zeros(()), {}
        frame = self.model.tokenizer.decode(outcome.latents)
        depth = F.pixel_shuffle(outcome.prediction.depth, self.model.factor)
        invented, pitch = 1 - example.grounding, example.pose[:, 4]
        # What was invented before was judged then: it is to stay, and only to gain detail as it comes near.
        fresh = F.pixel_shuffle(outcome.unknown, self.model.factor)
        pull = self.adversary.pull(
            frame, depth, pitch, invented * (_ONCE_JUDGED + (1 - _ONCE_JUDGED) * fresh)
        )
        t = torch.randint(0, real.length, (len(real.rows), 1), generator=self.generator).to(self.device)
        game = (real.frame(t)[:, 0], encode_depth(real.depth(t)[:, 0]), real.pose[real.rows, t[:, 0], 4])
        return pull, self.adversary.learn(game, (frame.detach(), depth.detach(), pitch), invented)

    def _goes_on(self) -> bool:
        draw = float(torch.rand((), generator=self.generator))
        return self.step_count >= self.recipe.rollout_after and draw < self.recipe.long_rollout

    def _draw_rollout(self) -> int:
        draw = float(torch.rand((), generator=self.generator))
        if self.step_count < self.recipe.rollout_after:
            return 1
        chances = torch.tensor(self.recipe.rollout).cumsum(0) / sum(self.recipe.rollout)
        return 1 + int((chances < draw).sum())

    def _shortcut(self) -> bool:
        o = self.recipe.objective
        draw = float(torch.rand((), generator=self.generator))
        # Only one-frame passes can be shortcuts: their share is raised by as much as those are fewer.
        share = o.shortcut * sum(self.recipe.rollout) / max(self.recipe.rollout[0], 1e-3)
        return self.step_count >= o.shortcut_after and draw < share

    def _update(self, losses: dict[str, float]) -> float:
        """Descend along the gradients that are there; returns their norm."""
        norm = self._clip()
        if self._finite(losses, norm):
            self.optimizer.step()
            self.ema.update()
        self.optimizer.zero_grad(set_to_none=True)
        return norm

    def _clip(self) -> float:
        """Clip gradients; the heads' by themselves, so that the picture's steps don't depend on them."""
        heads = set() if self.model.heads is None else {id(p) for p in self.model.heads.parameters()}
        parts = ([p for p in self.parameters if (id(p) in heads) == own] for own in (False, True))
        norms = [float(nn.utils.clip_grad_norm_(part, self.recipe.grad_clip)) for part in parts if part]
        return math.hypot(*norms)

    def _finite(self, losses: dict[str, float], norm: float) -> bool:
        if math.isfinite(norm) and all(math.isfinite(v) for v in losses.values()):
            self.bad_steps = 0
            return True
        self.bad_steps += 1
        if self.bad_steps > _BAD_STEPS:
            raise NumericalError(
                f"training: the loss was not finite {self.bad_steps} steps in a row at step {self.step_count}; "
                "resume from the last checkpoint with a lower --set learning_rate"
            )
        return False

    def state_dict(self) -> dict[str, Any]:
        """Everything a resumed run needs to go on to the bit."""
        return {
            "model": dict(self.model.state_dict()),
            "ema": self.ema.state_dict(),
            "optimizer": _keyed(self.optimizer.state_dict()),
            "generator": self.generator.get_state(),
            "step": self.step_count,
            "frames": self.frames_seen,
            "long": {} if self.long is None or not self.recipe.keep_dreams else self.long.state_dict(),
            "long_t": self.long_t,
            "adversary": {} if self.adversary is None else self.adversary.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state_dict()` of a run with the same recipe."""
        self.model.load_state_dict(state["model"])
        self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(_unkeyed(state["optimizer"], self.optimizer.state_dict()))
        self._align()
        self.generator.set_state(state["generator"])
        self.step_count, self.frames_seen = int(state["step"]), int(state["frames"])
        long = state.get("long")
        self.long = ClipTensors.from_state(long, self.device) if long else None
        self.long_t = state["long_t"] if self.long is not None else torch.zeros(0, dtype=torch.long)
        if self.adversary is not None and state.get("adversary"):
            self.adversary.load_state_dict(state["adversary"])

    @torch.no_grad()
    def _align(self) -> None:
        """Lay the optimiser's moments out as the weights lie: a fused optimiser takes no others."""
        for parameter, moments in self.optimizer.state.items():
            for name, value in moments.items():
                if value.shape == parameter.shape:
                    moments[name] = torch.empty_like(parameter).copy_(value)


def seed_everything(seed: int) -> None:
    """Seed what initialises weights: torch's and Python's global streams; make tiny numbers zero.

    Gradients of saturated units are denormal numbers, on which processors are slow: with them the
    backward pass of the motion head alone took as long as everything else.
    """
    torch.set_flush_denormal(True)
    torch.manual_seed(seed)
    random.seed(seed)


def _is_trained(name: str, recipe: Recipe) -> bool:
    if recipe.only == "heads":
        return name.startswith("heads.")
    return not name.startswith(_APART)


def _keyed(state: dict[str, Any]) -> dict[str, Any]:
    """The optimiser's moments alone, with string keys, as JSON and safetensors need them."""
    return {str(k): v for k, v in state["state"].items()}


def _unkeyed(moments: dict[str, Any], fresh: dict[str, Any]) -> dict[str, Any]:
    return {"state": {int(k): v for k, v in moments.items()}, "param_groups": fresh["param_groups"]}
