"""What a GPU gains, in one command for a bare machine: torch, numpy, numba, einops, safetensors and tqdm are enough.

    python -m worldsim.bench.gpu --out out --minutes 3        # from a checkout; the package need not be installed
    python -m worldsim.bench.gpu --out out --device cpu --tiny     # a dry run with small random worlds

Writes gpu.json anew after every row, so that a run that is cut off leaves what it had, and two tables of operations.
The most important rows come first; one for which no time is left, or that fails, says why in the place of its figures.
"""

from __future__ import annotations

import argparse
import dataclasses
import gc
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from worldsim.bench.ceilings import copy_rate, matrix_rate
from worldsim.bench.gpu_subject import Subject, Way, figures, networks, steps
from worldsim.bench.operations import operations, stages
from worldsim.bench.report import Report, Row, machine, without_nan, write_whole
from worldsim.bench.scaling import LARGE, random_model
from worldsim.errors import UsageError, WorldSimError
from worldsim.sim.world import load_world

WAYS: dict[str, Way] = {
    "cudagraph bf16": Way("cudagraph"),
    "eager bf16": Way(),
    "eager float32": Way(precision="float32"),
    "cudagraph bf16, warps compiled": Way("cudagraph", compile_warps=True),
    "compiled bf16": Way("compiled"),
    "cudagraph of compiled bf16": Way("cudagraph", compile_inner=True),
    "cudagraph bf16, cudnn.benchmark": Way("cudagraph", cudnn_benchmark=True),
}
SLOW = {"cudagraph bf16, warps compiled": 60.0, "compiled bf16": 60.0, "cudagraph of compiled bf16": 60.0}
"""Seconds that ways take beyond those that are measured: compilers."""
BATCHES = (1, 256, 1024, 16, 64)
COLUMNS = (
    "what", "of", "world", "way", "batch", "ms_p50", "ms_p95", "frames_per_s", "gflop_s", "gb_s", "of_matrix_pct",
    "peak_gib", "ran", "skipped",
)  # fmt: skip
ROW_SECONDS = 1.5
"""How long the frames of a row are measured, for the whole step and for the network."""


@dataclasses.dataclass(frozen=True)
class Job:
    """One row or a few that are measured together."""

    facts: Row
    work: Callable[[], list[Row]]
    needs: float
    """Seconds that have to be left."""


@dataclasses.dataclass
class GpuBench:
    """One run; `rows` grow, and the file with them."""

    out: Path
    device: torch.device
    tiny: bool
    deadline: float
    rows: list[Row] = dataclasses.field(default_factory=list)
    top: Row = dataclasses.field(default_factory=dict)

    def run(self) -> None:
        """Measure what there is time for."""
        self.facts = {**machine(), **gpu_facts(self.device)}
        for job in self._jobs():
            begin = time.monotonic()
            for row in self._done(job):
                self.rows.append({**job.facts, **row, "took_s": time.monotonic() - begin})
                print(json.dumps(without_nan(self.rows[-1])), file=sys.stderr, flush=True)
            self._save()

    def _done(self, job: Job) -> list[Row]:
        left = self.deadline - time.monotonic()
        if left < job.needs:
            return [{"skipped": f"{left:.0f} s left, {job.needs:.0f} needed"}]
        try:
            return job.work()
        except torch.OutOfMemoryError:
            return [{"skipped": "out of memory"}]
        except Exception as error:  # whatever a GPU, a compiler or a library has to say: the other rows count
            return [{"skipped": f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:300]}"}]
        finally:
            gc.collect()
            if self.device.type == "cuda":
                torch.cuda.empty_cache()

    def _jobs(self) -> Iterator[Job]:
        """In the order of what one wants to know most."""
        shipped, large = subjects(self.device, self.tiny)
        batches = (1, 2) if self.tiny else BATCHES
        main = ["cudagraph bf16", "eager bf16"]
        yield Job({"what": "ceilings"}, self._ceilings, 3)
        for name in main:
            yield self._frames(shipped, name, 1)
        for name in main:
            yield self._frames(shipped, name, batches[1])
        for name in main:
            yield self._frames(large, name, 1)
        if len(batches) > 2:
            yield from (self._frames(shipped, name, batches[2]) for name in main)
        for batch in (1, max(batches)):
            yield from (self._profile(shipped, name, batch) for name in reversed(main))
        for batch in batches[3:]:
            yield from (self._frames(shipped, name, batch) for name in main)
        for name in [name for name in WAYS if name not in main]:
            yield from (self._frames(shipped, name, batch) for batch in batches)

    def _frames(self, subject: Subject, way: str, batch: int) -> Job:
        def work() -> list[Row]:
            return list(self._rows(subject, way, batch))

        facts = {"world": subject.name, "way": way, "batch": batch}
        return Job(facts, work, 0.0 if self.tiny else 2 * ROW_SECONDS + 6 + batch / 64 + SLOW.get(way, 0.0))

    def _rows(self, subject: Subject, way: str, batch: int) -> Iterator[Row]:
        seconds = 0.0 if self.tiny else ROW_SECONDS
        asked = WAYS[way]
        found: list[Row] = []
        with subject.simulator(asked) as (simulator, begun, said):
            self._forget_peak()
            alone = networks(simulator, batch, seconds)
            found.append({"what": "network", **figures(alone, batch), **self._peak()})
            self._forget_peak()
            whole = steps(simulator, begun, batch, seconds)
            found.append({"what": "step", **figures(whole, batch), **self._peak()})
            facts = _network_facts(simulator.network, batch)
        for row in found:
            yield {**row, **facts, "said": said, **self._share(subject, asked, batch, row)}

    def _share(self, subject: Subject, way: Way, batch: int, row: Row) -> Row:
        """Of the network's rate in that of matrix products; cuDNN's convolutions of float32 are TF32."""
        rate = self.top.get("matrix_bf16" if way.precision == "bfloat16" else "matrix_tf32")
        if row["what"] != "network" or not rate:
            return {}
        gflop_s = subject.gflop * batch / row["ms_p50"] * 1e3
        return {"gflop_s": gflop_s, "of_matrix_pct": 100 * gflop_s / rate}

    def _profile(self, subject: Subject, way: str, batch: int) -> Job:
        def work() -> list[Row]:
            with subject.simulator(WAYS[way]) as (simulator, begun, said):
                path = self.out / f"operations_{batch}.txt"
                if not path.exists():
                    operations(simulator, begun, batch, path)
                found = stages(simulator, begun, batch, 3 if self.tiny else 20)
            return [{"stages_ms": found, "said": said}]

        facts = {"what": "stages", "world": subject.name, "way": way, "batch": batch}
        return Job(facts, work, 0.0 if self.tiny else 8 + batch / 32)

    def _ceilings(self) -> list[Row]:
        on_gpu, device = self.device.type == "cuda", str(self.device)
        side = 8192 if on_gpu else 256
        before = torch.get_float32_matmul_precision()
        self.top = {"matrix_bf16": matrix_rate(device, side=side, dtype="bfloat16")}
        self.top["matrix_float32"] = matrix_rate(device, side=side)
        torch.set_float32_matmul_precision("high")
        self.top["matrix_tf32"] = matrix_rate(device, side=side)
        torch.set_float32_matmul_precision(before)
        self.top["copy_gb_s"] = copy_rate(device, copied=2**30 if on_gpu else 2**20)
        return [{"gflop_s": self.top[name], "of": name} for name in self.top if name != "copy_gb_s"] + [
            {"gb_s": self.top["copy_gb_s"], "of": "copy"}
        ]

    def _forget_peak(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)

    def _peak(self) -> Row:
        on_gpu = self.device.type == "cuda"
        return {"peak_gib": torch.cuda.max_memory_allocated(self.device) / 2**30} if on_gpu else {}

    def table(self) -> str:
        """The figures that one wants to see first."""
        rows = [{name: row.get(name) for name in COLUMNS} for row in self.rows]
        for row in rows:
            row["skipped"] = row["skipped"] and row["skipped"][:60]
        return dataclasses.replace(self._report(), rows=rows).table()

    def _report(self) -> Report:
        settings = {
            "device": str(self.device), "tiny": self.tiny, "cudnn_tf32": torch.backends.cudnn.allow_tf32,
            "float32_matmul_precision": torch.get_float32_matmul_precision(),
            "step": "walking, jumping and looking around; hands rest",
        }  # fmt: skip
        return Report("gpu", settings, self.rows, self.facts)

    def _save(self) -> None:
        text = json.dumps(without_nan(dataclasses.asdict(self._report())), indent=2)
        write_whole(self.out / "gpu.json", text + "\n")


