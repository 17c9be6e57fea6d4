"""What can be said about pictures by arithmetic alone: errors, likeness, detail."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

Frames = NDArray[np.uint8]
GREY = np.array((0.299, 0.587, 0.114), np.float32)


def grey(frames: Frames) -> NDArray[np.float32]:
    """Luma of frames uint8 `[..., H, W, 3]`, float32 `[..., H, W]` in 0..255."""
    return frames.astype(np.float32) @ GREY


def squared_error(a: Frames, b: Frames) -> NDArray[np.float64]:
    """Mean squared error of each frame, `[n]` in grey levels squared, of frames `[n, H, W, 3]`."""
    return np.array([np.square(x.astype(np.float32) - y).mean() for x, y in zip(a, b)], np.float64)


def absolute_error(a: Frames, b: Frames) -> NDArray[np.float64]:
    """Mean absolute error of each frame, `[n]` in grey levels."""
    return np.array([np.abs(x.astype(np.float32) - y).mean() for x, y in zip(a, b)], np.float64)


def psnr(error: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """dB of mean squared errors; equal pictures count as 78 dB."""
    return 10 * np.log10(255**2 / np.maximum(np.asarray(error, np.float64), 1e-3))


def ssim(a: Frames, b: Frames) -> NDArray[np.float64]:
    """Structural similarity of luma, `[n]`, mean over the picture (Wang et al. 2004: Gaussian, sigma 1.5)."""
    x, y = (torch.from_numpy(grey(frames))[:, None] for frames in (a, b))
    mean_x, mean_y = _blur(x), _blur(y)
    var_x = _blur(x * x) - mean_x**2
    var_y = _blur(y * y) - mean_y**2
    both = _blur(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    likeness = (2 * mean_x * mean_y + c1) * (2 * both + c2)
    likeness = likeness / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))
    return likeness.mean((1, 2, 3)).double().numpy()


def detail(frames: Frames, hidden: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean absolute Laplacian of luma, `[n]` in grey levels, away from where `hidden` `[H, W]` (the HUD) is."""
    return np.array([laplacian(grey(frame), ~hidden) for frame in frames], np.float64)


def laplacian(luma: NDArray[np.float32], shown: NDArray[np.bool_]) -> float:
    """Mean absolute Laplacian of one picture `[H, W]`, of pixels whose four neighbours are `shown` as well."""
    around = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:]
    kept = shown[1:-1, 1:-1] & shown[:-2, 1:-1] & shown[2:, 1:-1] & shown[1:-1, :-2] & shown[1:-1, 2:]
    return float(np.abs(around - 4 * luma[1:-1, 1:-1])[kept].mean())


def _blur(x: torch.Tensor) -> torch.Tensor:
    taps = torch.exp(-((torch.arange(11) - 5.0) ** 2) / (2 * 1.5**2))
    taps = taps / taps.sum()
    return F.conv2d(F.conv2d(x, taps.view(1, 1, 11, 1)), taps.view(1, 1, 1, 11))
