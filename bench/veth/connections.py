"""New connections a second: wrk asks for a page with 64 connections at a time and closes each after
its answer; nginx serves. XVS keeps a closed connection for two minutes (TIME_WAIT), as IPVS does: a
whole run lasts longer than that, so that those of its beginning are retired while it goes on.

And the same while strangers send SYNs that they never follow (syn_flood.py).
"""

import contextlib
import os
import pathlib
import re
import subprocess
import sys

from . import figures, syn_flood
from .directors import NGINX, log_of, start_nginx
from .topology import CLIENT, PORT, BenchError, wait_until_listening

AT_ONCE = 64
THREADS = 1  # of wrk
SECONDS = 1  # of a slice: the shortest that wrk knows
FLOOD_A_SECOND = 20000
LIMITS = {
    "xvs": {"nftables": 1.25, "forward": 1.1, "haproxy": 2.0, "nginx": 2.0},
    "nostock": {"nftables": 0.9, "haproxy": 1.2, "nginx": 1.2},
}
PAGE = """
http {{
    access_log off;
    keepalive_timeout 0;
    server {{
        listen {port} backlog=8192;
        location / {{ return 200 "served\\n"; }}
    }}
}}
"""
UNITS = {"us": 1, "ms": 1e3, "s": 1e6}
MICROSECONDS_A_TICK = 1e6 / os.sysconf("SC_CLK_TCK")


def busy_ticks():
    """Of all CPUs, from the start: what is neither idle nor waiting nor stolen."""
    words = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()
    user, nice, system, _, _, hard, soft = map(int, words[1:8])
    return user + nice + system + hard + soft


def processor_time(processes):
    """Of all threads that processes have now, in nanoseconds."""
    folders = [pathlib.Path(f"/proc/{pid}/task") for pid in processes]
    files = [file for folder in folders for file in folder.glob("*/schedstat")]
    return sum(int(file.read_text().split()[0]) for file in files)


class Connections:
    def __init__(self, members):
        self.members = members
        self.titles = {director.name: director.title for director, _, _ in members}
        for _, topology, _ in members:
            # Answers to the flood go to the client's host, which has no such addresses.
            topology.director.ip("route", "add", syn_flood.FLOODER_NET, "via", CLIENT)
            # Client's ports come back at once; it has 64k of them for one VIP.
            topology.client.sysctl(net__ipv4__tcp_tw_reuse=1)
            file = topology.folder / "server.conf"
            file.write_text(NGINX.format(folder=file.parent, modules="", pid="server")
                            + PAGE.format(port=PORT))
            start_nginx(topology.server, file)
            wait_until_listening(topology.server, "0.0.0.0", PORT, log_of(file))

    def rows(self, rounds, say):
        say("new connections")
        calm = self._measure(rounds, lambda *_: contextlib.nullcontext())
        say("new connections while a flood runs")
        flooded = self._measure(max(4, rounds // 4), self._flood)
        references = ("xvs", "nftables", "forward", "haproxy", "nginx")
        flood = f"While {FLOOD_A_SECOND:,} other SYNs a second come"
        return [
            *figures.rows("New connections", "connections/s", "higher", calm["rate"], self.titles,
                          references=references, limits=LIMITS, texts=calm["texts"]),
            *figures.rows("New connections: 99th percentile from request to page", "µs", "lower",
                          calm["slow"], self.titles, references=references),
            *figures.rows("New connections: processor time of the machine", "µs a connection",
                          "lower", calm["cpu"], self.titles, references=references),
            *figures.rows("New connections: processor time of the director's processes",
                          "µs a connection", "lower", calm["own"], self.titles),
            *figures.rows(f"{flood}: new connections", "connections/s", "higher",
                          flooded["rate"], self.titles, references=references,
                          texts=flooded["texts"]),
            *figures.rows(f"{flood}: 99th percentile from request to page", "µs", "lower",
                          flooded["slow"], self.titles, references=references),
        ]

    def _measure(self, rounds, around):
        """Returns samples by what they are of, and by director; `around` holds meanwhile."""
        kinds = ("rate", "slow", "cpu", "own")
        found = {kind: {name: [] for name in self.titles} for kind in kinds}
        failed = dict.fromkeys(self.titles, 0)
        for turn in range(rounds + 1):
            for i in range(len(self.members)):
                director, topology, processes = self.members[(i + turn) % len(self.members)]
                with around(director, topology):
                    machine, own = busy_ticks(), processor_time(processes)
                    a_second, p99, errors = self._slice(director, topology)
                    machine, own = busy_ticks() - machine, processor_time(processes) - own
                if turn == 0:
                    continue
                count = max(1.0, a_second * SECONDS)
                found["rate"][director.name].append(a_second)
                found["slow"][director.name].append(p99)
                found["cpu"][director.name].append(machine * MICROSECONDS_A_TICK / count)
                found["own"][director.name].append(own / 1e3 / count)
                failed[director.name] += errors
        found["texts"] = {name: f"{count} failed" for name, count in failed.items() if count}
        return found

    @staticmethod
    @contextlib.contextmanager
    def _flood(director, topology):
        words = [sys.executable, pathlib.Path(syn_flood.__file__), "c0", topology.client.mac("c0"),
                 topology.director.mac("d0"), director.target, PORT, FLOOD_A_SECOND, SECONDS + 1]
        with subprocess.Popen(["ip", "netns", "exec", topology.client.name, *map(str, words)],
                              stdout=subprocess.PIPE, text=True) as process:
            try:
                if not process.stdout.readline():
                    raise BenchError(f"the flood through {director.title} did not begin")
                yield
            finally:
                process.kill()

    @staticmethod
    def _slice(director, topology):
        said = topology.client.run(
            "wrk", f"-t{THREADS}", f"-c{AT_ONCE}", f"-d{SECONDS}s", "--latency",
            "-H", "Connection: close", f"http://{director.target}:{PORT}/",
        )
        a_second = re.search(r"Requests/sec:\s*([0-9.]+)", said)
        p99 = re.search(r"99%\s+([0-9.]+)(us|ms|s)", said)
        errors = re.search(
            r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said
        )
        if not a_second or not p99:
            raise BenchError(f"wrk through {director.title} said: {said.strip()}")
        # wrk counts the end of a connection that was asked to close as no error of reading.
        count = sum(map(int, errors.groups())) if errors else 0
        return float(a_second[1]), float(p99[1]) * UNITS[p99[2]], count
