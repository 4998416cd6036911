#!/usr/bin/python3
"""Replays what ipvsadm 1.31 was recorded to say, through xvsadm and a director.

usage: golden_test.py XVSADM DIRECTOR CASES

Each case gets a director of its own. xvsadm is run under the name ipvsadm, so that its messages are
the same to the byte; the line that names program and version alone is left out.
"""

import json
import os
import shlex
import subprocess
import sys

INSIDE = "XVS_GOLDEN_NAMESPACE"

# The interfaces that the cases were recorded with.
NETWORK = (
    "ip link set lo up",
    "ip link add dummy0 type veth peer name peer0",
    "ip address add 192.0.2.1/24 dev dummy0",
    "ip link set dummy0 up",
    "ip link set peer0 up",
)


class Director:
    """A director without services, for as long as the block lasts."""

    def __init__(self, program, arguments):
        self.command = [program, *arguments]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            raise RuntimeError(f"{self.command} did not start")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


def run(xvsadm, words, text=""):
    options = {"capture_output": True, "text": True, "timeout": 60, "check": False}
    done = subprocess.run(words, executable=xvsadm, input=text, **options)
    return {"rc": done.returncode, "stdout": done.stdout, "stderr": done.stderr}


def without_version(text):
    """Cuts the line that names the program and its version."""
    first, separator, rest = text.partition("\n")
    named = first.startswith(("ipvsadm v", "xvsadm v"))
    return separator + rest if named else text


def as_set(text):
    """Of an unsorted listing: its head, and its services in any order."""
    head, services = [], []
    for line in text.splitlines():
        if line.startswith(("TCP ", "UDP ", "SCTP ", "FWM ")):
            services.append([line])
        elif services and line.startswith("  ->"):
            services[-1].append(line)
        else:
            head.append(line)
    return head, sorted(services)


def comparable(case, result):
    shown = as_set if "--nosort" in case["argv"] else without_version
    return {**result, "stdout": shown(result["stdout"])}


def differences(xvsadm, director, case):
    """Yields what came out otherwise than recorded."""
    with Director(director, case.get("director", ())):
        for words, status in zip(case["setup"], case["setup_rc"]):
            if run(xvsadm, shlex.split(words))["rc"] != status:
                yield "setup", words, status
        got = run(xvsadm, case["argv"], case.get("stdin", ""))
        recorded = {key: case[key] for key in ("rc", "stdout", "stderr")}
        for key, value in comparable(case, got).items():
            if value != comparable(case, recorded)[key]:
                yield key, value, comparable(case, recorded)[key]
        for key, words in (
            ("after", "ipvsadm -S -n"),
            ("after_timeout", "ipvsadm -L --timeout"),
            ("after_daemon", "ipvsadm -L --daemon"),
        ):
            if key in case and run(xvsadm, words.split())["stdout"] != case[key]:
                yield key, run(xvsadm, words.split())["stdout"], case[key]


def main(xvsadm, director, path):
    if os.geteuid() != 0:
        print("network namespaces need root")
        return 77
    if INSIDE not in os.environ:
        words = ["unshare", "--net", sys.executable, *sys.argv]
        return subprocess.run(words, env={**os.environ, INSIDE: "1"}, check=False).returncode
    for command in NETWORK:
        subprocess.run(command.split(), check=True)
    with open(path, encoding="utf-8") as lines:
        cases = [json.loads(line) for line in lines]
    failed = 0
    for case in cases:
        found = list(differences(xvsadm, director, case))
        failed += bool(found)
        for what, got, recorded in found:
            print(f"case {case['id']}: {shlex.join(case['argv'])}: {what}")
            print(f"  recorded: {recorded!r}\n  got:      {got!r}")
    print(f"{len(cases) - failed} of {len(cases)} cases as recorded")
    return 1 if failed or not cases else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
