"""The denoiser with convolutions and linear layers in 8-bit integers, run by ONNX Runtime.

Ranges of activations are taken from frames that the world itself draws, so the world needs seed frames. The result
is not eager's to the last bits; what it may differ by is `GREY` and `DEPTH`, on other frames than it was made from.
"""

from __future__ import annotations

import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from worldsim.errors import ConfigError, NumericalError
from worldsim.model.world_model import WorldModel
from worldsim.sim.exported import export, in_rows, need, start_onnx, step_rows
from worldsim.sim.graphs import INPUT_NAMES, Graphs, flat_context
from worldsim.sim.network import Network
from worldsim.sim.recorded import Drawn, Record

GREY = 0.5
"""Largest root of the mean squared difference of a picture from eager's, in grey levels of 255."""
DEPTH = 0.01
"""Largest mean difference of depth, as a share of the range of its code (0.01: 8 % of the distance)."""
QUANTISED = ["Conv", "Gemm"]
"""Operators in 8 bits. Keeping the outermost convolutions or the context in float32 changes no picture by more."""
NARROW = not torch.cpu._is_vnni_supported()
"""Weights in 7 bits: without VNNI, x86 adds pairs of products in 16 bits, which overflow (`reduce_range`)."""
MADE_FROM, CHECKED_ON = 24, 8
"""Frames of each of two moments that ranges are taken from, and frames of another that the result is held against."""


class Quantised(Graphs):
    """Both graphs in 8 bits; made at first use (some twenty seconds) and kept.

    Raises:
        MissingDependency: ONNX Runtime is not installed.
        ConfigError: the world has no seed frames.
        NumericalError: it differs too much from eager.
    """

    name = "int8"

    def __init__(self, model: WorldModel, eager: Network, calm: float, record: Record | None) -> None:
        need("int8")
        if record is None:
            raise ConfigError("backend 'int8': this world has no seed frames to take ranges from; use 'onnx'")
        graphs = export(model)
        small = [path.with_name(f"{path.stem}-int{7 if NARROW else 8}.onnx") for path in graphs]
        if not all(path.is_file() for path in small):
            frames = record(0, MADE_FROM) + record(3, MADE_FROM)
            for graph, target, tensors in zip(graphs, small, (_context_tensors, _step_tensors)):
                quantise(graph, target, [tensors(frame) for frame in frames])
        super().__init__(*in_rows(start_onnx(small[0]), start_onnx(small[1])), eager)
        self.off = _hold_against(self, record(1, CHECKED_ON), calm)


def quantise(graph: Path, target: Path, frames: list[list[Tensor]]) -> None:
    """Write the graph with `QUANTISED` in 8 bits (weights by channel), ranges as those of inputs like `frames`."""
    from onnxruntime import InferenceSession
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self, names: set[str]) -> None:
            self._feeds = _feeds(frames, names)

        def get_next(self) -> dict[str, Any] | None:
            return next(self._feeds, None)

    log = logging.getLogger()
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with tempfile.TemporaryDirectory(dir=target.parent) as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            plain, small = os.path.join(folder, "plain.onnx"), os.path.join(folder, "small.onnx")
            quant_pre_process(str(graph), plain, skip_symbolic_shape=True)
            _fuse(plain)
            names = {
                each.name for each in InferenceSession(plain, providers=["CPUExecutionProvider"]).get_inputs()
            }
            quantize_static(
                plain, small, Reader(names), quant_format=QuantFormat.QDQ, per_channel=True,
                activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, op_types_to_quantize=QUANTISED,
                reduce_range=NARROW,
            )  # fmt: skip
            os.replace(small, target)
    finally:
        log.setLevel(level)


def _fuse(path: str) -> None:
    """Replace a graph by one with its float operators fused, which they can't be where they lie between 8 bits."""
    from onnxruntime import GraphOptimizationLevel, InferenceSession, SessionOptions

    options = SessionOptions()
    options.graph_optimization_level = GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = f"{path}.fused"
    options.log_severity_level = 3
    InferenceSession(path, options, providers=["CPUExecutionProvider"])
    os.replace(options.optimized_model_filepath, path)


def _feeds(frames: list[list[Tensor]], names: set[str]) -> Iterator[dict[str, Any]]:
    for tensors in frames:
        yield {f"t{i}": t.contiguous().numpy() for i, t in enumerate(tensors) if f"t{i}" in names}


def _context_tensors(frame: Drawn) -> list[Tensor]:
    return [getattr(frame.context.sources, name) for name in INPUT_NAMES]


def _step_tensors(frame: Drawn) -> list[Tensor]:
    return step_rows([frame.x, frame.noise_level, frame.step_size, *flat_context(frame.context)])


@torch.inference_mode()
def _hold_against(network: Network, frames: list[Drawn], calm: float) -> float:
    """The middle one of the pictures' differences in grey levels: in a frame now and then one guess becomes another."""
    grey, depth = [], []
    for frame in frames:
        context = network.context(frame.context.sources)
        ours = network.denoise(frame.x, frame.noise_level, frame.step_size, context, calm)
        grey.append(float((ours.latents - frame.prediction.latents).square().mean().sqrt()) * 127.5)
        depth.append(float((ours.depth - frame.prediction.depth).abs().mean()) / 2)
    off, off_depth = float(np.median(grey)), float(np.median(depth))
    if not (off <= GREY and off_depth <= DEPTH):
        raise NumericalError(
            f"differs from eager by {off:.2f} grey levels and {off_depth:.3f} in depth, allowed are {GREY} and {DEPTH}"
        )
    return off
