"""What the built-in game draws: pictures, depth, pose and mask fit each other."""

from __future__ import annotations

import numpy as np
import pytest
from voxel_fakes import FLOOR, arena, keys, refresh, run, stand
from worldsim.envs import voxel_blocks as blocks
from worldsim.envs import voxel_player as p
from worldsim.envs.voxel_engine import VoxelEngine
from worldsim.envs.voxel_hud import Hud


def reproject(engine: VoxelEngine, old: tuple, new: tuple) -> tuple[float, float, float]:
    """Look up each new pixel in the old frame by depth and pose: PSNR of that, of copying, share covered."""
    (frame0, depth0, pose0), (frame1, depth1, pose1) = old, new
    rows, columns = depth1.shape
    focal = rows / 2 / np.tan(np.radians(35.0))

    def axes(pose: np.ndarray) -> np.ndarray:
        yaw, pitch = np.radians(pose[3:].astype(float))
        forward = np.array([-np.sin(yaw) * np.cos(pitch), -np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
        right = np.array([-np.cos(yaw), 0.0, -np.sin(yaw)])
        return np.stack([right, np.cross(right, forward), forward])

    j, i = np.mgrid[0:rows, 0:columns]
    rays = np.stack([(i + 0.5 - columns / 2) / focal, (rows / 2 - j - 0.5) / focal, np.ones_like(i)], -1)
    world = (rays * depth1[..., None]) @ axes(pose1) + pose1[:3].astype(float)
    x, y, z = np.moveaxis((world - pose0[:3]) @ axes(pose0).T, -1, 0)
    z = np.maximum(z, 1e-3)
    u, v = np.floor(x / z * focal + columns / 2).astype(int), np.floor(rows / 2 - y / z * focal).astype(int)
    inside = (u >= 0) & (u < columns) & (v >= 0) & (v < rows)
    u, v = u.clip(0, columns - 1), v.clip(0, rows - 1)
    covered = inside & (np.abs(depth0[v, u] - z) < 0.05 * z + 0.1)
    covered &= ~engine.overlay_mask() & ~engine.overlay_mask()[v, u]

    def psnr(a: np.ndarray) -> float:
        error = ((a[covered].astype(float) - frame1[covered]) ** 2).mean()
        return float(10 * np.log10(255**2 / error))

    return psnr(frame0[v, u]), psnr(frame0), float(covered.mean())


def test_depth_and_pose_reproject_one_frame_into_the_next() -> None:
    engine = VoxelEngine()
    scores = []
    for seed in (0, 1, 3, 6, 7):
        engine.reset(seed)
        engine._player[p.TIME], engine._player[p.PITCH] = 0.5, 5.0
        views = []
        for _ in range(2):
            run(engine, 4, keys("forward", yaw=2.5, pitch=0.5))
            frame, depth, _ = engine.render_buffers()
            views.append((frame, depth, engine.state()["pose"]))
        scores.append(reproject(engine, *views))
    warped, copied, covered = np.array(scores).T
    assert covered.min() > 0.4
    assert warped.mean() > 20.0
    assert (warped - copied).mean() > 4.0


def test_depth_of_a_wall_is_along_the_axis() -> None:
    engine = arena()
    engine._vox[:, 70, :] = blocks.BRICK
    refresh(engine)
    engine.step(keys())
    _, depth, ids = engine.render_buffers()
    wall = ids == blocks.BRICK
    assert wall.sum() > 500
    assert depth[wall] == pytest.approx(70 - 64.5, abs=1e-5)
    stand(engine, 64.5, FLOOR, 64.5, yaw=180.0, pitch=-60.0)
    _, depth, ids = engine.render_buffers()
    assert (depth[ids == 0] == 512.0).all() and (ids == 0).sum() > 1000


def test_mask_covers_everything_that_the_hud_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    for size in ((160, 96), (64, 48), (96, 64), (320, 192), (64, 384)):
        engine = VoxelEngine(width=size[0], height=size[1])
        engine.reset(1)
        draw = Hud.draw
        for tick in range(8):
            engine._counts[tick % 9] = 0
            engine._player[p.SLOT], engine._player[p.SWING] = tick, tick % 6
            engine._drawn = False
            with_hud = engine.render()
            with monkeypatch.context() as patch:
                patch.setattr(Hud, "draw", lambda *a, **k: None)
                engine._drawn = False
                bare = engine.render()
            assert Hud.draw is draw
            changed = (with_hud != bare).any(-1)
            assert changed.any() and not (changed & ~engine.overlay_mask()).any()
        assert engine.overlay_mask().mean() < 0.25


def test_skyline_never_hides_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    from worldsim.envs import voxel_engine
    from worldsim.envs.voxel_render import draw_world

    engine = VoxelEngine(width=96, height=64)
    light, crack = voxel_engine.daylight(0.5), np.array([0, 0, 0, -1])
    for seed in range(4):
        engine.reset(seed)
        s = engine._player
        eye = np.array([s[p.X], s[p.Y] + 1.62 + seed, s[p.Z]])
        for yaw in (0.0, 100.0, 200.0, 300.0):
            axes = voxel_engine.view_axes(yaw + seed, -15.0)
            frames = []
            for skyline in (voxel_engine.find_skyline(engine._tops, *eye, 50.0), np.full(256, 1e30)):
                draw_world(
                    engine._frame, engine._depth, engine._ids, engine._vox, engine._tops, engine._roofs,
                    engine._textures, engine._cracks, eye, axes, light, engine._clouds, crack, skyline,
                )  # fmt: skip
                frames.append(engine._frame.copy())
            assert (frames[0] == frames[1]).all()
