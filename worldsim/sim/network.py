"""How the denoiser is run: by torch as it is, or by something faster that was checked against it.

network = open_network(model, "auto", calm=0.03)
context = network.context(inputs)
prediction = network.denoise(x, noise_level, step_size, context, calm)
"""

from __future__ import annotations

import time
from statistics import median
from typing import Literal, Protocol

import torch
from torch import Tensor

from worldsim.errors import ConfigError, MissingDependency
from worldsim.model.denoiser import Context, Denoiser, Inputs, Prediction
from worldsim.model.references import DESCRIPTION_SIZE
from worldsim.model.threads import all_threads
from worldsim.model.world_model import WorldModel
from worldsim.sim.backend_cache import read_choice, weight_key, write_choice
from worldsim.sim.eyes import Eyes
from worldsim.sim.graphs import flat_prediction
from worldsim.sim.precision import autocast
from worldsim.sim.recorded import Record
from worldsim.sim.tolerance import TOLERANCE as TOLERANCE
from worldsim.sim.tolerance import fell_back, hold

Backend = Literal["auto", "eager", "compiled", "onnx", "int8", "openvino", "cudagraph"]
BACKENDS: tuple[Backend, ...] = ("auto", "eager", "compiled", "onnx", "int8", "openvino", "cudagraph")
ON_GPU = ("auto", "eager", "compiled", "cudagraph")
"""Those of `BACKENDS` that run on a GPU."""
FRAMES = 8
"""Frames that `auto` times each backend with."""
GAIN = 1.05
"""How much faster than eager a backend has to be for `auto` to take it."""


class Network(Protocol):
    """Something that runs the denoiser; see `model.denoiser.Denoiser` for what goes in and comes out."""

    @property
    def name(self) -> str:
        """Its name in `BACKENDS`."""

    @property
    def batched(self) -> bool:
        """Whether several worlds at once gain by it; else they run eagerly."""

    def context(self, inputs: Inputs) -> Context:
        """What the sampler's steps share."""

    def denoise(
        self, x: Tensor, noise_level: Tensor, step_size: Tensor, context: Context, calm: float
    ) -> Prediction:
        """One step."""


class Eager:
    """The denoiser itself, on any device, for any batch."""

    name = "eager"
    batched = True

    def __init__(self, denoiser: Denoiser) -> None:
        self._denoiser = denoiser

    def context(self, inputs: Inputs) -> Context:
        """See `Network`."""
        with all_threads():
            return self._denoiser.context(inputs)

    def denoise(
        self, x: Tensor, noise_level: Tensor, step_size: Tensor, context: Context, calm: float
    ) -> Prediction:
        """See `Network`."""
        with all_threads():
            return self._denoiser(x, noise_level, step_size, context, calm)


def open_network(
    model: WorldModel, backend: Backend, *, calm: float, dtype: torch.dtype, record: Record | None = None
) -> Network:
    """The network of a model, run by `backend`.

    A backend that fails its check against eager is not used: stderr says so in one line, and eager runs.

    Args:
        calm: the soft threshold that frames are drawn with, for comparisons.
        dtype: of matrix products; on a CPU whatever is not float32 runs eagerly.
        record: gives frames as the world really draws them, which "int8" is made from.

    Raises:
        ConfigError: no such backend, or one that can't run on this device.
        MissingDependency: a package or a compiler that the backend needs is not there.
    """
    if backend not in BACKENDS:
        raise ConfigError(f"backend: got {backend!r}, expected {', '.join(BACKENDS)}")
    eager = Eager(model.denoiser)
    if backend == "eager":
        return eager
    device = model.usable.device.type
    if device == "cuda" and backend in ON_GPU:
        return _on_gpu(model, backend, eager, calm, dtype)
    if backend == "cudagraph":
        raise ConfigError(
            f"backend: 'cudagraph' runs on a CUDA device only; got {device}; use backend 'auto'"
        )
    if device != "cpu" or dtype != torch.float32:
        if backend != "auto":
            raise ConfigError(
                f"backend: {backend!r} runs in float32 on a CPU only; got {device} and "
                f"{str(dtype).removeprefix('torch.')}; use backend 'eager'"
            )
        return eager
    if backend == "auto":
        return _fastest(model, eager, calm, record)
    return _checked(backend, model, eager, calm, record)


def open_eyes(model: WorldModel, dtype: torch.dtype) -> Eyes:
    """What goes before a network of CUDA graphs, captured likewise."""
    from worldsim.sim import cuda_capture
    from worldsim.sim.graphed_eyes import GraphedEyes

    return GraphedEyes(model, cuda_capture.CudaCapture(model.usable.device), dtype)


def _fastest(model: WorldModel, eager: Network, calm: float, record: Record | None) -> Network:
    """The fastest of eager and of what is installed, by a few frames of each; the answer is kept.

    Compilation takes a minute and more and is never chosen by itself.
    """
    from worldsim.sim.exported import installed

    names = [name for name in installed() if record is not None or name != "int8"]
    if not names:
        return eager
    key = f"{weight_key(model)}-{torch.get_num_threads()}"
    chosen = read_choice(key, names)
    if chosen is None:
        networks = {"eager": eager, **{name: _checked(name, model, eager, calm, record) for name in names}}
        times = measure(networks, model, calm)
        chosen = min(times, key=lambda name: times[name] * (1 if name == "eager" else GAIN))
        write_choice(key, chosen, times, names)
        return networks[chosen]
    return eager if chosen == "eager" else _checked(chosen, model, eager, calm, record)


