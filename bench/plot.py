"""Plots as SVG: bars with their range, or lines over a logarithmic x. Colours are report.css's."""

import html
import math

WIDTH = 820
BAR_HEIGHT, BAR_STEP = 16, 26
PLOT_HEIGHT = 240
COLOURS = 6


def draw(rows, number):
    """`number` makes a text of a value."""
    if all("series" in row and "x" in row for row in rows) and len({r["x"] for r in rows}) > 1:
        return lines(rows, number)
    return bars(rows, number)


def text(x, y, words, anchor="start", kind=""):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">'
            f"{html.escape(words)}</text>")


def line(x1, y1, x2, y2, kind):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>')


def svg(height, parts):
    return (f'<svg viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" height="{height:.0f}" '
            f'role="img" xmlns="http://www.w3.org/2000/svg">' + "".join(parts) + "</svg>")


def ticks(top):
    """Round numbers from 0 to `top`, four to eight of them."""
    step = 10 ** math.floor(math.log10(top)) if top > 0 else 1
    for factor in (0.2, 0.5, 1, 2):
        if top / (step * factor) <= 7:
            step *= factor
            break
    return [i * step for i in range(int(top / step) + 1)]


def bars(rows, number):
    left = min(300, 20 + 7.2 * max(len(row["name"]) for row in rows))
    right = WIDTH - 120
    # One wild sample must not flatten all others.
    top = 1.02 * max([row["value"] for row in rows] +
                     [min(row["maximum"], 1.6 * row["value"]) for row in rows])
    height = BAR_STEP * len(rows) + 24

    def at(value):
        return left + (right - left) * min(value, top) / top if top > 0 else left

    parts = []
    for tick in ticks(top):
        parts.append(line(at(tick), 4, at(tick), height - 20, "grid"))
        parts.append(text(at(tick), height - 6, number(tick), "middle", "faint"))
    for i, row in enumerate(rows):
        y = 6 + i * BAR_STEP
        middle = y + BAR_HEIGHT / 2
        kind = {"XVS": "ours", "XVS, engine only": "ours slower"}.get(row["name"], "bar")
        parts.append(text(left - 8, middle + 4.5, row["name"], "end"))
        parts.append(f'<rect x="{left:.1f}" y="{y}" width="{max(1, at(row["value"]) - left):.1f}" '
                     f'height="{BAR_HEIGHT}" rx="2" class="{kind}"/>')
        parts.append(line(at(row["minimum"]), middle, at(row["maximum"]), middle, "range"))
        for end in (row["minimum"], row["maximum"]):
            parts.append(line(at(end), middle - 4, at(end), middle + 4, "range"))
        if "limit" in row:
            x = at(row["limit"])
            parts.append(line(x, y - 3, x, y + BAR_HEIGHT + 3, "limit"))
        parts.append(text(max(at(row["value"]), at(row["maximum"])) + 8, middle + 4.5,
                          f"{number(row['value'])} {row['unit']}"))
    return svg(height, parts)


def lines(rows, number):
    left, right, bottom = 60, WIDTH - 210, PLOT_HEIGHT
    series = {}
    for row in rows:
        series.setdefault(row["series"], []).append(row)
    xs = sorted({row["x"] for row in rows})
    low, high = math.log10(max(1, xs[0])), math.log10(max(1, xs[-1]))
    top = 1.05 * max(row["value"] for row in rows)

    def at(x, y):
        return (left + (right - left) * (math.log10(max(1, x)) - low) / max(1e-9, high - low),
                bottom - (bottom - 10) * min(y, top) / top)

    parts = []
    for tick in ticks(top):
        y = at(xs[0], tick)[1]
        parts.append(line(left, y, right, y, "grid"))
        parts.append(text(left - 6, y + 4, number(tick), "end", "faint"))
    for x in xs:
        parts.append(text(at(x, 0)[0], bottom + 16, number(x), "middle", "faint"))
    parts.append(text(left, bottom + 32, rows[0]["unit"] + " over live flows", "start", "faint"))
    last = []
    for i, (name, members) in enumerate(series.items()):
        colour = f"var(--s{i % COLOURS})"
        members.sort(key=lambda row: row["x"])
        points = [at(row["x"], row["value"]) for row in members]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" style="stroke:{colour}"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" style="fill:{colour}"/>'
                  for x, y in points]
        last.append((points[-1][1], name, colour))
    y = 0.0
    for end, name, colour in sorted(last):
        y = max(end, y + 17)  # names must not cover each other
        parts.append(line(right, end, right + 12, y, "grid"))
        parts.append(f'<text x="{right + 16}" y="{y + 4:.1f}" style="fill:{colour}">'
                     f"{html.escape(name)}</text>")
    return svg(max(bottom + 40, y + 12), parts)
