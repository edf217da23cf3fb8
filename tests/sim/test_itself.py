"""The simulator tells the truth about itself: a seed is the whole story, a violation is told with
the line that repeats it, and that line does."""

import json
import os
import re
import shlex
import subprocess
import unittest

SIM = os.path.join(os.environ["IMLOG_BIN"], "imlog-sim")


def sim(*arguments):
    return subprocess.run([SIM, *arguments], capture_output=True, text=True, timeout=600)


def scenarios():
    lines = sim("--list").stdout.split("planted faults")[0].splitlines()[1:]
    return [line.split()[0] for line in lines]


class Itself(unittest.TestCase):
    def test_one_seed_is_one_run_to_the_byte(self):
        for scenario in ("life", "damage", "net"):
            if scenario not in scenarios():
                continue
            with self.subTest(scenario):
                command = ("--only", scenario, "--seed", "4711", "--runs", "1", "--trace")
                first, second = sim(*command), sim(*command)
                self.assertEqual(first.returncode, 0, first.stderr)
                trace = first.stdout.rsplit("imlog-sim:", 1)[0]
                self.assertGreater(len(trace.splitlines()), 100)
                self.assertEqual(trace, second.stdout.rsplit("imlog-sim:", 1)[0])
                other = sim("--only", scenario, "--seed", "4712", "--runs", "1", "--trace")
                self.assertNotEqual(trace, other.stdout.rsplit("imlog-sim:", 1)[0])

    def test_a_violation_fails_and_its_line_repeats_it(self):
        failed = sim("--only", "life", "--runs", "40", "--planted", "ack_at_submit")
        self.assertEqual(failed.returncode, 1)
        found = re.search(r"replay it with: imlog-sim (.*)", failed.stderr)
        self.assertIsNotNone(found, failed.stderr)
        again = sim(*shlex.split(found.group(1)))
        self.assertEqual(again.returncode, 1)
        self.assertIn(found.group(1), again.stderr)

    def test_a_branch_of_a_sweep_is_repeated_alone(self):
        failed = sim("--only", "errors", "--runs", "1", "--planted", "failed_write_is_acked")
        self.assertEqual(failed.returncode, 1)
        found = re.search(r"replay it with: imlog-sim (.* --branch .*)", failed.stderr)
        self.assertIsNotNone(found, failed.stderr)
        again = sim(*shlex.split(found.group(1)))
        self.assertEqual(again.returncode, 1)
        self.assertIn(found.group(1), again.stderr)

    def test_a_planted_fault_that_is_not_caught_fails(self):
        none = sim("--mutants", "--only", "nothing_of_that_name")
        self.assertEqual(none.returncode, 2)
        one = sim("--mutants", "--only", "ack_at_submit")
        self.assertEqual(one.returncode, 0, one.stdout)
        self.assertIn("1 of 1 caught", one.stdout)

    def test_usage_errors_say_what_and_exit_2(self):
        for arguments, word in (
            (("--runs", "no"), "--runs"),
            (("--only", "nobody"), "nobody"),
            (("--planted", "nobody"), "nobody"),
            (("extra",), "extra"),
        ):
            wrong = sim(*arguments)
            self.assertEqual(wrong.returncode, 2)
            self.assertIn(word, wrong.stderr)
            self.assertIn("usage: imlog-sim", wrong.stderr)

    def test_json_is_one_document_with_what_was_done(self):
        done = sim("--only", "life", "--runs", "5", "--json")
        report = json.loads(done.stdout)
        self.assertEqual(report["violations"], 0)
        self.assertEqual(report["runs"], 5)
        self.assertGreater(report["appends_acked"], 0)


if __name__ == "__main__":
    unittest.main()
