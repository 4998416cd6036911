"""What can stand between a client and its real servers, each as a user would set it up."""

import pathlib
import shutil

from .topology import (
    PORT, REAL_SERVERS, VIP, BenchError, run, wait_until_listening,
)

CONNECTIONS = 131072  # room for XVS's


class Director:
    """One way to forward. `target` is what clients send to."""

    name = ""
    title = ""
    target = VIP
    datagrams = True  # whether it forwards UDP here

    @property
    def flood_targets(self):
        """What the flows of datagrams are sent to."""
        return [self.target]

    def missing(self):
        """Returns why it cannot be run here, or None."""
        return None

    def start(self, topology, build):
        """Sets the director of `topology` up; returns the ids of its processes."""
        raise NotImplementedError


class Routing(Director):
    name = "forward"
    title = "plain ip_forward"
    target = REAL_SERVERS[0]

    @property
    def flood_targets(self):
        return list(REAL_SERVERS)

    def start(self, topology, build):
        topology.director.sysctl(net__ipv4__ip_forward=1)
        return []


class Nftables(Director):
    name = "nftables"
    title = "nftables numgen DNAT"
    RULES = """
table ip balance {{
    chain prerouting {{
        type nat hook prerouting priority dstnat; policy accept;
        ip daddr {vip} tcp dport {port} dnat to numgen inc mod {count} map {{ {servers} }}
        ip daddr {vip} udp dport {port} dnat to numgen inc mod {count} map {{ {servers} }}
    }}
}}
"""

    def missing(self):
        return None if shutil.which("nft") else "nft is not installed"

    def start(self, topology, build):
        director = topology.director
        director.sysctl(net__ipv4__ip_forward=1)
        servers = ", ".join(f"{i} : {address}" for i, address in enumerate(REAL_SERVERS))
        rules = self.RULES.format(vip=VIP, port=PORT, count=len(REAL_SERVERS), servers=servers)
        director.run("nft", "-f", "-", stdin=rules)
        # A flow of the benchmarks sends one way: it must not end between two slices. Closed
        # connections go after a second, because the kernel has room for 262,144.
        director.sysctl(
            net__netfilter__nf_conntrack_udp_timeout=600,
            net__netfilter__nf_conntrack_tcp_timeout_time_wait=1,
            net__netfilter__nf_conntrack_tcp_timeout_close=1,
        )
        return []


class Xvs(Director):
    name = "xvs"
    title = "XVS"
    options = ()

    def __init__(self, connections=CONNECTIONS):
        self.connections = connections

    def start(self, topology, build):
        director = topology.director
        topology.add_vip()
        log = topology.folder / "xvsd.log"
        process = director.start(
            build / "bin/xvsd", "--ephemeral", "--state-dir", topology.folder / "state",
            "--connections", self.connections, "--interface", "d0", "--interface", "d1",
            *self.options, log=log,
        )
        try:
            director.run(build / "bin/xvsd", "--wait", "60")
        except BenchError as error:
            raise BenchError(f"{error}; its log: {pathlib.Path(log).read_text()}") from None
        lines = []
        for kind in ("-t", "-u"):
            lines.append(f"-A {kind} {VIP}:{PORT} -s rr")
            lines += [f"-a {kind} {VIP}:{PORT} -r {real}:{PORT} -m" for real in REAL_SERVERS]
        director.run(build / "bin/xvsadm", "-R", stdin="\n".join(lines) + "\n")
        director.run(build / "bin/xvsadm", "--set", "0", "0", "600")
        return [process.pid]


class XvsEngineOnly(Xvs):
    name = "engine"
    title = "XVS, engine only"
    options = ("--no-fast-path",)


class XvsWithoutStock(Xvs):
    name = "nostock"
    title = "XVS, --stock off"
    options = ("--stock", "off")


class Haproxy(Director):
    name = "haproxy"
    title = "haproxy TCP"
    datagrams = False
    CONFIGURATION = """
global
    maxconn 4000
    nbthread 2
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
listen balance
    bind {vip}:{port}
    balance roundrobin
{servers}
"""

    def missing(self):
        return None if shutil.which("haproxy") else "haproxy is not installed"

    def start(self, topology, build):
        topology.add_vip()
        servers = "\n".join(
            f"    server real{i} {address}:{PORT}" for i, address in enumerate(REAL_SERVERS)
        )
        file = topology.folder / "haproxy.cfg"
        file.write_text(self.CONFIGURATION.format(vip=VIP, port=PORT, servers=servers))
        log = topology.folder / "haproxy.log"
        process = topology.director.start("haproxy", "-db", "-f", file, log=log)
        wait_until_listening(topology.director, VIP, PORT, log)
        return [process.pid]


NGINX = """
daemon off;
worker_processes 2;
user root;
pid {folder}/{pid}.pid;
error_log {folder}/{pid}.log error;
{modules}
worker_rlimit_nofile 20000;
events {{ worker_connections 8192; }}
"""


class NginxStream(Director):
    name = "nginx"
    title = "nginx stream"
    datagrams = False
    MODULE = pathlib.Path("/usr/lib/nginx/modules/ngx_stream_module.so")
    STREAM = """
stream {{
    upstream balance {{ {servers} }}
    server {{ listen {vip}:{port} backlog=8192; proxy_pass balance; }}
}}
"""

    def missing(self):
        return None if self.MODULE.exists() else "libnginx-mod-stream is not installed"

    def start(self, topology, build):
        topology.add_vip()
        servers = " ".join(f"server {address}:{PORT};" for address in REAL_SERVERS)
        module = f"load_module {self.MODULE};"
        text = NGINX.format(folder=topology.folder, pid="stream", modules=module)
        text += self.STREAM.format(vip=VIP, port=PORT, servers=servers)
        file = topology.folder / "nginx-stream.conf"
        file.write_text(text)
        process = start_nginx(topology.director, file)
        wait_until_listening(topology.director, VIP, PORT, log_of(file))
        return [process.pid, *children(process.pid)]


def start_nginx(namespace, file):
    return namespace.start("nginx", "-c", file, "-e", "stderr", log=log_of(file))


def log_of(file):
    return file.with_suffix(".log")


def children(pid):
    return [int(word) for word in run("ps", "-o", "pid=", "--ppid", pid, check=False).split()]


def every(connections=CONNECTIONS):
    """All of them, the XVS ones with room for so many connections."""
    return (Xvs(connections), XvsEngineOnly(connections), Nftables(), Routing(), Haproxy(),
            NginxStream())


def for_new_connections(connections):
    """The same, and XVS without its stock of decisions."""
    return (XvsWithoutStock(connections), *every(connections))


NOT_RUN = (
    ("kernel IPVS", "this kernel has no ip_vs"),
    ("nftables flowtables", "this kernel has no nf_flow_table"),
    ("Katran", "not packaged in Debian 12, and made for XDP on a physical interface"),
    ("DPVS", "not packaged in Debian 12, and needs huge pages and DPDK's interfaces"),
)
