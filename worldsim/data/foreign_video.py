"""Videos that somebody else made: any common codec, decoded one picture at a time, cut to size.

The bytes go through a Python file object and the demuxer follows from the name, so that ffmpeg opens
nothing else; only the codecs of `CODECS` are decoded.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from worldsim.data.source import open_source
from worldsim.data.video import MAX_SIDE, load_av, rgb
from worldsim.errors import MediaError, ResourceLimitError

CONTAINERS: dict[str, str] = {
    ".mp4": "mp4", ".m4v": "mp4", ".mov": "mp4", ".mkv": "matroska", ".webm": "matroska",
}  # fmt: skip
"""Endings of file names, and ffmpeg's demuxer for each."""
CODECS: tuple[str, ...] = ("h264", "hevc", "mpeg4", "vp8", "vp9", "av1", "ffv1")
SOURCE_SIDE = 8192
Fit = Literal["crop", "stretch"]


class ForeignVideo:
    """The pictures of a video in their order; iterate once, then `close`.

    Args:
        path: a file whose name ends in one of `CONTAINERS`.
        size: (width, height) of the frames; None leaves them as they are.
        fit: "crop" keeps the picture's shape and cuts off what stands out at two sides, so that a
            degree stays as wide as it is high; "stretch" keeps all of the picture.

    Raises:
        DatasetError: no such file.
        MediaError: no video of a known codec, or one without a frame rate.
        ResourceLimitError: a picture or a size beyond the limits.
    """

    def __init__(self, path: Path, *, size: tuple[int, int] | None = None, fit: Fit = "crop") -> None:
        av = load_av()
        self.path = path
        self._file = open_source(path)
        try:
            self._container = av.open(self._file, "r", format=_container(path), metadata_errors="ignore")
            self._stream = self._container.streams.video[0]
            codec = self._stream.codec_context.codec.canonical_name
        except (av.FFmpegError, OSError, IndexError, ValueError) as error:
            self._file.close()
            raise MediaError(f"{path}: is no video that can be read ({error})") from error
        context = self._stream.codec_context
        self.width, self.height = int(context.width), int(context.height)
        self.fps = float(self._stream.average_rate or 0)
        try:
            self._check(codec)
        except Exception:
            self.close()
            raise
        self.size = size or (self.width, self.height)
        self._scaled = _scaled((self.width, self.height), self.size, fit)
        context.thread_count, self._stream.thread_type = 2, "AUTO"

    def __iter__(self) -> Iterator[Any]:
        """Decode; what comes out is for `frame`.

        Raises:
            MediaError: a picture can't be decoded; the message says which.
        """
        av = load_av()
        count = 0
        try:
            for picture in self._container.decode(self._stream):
                yield picture
                count += 1
        except (av.FFmpegError, OSError, ValueError) as error:
            raise MediaError(f"{self.path}: frame {count} can't be decoded ({error})") from error

    def full_frame(self, picture: Any) -> NDArray[np.uint8]:
        """A picture in the video's own size, uint8 [H, W, 3]."""
        return np.ascontiguousarray(rgb(picture))

    def frame(self, picture: Any) -> NDArray[np.uint8]:
        """A picture (or an array from `full_frame`) as a frame of the asked size, uint8 [H, W, 3]."""
        if isinstance(picture, np.ndarray):
            picture = load_av().VideoFrame.from_ndarray(picture, format="rgb24")
        if (picture.width, picture.height) == self.size:
            return self.full_frame(picture)
        width, height = self._scaled
        scaled = picture.reformat(
            width=width, height=height, format="rgb24", interpolation="AREA"
        ).to_ndarray()
        left, top = (width - self.size[0]) // 2, (height - self.size[1]) // 2
        return np.ascontiguousarray(scaled[top : top + self.size[1], left : left + self.size[0]])

    def close(self) -> None:
        """Close the video and its file; safe to call twice."""
        self._container.close()
        self._file.close()

    def _check(self, codec: str) -> None:
        if codec not in CODECS:
            raise MediaError(
                f"{self.path}: codec is {codec}, expected one of {', '.join(CODECS)}; convert it"
            )
        if not 0 < self.width <= SOURCE_SIDE or not 0 < self.height <= SOURCE_SIDE:
            raise ResourceLimitError(
                f"{self.path}: pictures are {self.width}x{self.height}, expected sides from 1 to {SOURCE_SIDE}"
            )
        if not 0 < self.fps <= 1000:
            raise MediaError(
                f"{self.path}: has {self.fps:g} frames a second, expected above 0 and at most 1000"
            )


def check_size(size: tuple[int, int]) -> None:
    """Refuse frame sizes that a store can't hold.

    Raises:
        ResourceLimitError: a side below 1 or above 4096.
    """
    if not all(1 <= side <= MAX_SIDE for side in size):
        raise ResourceLimitError(f"size: got {size[0]}x{size[1]}, expected sides from 1 to {MAX_SIDE}")


def _container(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in CONTAINERS:
        raise ValueError(f"its name ends in {suffix!r}, expected one of {', '.join(CONTAINERS)}")
    return CONTAINERS[suffix]


def _scaled(source: tuple[int, int], size: tuple[int, int], fit: Fit) -> tuple[int, int]:
    """What a picture is scaled to before its middle is cut out."""
    if fit == "stretch":
        return size
    scale = max(size[0] / source[0], size[1] / source[1])
    return max(size[0], round(source[0] * scale)), max(size[1], round(source[1] * scale))
