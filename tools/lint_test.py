#!/usr/bin/python3
"""Shows that each lint script catches what it is there to catch, and lets clean code pass."""

import pathlib
import tempfile
import unittest

import docs
import format
import include_edges
import tidy

HEADER = "// Text for a test.\n#pragma once\n"


class LintTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def write(self, path, text):
        """Writes a file of a made-up checkout, listed and with the README.md that it needs."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        (file.parent / "README.md").write_text("Entry: here\n")
        with (file.parent / "CMakeLists.txt").open("a") as lists:
            lists.write(f"    {file.name}\n")

    def assert_clean(self, script):
        self.assertEqual(script.problems(self.root), [])

    def assert_problem(self, script, *words):
        found = script.problems(self.root)
        self.assertEqual(len(found), 1, found)
        for word in words:
            self.assertIn(word, found[0])


class IncludeEdges(LintTest):
    def test_an_edge_downwards_passes(self):
        self.write("src/engine/pipeline.cc", '#include <vector>\n#include "net/address.h"\n')
        self.assert_clean(include_edges)

    def test_an_edge_upwards_is_found(self):
        self.write("src/net/udp.h", '\n#include "engine/verdict.h"\n')
        self.assert_problem(include_edges, "src/net/udp.h:2", "engine/verdict.h")

    def test_a_single_header_may_be_allowed_out_of_a_folder(self):
        self.write("src/io/memory_port.cc", '#include "engine/packet_port.h"\n')
        self.assert_clean(include_edges)
        self.write("src/io/packet.cc", '#include "engine/pipeline.h"\n')
        self.assert_problem(include_edges, "src/io/packet.cc:1")

    def test_an_include_without_a_folder_is_found(self):
        self.write("src/net/udp.cc", '#include "udp.h"\n')
        self.assert_problem(include_edges, '"net/udp.h"')

    def test_a_folder_that_the_table_lacks_is_found(self):
        self.write("src/stuff/stuff.cc", "\n")
        self.assert_problem(include_edges, "stuff", "no row")

    def test_the_engine_may_not_know_netlink(self):
        self.write("src/engine/pipeline.cc", "#include <linux/netlink.h>\n")
        self.assert_problem(include_edges, "knows no netlink")

    def test_only_tests_may_include_the_test_harness(self):
        self.write("src/engine/pipeline_test.cc", '#include "testing/packet.h"\n')
        self.assert_clean(include_edges)
        self.write("src/engine/pipeline.cc", '#include "testing/packet.h"\n')
        self.assert_problem(include_edges, "src/engine/pipeline.cc:1")

    def test_a_bpf_program_may_not_reach_a_cxx_header(self):
        self.write("src/flow/layout.h", "#include <linux/types.h>\n")
        self.write("src/offload/classify.bpf.c", '#include "flow/layout.h"\n')
        self.assert_clean(include_edges)
        self.write("src/flow/layout.h", "#include <cstdint>\n")
        self.assert_problem(include_edges, "src/flow/layout.h:1", "classify.bpf.c")


class Tidy(LintTest):
    def test_clean_code_passes(self):
        self.write("src/net/udp.h", HEADER + "namespace xvs::net {}\n")
        self.assert_clean(tidy)

    def test_a_long_line_is_found(self):
        self.write("src/net/udp.h", HEADER + "// " + "x" * 98 + "\n")
        self.assert_problem(tidy, "src/net/udp.h:3", "101 characters")

    def test_a_long_file_is_found_unless_it_is_a_test(self):
        self.write("src/net/udp_test.cc", "\n" * 501)
        self.assert_clean(tidy)
        self.write("src/net/udp.cc", "\n" * 501)
        self.assert_problem(tidy, "501 lines")

    def test_a_long_function_is_found(self):
        body = "    call();\n"
        self.write("src/net/udp.cc", "void f() {\n" + body * 60 + "}\n")
        self.assert_clean(tidy)
        self.write("src/net/udp.cc", "void f() {\n" + body * 61 + "}\n")
        self.assert_problem(tidy, "src/net/udp.cc:1", "61 lines")

    def test_a_long_member_function_is_found(self):
        body = "        call();\n"
        text = HEADER + "struct Udp {\n    void f() {\n" + body * 61 + "    }\n};\n"
        self.write("src/net/udp.h", text)
        self.assert_problem(tidy, "src/net/udp.h:4", "61 lines")

    def test_banned_words_are_found_where_they_are_banned(self):
        for path, code in (
            ("src/engine/a.cc", "throw 1;"),
            ("src/engine/a.cc", "std::mutex lock;"),
            ("src/flow/a.cc", "auto* p = new int;"),
            ("src/control/a.cc", "port = htons(80);"),
            ("src/host/a.cc", "std::cerr << 1;"),
            ("src/engine/a.cc", "void parse(bool is_v6);"),
            ("testing/a.cc", "auto v = std::views::iota(1);"),
            ("tests/a.cc", "::kill(daemon.pid(), SIGKILL);"),
            ("apps/a.cc", "#include <source_location>"),
        ):
            with self.subTest(code=code):
                self.write(path, code + "\n")
                self.assert_problem(tidy, f"{path}:1", "banned")
                self.write(path, "\n")

    def test_comments_strings_and_other_folders_may_use_them(self):
        self.write("src/engine/a.cc", '// throw\nauto t = "std::mutex"; /* new\n new */\n')
        self.write("src/net/a.cc", "port = htons(80);\n")
        self.write("src/engine/a_test.cc", "std::mutex lock;\n")
        self.assert_clean(tidy)

    def test_unfinished_work_is_found(self):
        self.write("src/net/udp.cc", "// " + "TO" + "DO: all of it\n")
        self.assert_problem(tidy, "unfinished")

    def test_a_file_that_is_not_built_is_found(self):
        self.write("src/net/udp.cc", "\n")
        (self.root / "src/net/CMakeLists.txt").write_text("other_udp.cc udp.cc.in")
        self.assert_problem(tidy, "src/net/udp.cc", "no CMakeLists.txt")

    def test_a_folder_without_a_readme_is_found(self):
        self.write("src/net/udp.cc", "\n")
        (self.root / "src/net/README.md").unlink()
        self.assert_problem(tidy, "src/net", "README.md")

    def test_a_header_says_what_it_is_for(self):
        self.write("src/net/udp.h", "#pragma once\n")
        self.assert_problem(tidy, "first line")

    def test_a_header_is_guarded(self):
        self.write("src/net/udp.h", "// UDP.\n")
        self.assert_problem(tidy, "#pragma once")

    def test_a_bpf_program_has_its_licence(self):
        self.write("src/offload/classify.bpf.c", "int x;\n")
        self.assert_problem(tidy, "SPDX")

    def test_a_vague_name_is_found(self):
        self.write("src/net/packet_utils.cc", "\n")
        self.assert_problem(tidy, "says nothing")


class Docs(LintTest):
    def setUp(self):
        super().setUp()
        (self.root / "docs/adr").mkdir(parents=True)
        (self.root / "docs/adr/README.md").write_text("[0001](0001-so.md)\n")
        (self.root / "docs/adr/0001-so.md").write_text("# 0001: So\n")
        (self.root / "docs/compatibility.md").write_text("[0001](adr/0001-so.md)\n")

    def test_links_that_lead_somewhere_pass(self):
        self.assert_clean(docs)

    def test_a_dead_link_is_found(self):
        (self.root / "README.md").write_text("See [the tour](docs/tour.md#start).\n")
        self.assert_problem(docs, "README.md:1", "docs/tour.md")

    def test_a_mark_of_a_merge_is_found(self):
        (self.root / "README.md").write_text("<" * 7 + " HEAD\n")
        self.assert_problem(docs, "README.md:1", "merge")

    def test_an_unlisted_record_is_found(self):
        (self.root / "docs/adr/0002-thus.md").write_text("# 0002: Thus\n")
        self.assert_problem(docs, "0002-thus.md", "does not list it")

    def test_a_departure_needs_its_record_and_its_row(self):
        tag = "// DIFFERS FROM" + " IPVS: "
        self.write("src/engine/a.cc", tag + "ADR-0001. Because.\n")
        self.assert_clean(docs)
        self.write("src/engine/a.cc", tag + "just so\n")
        self.assert_problem(docs, "src/engine/a.cc:1", "ADR-NNNN")
        self.write("src/engine/a.cc", tag + "ADR-0002. Because.\n")
        self.assert_problem(docs, "compatibility.md")


    def test_a_test_that_a_row_names_has_to_be_there(self):
        page = self.root / "docs/compatibility.md"
        row = "[0001](adr/0001-so.md)\n\n| feature | shown by |\n|---|---|\n| NAT | {} |\n"
        (self.root / "tests/scenario").mkdir(parents=True)
        (self.root / "tests/CMakeLists.txt").write_text("xvs_module(engine)\n")
        page.write_text(row.format("unit.engine, tests/scenario, some prose"))
        self.assert_clean(docs)
        page.write_text(row.format("unit.motor"))
        self.assert_problem(docs, "compatibility.md:5", "unit.motor")
        page.write_text(row.format("tests/scenarios"))
        self.assert_problem(docs, "compatibility.md:5", "tests/scenarios")


class Format(LintTest):
    def setUp(self):
        super().setUp()
        (self.root / ".clang-format").write_text((include_edges.ROOT / ".clang-format").read_text())

    def test_formatted_code_passes(self):
        self.write("src/net/udp.cc", "int f() {\n    return 1;\n}\n")
        self.assert_clean(format)

    def test_other_code_is_found_and_fixed(self):
        self.write("src/net/udp.cc", "int f( ) {\n  return 1;\n}\n")
        self.assert_problem(format, "src/net/udp.cc")
        format.fix(self.root)
        self.assert_clean(format)


if __name__ == "__main__":
    unittest.main()
