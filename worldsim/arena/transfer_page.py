"""The page of the transfer experiment: one self-contained HTML file with tables and curves."""

from __future__ import annotations

import math
from html import escape
from typing import Any

from worldsim.arena.findings import LEARNERS, Findings, Line
from worldsim.arena.transfer import TransferOptions
from worldsim.evaluate.report.number import NONE, number, signed
from worldsim.evaluate.report.parts import Cell, charts, facts, table
from worldsim.evaluate.report.style import page_around

HOW = """<h2>How to read this page</h2>
<p>PPO learnt the same number of decisions in the dream alone and in the game alone, with the same network, and
every agent was then judged in both, on worlds that training had not seen. A value is the mean return over all
episodes of all seeds, with its 95 % bootstrap interval. The <em>gap</em> is the return in the dream less that
in the game: what the dream promises and the game does not keep. The <em>rank correlation</em> (Spearman) says
whether policies that are better in the dream are better in the game; 1 means always. The interval is over
policies.</p>"""


def transfer_page(found: list[Findings], options: TransferOptions, machine: dict[str, Any]) -> str:
    """The whole document."""
    title = "Do agents that learn in the dream hold in the game?"
    head = [
        f"world {escape(options.world or 'voxel')}",
        f"{options.steps:,} decisions of {options.frame_skip} ticks",
        f"seeds {', '.join(map(str, options.seeds))}",
        f"{options.episodes} episodes each",
        escape(f"{machine['cpu']}, {machine['cores']} cores, load {machine['load']}"),
    ]
    body = [f"<header><h1>{title}</h1>{facts(head)}</header>", *(_section(one) for one in found), HOW]
    return page_around(title, "\n".join(body))


def _section(one: Findings) -> str:
    rank = f"{number(one.rank[0])} ({_range(one.rank)})" if math.isfinite(one.rank[0]) else NONE
    return (
        f'<section id="{escape(one.task)}"><h2>{escape(one.task)}</h2><p>{_verdict(one)}</p>'
        f"{table(_HEADS, [_row(line) for line in one.lines])}"
        f"<p>Rank correlation over {len(one.points)} policies: <b>{rank}</b></p>"
        f'{charts([one.curve])}<div class="charts">{scatter(one)}</div></section>'
    )


def _verdict(one: Findings) -> str:
    lines = {line.player: line for line in one.lines}
    dream, random = lines[LEARNERS["dream"]], lines["random"]
    if not (math.isfinite(dream.game[1]) and math.isfinite(random.game[1])):
        return "Not all of it has been measured yet."
    if one.transfers:
        return "What was learnt in the dream <b>holds in the game</b>: more than random play, with intervals apart."
    if dream.game[2] < random.game[1]:
        return "What was learnt in the dream does <b>harm</b> in the game: less than random play, intervals apart."
    return "What was learnt in the dream can <b>not be told from random play</b> in the game."


_HEADS: list[Cell] = [
    ("", "player"), ("n", "in the game"), ("n", "95 %"), ("n", "in the dream"), ("n", "95 %"), ("n", "gap"),
    ("n", "each seed, game / dream"), ("n", "decisions/s"), ("n", "minutes"),
]  # fmt: skip


def _row(line: Line) -> list[Cell]:
    each = ", ".join(f"{number(game)} / {number(dream)}" for game, dream in line.each)
    return [
        ("", escape(line.player)),
        ("n", number(line.game[0])),
        ("n", _range(line.game)),
        ("n", number(line.dream[0])),
        ("n", _range(line.dream)),
        ("n", signed(line.gap)),
        ("n", each if len(line.each) > 1 else NONE),
        ("n", number(line.decisions_per_s)),
        ("n", number(line.minutes)),
    ]


def _range(value: tuple[float, float, float]) -> str:
    if not math.isfinite(value[1]):
        return NONE
    return f"{number(value[1], value[0])} to {number(value[2], value[0])}"


def scatter(one: Findings) -> str:
    """Every policy's return in the game over that in the dream."""
    if not one.points:
        return ""
    size, edge = 260, 36
    values = [v for _, game, dream in one.points for v in (game, dream)]
    low, high = min(values), max(values)
    span = (high - low) or 1.0

    def at(value: float) -> float:
        return edge + (size - 2 * edge) * (value - low) / span

    dots = "".join(
        f'<circle cx="{at(dream):.1f}" cy="{size - at(game):.1f}" r="3.5" '
        f'style="fill:var(--s{int("-game-" in run)})"><title>{escape(run)}: dream {dream:.2f}, game {game:.2f}'
        "</title></circle>"
        for run, game, dream in one.points
    )
    line = f'<line class="grid" x1="{edge}" y1="{size - edge}" x2="{size - edge}" y2="{edge}"/>'
    labels = (
        f'<text class="axis" x="{size / 2}" y="{size - 6}" text-anchor="middle">return in the dream</text>'
        f'<text class="axis" x="12" y="{size / 2}" text-anchor="middle" '
        f'transform="rotate(-90 12 {size / 2})">return in the game</text>'
        f'<text class="tick" x="{edge}" y="{size - 20}" text-anchor="middle">{number(low)}</text>'
        f'<text class="tick" x="{size - edge}" y="{size - 20}" text-anchor="middle">{number(high)}</text>'
    )
    return (
        f"<figure><figcaption>policies<small>blue: learnt in the dream; the line: both pay the same</small>"
        f'</figcaption><svg viewBox="0 0 {size} {size}" role="img" aria-label="returns of policies">'
        f"{line}{dots}{labels}</svg></figure>"
    )
