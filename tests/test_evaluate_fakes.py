"""Each metric of pictures on the four fakes: one that does not tell them apart is broken."""

from __future__ import annotations

import functools
from math import isnan

import pytest

from worldsim.evaluate.fakes import FAKES, Oracle
from worldsim.evaluate.result import Section
from worldsim.evaluate.run import Survey, survey
from worldsim.evaluate.suite import Count, Suite

SIZE = (48, 64)
PARTS = {
    "play": Count(4, 48), "starts": Count(4, 4), "shuffled": Count(6, 4), "counterfactual": Count(3, 8),
    "drift_explorer": Count(2, 300), "drift_random": Count(1, 64), "drift_stuck": Count(2, 300),
    "strange": Count(2, 3), "latency": Count(1, 4),
}  # fmt: skip
SUITE = Suite("fakes", PARTS)


@functools.lru_cache(maxsize=16)
def found(metric: str, fake: str, honest: bool = True) -> Section:
    return survey(FAKES[fake](SIZE, honest=honest), SUITE, metrics=[metric], strict=True).sections[0]


def value(metric: str, fake: str, figure: str) -> float:
    return found(metric, fake).figure(figure).value


def test_fakes_horizon() -> None:
    assert value("horizon", "oracle", "psnr_16") > 70
    assert value("horizon", "oracle", "ssim_16") == pytest.approx(1)
    assert value("horizon", "oracle", "detail_16") == pytest.approx(1)
    assert value("horizon", "oracle", "position_16") == 0
    assert value("horizon", "frozen", "gain_1") == value("horizon", "frozen", "gain_16") == 0
    assert value("horizon", "frozen", "position_16") > 0.5
    assert value("horizon", "amnesiac", "psnr_1") > 70 and value("horizon", "amnesiac", "psnr_16") < 30
    assert 30 < value("horizon", "drifter", "psnr_16") < value("horizon", "drifter", "psnr_1") - 10


def test_fakes_that_do_not_listen_lose_nothing_to_wrong_actions() -> None:
    assert value("horizon", "oracle", "shuffled_cost_1") > 20
    assert value("horizon", "frozen", "shuffled_cost_1") == 0
    assert value("horizon", "frozen", "shuffled_ratio_1") == pytest.approx(1)


def test_fakes_counterfactual() -> None:
    for h in (1, 4, 8):
        assert value("counterfactual", "oracle", f"right_{h}") == 1
        assert value("counterfactual", "oracle", f"separation_{h}") == pytest.approx(1)
        assert value("counterfactual", "oracle", f"null_{h}") == 0
        assert value("counterfactual", "frozen", f"right_{h}") <= 0.5
        assert value("counterfactual", "frozen", f"separation_{h}") == 0
    assert value("counterfactual", "frozen", "right_8") == pytest.approx(0.2)
    assert value("counterfactual", "amnesiac", "right_8") < 0.9
    assert value("counterfactual", "drifter", "right_8") == 1
    assert value("counterfactual", "drifter", "separation_8") > 1


@pytest.mark.parametrize("player", ("explorer", "stuck"))
def test_fakes_drift(player: str) -> None:
    assert value("drift", "oracle", f"survival_{player}") == 1
    assert value("drift", "oracle", f"colour_{player}") == value("drift", "oracle", f"slope_{player}") == 0
    assert value("drift", "oracle", f"holds_{player}") == 300
    assert value("drift", "drifter", f"colour_{player}") > 0.5
    assert value("drift", "drifter", f"holds_{player}") < 300
    assert value("drift", "drifter", f"survival_{player}") == 1, "slow drift is drift, and no death"


def test_fakes_that_freeze_or_change_worlds_do_not_survive() -> None:
    frozen = found("drift", "frozen").figure("survival_explorer")
    assert frozen.value == 0 and "frozen" in frozen.note
    assert value("drift", "amnesiac", "colour_explorer") > 0.5
    assert value("drift", "amnesiac", "holds_explorer") < 300
    assert value("drift", "oracle", "survival_random") == 1
    assert value("drift", "frozen", "survival_random") == 0


