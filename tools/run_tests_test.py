#!/usr/bin/python3
"""Shows that the closing line counts every case and names whatever did not run."""

import contextlib
import io
import pathlib
import tempfile
import unittest

import run_tests

JUNIT = """<testsuite>
  <testcase name="unit.net" status="run"><system-out>fine</system-out></testcase>
  <testcase name="lint.tidy" status="run"><system-out/></testcase>
  <testcase name="lab.nat" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/>
    <system-out>starting
needs root</system-out></testcase>
  <testcase name="lab.dr" status="fail"><failure message=""/>
    <system-out>rs1 did not answer
</system-out></testcase>
  <testcase name="lab.gone" status="notrun"><skipped message="Unable to find executable"/>
    <system-out/></testcase>
  <testcase name="unit.crash" status="fail"><failure message="Subprocess aborted"/>
    <system-out/></testcase>
</testsuite>"""

GOOGLETEST = """<testsuites><testsuite>
  <testcase classname="Udp" name="Parses" status="run" result="completed"/>
  <testcase classname="Udp" name="Sends" status="run" result="skipped">
    <skipped message="udp_test.cc:3&#x0A;no network"/></testcase>
  <testcase classname="Udp" name="DISABLED_Old" status="notrun" result="suppressed"/>
</testsuite></testsuites>"""


class Arguments(unittest.TestCase):
    def refusal(self, *words):
        said = io.StringIO()
        with contextlib.redirect_stderr(said), self.assertRaises(SystemExit) as refused:
            run_tests.read_arguments(words)
        self.assertEqual(refused.exception.code, 2)
        return said.getvalue()

    def test_what_ctest_knows_is_handed_on(self):
        build, words = run_tests.read_arguments(
            ["build/x", "--label-regex", "lint", "--repeat=until-fail:3"]
        )
        self.assertEqual(build.name, "x")
        self.assertEqual(words, ["--label-regex", "lint", "--repeat", "until-fail:3"])

    def test_what_it_does_not_know_is_refused_by_name(self):
        said = self.refusal("build/x", "--label", "lint")
        self.assertIn("unrecognized arguments: --label lint", said)
        self.assertIn("--tests-regex, --exclude-regex, --label-regex", said)
        self.assertEqual(said.count("\n"), 1)

    def test_a_name_without_an_option_is_refused(self):
        self.assertIn("unrecognized arguments: lab.nat", self.refusal("build/x", "lab.nat"))


class ClosingLine(unittest.TestCase):
    def test_counts_and_names(self):
        with tempfile.TemporaryDirectory() as folder:
            reports = pathlib.Path(folder)
            (reports / "ctest.xml").write_text(JUNIT)
            (reports / "unit.net.xml").write_text(GOOGLETEST)
            results = run_tests.collect(reports / "ctest.xml", reports)
        self.assertEqual(
            list(run_tests.closing_lines(results, 1.2)),
            [
                "skipped: unit.net Udp.Sends: no network",
                "skipped: unit.net Udp.DISABLED_Old: DISABLED_",
                "skipped: lab.nat: needs root",
                "FAILED:  lab.dr: rs1 did not answer",
                "FAILED:  lab.gone: Unable to find executable",
                "FAILED:  unit.crash: Subprocess aborted",
                "XVS: 8 tests, 2 passed, 3 failed, 3 skipped (1 s)",
            ],
        )

    def test_a_failed_case_is_named_by_its_case(self):
        with tempfile.TemporaryDirectory() as folder:
            reports = pathlib.Path(folder)
            (reports / "ctest.xml").write_text(
                '<testsuite><testcase name="unit.net" status="fail"><failure message=""/>'
                "<system-out/></testcase></testsuite>"
            )
            (reports / "unit.net.xml").write_text(
                '<testsuites><testcase classname="Udp" name="Adds" status="run">'
                '<failure message="1 is not 2&#x0A;more"/></testcase></testsuites>'
            )
            results = run_tests.collect(reports / "ctest.xml", reports)
        self.assertEqual(results.failed, [("unit.net Udp.Adds", "1 is not 2")])


if __name__ == "__main__":
    unittest.main()
