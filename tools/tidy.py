#!/usr/bin/python3
"""Fails on what a reviewer should never have to say: lengths, banned words, forgotten files."""

import re
import sys

from sources import ROOT, is_test, report, sources

LINE_LIMIT = 100
FILE_LIMIT = 500  # of a production file
FUNCTION_LIMIT = 60

# Where (a pattern over paths), what (a pattern over code without comments and strings), why.
BANNED = (
    (r".", r"\bstd::(views|ranges::views)\b|#include <ranges>", "clang 14 cannot compile it"),
    (r".", r"#include <source_location>|\bstd::source_location\b", "clang 14 has none"),
    (r".", r"\bstd::format\b|#include <format>", "g++ 12 has none: use fmt::format"),
    (r".", r"\bstd::(un)?expected\b|#include <expected>", "use Result<T> of base/result.h"),
    (r".", r"\bhardware_destructive_interference_size\b", "clang 14 has none"),
    (r"src/", r"\bthrow\b", "errors are values: use Result<T> or a Verdict"),
    (r"src/(?!net/)|apps/", r"\b(htons|htonl|ntohs|ntohl)\b", "use base/byte_order.h"),
    (r"src/(?!net/)|apps/", r"\bfrom_unchecked\b", "only net/ may skip a check"),
    (r"src/(?!cli/|lab/)", r"\b(printf|puts)\s*\(|\bstd::(cout|cerr|clog)\b", "use spdlog"),
    (r"src/(net|flow|engine)/", r"(?<!>\()\bnew\b|\b(m|c|re)alloc\s*\(", "sized at start"),
    (r"src/(net|flow|engine)/", r"\bstd::(recursive_|shared_|timed_)?mutex\b", "share nothing"),
    (r"src/engine/", r"\bis_v[46]\b", "the family is a type, not a flag"),
    (r".", r"\bkill\([^,;]*\(\)\s*,", "-1 from a getter ends every process"),
    (r"src/|apps/", r"\busing namespace std\b", "spell std:: out"),
)

UNFINISHED = re.compile(r"\b(TODO|FIXME|HACK|XXX)\b")
VAGUE = re.compile(r"(^|_)(utils?|helpers?|common|misc)(_|$)")
SPDX = "SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause"

COMMENT_OR_STRING = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'',
    re.DOTALL,
)
NAMED_BLOCK = re.compile(r"\s*(inline\s+)?(namespace|class|struct|union|enum|extern|template)\b")


def code_of(text):
    """Returns `text` with comments and strings blanked, line for line."""

    def blank(match):
        return re.sub(r"[^\n]", " ", match[0])

    return COMMENT_OR_STRING.sub(blank, text)


def function_problems(path, lines):
    """Relies on clang-format: a body ends at the first } that is indented as its header."""
    start = None
    for number, line in enumerate(lines, 1):
        if start is None:
            opens = re.match(r"( {0,4})[\w~].*\{$", line)
            if opens and not NAMED_BLOCK.match(line) and " = {" not in line and "[]" not in line:
                start, indent = number, opens[1]
        elif line.startswith(indent + "}"):
            if number - start - 1 > FUNCTION_LIMIT:
                yield f"{path}:{start}: a function of {number - start - 1} lines; the limit is 60"
            start = None


def text_problems(root):
    for path in sources(root, suffixes=(".c", ".cc", ".h", ".py", ".sh")):
        text = (root / path).read_text(encoding="utf-8")
        lines = text.splitlines()
        for number, line in enumerate(lines, 1):
            if len(line) > LINE_LIMIT:
                yield f"{path}:{number}: {len(line)} characters; the limit is {LINE_LIMIT}"
            if UNFINISHED.search(line) and path.parts[0] != "tools":
                yield f"{path}:{number}: unfinished work belongs in an issue, not in the code"
        if text and not text.endswith("\n"):
            yield f"{path}: no newline at its end"
        if path.parts[0] in ("src", "apps") and len(lines) > FILE_LIMIT and not is_test(path):
            yield f"{path}: {len(lines)} lines; the limit is {FILE_LIMIT}"


def code_problems(root):
    for path in sources(root):
        text = (root / path).read_text(encoding="utf-8")
        code = code_of(text).splitlines()
        for where, what, why in BANNED:
            if not re.match(where, str(path)) or (is_test(path) and where != "."):
                continue
            for number, line in enumerate(code, 1):
                match = re.search(what, line)
                if match:
                    yield f"{path}:{number}: {match[0].strip()} is banned here: {why}"
        if path.suffix == ".h":
            if not text.startswith(("//", "/*")):
                yield f"{path}: a header's first line says what it is for"
            if "#pragma once" not in text and not re.search(r"#ifndef XVS_\w+_H\b", text):
                yield f"{path}: no #pragma once"
        if path.name.endswith(".bpf.c") and SPDX not in text:
            yield f"{path}: a BPF program says {SPDX}"
        if VAGUE.search(path.name.split(".")[0]):
            yield f"{path}: a name that says nothing; name the file after what it holds"
        if path.parts[0] in ("src", "apps") and not is_test(path):
            yield from function_problems(path, code)


def build_lists(root):
    """Returns what each CMakeLists.txt of the checkout says, by its folder."""
    found = [root / "CMakeLists.txt", *(root / "src").rglob("CMakeLists.txt")]
    for folder in ("apps", "bench", "fuzz", "testing", "tests"):
        found += (root / folder).rglob("CMakeLists.txt")
    return {path.parent.relative_to(root): path.read_text() for path in found if path.exists()}


def is_listed(lists, path):
    """Whether a CMakeLists.txt in the file's folder or above it names the file, or any in full."""
    names = [(lists.get(folder, ""), path.relative_to(folder)) for folder in path.parents]
    names += [(text, "${PROJECT_SOURCE_DIR}/" + str(path)) for text in lists.values()]
    return any(
        re.search(rf"(?<![\w/.]){re.escape(str(name))}(?![\w/.])", text) for text, name in names
    )


def folder_problems(root):
    lists = build_lists(root)
    for path in sources(root, folders=("apps", "bench", "fuzz", "src", "testing", "tests")):
        if path.name == "replay_main.cc":
            continue  # cmake/XvsFuzz.cmake builds it into every fuzz target
        if path.suffix == ".h" and (path.parts[0] != "src" or is_test(path)):
            continue  # only the headers of modules are compiled by themselves
        if path.name.endswith(".bpf.h"):
            continue  # part of a BPF program, which is compiled whole
        if not is_listed(lists, path):
            yield f"{path}: no CMakeLists.txt names it"
    for folder in sorted({path.parents[-3] for path in sources(root, folders=("src",))}):
        if not (root / folder / "README.md").exists():
            yield f"{folder}: no README.md that names its entry file"


def problems(root):
    return [*text_problems(root), *code_problems(root), *folder_problems(root)]


if __name__ == "__main__":
    sys.exit(report(problems(ROOT)))
