"""Where the time of a few training steps goes, as a table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

STEPS = 4
_ROWS = 45


def write_profile(step: Callable[[], object], path: Path, device: torch.device) -> None:
    """Run `step` a few times under the profiler and write its costliest operations to `path`."""
    on_gpu = device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with profile(activities=activities) as found:
        for _ in range(STEPS):
            step()
        if on_gpu:
            torch.cuda.synchronize(device)
    order = "self_cuda_time_total" if on_gpu else "self_cpu_time_total"
    table = found.key_averages().table(sort_by=order, row_limit=_ROWS, max_name_column_width=70)
    path.write_text(f"{STEPS} steps\n{table}\n")
