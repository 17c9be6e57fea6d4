"""Training and dreaming on another device than the CPU, with none at hand: tensors that have no data.

An operation that mixes devices raises here just as it would on a GPU. torch's device without data
stands in for the GPU; numbers that the program reads back are made up.
"""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest
import torch
from model_fakes import HEADED, TINY, tiny_clips, tiny_model
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from worldsim.train import preview
from worldsim.train.recipes import Recipe
from worldsim.train.trainer import WorldTrainer

from worldsim.model.world_model import WorldModel
from worldsim.sim.simulator import SimulatorConfig

DEVICE = torch.device("meta")


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers read back from tensors without data, and no autocast, which that device lacks."""
    for kind in (torch.Tensor, FakeTensor):
        monkeypatch.setattr(kind, "tolist", lambda self: np.zeros(tuple(self.shape), int).tolist())
        monkeypatch.setattr(kind, "item", lambda self: 0.5)
        monkeypatch.setattr(kind, "__float__", lambda self: 0.5)
        monkeypatch.setattr(kind, "__int__", lambda self: 1)
        monkeypatch.setattr(kind, "__bool__", lambda self: True)
    monkeypatch.setattr(torch, "autocast", lambda *args, **kwargs: contextlib.nullcontext())


def elsewhere(model: WorldModel) -> WorldModel:
    for module in model.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                module._parameters[name] = nn.Parameter(_empty(parameter))
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = _empty(buffer)
    model.to = lambda *args, **kwargs: model  # type: ignore[method-assign]
    return model


def _empty(like: torch.Tensor) -> torch.Tensor:
    return torch.empty(like.shape, dtype=like.dtype, device=DEVICE)


@pytest.mark.usefixtures("made_up")
@pytest.mark.parametrize(("config", "only"), [(TINY, "all"), (HEADED, "all"), (HEADED, "heads")])
def test_no_operation_mixes_devices(monkeypatch: pytest.MonkeyPatch, config: Any, only: Any) -> None:
    model: Any = tiny_model(config)
    with FakeTensorMode(allow_non_fake_inputs=True):
        with pytest.raises(RuntimeError, match="device"):
            torch.ones(3, device=DEVICE) + torch.ones(3)
        recipe = Recipe(model=config, only=only, batch=2, clip=12, lessons=4, precision="float32")
        trainer = WorldTrainer(recipe, elsewhere(model), seed=0, device=DEVICE)
        monkeypatch.setattr(trainer, "_draw_rollout", lambda: 2)
        for shortcut in (False, True):
            monkeypatch.setattr(trainer, "_shortcut", lambda shortcut=shortcut: shortcut)
            trainer.step(tiny_clips(2, 12), 0.5)
        twin, config = preview.Twin(tiny_clips(2, 11)), SimulatorConfig(precision="float32")
        with torch.no_grad():
            dreamt, _ = preview.dream(trainer.model, twin, config)
        assert dreamt.shape == twin.clips.frames.shape and dreamt.device.type == "cpu"
