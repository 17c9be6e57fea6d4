"""A picture from anywhere as the first frame of a world: checked, cropped, resized."""

from __future__ import annotations

import io
import os
import stat
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worldsim.errors import MediaError

MAX_FILE_BYTES = 64 * 2**20
MAX_PIXELS = 64 * 10**6
FORMATS = ("PNG", "JPEG", "WEBP")


def load_image(path: str | Path, width: int, height: int) -> NDArray[np.uint8]:
    """Read a PNG, JPEG or WEBP file as one frame `uint8 [height, width, 3]`.

    The middle of the picture with the frame's proportions is kept; transparency becomes black.

    Raises:
        MediaError: no such file, not one of the formats, damaged, or above the caps on bytes and pixels.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    data = _read_bytes(Path(path))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
                if opened.width * opened.height > MAX_PIXELS:
                    raise MediaError(
                        f"image {path}: got {opened.width}x{opened.height}, expected at most "
                        f"{MAX_PIXELS // 10**6} million pixels; make it smaller first"
                    )
                picture = ImageOps.exif_transpose(opened).convert("RGBA")
    except MediaError:
        raise
    except Exception as error:  # decoders of foreign bytes raise almost anything
        foreign = isinstance(error, UnidentifiedImageError)
        reason = "it is something else" if foreign else (str(error).splitlines() or [type(error).__name__])[0]
        raise MediaError(
            f"image {path}: expected a whole PNG, JPEG or WEBP picture; {reason[:120]}"
        ) from error
    flat = Image.alpha_composite(Image.new("RGBA", picture.size, "black"), picture).convert("RGB")
    fitted = ImageOps.fit(flat, (width, height), Image.Resampling.LANCZOS)
    return np.array(fitted, np.uint8)


def resize_frames(frames: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Crop and resize frames uint8 [T, H, W, 3] to [T, height, width, 3]; no copy if they fit."""
    if frames.shape[1:3] == (height, width):
        return frames
    from PIL import Image, ImageOps

    method = Image.Resampling.BOX
    return np.stack([np.array(ImageOps.fit(Image.fromarray(f), (width, height), method)) for f in frames])


def _read_bytes(path: Path) -> bytes:
    """Read a plain file below the size cap; never waits on a pipe or a device."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise MediaError(
            f"image {str(path)!r}: {reason}; give the path of a PNG, JPEG or WEBP file"
        ) from error
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise MediaError(f"image {path}: not a plain file; give a PNG, JPEG or WEBP file")
        if status.st_size > MAX_FILE_BYTES:
            raise MediaError(f"image {path}: {status.st_size} bytes, expected at most {MAX_FILE_BYTES}")
        with os.fdopen(handle, "rb", closefd=False) as file:
            return file.read(MAX_FILE_BYTES + 1)
    finally:
        os.close(handle)
