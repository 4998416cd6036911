#!/usr/bin/python3
"""Runs the benchmarks and reports them: a table, build/bench/report.json and report.html.

    bench/run.py [--quick] [--only PART]... [--build build/release] [--output build/bench]
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

import report
from veth import suite
from veth.topology import BenchError, end_on_signals

SKIPPED = 77  # as cmake/XvsTest.cmake has it
ROOT = pathlib.Path(__file__).resolve().parent.parent


def say(text):
    print(f"-- {text}", file=sys.stderr, flush=True)


def run_memory(arguments):
    file = arguments.output / "memory.json"
    command = [arguments.build / "bench/xvs_memory_bench", "--json", file]
    if arguments.quick:
        command.append("--quick")
    say("in memory")
    done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise BenchError(f"xvs_memory_bench ended with exit code {done.returncode}")


def run_veth(arguments):
    write(arguments.output / "veth.json", suite.run(
        arguments.build, arguments.quick, say, arguments.measure))


def run_scale(arguments):
    file = arguments.output / "scale.json"
    command = [arguments.build / "bench/xvs_scale_bench", "--json", file,
               "--programs", arguments.build / "bin"]
    if arguments.quick:
        command.append("--quick")
    say("the control plane at scale")
    done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise BenchError(f"xvs_scale_bench ended with exit code {done.returncode}")


PARTS = {"memory": run_memory, "scale": run_scale, "veth": run_veth}


def write(file, content):
    file.write_text(json.dumps(content, indent=1) + "\n")


def parse(words):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "build/bench")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter slices")
    parser.add_argument("--only", action="append", choices=sorted(PARTS), help="a part to run")
    parser.add_argument("--measure", action="append", choices=sorted(suite.MEASUREMENTS),
                        help="of the part veth, this alone")
    parser.add_argument("--check", action="store_true", help="the short form, for make test")
    parser.add_argument("--report", action="store_true", help="measure nothing, report anew")
    return parser.parse_args(words)


def check(arguments):
    """The short form: prints each finding, and fails when one is not as it must be."""
    if os.geteuid() != 0:
        print("network namespaces need root")
        return SKIPPED
    try:
        findings = suite.check(arguments.build, say)
    except (BenchError, subprocess.TimeoutExpired) as error:
        print(error)
        return 1
    for sentence, holds in findings:
        print(f"{'holds' if holds else 'FAILS'}: {sentence}")
    return 0 if all(holds for _, holds in findings) else 1


def main(words):
    arguments = parse(words)
    end_on_signals()
    if arguments.check:
        return check(arguments)
    if os.geteuid() != 0 and not arguments.report:
        print("bench/run.py: network namespaces need root; type: sudo make bench", file=sys.stderr)
        return 1
    arguments.output.mkdir(parents=True, exist_ok=True)
    failed = False
    started = time.monotonic()
    if not arguments.report:
        for part in arguments.only or PARTS:
            try:
                PARTS[part](arguments)
            except (BenchError, subprocess.TimeoutExpired) as error:
                print(f"bench/run.py: {part}: {error}", file=sys.stderr)
                failed = True
    content = report.collect(ROOT, arguments.output, PARTS, arguments.quick)
    write(arguments.output / "report.json", content)
    (arguments.output / "report.html").write_text(report.to_html(content))
    print(report.to_text(content))
    print(f"{arguments.output}/report.json and report.html hold it too "
          f"({time.monotonic() - started:.0f} s).")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
