#!/usr/bin/python3
"""clang_tidy.py BUILD [FILE...]: runs clang-tidy 14 over the production files that BUILD compiles.

A file takes some five seconds, so one that was clean is not looked at again until it, a header of
ours that it includes, its command or the configuration changes; BUILD/clang_tidy remembers.
"""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import subprocess
import sys

from sources import ROOT, includes, is_test

CLANG_TIDY = "clang-tidy-14"


def closure(root, path, seen):
    """Adds to `seen` the files of ours that `path` includes, itself among them."""
    if path in seen or not (root / path).is_file():
        return seen
    seen.add(path)
    for _, name, quoted in includes(root / path):
        if quoted:
            closure(root, pathlib.Path("src") / name, seen)
            closure(root, pathlib.Path(name), seen)
    return seen


def key(root, path, command):
    digest = hashlib.sha256(command.encode())
    for file in [pathlib.Path(".clang-tidy"), *sorted(closure(root, path, set()))]:
        digest.update(str(file).encode() + b"\0" + (root / file).read_bytes() + b"\0")
    return digest.hexdigest()


def pending(root, build, only):
    """Yields (path, mark) of the files to look at; a clean one leaves its mark as a file."""
    for entry in json.loads((build / "compile_commands.json").read_text()):
        file = pathlib.Path(entry["file"])
        if not file.is_relative_to(root) or file.is_relative_to(build) or file.suffix != ".cc":
            continue
        path = file.relative_to(root)
        if is_test(path) or (only and str(path) not in only):
            continue
        mark = build / "clang_tidy" / key(root, path, entry["command"])
        if not mark.exists():
            yield path, mark


def check(root, build, path, mark):
    run = subprocess.run(
        [CLANG_TIDY, "-p", str(build), "--quiet", str(root / path)],
        cwd=root, capture_output=True, text=True, check=False,
    )
    if run.returncode == 0:
        mark.parent.mkdir(exist_ok=True)
        mark.touch()
    return run.returncode, run.stdout


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    jobs = sorted(set(pending(ROOT, build, sys.argv[2:])))
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for code, output in pool.map(lambda job: check(ROOT, build, *job), jobs):
            if code != 0:
                bad += 1
                print(output, flush=True)
    print(f"clang-tidy: {len(jobs)} files looked at, {bad} with findings")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
