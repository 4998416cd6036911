#!/usr/bin/python3
"""Fails on links between our pages that lead nowhere, and on departures from IPVS that no page
gives a reason for."""

import re
import sys

from sources import ROOT, report, sources

LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)[^)]*\)")
DEPARTURE = re.compile(r"DIFFERS FROM IPVS:(?: ADR-(\d{4}))?")
FOLDERS = (
    "apps", "bench", "cmake", "docs", "fuzz", "packaging", "src", "testing", "tests", "tools",
)


def pages(root):
    return [path.relative_to(root) for path in sorted(root.glob("*.md"))] + sources(
        root, suffixes=(".md",), folders=FOLDERS
    )


def link_problems(root):
    for page in pages(root):
        for number, line in enumerate((root / page).read_text().splitlines(), 1):
            if re.match(r"(<{7}|>{7}) ", line):
                yield f"{page}:{number}: the mark of a merge that was not resolved"
            for target in LINK.findall(line):
                if "://" not in target and not (root / page.parent / target).exists():
                    yield f"{page}:{number}: {target} does not exist"


def decision_problems(root):
    records = sorted((root / "docs/adr").glob("[0-9][0-9][0-9][0-9]-*.md"))
    index = root / "docs/adr/README.md"
    listed = index.read_text() if index.exists() else ""
    for record in records:
        if record.name not in listed:
            yield f"docs/adr/{record.name}: docs/adr/README.md does not list it"
    numbers = [record.name[:4] for record in records]
    for number in sorted({n for n in numbers if numbers.count(n) > 1}):
        yield f"docs/adr: two records have the number {number}"


def departure_problems(root):
    compatibility = root / "docs/compatibility.md"
    listed = compatibility.read_text() if compatibility.exists() else ""
    for path in sources(root, folders=("src", "apps")):
        for number, line in enumerate((root / path).read_text().splitlines(), 1):
            match = DEPARTURE.search(line)
            if not match:
                continue
            if not match[1]:
                yield f"{path}:{number}: a departure says why: DIFFERS FROM IPVS: ADR-NNNN"
            elif f"adr/{match[1]}-" not in listed:
                yield f"{path}:{number}: docs/compatibility.md does not refer to ADR {match[1]}"


def witness_problems(root):
    """Of tables that end in "shown by": what they name has to be there."""
    page = root / "docs/compatibility.md"
    named = " ".join(path.read_text() for path in root.glob("**/CMakeLists.txt")
                     if "build" not in path.relative_to(root).parts)
    is_shown = False
    for number, line in enumerate(page.read_text().splitlines() if page.exists() else [], 1):
        if not line.startswith("|"):
            is_shown = False
        elif line.endswith("| shown by |"):
            is_shown = True
        elif is_shown:
            for witness in line[1:-1].rsplit("|", 1)[-1].split(","):
                for problem in problems_of_witness(root, witness.strip(), named):
                    yield f"docs/compatibility.md:{number}: {problem}"


def problems_of_witness(root, witness, named):
    if witness.startswith("tests/"):
        if not (root / witness).exists():
            yield f"{witness} does not exist"
    elif test := re.fullmatch(r"[a-z-]+\.(\w+)", witness):
        if not re.search(rf"\b{test[1]}\b", named):
            yield f"no test is called {witness}"


def problems(root):
    return [
        *link_problems(root),
        *decision_problems(root),
        *departure_problems(root),
        *witness_problems(root),
    ]


if __name__ == "__main__":
    sys.exit(report(problems(ROOT)))
