"""The control plane at its size: 10,000 services with 100,000 real servers, in one xvsd.

Times are those that a person sees: of xvsadm from its start to its end, and of xvsd from its start
until it is ready.
"""

import shutil
import time

from . import figures
from .topology import VIP, BenchError

SERVICES = 10_000
SERVERS_EACH = 10
FIRST_PORT = 1000
GROUP = "10,000 services with 100,000 real servers"


def services_text():
    """As ipvsadm -S would save them."""
    lines = []
    for port in range(FIRST_PORT, FIRST_PORT + SERVICES):
        lines.append(f"-A -t {VIP}:{port} -s wrr")
        lines += [f"-a -t {VIP}:{port} -r 10.2.0.{11 + i}:{port} -m -w 1"
                  for i in range(SERVERS_EACH)]
    return "\n".join(lines) + "\n"


class Control:
    def __init__(self, build, topology):
        self.build = build
        self.topology = topology
        self.daemon = None
        topology.add_vip()

    def start(self):
        """Returns how many seconds it took until the daemon was ready."""
        director, log = self.topology.director, self.topology.folder / "xvsd.log"
        started = time.monotonic()
        self.daemon = director.start(
            self.build / "bin/xvsd", "--state-dir", self.topology.folder / "state", log=log,
        )
        try:
            director.run(self.build / "bin/xvsd", "--wait", "60", timeout=90)
        except BenchError as error:
            raise BenchError(f"{error}; its log: {log.read_text()[-2000:]}") from None
        return time.monotonic() - started

    def stop(self):
        self.daemon.terminate()
        self.daemon.wait(30)

    def xvsadm(self, *words, stdin=None):
        """Returns (seconds, what it printed)."""
        started = time.monotonic()
        said = self.topology.director.run(
            self.build / "bin/xvsadm", *words, stdin=stdin, timeout=120
        )
        return time.monotonic() - started, said

    def resident_bytes(self):
        with open(f"/proc/{self.daemon.pid}/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        raise BenchError("xvsd's status does not say how much memory it has")

    def rows(self, rounds, say):
        say(GROUP)
        text = services_text()
        restored, listed, edited, empty, started = [], [], [], [], []
        self.start()
        try:
            before = self.resident_bytes()
            restored.append(self.xvsadm("-R", stdin=text)[0])
            memory = self.resident_bytes() - before
            self.xvsadm("-C")
            again = [self.xvsadm("-R", stdin=text)[0]]
            for _ in range(rounds):
                seconds, listing = self.xvsadm("-L", "-n")
                listed.append(seconds)
            found = listing.count("->") - 1  # one is in the heading
            if found != SERVICES * SERVERS_EACH:
                raise BenchError(f"xvsadm listed {found} real servers of {SERVICES * SERVERS_EACH}")
            for i in range(10 * rounds):
                port = FIRST_PORT + 97 * i % SERVICES
                edited.append(self.xvsadm(
                    "-e", "-t", f"{VIP}:{port}", "-r", f"10.2.0.11:{port}", "-m", "-w", 2 + i,
                )[0])
                empty.append(self.xvsadm("-v")[0])
            for _ in range(rounds):
                self.stop()
                started.append(self.start())
            for _ in range(rounds - 1):
                self.stop()
                shutil.rmtree(self.topology.folder / "state")
                self.start()
                restored.append(self.xvsadm("-R", stdin=text)[0])
        finally:
            self.stop()
            # What it left for the next daemon outlives the namespace otherwise.
            self.topology.director.run(self.build / "bin/xvsd", "--detach", check=False)
        return self._rows(restored, again, listed, edited, empty, started, memory)

    @staticmethod
    def _rows(restored, again, listed, edited, empty, started, memory):
        def row(name, samples, limit, **more):
            return figures.row(GROUP, name, "ms", "lower", [1e3 * s for s in samples],
                               limit=limit, **more)

        bare = sorted(max(0.0, whole - none) for whole, none in zip(edited, empty))
        return [
            row("restored by xvsadm -R", restored, 2000),
            row("restored again after xvsadm -C", again, 2000),
            row("xvsd started with all of them kept", started, 2000),
            row("listed by xvsadm -L -n", listed, 1000),
            row("one weight edited by xvsadm -e", bare, 5,
                text="less what xvsadm -v takes, which starts and asks nothing"),
            figures.row("Memory of 10,000 services with 100,000 real servers", "xvsd", "MB",
                        "lower", [memory / 1e6]),
        ]
