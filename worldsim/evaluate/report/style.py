"""The style sheet of the pages: light and dark, printable, no script and nothing fetched."""

from __future__ import annotations

CSS = """
:root { color-scheme: light dark;
  --ground: #fcfcfb; --card: #fff; --ink: #1c1f23; --soft: #5c636b; --line: #dfe2e5; --code: #f1f2f3;
  --good: #14713f; --bad: #b3261e; --open: #8a5a00; --link: #1d5fbf;
  --s0: #1d5fbf; --s1: #c65a06; --s2: #14804f; --s3: #7b46bd; --s4: #c12f62; --s5: #08808f; --s6: #85632a;
  --s7: #767c83; }
@media (prefers-color-scheme: dark) { :root {
  --ground: #15181b; --card: #1c2024; --ink: #e8eaec; --soft: #a0a8b0; --line: #343a40; --code: #262b30;
  --good: #5fd08f; --bad: #ff8a80; --open: #e6b450; --link: #7fb2ff;
  --s0: #6ea8ff; --s1: #ff9d4d; --s2: #4fcf8e; --s3: #b891f5; --s4: #ff7fa5; --s5: #4fc9d6; --s6: #d3ac66;
  --s7: #9aa1a8; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem clamp(1rem, 4vw, 3rem) 4rem; max-width: 76rem; background: var(--ground);
  color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: .5rem 0 .25rem; }
h2 { font-size: 1.3rem; margin: 2.75rem 0 .4rem; padding-top: 1rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
p { margin: .4rem 0; max-width: 68ch; }
a { color: var(--link); }
code { background: var(--code); padding: .1em .35em; border-radius: 4px; font-size: .88em; overflow-wrap: anywhere; }
.soft, .note, caption, figcaption { color: var(--soft); font-size: .88rem; }
.facts { display: flex; flex-wrap: wrap; gap: .15rem 1.5rem; padding: 0; margin: .5rem 0; list-style: none;
  color: var(--soft); font-size: .9rem; }
.remark { border-left: 4px solid var(--line); padding-left: 1rem; margin: 1rem 0; white-space: pre-line; }
.tiles { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1rem 0; padding: 0; list-style: none; }
.tiles li { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .6rem 1rem;
  min-width: 8.5rem; }
.tiles b { display: block; font-size: 1.6rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.1rem; padding: 0; list-style: none; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .92rem; margin: .6rem 0; min-width: 34rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .9rem .3rem 0; border-bottom: 1px solid var(--line); }
th { font-weight: 600; color: var(--soft); font-size: .85rem; white-space: nowrap; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td small { display: block; color: var(--soft); font-size: .78rem; white-space: normal;
  min-width: 8.8rem; max-width: 16rem; margin-left: auto; }
td .note { display: block; min-width: 13rem; max-width: 52ch; }
.whole { white-space: nowrap; } .tag { font-weight: 600; white-space: nowrap; }
.reached, .better { color: var(--good); } .missed, .worse { color: var(--bad); }
.undecided, .unmeasured, .unclear, .mixed, .changed { color: var(--open); } .even { color: var(--soft); }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 27rem), 1fr)); gap: 1rem; }
.charts figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  padding: .75rem; }
.charts figcaption { color: var(--ink); font-weight: 600; margin-bottom: .3rem; }
.charts small { display: block; color: var(--soft); font-weight: 400; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--soft); font-size: 12px; } .grid { stroke: var(--line); stroke-width: 1; }
.line path { fill: none; stroke-width: 1.75; stroke-linejoin: round; } .line.s0 path { stroke-width: 2.75; }
.line.dashed path { stroke-dasharray: 6 4; stroke-width: 1.75; } .key.dashed { opacity: .55; width: .45rem; }
.legend { display: flex; flex-wrap: wrap; gap: .1rem 1rem; padding: 0; margin: .4rem 0 0; list-style: none;
  font-size: .85rem; }
.legend b { font-variant-numeric: tabular-nums; font-weight: 600; }
.key { display: inline-block; width: .9rem; height: .28rem; border-radius: 2px; margin-right: .4rem;
  vertical-align: middle; }
.strip { margin: 1rem 0 1.4rem; } .strip figcaption { max-width: 80ch; margin-bottom: .35rem; }
.strip figcaption b { color: var(--ink); }
.film { display: grid; grid-template-columns: minmax(3.5rem, max-content) minmax(0, 1fr); column-gap: .6rem; }
.heads, .labels { display: grid; font-size: .78rem; color: var(--soft); }
.heads { grid-column: 2; grid-auto-flow: column; grid-auto-columns: 1fr; } .heads span { padding: 0 .15rem; }
.labels { grid-auto-rows: 1fr; align-items: center; }
.film img { display: block; width: 100%; height: auto; image-rendering: pixelated; border-radius: 3px; }
details { margin: .6rem 0; } summary { cursor: pointer; color: var(--link); }
@media (max-width: 40rem) { th, td { padding-right: .6rem; } }
@media print { body { max-width: none; } h2 { break-after: avoid; } figure { break-inside: avoid; } }
"""

SERIES_CSS = "".join(
    f".line.s{i} path {{ stroke: var(--s{i}); }} .line.s{i} circle {{ fill: var(--s{i}); }} "
    f".key.s{i} {{ background: var(--s{i}); }}\n"
    for i in range(8)
)


def page_around(title: str, body: str) -> str:
    """A whole HTML document around escaped markup; `title` must be escaped too."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{CSS}{SERIES_CSS}</style></head>\n<body>\n{body}\n</body></html>\n"
    )
