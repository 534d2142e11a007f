"""The same report as one HTML page that needs nothing else: no script, no font, no image from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from learning.curves import Curve
from learning.evaluation import Evaluation
from learning.judging import Verdict
from learning.report import Report, check_rows, class_rows, metric_rows

_SIDE = 240  # pixels of the unit square in a drawing
_MARGIN = 34
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#1c2430}
table{border-collapse:collapse;margin:1em 0}td,th{padding:.25em .8em;border-bottom:1px solid #d5dbe3;text-align:left}
.FAILED{color:#b3261e;font-weight:600}.passed{color:#1b7a3d}figure{display:inline-block;margin:0 2em 0 0}
"""


def to_html(report: Report) -> str:
    """Return the page; every text in it is escaped, class and field names come from users' data."""
    decision = "Passes the gate" if report.verdict.decision.promote else "Does not pass the gate"
    facts = [("", ""), *report.facts]
    tables = [_table(rows) for rows in (class_rows(report), metric_rows(report), check_rows(report)) if rows]
    body = "".join(
        [f"<h1>{escape(report.title)}</h1><p>{decision}.</p>", _table(facts), *tables, _drawings(report.verdict)]
    )
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(report.title)}</title><style>{_STYLE}</style></head><body>{body}</body></html>\n"
    )


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    head, *rest = rows
    header = "".join(f"<th>{escape(cell)}</th>" for cell in head) if any(head) else ""
    lines = "".join("<tr>" + "".join(_cell(cell) for cell in row) + "</tr>" for row in rest)
    return f"<table><tr>{header}</tr>{lines}</table>" if header else f"<table>{lines}</table>"


def _cell(text: str) -> str:
    kind = f' class="{text}"' if text in ("passed", "FAILED") else ""
    return f"<td{kind}>{escape(text)}</td>"


def _drawings(verdict: Verdict) -> str:
    """Return each curve of the candidate with the champion's behind it."""
    if not isinstance(verdict.candidate, Evaluation):
        return ""
    behind = verdict.champion.curves if isinstance(verdict.champion, Evaluation) else ()
    by_title = {curve.title: curve for curve in behind}
    return "".join(_drawing(curve, by_title.get(curve.title)) for curve in verdict.candidate.curves)


def _drawing(curve: Curve, behind: Curve | None) -> str:
    size = _SIDE + 2 * _MARGIN
    champion = "" if behind is None else _line(behind, colour="#9aa5b1")
    legend = "candidate" if behind is None else "candidate (blue), champion (grey)"
    return (
        f'<figure><svg width="{size}" height="{size}" role="img" aria-label="{escape(curve.title)}">'
        f'<rect x="{_MARGIN}" y="{_MARGIN}" width="{_SIDE}" height="{_SIDE}" fill="none" stroke="#d5dbe3"/>'
        f"{champion}{_line(curve, colour='#1f5fbf')}"
        f'<text x="{size / 2}" y="{size - 8}" text-anchor="middle" font-size="12">{escape(curve.x_label)}</text>'
        f'<text x="12" y="{size / 2}" text-anchor="middle" font-size="12" '
        f'transform="rotate(-90 12 {size / 2})">{escape(curve.y_label)}</text></svg>'
        f"<figcaption>{escape(curve.title)}: {legend}</figcaption></figure>"
    )


def _line(curve: Curve, *, colour: str) -> str:
    points = " ".join(f"{_MARGIN + x * _SIDE:.1f},{_MARGIN + (1 - y) * _SIDE:.1f}" for x, y in curve.points)
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
