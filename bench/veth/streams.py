"""TCP through each director: bulk with 1 and 8 flows, and the latency of a request.

xvs_bench_streams is the client, and at the same port the real servers; it measures in slices that
alternate between the directors, over connections that last. What counts is what was acknowledged.
Bulk is neither copied by the client (sendfile) nor by the server, so that the director weighs more.

Client and server are put on the same CPU, then on one each. Left to the scheduler they are where
they happen to be, another place by each director, which makes more of a difference than directors
do: from two CPUs the sender's segments overtake each other.
"""

import json
import os
import subprocess

from . import figures
from .packets import softirq_threads
from .topology import PORT, BenchError, wait_until_listening

BULK = (
    # flows, title, limits of XVS
    (1, "1 flow", {"nftables": 1.05, "forward": 1.0, "haproxy": 2.0, "nginx": 2.0}),
    (8, "8 flows", {"nftables": 1.05, "forward": 1.0, "haproxy": 2.0, "nginx": 2.0}),
)
PLACES = (
    # title, which of the CPUs the client has, which the server
    ("one CPU", 0, 0),
    ("two CPUs", 0, 1),
)
REFERENCES = ("nftables", "forward", "haproxy", "nginx")


class Streams:
    def __init__(self, build, members):
        """`members`: (director, topology, process ids)."""
        self.program = build / "bench/xvs_bench_streams"
        self.titles = {director.name: director.title for director, _, _ in members}
        self.targets = []
        self.servers = []
        threads = softirq_threads()
        for director, topology, processes in members:
            log = topology.folder / "server.log"
            server = topology.server.start(self.program, "serve", PORT, log=log)
            wait_until_listening(topology.server, "0.0.0.0", PORT, log)
            self.servers.append(server.pid)
            self.targets.append({
                "name": director.name, "client": topology.client.name,
                "destination": director.target, "port": PORT,
                "processes": [*threads, *processes, server.pid],
            })

    def measure(self, kind, flows, rounds, slice_ms, client_cpus, server_cpus):
        for server in self.servers:
            os.sched_setaffinity(server, server_cpus)
        plan = {"kind": kind, "flows": flows, "rounds": rounds, "slice_ms": slice_ms,
                "topologies": self.targets}
        done = subprocess.run(
            ["taskset", "--cpu-list", ",".join(map(str, client_cpus)), self.program],
            input=json.dumps(plan), capture_output=True, text=True, check=False, timeout=300,
        )
        if done.returncode != 0:
            raise BenchError(done.stderr.strip() or "xvs_bench_streams failed without a word")
        return json.loads(done.stdout)

    def bulk_rows(self, rounds, slice_ms, say):
        cpus = sorted(os.sched_getaffinity(0))
        made = []
        for place, client, server in PLACES:
            if server >= len(cpus):
                continue
            for flows, title, limits in BULK:
                title = f"{title}, client and server on {place}"
                say(f"bulk TCP, {title}")
                result = self.measure(
                    "bulk", flows, rounds, slice_ms, {cpus[client]}, {cpus[server]})
                made += self.rows_of_bulk(title, limits, result)
        return made

    def rows_of_bulk(self, title, limits, result):
        def samples(figure):
            return {name: [figure(each) for each in found] for name, found in result.items()}

        made = figures.rows(
            f"Bulk TCP, {title}", "Gbit/s", "higher",
            samples(lambda s: s["bytes"] * 8 / s["elapsed_ns"]),
            self.titles, references=REFERENCES, limits={"xvs": limits},
        )
        made += figures.rows(
            f"CPU time a GB of bulk TCP, {title}", "ms", "lower",
            samples(lambda s: s["cpu_ns"] * 1e3 / s["bytes"]),
            self.titles, references=REFERENCES,
        )
        return made + figures.rows(
            f"Sent again a GB of bulk TCP, {title}", "segments", "lower",
            samples(lambda s: s["sent_again"] * 1e9 / s["bytes"]), self.titles,
        )

    def latency_rows(self, rounds, slice_ms, say):
        say("latency of a request")
        cpus = os.sched_getaffinity(0)
        result = self.measure("latency", 1, rounds, slice_ms, cpus, cpus)
        made = []
        for field, title in (("p50_ns", "median"), ("p99_ns", "99th percentile")):
            samples = {name: [s[field] / 1e3 for s in found] for name, found in result.items()}
            bare = samples.get("forward")
            texts = {}
            for name, values in samples.items():
                if bare and name != "forward":
                    added = sorted(value - base for value, base in zip(values, bare))
                    texts[name] = f"{added[len(added) // 2]:+.1f} µs to plain routing"
            made += figures.rows(
                f"Time from request to answer, {title}", "µs", "lower", samples, self.titles,
                references=REFERENCES, texts=texts,
            )
        return made
