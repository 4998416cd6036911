"""Established packets: CPU time and rate of 60-byte UDP packets through each director.

xvs_bench_flood makes the packets in the client's namespace and sends them out of its interface.
They cross both links and end where the server's stack first meets them, as a packet in its
namespace at ingress of its interface, where a program counts and drops them. All of that runs on
one CPU, and its time is that of the processes involved: the source, the kernel's softirq threads,
and the director's own.
"""

import json
import pathlib
import subprocess

from . import figures
from .topology import FIRST_FLOOD_CLIENT, PORT, REAL_SERVER_NET, REAL_SERVERS, BenchError

CASES = (
    # flows, in random order, title, limits of XVS
    (1024, False, "1k flows in turn", {"nftables": 2.4, "forward": 1.5}),
    (1024, True, "1k flows in random order", {}),
    (65536, False, "64k flows in turn", {}),
    (65536, True, "64k flows in random order", {"nftables": 2.5, "forward": 1.5}),
)

SOURCE = "source"
SOURCE_TITLE = "source and receiver alone"


def softirq_threads():
    found = []
    for file in pathlib.Path("/proc").glob("[0-9]*/comm"):
        try:
            if file.read_text().startswith("ksoftirqd/"):
                found.append(int(file.parent.name))
        except OSError:
            pass  # it has just ended
    return found


class Packets:
    def __init__(self, build, laboratory, members):
        """`members`: (director, topology, process ids) of those that forward datagrams."""
        self.flood = build / "bench/xvs_bench_flood"
        self.titles = {director.name: director.title for director, _, _ in members}
        self.titles[SOURCE] = SOURCE_TITLE
        self.targets = []
        threads = softirq_threads()
        for director, topology, processes in members:
            self._add(director.name, topology, topology.server, "s0", director.flood_targets,
                      threads + processes)
        alone = laboratory.topology(SOURCE)
        self._add(SOURCE, alone, alone.director, "d0", REAL_SERVERS, threads)

    def _add(self, name, topology, receiver, interface, targets, processes):
        # Frames from the source enter through NAPI, which the interface has with GRO.
        topology.director.run("ethtool", "-K", "d0", "gro", "on")
        self.targets.append({
            "name": name, "client": topology.client.name, "server": receiver.name,
            "server_interface": interface,
            "interface": "c0", "client_mac": topology.client.mac("c0"),
            "director_mac": topology.director.mac("d0"), "destinations": targets, "port": PORT,
            "processes": processes,
        })

    def measure(self, flows, random, rounds, slice_ms):
        """Returns by director what bench/veth/flood.cc says of it."""
        network, prefix = REAL_SERVER_NET.split("/")
        plan = {
            "real_servers": network, "real_servers_prefix": int(prefix),
            "first_client": FIRST_FLOOD_CLIENT, "flows": flows, "random": random,
            "rounds": rounds, "slice_ms": slice_ms, "cpu": 0, "topologies": self.targets,
        }
        done = subprocess.run(
            [self.flood], input=json.dumps(plan), capture_output=True, text=True, check=False,
            timeout=300,
        )
        if done.returncode != 0:
            raise BenchError(done.stderr.strip() or "xvs_bench_flood failed without a word")
        return json.loads(done.stdout)

    def rows(self, cases, rounds, slice_ms, say=lambda text: None):
        made, notes = [], []
        for flows, random, title, limits in cases:
            say(f"established packets, {title}")
            result = self.measure(flows, random, rounds, slice_ms)
            cpu, rate, texts = {}, {}, {}
            for name, found in result.items():
                samples = [sample for sample in found["samples"] if sample["delivered"] > 0]
                if not samples or found["established"] < 0.99 * flows:
                    notes.append(f"{self.titles[name]}, {title}: only {found['established']} of "
                                 f"{flows} flows stood; not counted")
                    continue
                cpu[name] = [s["cpu_ns"] / s["delivered"] for s in samples]
                rate[name] = [s["delivered"] * 1e9 / s["elapsed_ns"] for s in samples]
                lost = 1 - sum(s["delivered"] for s in samples) / sum(s["sent"] for s in samples)
                if lost > 0.001:
                    texts[name] = f"{lost:.1%} of what was sent did not fit through"
            made += figures.rows(
                f"CPU time a packet, {title}", "ns", "lower", cpu, self.titles,
                references=("nftables", "forward"), limits={"xvs": limits}, texts=texts,
            )
            made += figures.rows(
                f"Packets a second on one CPU, {title}", "packets/s", "higher",
                {name: values for name, values in rate.items() if name != SOURCE}, self.titles,
                references=("nftables", "forward"), texts=texts,
            )
            made += self._own_work(title, cpu)
        return made, notes

    def _own_work(self, title, cpu):
        """What a director adds to source, links and receiver."""
        if SOURCE not in cpu:
            return []
        own = {
            name: [max(1.0, all_of_it - bare) for all_of_it, bare in zip(values, cpu[SOURCE])]
            for name, values in cpu.items() if name != SOURCE
        }
        return figures.rows(
            f"The director's own CPU time a packet, {title}", "ns", "lower", own, self.titles,
            references=("nftables", "forward"),
        )
