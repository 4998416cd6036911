"""Which files of the checkout are sources of ours, and what they include."""

import pathlib
import re

FOLDERS = ("apps", "bench", "fuzz", "src", "testing", "tests", "tools")
CODE = (".c", ".cc", ".h")

INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)')


def sources(root, suffixes=CODE, folders=FOLDERS):
    """Returns the files with these suffixes, as sorted paths relative to `root`."""
    found = []
    for folder in folders:
        for path in (root / folder).rglob("*"):
            if path.suffix in suffixes and path.is_file():
                found.append(path.relative_to(root))
    return sorted(found)


def includes(path):
    """Yields (line number, name, is quoted) of each #include of a file."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match[1] or match[2], match[1] is not None


def is_test(path):
    """Whether a path is a test or serves tests: *_test.cc, or in a folder that is named so."""
    folders = {"testing", "tests", "fuzz", "bench"}
    return path.stem.endswith("_test") or not folders.isdisjoint(path.parts[:-1])


def report(problems):
    """Prints problems one a line and returns the exit code they call for."""
    for problem in problems:
        print(problem)
    return 1 if problems else 0


ROOT = pathlib.Path(__file__).resolve().parent.parent
