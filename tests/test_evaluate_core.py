"""The evaluation's parts: twins, plans, rollouts, statistics of pictures and of episodes."""

from __future__ import annotations

from dataclasses import replace
from math import isnan, log10, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_fakes import LATENT, H, W, tiny_model

from worldsim.actions import INDEX
from worldsim.errors import UsageError
from worldsim.evaluate import pixels
from worldsim.evaluate.dreamer import WorldDreamer
from worldsim.evaluate.fakes import Amnesiac, ColourDrifter, Frozen, Oracle, lapses
from worldsim.evaluate.plan import Plan
from worldsim.evaluate.ranking import auroc, false_alarms, ranks, spearman
from worldsim.evaluate.rollout import ALONE, roll
from worldsim.evaluate.scenario import Scenario
from worldsim.evaluate.stats import (
    bootstrap_mean,
    bootstrap_of,
    bootstrap_over,
    bootstrap_ratio,
    paired_bootstrap,
    wilson,
)
from worldsim.evaluate.suite import METRICS, SUITES, Suite, find_metric, find_suite
from worldsim.evaluate.twin import Twin, explore, explored, overlay, play
from worldsim.sim.simulator import SimulatorConfig
from worldsim.sim.world import World

SIZE = (H, W)


def turning(seed: int = 3, ticks: int = 20, degrees: float = 12.0, context: int = 4) -> Scenario:
    actions = np.zeros((ticks, 25), np.float32)
    actions[context - 1 :, INDEX["camera_yaw"]] = degrees
    return Scenario(seed, actions, context)


def twin_of(scenario: Scenario) -> Twin:
    return play(scenario, width=W, height=H)


def tiny_world(latent: bool = False) -> World:
    return World("tiny", "0" * 64, tiny_model(LATENT) if latent else tiny_model(), None)


def test_a_twin_has_one_frame_more_than_actions_and_is_the_same_again() -> None:
    scenario = explored(5, "explorer", 10, context=4)
    a, b = twin_of(scenario), twin_of(scenario)
    assert a.frames.shape == (14, H, W, 3) and a.blocks.shape == a.depth.shape == (14, H, W)
    assert a.pose.shape == (14, 5) and a.columns["on_ground"].shape == (14,)
    assert np.array_equal(a.frames, b.frames) and np.array_equal(a.pose, b.pose)
    assert {"events.broken", "velocity", "slot"} <= a.columns.keys() and "caption" not in a.columns


def test_action_t_leads_from_frame_t_to_the_next() -> None:
    scenario = turning(context=1, ticks=3, degrees=30.0)
    yaw = twin_of(scenario).pose[:, 3]
    assert np.allclose(np.diff(yaw), 30.0)


def test_the_lead_is_played_and_not_drawn() -> None:
    whole = turning(ticks=12, context=1)
    rest = Scenario(whole.seed, whole.actions[5:], 1, lead=whole.actions[:5])
    assert np.array_equal(twin_of(whole).frames[5:], twin_of(rest).frames)


def test_longer_play_begins_like_shorter_play() -> None:
    lead, actions = explore(7, "explorer", 30)
    again, longer = explore(7, "explorer", 50)
    assert len(lead) == 40 and np.array_equal(lead, again) and np.array_equal(actions, longer[:30])
    with pytest.raises(ValueError, match="read-only"):
        actions[0, 0] = 1


@pytest.mark.parametrize("spoil", ("noise", "black", "inverted", ""))
def test_spoils_change_what_is_shown_and_not_the_truth(spoil: str) -> None:
    scenario = replace(turning(), spoil=spoil)
    twin = twin_of(scenario)
    assert np.array_equal(twin.frames, twin_of(turning()).frames)
    assert twin.shown.shape == (4, H, W, 3)
    assert np.array_equal(twin.shown, twin.frames[:4]) == (spoil == "")


def test_the_overlay_covers_the_hotbar_only_in_part() -> None:
    mask = overlay(W, H)
    assert mask.shape == (H, W) and 0.02 < mask.mean() < 0.5 and mask[-2:].any()


def test_a_plan_rolls_the_longest_of_a_kind_once() -> None:
    long, short = (explored(1, "explorer", n, context=4) for n in (20, 8))
    other = explored(2, "explorer", 8, context=4)
    misled = replace(short, pressed=other.actions)
    alone = replace(short, group=ALONE)
    plan = Plan({"a": [short, other], "b": [long, misled], "c": [replace(short), alone]})
    assert len(plan.sources) == 4 and plan.frames == 20 + 8 + 8 + 8
    assert plan.sources[plan.places["a"][0]] is long and plan.places["a"][0] == plan.places["c"][0]
    assert plan.spent(["a", "b"]) == {plan.places["b"][1], plan.places["a"][1]}
    assert plan.spent(["a", "b", "c"]) == set(range(4))


