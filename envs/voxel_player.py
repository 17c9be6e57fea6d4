"""The player's state as one float64 vector: where each number lies, so that copies are exact and cheap."""

from __future__ import annotations

(
    X, Y, Z,  # feet, blocks, unwrapped
    VX, VY, VZ,  # blocks a tick
    YAW, PITCH,  # degrees
    EYE,  # height of the eye above the feet
    GROUND, WATER, CONTACT,  # 0 or 1
    FALL,  # blocks fallen so far
    HEALTH, BREATH, REGROW,  # 0..20; ticks of air left; ticks since health last came back
    BROKEN, PLACED, FELL, DAMAGE,  # what happened this tick
    SLOT, OFF_ITEM, OFF_COUNT,  # chosen hotbar slot; what the other hand holds
    AIM_X, AIM_Y, AIM_Z, AIM_BLOCK,  # the block in reach, -1 for none
    PREV_X, PREV_Y, PREV_Z,  # the open cell before it
    BREAK_X, BREAK_Y, BREAK_Z, PROGRESS,  # the block being broken and how far, 0..1
    BREAK_WAIT, USE_WAIT, SWING,  # ticks until the next break and placement; phase of the arm, 0 rests
    DROP_HELD, SWAP_HELD, HIT_WAIT,  # keys that act once a press; ticks until the next hit
    TICK, TIME,  # ticks since reset; time of day at reset
    SIZE,
) = range(43)  # fmt: skip

RADIUS = 0.3
TALL = 1.8
EYE_STANDING, EYE_SNEAKING = 1.62, 1.27
MAX_HEALTH, MAX_BREATH = 20.0, 300.0
