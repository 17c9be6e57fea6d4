"""Counter-based randomness and smooth noise: pure integer hashes, so the same on every machine."""

from __future__ import annotations

import numpy as np

from .voxel_kernel import bare, kernel

_A = np.uint64(0xBF58476D1CE4E5B9)
_B = np.uint64(0x94D049BB133111EB)
_K1 = np.uint64(0x9E3779B97F4A7C15)
_K2 = np.uint64(0xC2B2AE3D27D4EB4F)
_K3 = np.uint64(0x165667B19E3779F9)
_S11, _S27, _S30, _S31 = np.uint64(11), np.uint64(27), np.uint64(30), np.uint64(31)
_UNIT = 1.0 / 9007199254740992.0  # 2**-53


@bare
def mix(h):  # type: ignore[no-untyped-def]
    """The finaliser of splitmix64: uint64 to uint64, every input bit reaches every output bit."""
    h = (h ^ (h >> _S30)) * _A
    h = (h ^ (h >> _S27)) * _B
    return h ^ (h >> _S31)


@bare
def hash3(seed, a, b, c):  # type: ignore[no-untyped-def]
    """Hash of three integers under a uint64 seed, as uint64."""
    h = mix(seed + _K1 * np.uint64(a + 1))
    h = mix(h ^ (_K2 * np.uint64(b + 1)))
    return mix(h ^ (_K3 * np.uint64(c + 1)))


@bare
def unit(seed, a, b, c):  # type: ignore[no-untyped-def]
    """A float in [0, 1) for three integers under a seed."""
    return float(hash3(seed, a, b, c) >> _S11) * _UNIT


@bare
def pick(seed, a, b, c, n):  # type: ignore[no-untyped-def]
    """An integer in [0, n) for three integers under a seed."""
    return int(unit(seed, a, b, c) * n)


@bare
def smooth(t):  # type: ignore[no-untyped-def]
    """Smoothstep of t in [0, 1]."""
    return t * t * (3.0 - 2.0 * t)


@bare
def noise2(seed, x, z, cell, size):  # type: ignore[no-untyped-def]
    """Value noise in [0, 1] that repeats every `size` blocks; `cell` divides `size`."""
    n = size // cell
    fx, fz = x / cell, z / cell
    ix, iz = int(np.floor(fx)), int(np.floor(fz))
    u, v = smooth(fx - ix), smooth(fz - iz)
    x0, x1, z0, z1 = ix % n, (ix + 1) % n, iz % n, (iz + 1) % n
    a, b = unit(seed, x0, z0, cell), unit(seed, x1, z0, cell)
    c, d = unit(seed, x0, z1, cell), unit(seed, x1, z1, cell)
    return (a + (b - a) * u) * (1.0 - v) + (c + (d - c) * u) * v


@kernel
def lattice3(seed, n, ny):  # type: ignore[no-untyped-def]
    """Random values float32 [n, n, ny] for `noise3`."""
    out = np.empty((n, n, ny), np.float32)
    for i in range(n):
        for j in range(n):
            for k in range(ny):
                out[i, j, k] = unit(seed, i, j, k)
    return out


@bare
def noise3(lattice, x, y, z, cell):  # type: ignore[no-untyped-def]
    """Value noise in [0, 1] from a `lattice3`, periodic in x and z; `cell` blocks a lattice step."""
    n = lattice.shape[0]
    fx, fy, fz = x / cell, y / cell, z / cell
    ix, iy, iz = int(fx), int(fy), int(fz)
    u, v, w = smooth(fx - ix), smooth(fy - iy), smooth(fz - iz)
    x0, x1, z0, z1 = ix % n, (ix + 1) % n, iz % n, (iz + 1) % n
    a = lattice[x0, z0, iy] * (1 - u) + lattice[x1, z0, iy] * u
    b = lattice[x0, z1, iy] * (1 - u) + lattice[x1, z1, iy] * u
    c = lattice[x0, z0, iy + 1] * (1 - u) + lattice[x1, z0, iy + 1] * u
    d = lattice[x0, z1, iy + 1] * (1 - u) + lattice[x1, z1, iy + 1] * u
    return (a * (1 - w) + b * w) * (1 - v) + (c * (1 - w) + d * w) * v
