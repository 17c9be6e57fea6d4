"""The critic at work: its optimiser, its lessons, and the pull that it exerts on dreamt frames."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .critic import Critic, CriticConfig, critic_loss, dreamer_loss

_LEAST = 1e-3
"""Share of invented pixels below which there is nothing to judge."""


class Adversary:
    """Owns the critic. Frames are float `[B, 3, H, W]` in [-1, 1], depth codes `[B, 1, H, W]`.

    Args:
        usable: `[H, W]` bool: the HUD is hidden from the critic.
    """

    def __init__(self, config: CriticConfig, usable: Tensor) -> None:
        self.config = config
        self.critic = Critic(config).to(usable.device, memory_format=torch.channels_last)
        self.optimizer = torch.optim.AdamW(
            self.critic.parameters(), lr=config.learning_rate, betas=(0.5, 0.99), weight_decay=0.01
        )
        self.shown = usable.float()
        self.lessons = 0

    def pull(self, frame: Tensor, depth: Tensor, pitch: Tensor, invented: Tensor) -> Tensor:
        """A loss whose gradient draws the invented pixels `[B, 1, H, W]` towards what the critic takes for the game.

        The gradient has the size that a squared error of `config.pull` would give those pixels: the
        critic decides the direction and not how much it is heeded.
        """
        if self.lessons < self.config.warmup:
            return frame.new_zeros(())
        leaves = [frame.detach().requires_grad_(), depth.detach().requires_grad_()]
        self.critic.requires_grad_(False)
        loss = dreamer_loss(self.critic(leaves[0] * self.shown, leaves[1] * self.shown, pitch))
        gradients = torch.autograd.grad(loss, leaves)
        self.critic.requires_grad_(True)
        total = frame.new_zeros(())
        for value, gradient in zip((frame, depth), gradients):
            gradient = gradient.float() * invented
            share = invented.pow(2).sum()
            size = (gradient.pow(2).sum() / (share * gradient.shape[1]).clamp(min=1.0)).sqrt()
            # Asked of the device and not of the number: to read one is to wait for a GPU.
            unit = gradient / size.clamp(min=1e-12) * (share >= _LEAST * invented.numel())
            total = total + (2 * self.config.pull * unit * value).sum() / value.numel()
        # Only the gradient means something; as a value the sum would swamp the other losses.
        return total - total.detach()

    def learn(
        self, real: tuple[Tensor, Tensor, Tensor], fake: tuple[Tensor, Tensor, Tensor], invented: Tensor
    ) -> dict[str, Tensor]:
        """One lesson on (frame, depth code, pitch) of the game and of the dream."""
        frame, depth, pitch = (torch.cat(pair) for pair in zip(real, fake))
        judged = self.critic(frame * self.shown, depth * self.shown, pitch)
        logits = list(zip(*(layer.split([len(real[0]), len(fake[0])]) for layer in judged)))
        loss = critic_loss(logits[0], logits[1], invented)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.lessons += 1
        gap = torch.stack([r.detach().float().mean() - f.detach().float().mean() for r, f in zip(*logits)])
        return {"critic": loss.detach(), "critic_gap": gap.mean()}

    def state_dict(self) -> dict[str, Any]:
        """Everything a resumed run needs."""
        moments = {str(k): v for k, v in self.optimizer.state_dict()["state"].items()}
        return {"critic": dict(self.critic.state_dict()), "moments": moments, "lessons": self.lessons}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state_dict()`."""
        self.critic.load_state_dict(state["critic"])
        groups = self.optimizer.state_dict()["param_groups"]
        moments = {int(k): v for k, v in state["moments"].items()}
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        self.lessons = int(state["lessons"])
