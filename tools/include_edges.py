#!/usr/bin/python3
"""Fails when a folder of src/ includes another that stands above it.

The table is the design: whoever wants a new edge adds it here, where a reviewer sees it.
"""

import pathlib
import re
import sys

from sources import ROOT, includes, is_test, report, sources

# A folder may include itself and these: folders, or single headers where the rest of a folder is
# none of its business.
EDGES = {
    "base": (),
    "net": ("base",),
    "model": ("base", "net"),
    "flow": ("base", "net", "model"),
    "engine": ("base", "net", "model", "flow"),
    "offload": ("base", "net", "model", "flow", "engine"),
    # Ports carry frames and know no protocol.
    "io": ("base", "flow", "engine/packet_port.h", "net/address.h", "net/checksum.h",
           "offload/steer_layout.h"),
    "host": ("base", "net", "model", "flow", "engine"),
    "control": ("base", "net", "model", "flow", "engine", "host"),
    "sync": ("base", "net", "model", "flow", "engine"),
    "shim": ("base",),
    "cli": ("base", "net", "model", "control/netlink/client.h", "control/proc_text.h",
            "control/service_manager.h"),
    "lab": ("base", "net", "model", "host"),
}

# What a folder must not know of the system, as a pattern over <...>.
FORBIDDEN = {
    "base": (r"linux/(netlink|rtnetlink|genetlink)\.h|libmnl|bpf/|spdlog", "base knows no domain"),
    "net": (r"linux/(netlink|rtnetlink|genetlink)\.h|libmnl|bpf/|spdlog", "net knows bytes alone"),
    "model": (r"linux/|libmnl|bpf/|spdlog", "model holds plain values"),
    "engine": (
        r"linux/(netlink|rtnetlink|genetlink|ip_vs)\.h|libmnl|bpf/|httplib|spdlog|sys/socket\.h",
        "the engine knows no netlink, no sockets and no HTTP, and does not log",
    ),
}

STANDARD = re.compile(r"[a-z_0-9]+")  # <vector>, as against <stdint.h>


def may_include(folder, header):
    """Whether a production file of src/`folder` may include the header `header` of ours."""
    if header.split("/")[0] == folder:
        return True
    return any(header == edge or header.startswith(edge + "/") for edge in EDGES[folder])


def edge_problems(root):
    for path in sources(root, folders=("src",)):
        folder = path.parts[1]
        if folder not in EDGES:
            yield f"{path}: folder {folder} has no row in the table of tools/include_edges.py"
            continue
        for number, name, quoted in includes(root / path):
            where = f"{path}:{number}"
            if not quoted:
                pattern, reason = FORBIDDEN.get(folder, (None, None))
                if pattern and re.match(pattern, name) and not is_test(path):
                    yield f"{where}: includes <{name}>, but {reason}"
                continue
            if is_test(path) and name.startswith("testing/"):
                continue
            if "/" not in name:
                yield f'{where}: "{name}" is to be named from src/, as "{folder}/{name}"'
            elif not may_include(folder, name):
                yield f'{where}: {folder} may not include "{name}"'


def bpf_problems(root):
    """A BPF program, and whatever it includes, is C that a kernel without a library can run."""
    for program in sources(root, suffixes=(".c",), folders=("src",)):
        if not program.name.endswith(".bpf.c"):
            continue
        seen, waiting = set(), [program]
        while waiting:
            path = waiting.pop()
            if path in seen or not (root / path).exists():
                continue
            seen.add(path)
            for number, name, quoted in includes(root / path):
                if quoted:
                    waiting += [pathlib.Path("src") / name, path.parent / name]
                elif STANDARD.fullmatch(name):
                    yield f"{path}:{number}: includes <{name}>, but {program} includes this file"


def problems(root):
    return [*edge_problems(root), *bpf_problems(root)]


if __name__ == "__main__":
    sys.exit(report(problems(ROOT)))
