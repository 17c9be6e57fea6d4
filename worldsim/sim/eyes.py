"""What goes before the network, as functions of tensors: references into view, and the network's inputs of them.

On a GPU it is ten times as many small operations as the network itself.
"""

from __future__ import annotations

from torch import Tensor

from worldsim.model.denoiser import Inputs
from worldsim.model.grounding import groundings
from worldsim.model.references import References, View, look
from worldsim.model.world_model import WorldModel


class Eyes:
    """Torch operations one by one, on any device."""

    def __init__(self, model: WorldModel) -> None:
        self.model, self.device = model, model.usable.device

    def see(self, references: References, known: Tensor, pose: Tensor) -> tuple[View, Tensor]:
        """References in the view from `pose` `[B, 5]`, and how far each is given there, `[B, R, 1, H, W]` in [0, 1].

        Args:
            known: `[B, R, 1, H / 2, W / 2]` the references' own grounding.
        """
        usable = self.model.usable
        view = look(references, pose, usable, self.model.config.denoiser.compensation, solid=True)
        return view, groundings(references, known, pose, usable, solid=True)

    def inputs(
        self, view: View, references: References, pose: Tensor, step: Tensor, actions: Tensor, caption: Tensor,
        temperature: Tensor,
    ) -> Inputs:  # fmt: skip
        """See `WorldModel.inputs`."""
        return self.model.inputs(references, pose, step, actions, caption, view=view, temperature=temperature)