def test_rollouts_come_in_order_whatever_their_lengths() -> None:
    scenarios = [turning(s, ticks=t) for s, t in ((1, 8), (2, 12), (3, 8), (4, 12))]
    dreamt = []
    rollouts = roll(Oracle(SIZE), [twin_of(s) for s in scenarios], batch=2, progress=dreamt.append)
    assert [r.twin.scenario.seed for r in rollouts] == [1, 2, 3, 4]
    assert all(np.array_equal(r.frames, r.truth) for r in rollouts)
    assert sum(dreamt) == sum(s.dreamt for s in scenarios)


def test_a_cut_rollout_is_the_beginning() -> None:
    long, short = turning(ticks=20), turning(ticks=9)
    rollout = roll(Oracle(SIZE), [twin_of(long)])[0]
    cut = rollout.cut(rollout.twin.cut(short))
    assert len(cut.frames) == len(cut.truth) == short.dreamt
    assert cut.pose is not None and len(cut.pose) == short.dreamt
    assert np.array_equal(cut.twin.frames, twin_of(short).frames)


def test_fakes_have_the_faults_that_they_are_made_for() -> None:
    twin = twin_of(turning(ticks=24))
    oracle, frozen, amnesiac, drifter = (
        roll(fake(SIZE), [twin])[0] for fake in (Oracle, Frozen, Amnesiac, ColourDrifter)
    )
    assert np.array_equal(oracle.frames, twin.frames[4:])
    assert all(np.array_equal(frame, twin.frames[3]) for frame in frozen.frames)
    forgotten = lapses(twin, 60)[4:] > 0
    assert not forgotten[0] and forgotten[-1]
    same = [np.array_equal(a, b) for a, b in zip(amnesiac.frames, twin.frames[4:])]
    assert same == [not lapse for lapse in forgotten]
    error = pixels.absolute_error(drifter.frames, drifter.truth)
    assert error[0] < 0.3 and error[-1] > error[0]
    assert drifter.uncertainty is not None and np.allclose(drifter.uncertainty, error, atol=1e-4)


def test_fakes_that_are_told_other_actions_play_those() -> None:
    scenario = turning()
    told = replace(scenario, pressed=-scenario.actions)
    rollout = roll(Oracle(SIZE), [twin_of(told)])[0]
    assert not np.array_equal(rollout.frames, rollout.truth)
    assert rollout.pose is not None and rollout.pose[-1, 3] < rollout.twin.pose[-1, 3]


def test_a_learned_world_dreams_the_same_again_and_by_its_seed() -> None:
    dreamer = WorldDreamer(tiny_world(), SimulatorConfig(precision="float32"))
    twins = [twin_of(turning(seed, ticks=8)) for seed in (1, 2)]
    first, again = roll(dreamer, twins), roll(dreamer, twins)
    assert np.array_equal(first[0].frames, again[0].frames)
    alone = roll(dreamer, twins[:1])[0]
    assert np.abs(alone.frames.astype(int) - first[0].frames).max() <= 1
    assert first[0].pose is not None and first[0].pose.shape == (5, 5)
    assert first[0].uncertainty is not None and np.isfinite(first[0].uncertainty).all()
    assert first[0].coded is None and first[0].times is not None and len(first[0].times) == 5


def test_a_learned_world_is_told_what_is_pressed() -> None:
    dreamer = WorldDreamer(tiny_world(), SimulatorConfig(precision="float32"))
    scenario = turning(ticks=8)
    pressed = replace(scenario, pressed=np.zeros_like(scenario.actions))
    still, turned = roll(dreamer, [twin_of(pressed)])[0], roll(dreamer, [twin_of(scenario)])[0]
    assert still.pose is not None and turned.pose is not None
    assert still.pose[-1, 3] == still.twin.pose[3, 3] and turned.pose[-1, 3] == turned.twin.pose[-1, 3]


def test_a_lossy_tokenizer_has_a_ceiling() -> None:
    rollout = roll(WorldDreamer(tiny_world(latent=True)), [twin_of(turning(ticks=6))])[0]
    assert rollout.coded is not None and rollout.coded.shape == rollout.frames.shape


