"""What of CUDA graphs needs a GPU: to capture one and to replay it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

WARM = 3
"""Runs before a capture, in which libraries choose their kernels and take their workspace."""


class CudaCapture:
    """Captures on one stream of a device, see `graphed.Capture`."""

    def __init__(self, device: torch.device) -> None:
        self._device, self._stream = device, torch.cuda.Stream(device)

    def pool(self) -> Any:
        """See `graphed.Capture`."""
        return torch.cuda.graph_pool_handle()

    def capture(self, work: Callable[[], list[Tensor]], pool: Any) -> tuple[list[Tensor], Callable[[], None]]:
        """See `graphed.Capture`.

        Raises:
            RuntimeError: `work` does something that can't be captured, or memory is short.
        """
        here = torch.cuda.current_stream(self._device)
        # `torch.cuda.graph` leaves its own stream the current one if it fails: the outer `stream` takes it back.
        with torch.cuda.device(self._device), torch.cuda.stream(here):
            self._warm_up(work, here)
            graph = torch.cuda.CUDAGraph()
            try:
                # Other threads, such as a window's, may go on with what they do.
                with torch.cuda.graph(graph, pool, self._stream, capture_error_mode="thread_local"):
                    out = work()
            except RuntimeError as error:
                # The end of a capture that failed says only that it failed; what went wrong came before.
                cause = error.__context__
                raise (cause if isinstance(cause, Exception) else error) from None
        return out, graph.replay

    def _warm_up(self, work: Callable[[], list[Tensor]], here: Any) -> None:
        """Run `work` on the stream of the capture: some libraries keep handles and workspaces by stream."""
        self._stream.wait_stream(here)
        with torch.cuda.stream(self._stream):
            for _ in range(WARM):
                work()
        here.wait_stream(self._stream)
        torch.cuda.synchronize(self._device)
