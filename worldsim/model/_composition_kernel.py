"""The compiled mixing of `composition.py` for the CPU: nothing in between is written to memory."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from worldsim.model.composition import ALIKE, FIRM


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def mix(
    weights: Any, residual: Any, depth: Any, threshold: Any, warped: Any, newest: Any, x: Any, warped_depth: Any,
    newest_depth: Any, single: bool, latents: Any, codes: Any,
) -> None:  # fmt: skip
    """Fill `latents` and `codes`; see `composition.mix_torch` for shapes, with h and w as one.

    There is a weight for each pixel.
    """
    batch, channels, _ = latents.shape
    slots, pixels = warped.shape[1], depth.shape[1]
    rows = np.empty((5, latents.shape[2]), np.float32)
    told, mixed = (
        np.empty((slots + 1, latents.shape[2]), np.float32),
        np.empty((slots + 1, latents.shape[2]), np.float32),
    )
    for b in range(batch):
        for c in range(channels):
            p, out = c % pixels, latents[b, c]
            _beyond(residual[b, c], threshold[b, p], out)
            for k in range(slots):
                _add(weights[b, k, p], warped[b, k, c], out)
            _add(weights[b, slots, p], newest[b, c], out)
            _add(weights[b, slots + 1, p], x[b, c], out)
        for p in range(pixels):
            out = codes[b, p]
            out[:] = depth[b, p]
            if single:
                for k in range(slots + 1):
                    told[k] = warped_depth[b, k, p] if k < slots else newest_depth[b, p]
                    mixed[k] = weights[b, k, p]
                _add_single(mixed, told, rows, out)
                continue
            for k in range(slots):
                _add(weights[b, k, p], warped_depth[b, k, p], out)
            _add(weights[b, slots, p], newest_depth[b, p], out)


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _add(weights: Any, values: Any, out: Any) -> None:
    for i in range(out.size):
        out[i] += weights[i] * values[i]


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _add_single(weights: Any, codes: Any, rows: Any, out: Any) -> None:
    """Add the depth of the surface with most weight, of candidates `[n, w]` with their codes.

    Row by row and without a branch, so that the compiler makes vector instructions of it; `rows` `[5, w]` is room.
    """
    count, total, most, best, mass, shown = len(weights), rows[0], rows[1], rows[2], rows[3], rows[4]
    total[:], most[:], best[:] = 0, -1, 0
    for k in range(count):
        mass[:], shown[:] = 0, 0
        for other in range(count):
            _add_alike(weights[other], codes[other], codes[k], mass, shown)
        _keep_most(weights[k], mass, shown, total, most, best)
    for i in range(out.size):
        out[i] += best[i] / max(most[i], np.float32(1e-6)) * total[i]


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _add_alike(weights: Any, codes: Any, here: Any, mass: Any, shown: Any) -> None:
    """Add the weights of a candidate, and its codes times them, where it may be of the surface that lies `here`."""
    nothing, limit = np.float32(0), np.float32(ALIKE)
    for i in range(mass.size):
        alike, weighed = abs(codes[i] - here[i]) < limit, weights[i] * codes[i]
        mass[i] += weights[i] if alike else nothing
        shown[i] += weighed if alike else nothing


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _keep_most(weights: Any, mass: Any, shown: Any, total: Any, most: Any, best: Any) -> None:
    for i in range(mass.size):
        more = mass[i] > most[i]
        total[i] += weights[i]
        best[i] = shown[i] if more else best[i]
        most[i] = mass[i] if more else most[i]


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _beyond(values: Any, threshold: Any, out: Any) -> None:
    """How far values lie beyond a threshold on either side of 0."""
    for i in range(out.size):
        out[i] = max(values[i] - threshold[i], np.float32(0)) + min(values[i] + threshold[i], np.float32(0))


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def prefer(
    logits: Any, known: Any, fixed: Any, temperature: Any, begun: Any, odds: Any, calm: float, scaled: Any,
    threshold: Any,
) -> None:  # fmt: skip
    """Fill `scaled` `[B, R + 3, P, h w]` with what copy weights are the softmax of, and `threshold` `[B, P, h w]`.

    See `composition._bias` and `composition._threshold`.
    """
    batch, slots, pixels, size = known.shape
    heat, given = np.empty(size, np.float32), np.empty(size, np.float32)
    for b in range(batch):
        for p in range(pixels):
            _warm(temperature[b, p], fixed[p], heat)
            given[:] = 0
            for k in range(slots):
                _prefer_known(logits[b, k, p], known[b, k, p], fixed[p], heat, k, scaled[b, k, p], given)
            _prefer_fixed(logits[b, slots, p], fixed[p], heat, scaled[b, slots, p])
            _scale(logits[b, slots + 1, p], odds[b], heat, scaled[b, slots + 1, p])
            _scale(logits[b, slots + 2, p], np.float32(-6), heat, scaled[b, slots + 2, p])
            _calm(given, begun[b, p], fixed[p], heat, np.float32(calm), threshold[b, p])


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _warm(temperature: Any, fixed: Any, heat: Any) -> None:
    """The temperature, 1 over the HUD."""
    one, half = np.float32(1), np.float32(0.5)
    for i in range(heat.size):
        less, more = (
            temperature[i] + fixed[i] * (one - temperature[i]),
            one - (one - temperature[i]) * (one - fixed[i]),
        )
        heat[i] = less if fixed[i] < half else more


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _prefer_known(logits: Any, known: Any, fixed: Any, heat: Any, slot: int, out: Any, given: Any) -> None:
    one, half = np.float32(1), np.float32(0.5)
    preferred, not_at_all = np.float32(4.0 - 1.5 * slot), np.float32(-8)
    for i in range(out.size):
        bias = preferred if (one - fixed[i]) * known[i] > half else not_at_all
        # Slot 0 has no holes: where nothing is known it holds a continuation to start from.
        if slot == 0:
            bias = bias if fixed[i] > half else max(bias, -one)
        out[i] = (logits[i] + bias) / heat[i]
        given[i] = max(given[i], known[i])


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _prefer_fixed(logits: Any, fixed: Any, heat: Any, out: Any) -> None:
    here, elsewhere = np.float32(4), np.float32(-6)
    for i in range(out.size):
        out[i] = (logits[i] + (here if fixed[i] > np.float32(0.5) else elsewhere)) / heat[i]


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _scale(logits: Any, bias: float, heat: Any, out: Any) -> None:
    for i in range(out.size):
        out[i] = (logits[i] + bias) / heat[i]


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _calm(given: Any, begun: Any, fixed: Any, heat: Any, calm: float, out: Any) -> None:
    one = np.float32(1)
    for i in range(out.size):
        unknown, started = (one - given[i]) * (one - fixed[i]), begun[i] * (one - fixed[i])
        out[i] = (calm + np.float32(FIRM) * (one - heat[i])) * max(one - unknown, started)
