"""The benchmarks through network namespaces: what is run, in which order, how long."""

import subprocess

from . import directors, figures
from .connections import Connections
from .packets import CASES, Packets
from .streams import Streams
from .topology import BenchError, Laboratory

# Closed connections stay for two minutes, as IPVS keeps them: those of a whole run must fit.
KEPT_CONNECTIONS = 1000000


def stand_up(build, laboratory, wanted):
    """Returns (members, what was not run): members are (director, topology, process ids)."""
    members, not_run = [], []
    for director in wanted:
        why = director.missing()
        if why:
            not_run.append({"what": director.title, "why": why})
            continue
        topology = laboratory.topology(director.name)
        members.append((director, topology, director.start(topology, build)))
    return members, not_run


def measure_packets(build, quick, say):
    with Laboratory() as laboratory:
        members, not_run = stand_up(
            build, laboratory, [each for each in directors.every() if each.datagrams]
        )
        packets = Packets(build, laboratory, members)
        rounds, slice_ms = (7, 150) if quick else (15, 250)
        made, notes = packets.rows(CASES, rounds, slice_ms, say)
    return made, not_run, notes


def check(build, say):
    """Yields (sentence, whether it holds): ratios with a wide margin, for machines under any load.

    Reached figures are far from these: whoever fails here has broken something.
    """
    bounds = (
        # director, other, how many of the other's packets one of its may cost
        ("xvs", "nftables", 0.8),
        ("engine", "nftables", 20.0),
    )
    with Laboratory() as laboratory:
        members, _ = stand_up(
            build, laboratory, [each for each in directors.every() if each.datagrams]
        )
        packets = Packets(build, laboratory, members)
        titles = packets.titles
        findings = []
        for flows, random, title, _ in (CASES[0], CASES[3]):
            say(f"established packets, {title}")
            result = packets.measure(flows, random, rounds=5, slice_ms=100)
            for name, found in result.items():
                findings.append((f"{titles[name]}: {found['established']} of {flows} flows stand",
                                 found["established"] >= 0.99 * flows))
            cpu = {name: [s["cpu_ns"] / max(1, s["delivered"]) for s in found["samples"]]
                   for name, found in result.items()}
            for name, other, bound in bounds:
                if name not in cpu:
                    continue
                ratio = 1 / figures.ratios(cpu[name], {other: cpu[other]}, "lower")[other]
                findings.append((f"{title}: a packet of {titles[name]} costs {ratio:.2f} of "
                                 f"{titles[other]}'s, at most {bound}", ratio <= bound))
    return findings


def measure_streams(build, quick, say):
    with Laboratory() as laboratory:
        members, not_run = stand_up(build, laboratory, directors.every())
        streams = Streams(build, members)
        rounds, slice_ms = (7, 150) if quick else (15, 250)
        made = streams.bulk_rows(rounds, slice_ms, say)
        made += streams.latency_rows(rounds, slice_ms, say)
    return made, not_run, []


def measure_connections(build, quick, say):
    with Laboratory() as laboratory:
        wanted = directors.for_new_connections(KEPT_CONNECTIONS)
        members, not_run = stand_up(build, laboratory, wanted)
        made = Connections(members).rows(4 if quick else 24, say)
    return made, not_run, []


MEASUREMENTS = {
    "packets": measure_packets, "streams": measure_streams, "connections": measure_connections,
}


def run(build, quick, say, only=()):
    """Returns a part of the report, as bench/README.md has it."""
    for program in ("bin/xvsd", "bin/xvsadm", "bench/xvs_bench_flood", "bench/xvs_bench_streams"):
        if not (build / program).exists():
            raise BenchError(f"{build / program} was not built; type: make bench")
    rows, not_run, notes = [], [], []
    for name in only or MEASUREMENTS:
        try:
            found = MEASUREMENTS[name](build, quick, say)
        except (BenchError, subprocess.TimeoutExpired) as error:
            notes.append(f"the measurement of {name} failed: {error}")
            say(notes[-1])
            continue
        rows += found[0]
        not_run += [entry for entry in found[1] if entry not in not_run]
        notes += found[2]
    not_run += [{"what": what, "why": why} for what, why in directors.NOT_RUN]
    not_run.append({
        "what": "haproxy and nginx stream, packets",
        "why": "haproxy forwards no UDP, nginx opens a socket for each of 64k flows",
    })
    return {"schema": 1, "rows": rows, "not_run": not_run, "notes": notes}