def subjects(device: torch.device, tiny: bool) -> tuple[Subject, Subject]:
    """The shipped world and one of half a thousand million random weights; or small random ones."""
    width, height = (int(n) for n in LARGE[0].split("x"))

    def shipped() -> Any:
        world = load_world("voxel", device)
        return world.model, world.seeds, world.exemplars

    def made(**sizes: int) -> Callable[[], Any]:
        return lambda: (random_model(str(device), **sizes), None, None)

    small = {"width": 64, "height": 48, "channels": 16}
    sizes = {"width": width, "height": height, "channels": LARGE[1], "factor": LARGE[2]}
    return (
        Subject("tiny" if tiny else "voxel", device, made(**small) if tiny else shipped),
        Subject("large", device, made(**(small | {"factor": 2} if tiny else sizes))),
    )


def _network_facts(network: Any, batch: int) -> Row:
    """What ran in the end: a network that can't be captured runs eagerly."""
    if network.name != "cudagraph":
        return {"ran": network.name}
    return {"ran": "cudagraph" if network.captured(batch) else "eager, not captured", "off": network.off}


def gpu_facts(device: torch.device) -> Row:
    """Name, memory and software of the GPU; nothing on a CPU."""
    if device.type != "cuda":
        return {}
    about = torch.cuda.get_device_properties(device)
    return {
        "gpu": about.name, "gpu_gib": about.total_memory / 2**30, "gpu_processors": about.multi_processor_count,
        "cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version(),
    }  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(
        prog="python -m worldsim.bench.gpu", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--out", required=True, help="new folder for gpu.json and the tables of operations")
    parser.add_argument("--minutes", type=float, default=3.0, help="after which no further row begins")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1; cpu for a dry run")
    parser.add_argument("--tiny", action="store_true", help="small random worlds and few frames")
    args = parser.parse_args(arguments)
    try:
        device = torch.device(args.device)
        if device.type == "cuda" and not torch.cuda.is_available():
            raise UsageError("--device: torch finds no GPU here; try  --device cpu --tiny")
        if not args.minutes > 0:
            raise UsageError(f"--minutes: got {args.minutes}, expected a positive number")
        bench = GpuBench(Path(args.out), device, args.tiny, time.monotonic() + 60 * args.minutes)
        bench.run()
        print(bench.table())
    except WorldSimError as error:
        print(f"bench gpu: error: {error}", file=sys.stderr, flush=True)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
