"""The denoiser as ONNX graphs, run by ONNX Runtime or OpenVINO."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from worldsim.data.disk import replace_file
from worldsim.errors import MissingDependency
from worldsim.model.world_model import WorldModel
from worldsim.sim.backend_cache import cache_folder, weight_key
from worldsim.sim.graphs import INPUT_NAMES, ContextGraph, DenoiseGraph, Graphs, flat_context, thread_counts
from worldsim.sim.network import Network, probe

PACKAGES = {
    "onnx": ("onnxruntime", "onnx", "onnxscript"),
    "int8": ("onnxruntime", "onnx", "onnxscript"),
    "openvino": ("openvino", "onnx", "onnxscript"),
}
EXTRAS = {"onnx": "fast-cpu", "int8": "fast-cpu", "openvino": "openvino"}
Run = Callable[[list[Tensor]], list[Tensor]]


def installed() -> list[str]:
    """The backends of this file that can run here."""
    return [name for name in PACKAGES if not _missing(name)]


class Exported(Graphs):
    """Two ONNX graphs, exported at first use and kept in the user's cache folder.

    Raises:
        MissingDependency: the backend's packages are not installed.
    """

    def __init__(self, name: str, model: WorldModel, eager: Network) -> None:
        need(name)
        self.name = name
        context, denoise = export(model)
        start = start_onnx if name == "onnx" else start_openvino
        super().__init__(*in_rows(start(context), start(denoise)), eager)


class _ContextRows(ContextGraph):
    """With the stem as rows of channels `[1, h, w, D]`, as what is exported adds them (`layers.add`)."""

    def forward(self, *tensors: Tensor) -> list[Tensor]:
        stem, *others = super().forward(*tensors)
        return [stem.permute(0, 2, 3, 1), *others]


class _DenoiseRows(DenoiseGraph):
    """Takes the stem as `_ContextRows` gives it."""

    def forward(self, x: Tensor, noise_level: Tensor, step_size: Tensor, *context: Tensor) -> list[Tensor]:
        stem, *others = context
        return super().forward(x, noise_level, step_size, stem.permute(0, 3, 1, 2), *others)


def in_rows(context: Run, denoise: Run) -> tuple[Run, Run]:
    """Graphs that are given the stem in rows, as functions of tensors in the orders of `graphs`."""

    def outer(tensors: list[Tensor]) -> list[Tensor]:
        stem, *others = context(tensors)
        return [stem.permute(0, 3, 1, 2), *others]

    return outer, lambda tensors: denoise(step_rows(tensors))


def step_rows(tensors: list[Tensor]) -> list[Tensor]:
    """What `_DenoiseRows` takes of what `DenoiseGraph` takes."""
    x, noise_level, step_size, stem, *others = tensors
    return [x, noise_level, step_size, stem.permute(0, 2, 3, 1), *others]


def need(name: str) -> None:
    """Raise MissingDependency unless the backend's packages are installed."""
    missing = _missing(name)
    if missing:
        raise MissingDependency(
            f"backend {name!r}: {', '.join(missing)} not installed; run  pip install 'worldsim[{EXTRAS[name]}]'"
        )


def _by_threads(start: Callable[[Path, int], Run], path: Path) -> Run:
    """One session for each number of threads that torch may be set to: one that is made while playing is a stutter."""
    sessions = {count: start(path, count) for count in thread_counts(torch.get_num_threads())}

    def run(tensors: list[Tensor]) -> list[Tensor]:
        threads = torch.get_num_threads()
        if threads not in sessions:
            sessions[threads] = start(path, threads)
        return sessions[threads](tensors)

    return run


def start_onnx(path: Path) -> Run:
    """A graph in ONNX Runtime."""
    return _by_threads(_session, path)


def start_openvino(path: Path) -> Run:
    """A graph in OpenVINO."""
    return _by_threads(_request, path)


def _session(path: Path, threads: int) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    # Threads that sleep between two operators gain nothing over one thread. Those that spin must stop at the end of
    # a call: torch's own threads wait for the same cores then.
    options.add_session_config_entry("session.intra_op.allow_spinning", "1")
    options.add_session_config_entry("session.force_spinning_stop", "1")
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = {each.name for each in session.get_inputs()}

    def run(tensors: list[Tensor]) -> list[Tensor]:
        feed = {n: t.contiguous().numpy() for n, t in zip(_names(len(tensors)), tensors) if n in names}
        return [torch.from_numpy(array) for array in session.run(None, feed)]

    return run


def _request(path: Path, threads: int) -> Run:
    import openvino

    # Float32: on processors without AMX its bfloat16 is many times slower.
    settings = {
        "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32",
    }  # fmt: skip
    compiled = openvino.Core().compile_model(str(path), "CPU", settings)
    request: Any = compiled.create_infer_request()
    names = {each.get_any_name() for each in compiled.inputs}

    def run(tensors: list[Tensor]) -> list[Tensor]:
        feed = {n: t.contiguous().numpy() for n, t in zip(_names(len(tensors)), tensors) if n in names}
        return [torch.from_numpy(array.copy()) for array in request.infer(feed, share_inputs=True).values()]

    return run


def export(model: WorldModel) -> tuple[Path, Path]:
    """The two graphs as files: those of the cache, or new ones (about ten seconds).

    Raises:
        ResourceLimitError: the cache folder can't be written.
    """
    key, folder = weight_key(model), cache_folder()
    paths = folder / f"{key}-context.onnx", folder / f"{key}-denoise.onnx"
    if not all(path.is_file() for path in paths):
        folder.mkdir(parents=True, exist_ok=True)
        inputs, noise = probe(model)
        given = [getattr(inputs, name) for name in INPUT_NAMES]
        with torch.no_grad():
            context = flat_context(model.denoiser.context(inputs))
        one = torch.ones(1)
        _write(_ContextRows(model.denoiser), given, paths[0])
        _write(_DenoiseRows(model.denoiser), step_rows([noise, one, torch.zeros(1), *context]), paths[1])
    return paths


def _write(graph: torch.nn.Module, tensors: list[Tensor], path: Path) -> None:
    said, log = io.StringIO(), logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    with torch.no_grad(), warnings.catch_warnings(), contextlib.redirect_stdout(said):
        warnings.simplefilter("ignore")
        program: Any = torch.onnx.export(
            graph.eval(), tuple(t.contiguous() for t in tensors), dynamo=True, verbose=False,
            input_names=_names(len(tensors)),
        )  # fmt: skip
    log.setLevel(level)
    replace_file(path, program.model_proto.SerializeToString())


def _names(count: int) -> list[str]:
    return [f"t{i}" for i in range(count)]


def _missing(name: str) -> list[str]:
    return [package for package in PACKAGES[name] if importlib.util.find_spec(package) is None]
