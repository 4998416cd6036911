#!/usr/bin/python3
"""Fails on files that clang-format 14 would change; --fix changes them."""

import subprocess
import sys

from sources import ROOT, report, sources

CLANG_FORMAT = "clang-format-14"


def problems(root):
    files = [str(path) for path in sources(root)]
    if not files:
        return []
    run = subprocess.run(
        [CLANG_FORMAT, "--style=file", "--dry-run", *files],
        cwd=root, capture_output=True, text=True, check=True,
    )
    changed = {line.split(":")[0] for line in run.stderr.splitlines() if "warning:" in line}
    return [f"{path}: not as clang-format 14 has it; run tools/format.py --fix" for path in
            sorted(changed)]


def fix(root):
    subprocess.run(
        [CLANG_FORMAT, "--style=file", "-i", *map(str, sources(root))], cwd=root, check=True
    )
    return 0


if __name__ == "__main__":
    sys.exit(fix(ROOT) if "--fix" in sys.argv[1:] else report(problems(ROOT)))
