"""Frames to and from mp4, to the bit: H.264 in RGB at quantiser 0, a key frame every tenth.

The video goes through Python file objects, so that ffmpeg is never given a name that it could take
for a protocol, and the demuxer and decoder are fixed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from worldsim.data.disk import disk_errors, sync_file
from worldsim.data.episode import FPS
from worldsim.errors import MediaError, MissingDependency, ResourceLimitError

KEY_FRAMES = 10
MAX_SIDE = 4096
MAX_FRAMES = 1_000_000
_LOSSLESS = ("libx264rgb", "rgb24", {"preset": "ultrafast", "qp": "0", "bf": "0", "threads": "1"})
_VIEWABLE = ("libx264", "yuv420p", {"preset": "fast", "crf": "18", "threads": "1"})


class VideoWriter:
    """Append uint8 frames [H, W, 3] to an open file; lossless unless `viewable` is asked for.

    `viewable` gives the 4:2:0 video that browsers play; it is lossy and needs even sides.
    """

    def __init__(self, file: IO[bytes], *, fps: float = FPS, viewable: bool = False) -> None:
        self._file, self._viewable = file, viewable
        self._rate = Fraction(fps).limit_denominator(1000)
        self._container: Any = None
        self._stream: Any = None
        self._count = 0

    def append(self, frame: NDArray[np.uint8]) -> None:
        """Encode one more frame, of the same size as the first."""
        av = load_av()
        if self._container is None:
            self._open(frame)
        size = (self._stream.height, self._stream.width, 3)
        if frame.shape != size or frame.dtype != np.uint8:
            raise MediaError(f"frame: got {frame.dtype} {frame.shape}, expected uint8 {size}")
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        picture.pts = self._count
        self._container.mux(self._stream.encode(picture))
        self._count += 1

    def close(self) -> None:
        """Finish the file; without this it can't be read."""
        if self._container is not None:
            self._container.mux(self._stream.encode(None))
            self._container.close()
            self._container = None

    def abandon(self) -> None:
        """Let go of the encoder without finishing the file."""
        container, self._container = self._container, None
        if container is not None:
            # The file is thrown away; that its end can't be written does not matter.
            with suppress(OSError, ValueError, load_av().FFmpegError):
                container.close()

    def _open(self, frame: NDArray[np.uint8]) -> None:
        if frame.ndim != 3 or not all(1 <= side <= MAX_SIDE for side in frame.shape[:2]):
            raise ResourceLimitError(f"frame: got shape {frame.shape}, expected sides from 1 to {MAX_SIDE}")
        codec, pixels, options = _VIEWABLE if self._viewable else _LOSSLESS
        self._container = load_av().open(self._file, "w", format="mp4")
        self._stream = self._container.add_stream(codec, rate=self._rate, options=dict(options))
        self._stream.height, self._stream.width = frame.shape[:2]
        self._stream.pix_fmt = pixels
        self._stream.gop_size = KEY_FRAMES
        self._stream.codec_context.time_base = 1 / self._rate


class VideoReader:
    """Random access to the frames of a video that `VideoWriter` wrote.

    Raises:
        MediaError: no such video, or one of another size.
    """

    def __init__(self, file: IO[bytes], *, width: int, height: int) -> None:
        av = load_av()
        self._file = file
        try:
            self._container = av.open(file, "r", format="mp4", metadata_errors="ignore")
            self._stream = self._container.streams.video[0]
        except (av.FFmpegError, OSError, IndexError, ValueError) as error:
            file.close()
            raise MediaError(f"{_name(file)}: is no mp4 video ({error})") from error
        context = self._stream.codec_context
        if context.name not in ("h264", "libx264", "libx264rgb") or (context.width, context.height) != (
            width,
            height,
        ):
            self.close()
            raise MediaError(
                f"{_name(file)}: got {context.name} {context.width}x{context.height}, "
                f"expected h264 {width}x{height}"
            )
        self._stream.thread_type = "NONE"
        context.thread_count = 1  # two frame threads were slower for short groups; readers run side by side
        self._shape = (height, width, 3)
        self._tick = 1 / (self._stream.average_rate * self._stream.time_base)

    def read(self, start: int, count: int) -> NDArray[np.uint8]:
        """Decode frames `start .. start + count - 1`: uint8 [count, H, W, 3].

        Raises:
            MediaError: the video ends before, or can't be decoded.
        """
        av = load_av()
        out = np.empty((count, *self._shape), np.uint8)
        done = 0
        try:
            self._container.seek(int(start * self._tick), stream=self._stream, backward=True)
            for picture in self._container.decode(self._stream):
                index = round(picture.pts / self._tick)
                if index == start + done:
                    out[done] = rgb(picture)
                    done += 1
                    if done == count:
                        return out
                elif index > start + done:
                    break
        except (av.FFmpegError, OSError, ValueError) as error:
            raise MediaError(
                f"{_name(self._file)}: frame {start + done} can't be decoded ({error})"
            ) from error
        raise MediaError(f"{_name(self._file)}: frame {start + done} is missing")

    def length(self) -> int:
        """Frames according to the container."""
        return int(self._stream.frames)

    def close(self) -> None:
        """Close the video and its file."""
        self._container.close()
        self._file.close()


def write_video(
    path: str | os.PathLike[str],
    frames: Iterable[NDArray[np.uint8]],
    *,
    fps: float = FPS,
    viewable: bool = True,
) -> None:
    """Write frames to an mp4, viewable (lossy, for browsers) or lossless; replaces `path` when done.

    Raises:
        MediaError: no frames, or frames of different sizes.
        ResourceLimitError: the disk is full or can't be written; nothing is left there.
    """
    target = Path(path)
    fresh = target.with_name(f".{target.name}.tmp")
    try:
        with disk_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            with open(fresh, "wb") as file:
                writer = VideoWriter(file, fps=fps, viewable=viewable)
                try:
                    for frame in frames:
                        writer.append(_even(frame) if viewable else frame)
                    writer.close()
                finally:
                    writer.abandon()
                if writer._count == 0:
                    raise MediaError(f"{target}: got no frames, expected one or more")
                sync_file(file)
            os.replace(fresh, target)
    finally:
        with suppress(OSError):  # it is not there any more, or never was
            fresh.unlink()


def _even(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return frame[: frame.shape[0] // 2 * 2, : frame.shape[1] // 2 * 2]


def rgb(picture: Any) -> Any:
    """The pixels of a decoded picture, uint8 [H, W, 3]."""
    if picture.format.name == "gbrp":  # our own: planes, no conversion
        return picture.to_ndarray()
    return picture.to_ndarray(format="rgb24")


def _name(file: IO[bytes]) -> str:
    return str(getattr(file, "name", "video"))


def load_av() -> Any:
    """PyAV, imported when it is needed.

    Raises:
        MissingDependency: it is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise MissingDependency("video: needs PyAV; pip install av") from error
    return av