def _on_gpu(model: WorldModel, backend: Backend, eager: Network, calm: float, dtype: torch.dtype) -> Network:
    """The backend, or eager if it fails; by "auto" CUDA graphs where they gain, by a few frames of one world.

    That is measured each time: it takes a second, and the answer is that of the moment's GPU.
    """
    network = _checked("cudagraph" if backend == "auto" else backend, model, eager, calm, None, dtype)
    if network is eager or backend != "auto":
        return network
    times = measure({"eager": eager, network.name: network}, model, calm, dtype)
    return network if times[network.name] * GAIN < times["eager"] else eager


def measure(
    networks: dict[str, Network], model: WorldModel, calm: float, dtype: torch.dtype = torch.float32
) -> dict[str, float]:
    """Median milliseconds a frame of each, measured in turns, so that a busy moment is everyone's."""
    inputs, noise = probe(model)
    spent: dict[str, list[float]] = {name: [] for name in networks}
    for _ in range(FRAMES + 1):
        for name, network in networks.items():
            begin = time.perf_counter()
            draw(network, inputs, noise, calm, dtype)
            wait_for(noise.device)
            spent[name].append((time.perf_counter() - begin) * 1e3)
    return {name: median(values[1:]) for name, values in spent.items()}


def wait_for(device: torch.device) -> None:
    """Return when a GPU has done all it was told; at once on a CPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _checked(
    name: str,
    model: WorldModel,
    eager: Network,
    calm: float,
    record: Record | None,
    dtype: torch.dtype = torch.float32,
) -> Network:
    try:
        network = _make(name, model, eager, calm, record, dtype)
        if name != "int8":  # which has been held against eager by a measure of its own
            check(network, eager, model, calm, dtype)
    except (MissingDependency, ConfigError):
        raise
    except Exception as error:  # whatever an exporter or a runtime can't do: eager always can
        fell_back(name, error)
        return eager
    return network


def _make(
    name: str, model: WorldModel, eager: Network, calm: float, record: Record | None, dtype: torch.dtype
) -> Network:
    if name == "cudagraph":
        from worldsim.sim import cuda_capture
        from worldsim.sim.graphed import Graphed

        graphed = Graphed(model.denoiser, eager, cuda_capture.CudaCapture(model.usable.device), dtype)
        graphed.prove(*probe(model), calm)
        return graphed
    if name == "int8":
        from worldsim.sim.quantised import Quantised

        return Quantised(model, eager, calm, record)
    if name == "compiled":
        from worldsim.sim.compiled import Compiled

        return Compiled(model.denoiser, eager)
    from worldsim.sim.exported import Exported

    return Exported(name, model, eager)


@torch.inference_mode()
def check(
    network: Network, eager: Network, model: WorldModel, calm: float, dtype: torch.dtype = torch.float32
) -> float:
    """The largest difference between two networks on a made-up frame, see `tolerance`.

    Raises:
        NumericalError: it is above what is allowed.
    """
    inputs, noise = probe(model)
    found, expected = (flat_prediction(draw(each, inputs, noise, calm, dtype)) for each in (network, eager))
    return hold(found, expected, dtype)


@torch.inference_mode()
def draw(
    network: Network, inputs: Inputs, noise: Tensor, calm: float, dtype: torch.dtype = torch.float32
) -> Prediction:
    """One frame in one step, matrix products in `dtype`."""
    one = torch.ones(len(noise), device=noise.device)
    with autocast(noise.device, dtype):
        return network.denoise(noise, one, 0 * one, network.context(inputs), calm)


def probe(model: WorldModel, batch: int = 1) -> tuple[Inputs, Tensor]:
    """Made-up inputs of a frame and its noise, always the same."""
    d, (channels, h, w) = model.config.denoiser, model.latent_shape
    generator = torch.Generator().manual_seed(0)
    r, p, s = d.references, model.factor**2, model.denoiser.shrink

    def even(*shape: int) -> Tensor:
        return torch.rand(batch, *shape, generator=generator) * 2 - 1

    def bits(*shape: int) -> Tensor:
        return (torch.rand(batch, *shape, generator=generator) > 0.3).float()

    inputs = Inputs(
        warped=even(r, channels, h, w), warped_depth=even(r, p, h, w), known=bits(r, p, h, w),
        begun=1 - bits(p, h, w), newest=even(channels, h, w), newest_depth=even(p, h, w),
        held=torch.zeros(batch, channels, h, w), held_mask=torch.zeros(batch, p, h, w),
        fixed=(1 - bits(p, h, w))[0], references=even(r, channels * s**2, h // s, w // s),
        description=even(r, DESCRIPTION_SIZE), valid=torch.ones(batch, r, dtype=torch.bool),
        actions=even(d.action_history, 25), motion=even(5), caption=torch.zeros(batch, d.caption_size),
        temperature=torch.where(bits(p, h, w) > 0.5, 1.0, 0.1),
    )  # fmt: skip
    noise = torch.randn(batch, channels, h, w, generator=generator)
    device = model.usable.device
    return Inputs(**{k: v.to(device) for k, v in vars(inputs).items()}), noise.to(device)
