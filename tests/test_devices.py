"""Training and dreaming on another device than the CPU, with none at hand: tensors that have no data.

An operation that mixes devices raises here just as it would on a GPU. torch's device without data
stands in for the GPU; numbers that the program reads back are made up.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from model_fakes import HEADED, TINY, tiny_clips, tiny_model
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from worldsim.train import preview
from worldsim.train.recipes import Recipe
from worldsim.train.trainer import WorldTrainer

from worldsim.model.world_model import WorldModel
from worldsim.sim import graphed, graphed_eyes
from worldsim.sim.graphed import Graphed
from worldsim.sim.graphed_eyes import GraphedEyes
from worldsim.sim.network import Eager
from worldsim.sim.simulator import Simulator, SimulatorConfig
from worldsim.sim.stamp import Stamp

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


class Capturable(TorchDispatchMode):
    """Refuses what a CUDA graph can't hold: to read numbers back, and to bring some there."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        given, made = (tensors_of((args, kwargs)), tensors_of(out))
        places = {t.device.type for t in given if t.ndim} | {t.device.type for t in made}
        # By a mask one chooses as many as there are: their count is read back.
        masked = func.__name__.startswith("index") and any(t.dtype == torch.bool for t in given[1:])
        if len(places) > 1 or masked or func.__name__.split(".")[0] in READING:
            raise RuntimeError(f"not while a graph is captured: {func.__name__}")
        return out


def tensors_of(tree: Any) -> list[torch.Tensor]:
    return [leaf for leaf in torch.utils._pytree.tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


READING = ("_local_scalar_dense", "nonzero", "masked_select")
READS = ("tolist", "item", "__float__", "__int__", "__bool__")


def not_captured(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A reading of numbers that may not be part of a graph, where it would be read once and for all."""

    def ask(self: torch.Tensor) -> Any:
        modes = torch.utils._python_dispatch._get_current_dispatch_mode_stack()
        assert not any(isinstance(mode, Capturable) for mode in modes)
        return read(self)

    return ask


class Guarded:
    """A capture that runs the work once, for what it does, and replays nothing."""

    captures = 0

    def pool(self) -> None:
        """No memory."""

    def capture(self, work: Callable[[], Any], pool: Any) -> tuple[Any, Callable[[], None]]:
        with Capturable():
            out = work()
        assert all(t.device == DEVICE for t in out)
        self.captures += 1
        return out, lambda: None


@pytest.mark.usefixtures("made_up")
def test_what_is_captured_stays_on_the_device(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in (graphed, graphed_eyes):
        monkeypatch.setattr(module, "hold", lambda *_: 0.0)
        monkeypatch.setattr(module, "autocast", lambda *_, **__: contextlib.nullcontext())
    monkeypatch.setattr(Stamp, "_now", lambda self: 0)
    for kind in (torch.Tensor, FakeTensor):
        for name in READS:
            monkeypatch.setattr(kind, name, not_captured(getattr(kind, name)))
    capture, clips, model = Guarded(), tiny_clips(2, 11), tiny_model(HEADED)
    with FakeTensorMode(allow_non_fake_inputs=True):
        with Capturable(), pytest.raises(RuntimeError, match="not while a graph is captured"):
            torch.ones(3).to(DEVICE)
        elsewhere(model)
        simulator = Simulator(model, SimulatorConfig(precision="float32"))
        simulator.network = Graphed(model.denoiser, Eager(model.denoiser), capture, torch.float32)
        simulator.eyes = GraphedEyes(model, capture, torch.float32)
        worlds = [simulator.begin(torch.from_numpy(frames[:2]), seed=0) for frames in clips.frames]
        for _ in range(2):
            worlds = simulator.step(worlds, torch.zeros(2, 25))
    assert capture.captures == 4 and not capsys.readouterr().err
