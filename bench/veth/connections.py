"""New connections a second: wrk asks for a page with 64 connections at a time and closes each after
its answer; nginx serves. XVS keeps a closed connection for two minutes (TIME_WAIT), as IPVS does: a
whole run lasts longer than that, so that those of its beginning are retired while it goes on.
"""

import re

from . import figures
from .directors import NGINX, log_of, start_nginx
from .topology import PORT, BenchError, wait_until_listening

AT_ONCE = 64
SECONDS = 1  # of a slice: the shortest that wrk knows
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


class Connections:
    def __init__(self, members):
        self.members = members
        self.titles = {director.name: director.title for director, _, _ in members}
        for _, topology, _ in members:
            # Client's ports come back at once; it has 64k of them for one VIP.
            topology.client.sysctl(net__ipv4__tcp_tw_reuse=1)
            file = topology.folder / "server.conf"
            file.write_text(NGINX.format(folder=file.parent, modules="", pid="server")
                            + PAGE.format(port=PORT))
            start_nginx(topology.server, file)
            wait_until_listening(topology.server, "0.0.0.0", PORT, log_of(file))

    def rows(self, rounds, say):
        say("new connections")
        rate = {name: [] for name in self.titles}
        slow = {name: [] for name in self.titles}
        failed = dict.fromkeys(self.titles, 0)
        for turn in range(rounds + 1):
            for i in range(len(self.members)):
                director, topology, _ = self.members[(i + turn) % len(self.members)]
                a_second, p99, errors = self._slice(director, topology)
                if turn == 0:
                    continue
                rate[director.name].append(a_second)
                slow[director.name].append(p99)
                failed[director.name] += errors
        texts = {name: f"{count} failed" for name, count in failed.items() if count}
        references = ("xvs", "nftables", "forward", "haproxy", "nginx")
        return [
            *figures.rows("New connections", "connections/s", "higher", rate, self.titles,
                          references=references, limits=LIMITS, texts=texts),
            *figures.rows("New connections: 99th percentile from request to page", "µs", "lower",
                          slow, self.titles, references=references),
        ]

    @staticmethod
    def _slice(director, topology):
        said = topology.client.run(
            "wrk", "-t1", f"-c{AT_ONCE}", f"-d{SECONDS}s", "--latency", "-H", "Connection: close",
            f"http://{director.target}:{PORT}/",
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