def test_suites_name_what_metrics_read_and_seeds_stay_below_1000() -> None:
    for name in METRICS:
        for scenario in find_metric(name).scenarios(SUITES["tiny"]):
            assert 0 <= scenario.seed < 1000
            assert scenario.dreamt > 0 and scenario.context == SUITES["tiny"].context
            assert scenario.pressed is None or scenario.pressed.shape == scenario.actions.shape


def test_unknown_suites_and_metrics_are_named() -> None:
    with pytest.raises(UsageError, match="suite: got 'huge', expected quick or full"):
        find_suite("huge")
    with pytest.raises(UsageError, match="metric: got 'beauty', expected one of horizon"):
        find_metric("beauty")
    assert Suite("none", {}).count("play").episodes == 0


def test_psnr_and_ssim_of_equal_and_of_known_pictures() -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (2, H, W, 3), dtype=np.uint8)
    shifted = np.where(frames > 250, frames, frames + 5).astype(np.uint8)
    grey = np.full_like(frames, 128)
    assert pixels.psnr(pixels.squared_error(frames, frames)) == pytest.approx([78.13, 78.13], abs=0.01)
    black = np.zeros_like(frames)
    assert pixels.psnr(pixels.squared_error(black, black + 16)[0]) == pytest.approx(20 * log10(255 / 16))
    assert pixels.ssim(frames, frames) == pytest.approx([1, 1])
    assert (pixels.ssim(frames, shifted) > 0.97).all() and (pixels.ssim(frames, grey) < 0.1).all()


def test_detail_ignores_what_is_hidden() -> None:
    frames = np.full((1, H, W, 3), 90, np.uint8)
    frames[:, 20:24, 20:24] = 250
    hidden = np.zeros((H, W), bool)
    assert pixels.detail(frames, hidden)[0] > 0
    hidden[18:26, 18:26] = True
    assert pixels.detail(frames, hidden)[0] == 0


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=30))
def test_bootstrap_holds_the_mean_and_leaves_nans_out(values: list[float]) -> None:
    mean, low, high = bootstrap_mean([*values, nan])
    assert mean == pytest.approx(np.mean(values)) and low - 1e-9 <= mean <= high + 1e-9
    assert (mean, low, high) == bootstrap_mean(values)


def test_bootstrap_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    samples = [bootstrap_mean(rng.normal(size=40), seed=i, draws=400) for i in range(200)]
    inside = sum(low <= 0 <= high for _, low, high in samples)
    assert 0.88 <= inside / 200 <= 0.99


def test_few_values_have_no_interval() -> None:
    assert all(isnan(v) for v in bootstrap_mean([]))
    assert bootstrap_mean([2.0])[0] == 2 and isnan(bootstrap_mean([2.0])[1])
    assert all(isnan(v) for v in bootstrap_of(np.sqrt, [nan, nan]))
    assert all(isnan(v) for v in wilson(0, 0)) and isnan(bootstrap_ratio([1, 2], [0, 0])[0])


def test_ratios_weigh_by_what_is_below_and_pairs_need_partners() -> None:
    assert bootstrap_ratio([1, 0], [1, 3])[0] == 0.25
    value, low, high = paired_bootstrap([1, 2, 3], [2, 3, nan])
    assert value == low == high == 1
    with pytest.raises(ValueError, match="3 and 2"):
        paired_bootstrap([1, 2, 3], [1, 2])
    assert bootstrap_over(lambda picks: float(len(picks)), 5) == (5, 5, 5)


def test_wilson_agrees_with_the_textbook() -> None:
    rate, low, high = wilson(9, 10)
    assert (rate, low, high) == pytest.approx((0.9, 0.5958, 0.9821), abs=1e-3)
    assert wilson(10, 10)[2] == pytest.approx(1) and wilson(0, 10)[1] == 0


def test_ranks_share_ties_and_orders_are_found() -> None:
    assert ranks([3, 1, 3, 2]).tolist() == [3.5, 1, 3.5, 2]
    assert spearman([1, 2, 3, 4], [1, 8, 27, 64]) == pytest.approx(1)
    assert spearman([1, 2, 3], [3, 2, 1]) == pytest.approx(-1) and isnan(spearman([1, 1, 1], [1, 2, 3]))
    assert auroc([3, 4], [1, 2]) == 1 and auroc([1], [1]) == 0.5 and isnan(auroc([], [1]))
    assert false_alarms([5.0] * 19 + [0.0], [1, 2, 6]) == pytest.approx(1 / 3)
