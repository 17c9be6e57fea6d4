"""What a run reports: `metrics.jsonl` first, Weights & Biases beside it.

`metrics.jsonl` is written and flushed in the call and is the truth. wandb lives in a process of its
own behind a bounded queue: slow, broken or missing, it can neither stop nor delay training, nor
hang the program at its end.
"""

from __future__ import annotations

import importlib.util
import json
import math
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TextIO

from worldsim.errors import ResourceLimitError
from worldsim.tracking_process import Child

WandbMode = Literal["disabled", "offline", "online"]
METRICS_FILE = "metrics.jsonl"


class Tracker:
    """Writes scalars, images and videos of one run; usable as a context manager.

    Args:
        folder: the run's folder; `metrics.jsonl` is continued if it is there.
        wandb_mode: "offline" writes below `folder/wandb`, to be uploaded by `wandb sync`.
        project: wandb's project.
        config: JSON values that describe the run.

    Raises:
        ResourceLimitError: the folder can't be written. Later failures are warnings.
    """

    def __init__(
        self,
        folder: str | Path,
        wandb_mode: WandbMode = "offline",
        project: str = "worldsim",
        config: dict[str, Any] | None = None,
    ) -> None:
        self.folder = Path(folder).absolute()
        self._warned: set[str] = set()
        self._file: TextIO | None = _open(self.folder / METRICS_FILE)
        self._child: Child | None = None
        if wandb_mode == "disabled":
            return
        if importlib.util.find_spec("wandb") is None:
            self._warn("wandb is not installed; pip install wandb, or pass --wandb disabled")
            return
        start = {"mode": wandb_mode, "project": project, "config": config or {}, "folder": str(self.folder)}
        try:
            self._child = Child({"do": "start", **start}, self._warn)
        except (OSError, TypeError, ValueError) as error:
            self._warn(f"wandb can't start: {error}")

    def log(self, values: Mapping[str, Any], step: int) -> None:
        """Record scalars (numbers, text, 0-d arrays or tensors) at a step. Never raises."""
        plain = {name: _plain(value) for name, value in values.items()}
        self._write({"step": step, "time": round(time.time(), 3), **plain})
        self._send({"do": "log", "values": plain, "step": step})

    def image(self, name: str, path: str | Path, step: int) -> None:
        """Record an image file, which has to stay as it is."""
        self._media("image", name, path, step)

    def video(self, name: str, path: str | Path, step: int) -> None:
        """Record a video file, which has to stay as it is."""
        self._media("video", name, path, step)

    def close(self, timeout: float = 20.0) -> None:
        """End the run; takes at most about `timeout` seconds, after which wandb is cut off."""
        child, self._child = self._child, None
        if child is not None:
            child.close(timeout)
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def __enter__(self) -> Tracker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _media(self, kind: str, name: str, path: str | Path, step: int) -> None:
        full = Path(path).absolute()
        shown = full.relative_to(self.folder) if full.is_relative_to(self.folder) else full
        self._write({"step": step, "time": round(time.time(), 3), kind: {name: shown.as_posix()}})
        self._send({"do": kind, "name": name, "path": str(full), "step": step})

    def _write(self, values: dict[str, Any]) -> None:
        if self._file is None:
            return
        try:
            self._file.write(json.dumps(values) + "\n")
            self._file.flush()
        except OSError as error:
            self._warn(f"{METRICS_FILE} can't be written: {error.strerror}")

    def _send(self, message: dict[str, Any]) -> None:
        if self._child is not None:
            self._child.send(message)

    def _warn(self, text: str) -> None:
        """Say a thing once, above a progress bar if there is one."""
        if text in self._warned:
            return
        self._warned.add(text)
        from tqdm import tqdm

        tqdm.write(f"tracking: {text}; the run goes on", file=sys.stderr)


def read_metrics(folder: str | Path) -> list[dict[str, Any]]:
    """All complete lines of a run's `metrics.jsonl`, in the order written; [] if there is none."""
    path = Path(folder) / METRICS_FILE
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    records = []
    for line in lines:
        try:
            records.append(json.loads(line))
        except ValueError:
            continue  # cut short by a crash
    return records


def _open(path: Path) -> TextIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        cut_short = path.exists() and not path.read_bytes().endswith(b"\n") and path.stat().st_size > 0
        file = open(path, "a", encoding="utf-8")  # noqa: SIM115 (closed by the tracker)
        if cut_short:
            file.write("\n")
    except OSError as error:
        raise ResourceLimitError(
            f"{path}: can't be written: {error.strerror}; free space there or choose another folder"
        ) from error
    return file


def _plain(value: Any) -> Any:
    """A JSON value; what is not finite becomes None."""
    if hasattr(value, "item"):
        try:
            value = value.item()
        except (ValueError, RuntimeError):
            return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (bool, int, float, str)) or value is None else str(value)