def test_fakes_uncertainty() -> None:
    for fake in ("frozen", "amnesiac", "drifter"):
        assert value("uncertainty", fake, "spearman") == pytest.approx(1, abs=1e-3)
        assert value("uncertainty", fake, "calibration_gap") == pytest.approx(0, abs=1e-4)
        assert value("uncertainty", fake, "error_to_doubt") == pytest.approx(1, abs=1e-4)
    assert value("uncertainty", "frozen", "auroc_far") == 1, (
        "a frozen dream from noise is far off and says so"
    )
    assert value("uncertainty", "drifter", "auroc_late") == 1
    assert value("uncertainty", "oracle", "auroc_far") == 0.5, "it is never wrong and never in doubt"
    assert isnan(value("uncertainty", "oracle", "spearman"))


def test_fakes_that_say_the_same_of_every_frame_do_not_know() -> None:
    section = found("uncertainty", "frozen", honest=False)
    assert isnan(section.figure("spearman").value)
    assert section.figure("auroc_far").value == 0.5 and section.figure("false_alarms").value == 1
    assert section.figure("error_to_doubt").value > 2


def test_fakes_heads() -> None:
    oracle, frozen = found("heads", "oracle"), found("heads", "frozen")
    for name in ("on_ground", "contact", "health", "time_of_day", "slot", "target_distance", "held"):
        assert oracle.figure(f"error_{name}").value == 0, name
        copied = frozen.figure(f"copied_{name}").value
        assert frozen.figure(f"error_{name}").value == pytest.approx(copied), "it repeats what it was shown"
    assert frozen.figure("error_on_ground").value > 0
    happened = [f.name for f in oracle.figures if f.name.startswith("f1_") and not isnan(f.value)]
    assert happened, "the explorer breaks or places something"
    for name in happened:
        assert oracle.figure(name).value == 1 and frozen.figure(name).value < 0.5
        assert oracle.figure(name.replace("f1", "auroc")).value == 1
    assert oracle.figure("error_beacon").value == 0 < frozen.figure("error_beacon").value
    assert frozen.figure("error_beacon").value == pytest.approx(frozen.figure("copied_beacon").value)
    assert oracle.figure("error_tower").value == oracle.figure("error_dry").value == 0


def test_fakes_latency() -> None:
    section = found("latency", "oracle")
    assert 0 < section.figure("frame_ms").value < 100 and section.figure("frame_ms").count == 4


def test_fakes_share_episodes_between_metrics() -> None:
    parts = {"play": Count(2, 12), "drift_explorer": Count(1, 20)}
    told: list[tuple[int, int, str, str]] = []
    all_found = survey(
        Oracle(SIZE), Suite("shared", parts), metrics=["drift", "horizon", "uncertainty"], strict=True,
        progress=lambda *news: told.append(news),
    )  # fmt: skip
    assert all_found.frames == 20 + 12, "seed 0 is dreamt once, and long"
    assert [s.key for s in all_found.sections] == ["horizon", "drift", "uncertainty"]
    assert told[-1][:2] == (32, 32) and list(all_found.seconds) == ["horizon", "drift", "uncertainty"]


def test_ctrl_c_leaves_what_was_measured() -> None:
    parts = {"play": Count(2, 12), "drift_stuck": Count(1, 8)}

    def stop(frames: int, total: int, metric: str, doing: str, after: str) -> None:
        if metric == after:
            raise KeyboardInterrupt

    def asked(after: str) -> Survey:
        progress = functools.partial(stop, after=after)
        return survey(
            Oracle(SIZE), Suite("cut", parts), metrics=["horizon", "drift", "heads"], progress=progress
        )

    found = asked("drift")
    assert [s.key for s in found.sections] == ["horizon"]
    assert list(found.failed) == ["drift", "heads"] and "interrupted" in found.failed["drift"]
    with pytest.raises(KeyboardInterrupt):
        asked("horizon")
