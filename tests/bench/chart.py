# SPDX-License-Identifier: BSD-2-Clause
"""A bar chart of a group of rows as SVG: each row's figures as parts of the largest one's."""
from xml.sax.saxutils import escape

from table import NAMES, SYSTEMS, number

COLOURS = {"paravane": "#1f6f8b", "xen": "#c06c2b", "native": "#8a8a8a"}
LABEL, WIDTH, FIGURE = 230, 420, 110  # pixels: what it is, the longest bar, its figure
BAR, GAP, TOP = 12, 10, 46


def _text(x, y, text, more=""):
    return f'<text x="{x}" y="{y}" {more}>{escape(text)}</text>'


def _row(row, y):
    """The row's bars from y on. Returns them, and where the next row is."""
    figures = {s: sum(p) / len(p) for s, p in row.passes.items() if p}
    largest = max(list(figures.values()) + [row.bar if row.bar and not row.of_xen else 0]) or 1
    parts = [_text(LABEL - 8, y + BAR - 2, row.name, 'text-anchor="end"')]
    start = y
    for system in SYSTEMS:
        if system not in figures:
            continue
        length = figures[system] / largest * WIDTH
        parts.append(f'<rect x="{LABEL}" y="{y}" width="{length:.1f}" height="{BAR - 2}" '
                     f'fill="{COLOURS[system]}"/>')
        parts.append(_text(f"{LABEL + length + 5:.1f}", y + BAR - 3, number(figures[system])))
        y += BAR
    if row.bar and not row.of_xen:
        x = LABEL + row.bar / largest * WIDTH
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{start - 2}" y2="{y}" '
                     'stroke="#b00020" stroke-width="2"/>')
    return parts, y + GAP


def svg(title, rows):
    """The picture, as text. A red line is a bar that Paravane must not pass."""
    parts = []
    y = TOP
    for row in rows:
        lines, y = _row(row, y)
        parts += lines
    head = [_text(8, 18, title, 'font-weight="bold" font-size="14"')]
    for i, system in enumerate(SYSTEMS):
        head.append(f'<rect x="{LABEL + i * 110}" y="25" width="10" height="10" '
                    f'fill="{COLOURS[system]}"/>')
        head.append(_text(LABEL + i * 110 + 15, 34, NAMES[system]))
    width = LABEL + WIDTH + FIGURE
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y}" '
                      f'viewBox="0 0 {width} {y}" font-family="sans-serif" font-size="11">',
                      f'<rect width="{width}" height="{y}" fill="white"/>'] +
                     head + parts + ["</svg>", ""])
