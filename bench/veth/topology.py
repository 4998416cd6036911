"""Topologies of a client, a director and a server in network namespaces, side by side.

    client c0 --- d0 director d1 --- s0 server

Both links are veth pairs. The server has one address for each real server. Everything made here is
removed when the Laboratory is closed, also after an error or a signal.
"""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

PREFIX = "xvsbench"  # of namespaces' names, and then the process that made them
CLIENT = "10.1.255.2"
DIRECTOR_FOR_CLIENTS = "10.1.255.1"
DIRECTOR_FOR_SERVERS = "10.2.0.1"
REAL_SERVERS = ("10.2.0.11", "10.2.0.12")
REAL_SERVER_NET = "10.2.0.8/29"  # holds both
VIP = "10.9.0.1"
FIRST_FLOOD_CLIENT = "10.1.0.0"  # of the 10.1.0.0/16 that lies behind c0
PORT = 8080  # of the VIP and of the real servers
MTU = 1500


class BenchError(Exception):
    """Something that a person can act upon, in a sentence."""


def run(*command, check=True, stdin=None, timeout=60):
    """Runs a command to its end and returns what it printed."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words, input=stdin, capture_output=True, text=True, check=False, timeout=timeout
    )
    if check and done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise BenchError(f"{' '.join(words)} failed: {said or f'exit code {done.returncode}'}")
    return done.stdout


class Namespace:
    """A network namespace and the daemons that were started in it."""

    def __init__(self, name):
        self.name = name
        self.processes = []

    def create(self):
        run("ip", "netns", "add", self.name)
        self.ip("link", "set", "lo", "up")

    def ip(self, *words):
        return run("ip", "-n", self.name, *words)

    def run(self, *command, **options):
        return run("ip", "netns", "exec", self.name, *command, **options)

    def sysctl(self, **values):
        """Takes names with __ for the dots."""
        words = [f"{key.replace('__', '.')}={value}" for key, value in values.items()]
        self.run("sysctl", "-q", "-w", *words)

    def start(self, *command, log):
        """Starts a daemon; `ip netns exec` becomes it, so that the pid is its own."""
        words = ["ip", "netns", "exec", self.name, *map(str, command)]
        with open(log, "ab") as output:
            process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def mac(self, interface):
        return self.run("cat", f"/sys/class/net/{interface}/address").strip()

    def close(self):
        for process in reversed(self.processes):
            stop(process)
        self.processes.clear()
        run("ip", "netns", "delete", self.name, check=False)


def stop(process, patience=5):
    """Ends a daemon and what it started (each is a session of its own)."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            process.send_signal(number)
            try:
                process.wait(patience)
            except subprocess.TimeoutExpired:
                continue
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


class Topology:
    def __init__(self, laboratory, name):
        self.name = name
        self.folder = laboratory.folder / name
        self.folder.mkdir()
        self.client = laboratory.namespace(f"{name}-c")
        self.director = laboratory.namespace(f"{name}-d")
        self.server = laboratory.namespace(f"{name}-s")
        self._link(self.client, "c0", self.director, "d0")
        self._link(self.director, "d1", self.server, "s0")
        self.client.ip("address", "add", f"{CLIENT}/16", "dev", "c0")
        self.client.ip("route", "add", "default", "via", DIRECTOR_FOR_CLIENTS)
        self.director.ip("address", "add", f"{DIRECTOR_FOR_CLIENTS}/16", "dev", "d0")
        self.director.ip("address", "add", f"{DIRECTOR_FOR_SERVERS}/24", "dev", "d1")
        for address in REAL_SERVERS:
            self.server.ip("address", "add", f"{address}/24", "dev", "s0")
        self.server.ip("route", "add", "default", "via", DIRECTOR_FOR_SERVERS)
        for namespace in (self.client, self.director, self.server):
            namespace.sysctl(
                net__ipv4__conf__all__rp_filter=0, net__ipv4__conf__default__rp_filter=0,
                net__ipv4__ip_local_port_range="1024 65535",
            )
        for address in REAL_SERVERS:
            self.director.run("ping", "-c", "1", "-W", "2", address)
        self.client.run("ping", "-c", "1", "-W", "2", DIRECTOR_FOR_CLIENTS)

    @staticmethod
    def _link(left, left_name, right, right_name):
        run("ip", "link", "add", left_name, "netns", left.name, "mtu", MTU, "type", "veth",
            "peer", "name", right_name, "netns", right.name)
        left.ip("link", "set", left_name, "mtu", MTU, "up")
        right.ip("link", "set", right_name, "mtu", MTU, "up")

    def add_vip(self):
        self.director.ip("address", "add", f"{VIP}/32", "dev", "lo")


class Laboratory:
    """Owns namespaces of one prefix and a folder for logs and configurations."""

    def __init__(self):
        remove_abandoned()
        self.prefix = f"{PREFIX}{os.getpid()}"
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"{self.prefix}-"))
        self.namespaces = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def namespace(self, name):
        namespace = Namespace(f"{self.prefix}-{name}")
        self.namespaces.append(namespace)  # first, for a signal may come at any time
        namespace.create()
        return namespace

    def topology(self, name):
        return Topology(self, name)

    def close(self):
        while self.namespaces:
            self.namespaces.pop().close()
        shutil.rmtree(self.folder, ignore_errors=True)


def remove_abandoned():
    """Removes what runs have left that were killed before they could do so."""
    for line in run("ip", "netns", "list").splitlines():
        name = line.split()[0]
        made_by = re.match(rf"{PREFIX}(\d+)-", name)
        if not made_by or pathlib.Path("/proc", made_by[1]).exists():
            continue
        for pid in run("ip", "netns", "pids", name, check=False).split():
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass
        run("ip", "netns", "delete", name, check=False)
    for folder in pathlib.Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        made_by = re.match(rf"{PREFIX}(\d+)-", folder.name)
        if made_by and not pathlib.Path("/proc", made_by[1]).exists():
            shutil.rmtree(folder, ignore_errors=True)


def end_on_signals():
    """Turns SIGTERM and SIGHUP into an exit, on which Laboratories close themselves."""

    def end(number, _):
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGHUP, end)


def wait_until(what, condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise BenchError(f"{what} did not happen within {seconds} s")
        time.sleep(0.02)


def wait_until_listening(namespace, address, port, log):
    """Waits for a daemon; what it wrote to `log` explains why it does not come."""

    def listens():
        return namespace.run("ss", "-Hltn", f"src {address}:{port}").strip() != ""

    try:
        wait_until(f"a daemon listening on {address}:{port}", listens)
    except BenchError as error:
        raise BenchError(f"{error}; its log: {log.read_text().strip()}") from None
