"""The report of all parts: collected, as text, and as a page (bench/README.md has the form)."""

import datetime
import html
import json
import os
import pathlib
import platform
import subprocess

import plot

UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def collect(root, output, parts, quick):
    """Merges what the parts left in `output`."""
    content = {
        "schema": 1,
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "revision": revision(root),
        "machine": machine(),
        "quick": quick,
        "rows": [], "not_run": [], "notes": [],
    }
    for part in parts:
        file = output / f"{part}.json"
        if not file.exists():
            content["not_run"].append({"what": f"the part {part}", "why": "it has not been run"})
            continue
        found = json.loads(file.read_text())
        for row in found.get("rows", ()):
            content["rows"].append({"part": part, **row})
        for field in ("not_run", "notes"):
            content[field] += found.get(field, ())
    return content


def revision(root):
    done = subprocess.run(
        ["git", "-C", str(root), "describe", "--always", "--dirty"],
        capture_output=True, text=True, check=False,
    )
    return done.stdout.strip() or "unknown"


def machine():
    model = "unknown"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": model, "cpus": os.cpu_count(), "memory_bytes": pages,
        "kernel": platform.release(),
    }


def groups(content):
    """Returns the rows by group, in the order in which groups first appear."""
    found = {}
    for row in content["rows"]:
        found.setdefault(row["group"], []).append(row)
    return found


def number(value):
    """Three digits that matter: 0.123, 1.23, 12.3, 123, 1.23k."""
    for size, letter in UNITS:
        if abs(value) >= size * 10 or (abs(value) >= size and size > 1e3):
            return f"{value / size:.3g}{letter}"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"


def with_unit(value, unit):
    if unit == "s" and value < 1:
        return f"{number(value * 1000)} ms"
    return f"{number(value)} {unit}"


def verdicts(row):
    """Yields (sentence, whether it is reached) for each figure that a row is to reach."""
    if "limit" in row:
        lower = row["better"] == "lower"
        reached = row["value"] <= row["limit"] if lower else row["value"] >= row["limit"]
        yield f"{'≤' if lower else '≥'} {with_unit(row['limit'], row['unit'])}", reached
    for other, limit in row.get("limits", {}).items():
        ratio = row.get("ratios", {}).get(other)
        if ratio is not None:
            # Judged as it is shown.
            yield f"≥ {limit:.2f}x {other}", round(ratio, 2) >= limit


def facts(row):
    """What stands beside a figure, as short texts."""
    for other, ratio in row.get("ratios", {}).items():
        yield f"{ratio:.2f}x {other}"
    if "ratio_to_skeleton" in row:
        yield f"{row['ratio_to_skeleton']:.2f}x the skeleton's"
    if "instructions" in row:
        yield f"{row['instructions']:.0f} instructions"


def to_text(content):
    lines = []
    for group, rows in groups(content).items():
        lines += ["", group]
        width = max(len(row["name"]) for row in rows)
        for row in rows:
            extent = f"({number(row['minimum'])}..{number(row['maximum'])})"
            beside = "; ".join(facts(row))
            wanted = "; ".join(
                f"{'reached' if reached else 'MISSED'}: {text}" for text, reached in verdicts(row)
            )
            value = with_unit(row["value"], row["unit"])
            line = f"  {row['name']:<{width}}  {value:>16} {extent:<18}"
            line += "  ".join(text for text in ("", beside, wanted, row.get("text", "")) if text)
            lines.append(line.rstrip())
    if content["not_run"]:
        lines += ["", "Not run"]
        lines += [f"  {entry['what']}: {entry['why']}" for entry in content["not_run"]]
    if content["notes"]:
        lines += ["", "Notes", *(f"  {note}" for note in content["notes"])]
    lines += ["", summary(content)]
    return "\n".join(lines)


def summary(content):
    found = [reached for row in content["rows"] for _, reached in verdicts(row)]
    return f"{sum(found)} of {len(found)} figures to reach are reached."


def machine_text(content):
    machine_ = content["machine"]
    memory = machine_["memory_bytes"] / 2**30
    return (
        f"{content['date']}, revision {content['revision']}, Linux {machine_['kernel']}, "
        f"{machine_['cpus']} CPUs ({machine_['processor']}), {memory:.0f} GiB"
        + (", quick form" if content["quick"] else "")
    )


def table_to_html(rows):
    lines = ["<table><tr><th></th><th>median</th><th>range</th><th>beside it</th>"
             "<th>to reach</th></tr>"]
    for row in rows:
        wanted = "<br>".join(
            f'<span class="{"good" if reached else "bad"}">{html.escape(text)}'
            f' {"✓" if reached else "✗"}</span>'
            for text, reached in verdicts(row)
        )
        beside = [html.escape(text) for text in facts(row)]
        if row.get("text"):
            beside.append(f"<i>{html.escape(row['text'])}</i>")
        lines.append(
            f"<tr><td>{html.escape(row['name'])}</td>"
            f"<td class=n>{html.escape(with_unit(row['value'], row['unit']))}</td>"
            f"<td class=n>{number(row['minimum'])} – {number(row['maximum'])}</td>"
            f"<td>{'<br>'.join(beside)}</td><td>{wanted}</td></tr>"
        )
    return "\n".join([*lines, "</table>"])


def figures_to_reach(content):
    lines = ["<section><h2>Figures to reach</h2><table>"]
    for row in content["rows"]:
        for sentence, reached in verdicts(row):
            kind, mark = ("good", "✓") if reached else ("bad", "✗")
            measured = [with_unit(row["value"], row["unit"]), *list(facts(row))[:2]]
            lines.append(
                f"<tr><td>{html.escape(row['group'])}</td><td>{html.escape(row['name'])}</td>"
                f"<td>{html.escape('; '.join(measured))}</td>"
                f'<td><span class="{kind}">{html.escape(sentence)} {mark}</span></td></tr>'
            )
    return "\n".join([*lines, "</table></section>"]) if len(lines) > 1 else ""


def to_html(content):
    style = (pathlib.Path(__file__).parent / "report.css").read_text()
    parts = [
        "<!doctype html><html lang=en><head><meta charset=utf-8>",
        '<meta name=viewport content="width=device-width, initial-scale=1">',
        f"<title>XVS: benchmarks</title><style>{style}</style></head><body>",
        "<h1>XVS: benchmarks</h1>", f"<p>{html.escape(machine_text(content))}</p>",
        f"<p>{html.escape(summary(content))} Bars and lines are medians; the thin lines over them "
        "are ranges of single slices. docs/performance.md says how all of it is measured.</p>",
    ]
    parts.append(figures_to_reach(content))
    for group, rows in groups(content).items():
        parts.append(f"<section><h2>{html.escape(group)}</h2>")
        parts += [plot.draw(rows, number), table_to_html(rows), "</section>"]
    for title, entries in (
        ("Not run", [f"{entry['what']}: {entry['why']}" for entry in content["not_run"]]),
        ("Notes", content["notes"]),
    ):
        if entries:
            items = "".join(f"<li>{html.escape(entry)}</li>" for entry in entries)
            parts.append(f"<section><h2>{title}</h2><ul>{items}</ul></section>")
    return "\n".join([*parts, "</body></html>\n"])
