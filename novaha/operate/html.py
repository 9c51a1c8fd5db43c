"""The report of a recovery as one page: no script, nothing loaded from anywhere. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from novaha.core.text import line
from novaha.operate.entries import iso
from novaha.operate.recoveries import PHASES, Moved, Recovery

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; padding: .25rem .6rem .25rem 0; border-bottom: 1px solid #8884;
  overflow-wrap: anywhere; vertical-align: top; }
.bar { position: relative; height: .9rem; min-width: 12rem; background: #8882; }
.bar span { position: absolute; top: 0; bottom: 0; background: #3a7bd5; min-width: 2px; }
.bar .wait { background: #e0a030; }
"""


def page(recovery: Recovery) -> str:
    """The whole document."""
    title = f"Recovery of {recovery.node}"
    instances = list(recovery.instances.values())
    parts = [
        f"<h1>{_text(title)}</h1>",
        f"<p>{_text(summary(recovery))}</p>",
        "<h2>Timeline</h2>",
        _table(("When (UTC)", "After", "What"), _phases(recovery)),
        "<h2>Instances</h2>",
        "<p>Orange: it waits. Blue: its evacuation was asked for and it is not up yet.</p>",
        _table(
            ("Name", "Id", "Outage", "", "Host", "Detail"), (_row(recovery, i) for i in instances)
        ),
        "<h2>Events</h2>",
        _table(
            ("When (UTC)", "On", "Event", "Data"),
            (
                (
                    _text(iso(e.time)),
                    _text(e.teller),
                    _text(e.event),
                    _text(" ".join(f"{k}={v}" for k, v in e.data.items() if v != "")),
                )
                for e in recovery.entries
            ),
        ),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">"
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head><body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def summary(recovery: Recovery) -> str:
    """What became of the instances, in one sentence."""
    instances = list(recovery.instances.values())
    outages = [o for i in instances if (o := recovery.outage(i)) is not None]
    unmoved = sum(bool(i.unmoved) for i in instances)
    said = f"{recovery.state}; {len(outages)} instances are up elsewhere"
    if outages:
        said += f", the last one {max(outages):.1f} s after the fencing"
    rest = len(instances) - len(outages) - unmoved
    if unmoved:
        said += f"; {unmoved} were not moved"
    if rest:
        said += f"; {rest} are unfinished"
    return f"{said}."


def _phases(recovery: Recovery) -> Iterable[tuple[str, ...]]:
    for name, moment in recovery.phases.items():
        after = (moment - recovery.began).total_seconds()
        yield _text(iso(moment)), f"{after:.1f} s", _text(PHASES[name])


def _row(recovery: Recovery, one: Moved) -> tuple[str, ...]:
    outage = recovery.outage(one)
    return (
        _text(one.name or "-"),
        _text(one.id),
        "-" if outage is None else f"{outage:.1f} s",
        _bar(recovery, one),
        _text(one.to or "-"),
        _text(one.unmoved or ", ".join(one.requests[1:])),
    )


def _bar(recovery: Recovery, one: Moved) -> str:
    whole = (recovery.entries[-1].time - recovery.began).total_seconds()
    if one.asked is None or whole <= 0:
        return ""
    asked = _share((one.asked - recovery.began).total_seconds(), whole)
    end = one.settled or recovery.entries[-1].time
    until = _share((end - recovery.began).total_seconds(), whole)
    return (
        f'<div class="bar"><span class="wait" style="left:0;width:{asked:.2f}%"></span>'
        f'<span style="left:{asked:.2f}%;width:{max(0.0, until - asked):.2f}%"></span></div>'
    )


def _share(seconds: float, whole: float) -> float:
    return 100 * min(1.0, max(0.0, seconds / whole))


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Cells are HTML by now."""
    top = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    body = "\n".join(f"<tr>{''.join(f'<td>{c}</td>' for c in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>\n{body}\n</tbody></table>"


def _text(value: str) -> str:
    """Others' text: no markup, nothing that is obeyed."""
    return escape(line(value, longest=2000))
