"""Samples that were taken in turn, made into rows of the report (bench/README.md)."""

import statistics

OURS = ("xvs", "nostock", "engine")


def row(group, name, unit, better, samples, **more):
    """The row of one name; `samples` are in the order of the rounds."""
    return {
        "group": group, "name": name, "unit": unit, "better": better,
        "value": statistics.median(samples), "minimum": min(samples), "maximum": max(samples),
        "samples": len(samples), **more,
    }


def ratios(samples, others, better):
    """How many times better `samples` are than each of `others` (a dict): medians over rounds.

    Sample by sample, because the machine's speed changes between rounds, not within one.
    """
    found = {}
    for name, theirs in others.items():
        pairs = [(ours, other) for ours, other in zip(samples, theirs) if ours > 0 and other > 0]
        if pairs:
            found[name] = statistics.median(
                other / ours if better == "lower" else ours / other for ours, other in pairs
            )
    return found


def rows(group, unit, better, samples, titles, references=(), limits=None, texts=None):
    """Rows of one measurement: `samples` holds a list for each director's name.

    They come in the order of `titles`; ours are compared with the `references`.
    """
    made = []
    for name in titles:
        if name not in samples:
            continue
        values = samples[name]
        more = {}
        if name in OURS:
            others = {titles[other]: samples[other] for other in references
                      if other in samples and other != name}
            more["ratios"] = ratios(values, others, better)
        wanted = {titles[other]: limit for other, limit in (limits or {}).get(name, {}).items()
                  if other in samples}
        if wanted:
            more["limits"] = wanted
        if texts and name in texts:
            more["text"] = texts[name]
        made.append(row(group, titles[name], unit, better, values, **more))
    return made
