#!/usr/bin/python3
"""Runs the tests of a build folder through ctest and ends with one line that says it all:

    XVS: 612 tests, 610 passed, 0 failed, 2 skipped (41 s)

after naming what failed and what was skipped, and why. Cases of GoogleTest programs are counted one
by one. Exits 0 when nothing failed.
"""

import argparse
import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as xml


class Results:
    def __init__(self):
        self.passed = 0
        self.failed = []
        self.skipped = []

    def add_program(self, name, status, output, failure):
        """Adds a test that is a program, judged by its exit code."""
        last = ([line.strip() for line in output.splitlines() if line.strip()] or [""])[-1]
        if status == "run":
            self.passed += 1
        elif "SKIP_RETURN_CODE" in failure:
            self.skipped.append((name, last or "it gave no reason"))
        elif status in ("notrun", "disabled"):
            # A program that was not built, or that somebody switched off, is no pass.
            self.failed.append((name, failure or status))
        else:
            self.failed.append((name, failure or last or "ran too long, or ended without a word"))

    def add_cases(self, name, report):
        """Adds the cases of a GoogleTest program from its XML report; returns how many failed."""
        failed = 0
        for case in report.iter("testcase"):
            title = f"{name} {case.get('classname')}.{case.get('name')}"
            skipped = case.find("skipped")
            failure = case.find("failure")
            if failure is not None:
                failed += 1
                self.failed.append((title, first_line(failure.get("message"))))
            elif skipped is not None or case.get("result") == "skipped":
                message = skipped.get("message") if skipped is not None else ""
                self.skipped.append((title, reason_in(message)))
            elif case.get("status") == "notrun":
                self.skipped.append((title, "DISABLED_"))
            else:
                self.passed += 1
        return failed


def first_line(text):
    return ((text or "").strip().splitlines() or [""])[0]


def reason_in(message):
    """GoogleTest puts "file:line" and "Skipped" before what the test said."""
    lines = [line for line in (message or "").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it gave no reason"


def collect(junit, reports):
    results = Results()
    for case in xml.parse(junit).getroot().iter("testcase"):
        name, status = case.get("name"), case.get("status")
        note = case.find("failure")
        if note is None:
            note = case.find("skipped")
        failure = note.get("message", "") if note is not None else ""
        output = case.findtext("system-out", "")
        report = reports / f"{name}.xml"
        if report.exists() and status in ("run", "fail"):
            try:
                failed = results.add_cases(name, xml.parse(report).getroot())
            except xml.ParseError:
                failed = 0
            if status == "run" or failed:
                continue
        results.add_program(name, status, output, failure)
    return results


def closing_lines(results, seconds):
    for name, why in results.skipped:
        yield f"skipped: {name}: {why}"
    for name, why in results.failed:
        yield f"FAILED:  {name}: {why}"
    total = results.passed + len(results.failed) + len(results.skipped)
    yield (
        f"XVS: {total} tests, {results.passed} passed, {len(results.failed)} failed, "
        f"{len(results.skipped)} skipped ({seconds:.0f} s)"
    )


# Handed on to ctest, which takes no notice of an option that it does not know.
CTEST_OPTIONS = (
    ("--tests-regex", "REGEX", "only tests whose names match"),
    ("--exclude-regex", "REGEX", "no tests whose names match"),
    ("--label-regex", "REGEX", "only tests whose labels match: unit, lab, lint and others"),
    ("--label-exclude", "REGEX", "no tests whose labels match"),
    ("--repeat", "until-fail:N", "run each test until it fails, at most N times"),
    ("--timeout", "SECONDS", "end a test that runs for longer"),
)


class Parser(argparse.ArgumentParser):
    """Says in one line what is wrong, and what there is instead."""

    def error(self, message):
        known = ", ".join(name for name, _, _ in CTEST_OPTIONS)
        self.exit(2, f"run_tests.py: {message}; after the build folder there may be: {known}\n")


def read_arguments(words):
    """Returns the build folder and the words for ctest."""
    parser = Parser(prog="run_tests.py", description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("build", type=pathlib.Path, help="build/release, say")
    for name, value, meaning in CTEST_OPTIONS:
        parser.add_argument(name, metavar=value, help=meaning)
    arguments = vars(parser.parse_args(words))
    for_ctest = []
    for name, _, _ in CTEST_OPTIONS:
        value = arguments[name.removeprefix("--").replace("-", "_")]
        if value is not None:
            for_ctest += [name, value]
    return arguments["build"].resolve(), for_ctest


BPFFS = pathlib.Path("/sys/fs/bpf")


@contextlib.contextmanager
def bpf_file_system():
    """Has one mounted where systemd would: what outlives xvsd lies there."""
    mounts = os.geteuid() == 0 and BPFFS.is_dir() and not BPFFS.is_mount()
    if mounts:
        subprocess.run(["mount", "-t", "bpf", "bpf", str(BPFFS)], check=False)
    try:
        yield
    finally:
        if mounts:  # refused while another run's daemons are there
            subprocess.run(["umount", str(BPFFS)], check=False, stderr=subprocess.DEVNULL)


def main():
    build, for_ctest = read_arguments(sys.argv[1:])
    if not (build / "CTestTestfile.cmake").exists():
        print(f"run_tests.py: {build} has no tests; build there first: tools/build.sh {build.name}",
              file=sys.stderr)
        return 2
    reports, junit = build / "reports", build / "reports" / "ctest.xml"
    shutil.rmtree(reports, ignore_errors=True)
    reports.mkdir(parents=True)
    started = time.monotonic()
    with bpf_file_system():
        ctest = subprocess.run(
            ["ctest", "--test-dir", str(build), "--output-on-failure",
             "--output-junit", str(junit), "--no-tests=error", "--test-output-size-passed", "65536",
             "--test-output-size-failed", "262144", "-j", str(2 * (os.cpu_count() or 1)),
             *for_ctest],
            check=False,
        )
    if not junit.exists():
        print("XVS: no test ran", file=sys.stderr)
        return 1
    results = collect(junit, reports)
    for line in closing_lines(results, time.monotonic() - started):
        print(line)
    return 1 if ctest.returncode != 0 or results.failed or not results.passed else 0


if __name__ == "__main__":
    sys.exit(main())
