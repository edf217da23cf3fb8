"""imlog-bench: every workload, for a moment, against a live node: one line of JSON with fields that
make sense. Nothing here judges a figure: a bench never gates a test."""
import json
import unittest

from harness import ImlogTest, main, run_tool

BRIEF = ["--seconds", "0.2", "--warmup", "0.05"]
SMALL_LOAD = ["--sessions", "50", "--bytes", "64"]
ALWAYS = {"workload", "system", "messages_per_s", "requests_per_s", "p50_us", "p99_us", "p999_us",
          "max_us", "seconds", "messages", "errors", "machine"}


class BenchTest(ImlogTest):
    def bench(self, workload, *options):
        done = run_tool("imlog-bench", workload, *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = done.stdout.splitlines()
        self.assertEqual(len(lines), 1, done.stdout)
        result = json.loads(lines[0])
        self.assertLessEqual(ALWAYS, set(result))
        self.assertEqual(result["workload"], workload)
        self.assertEqual(result["errors"], 0)
        self.assertGreater(result["messages"], 0)
        self.assertGreater(result["messages_per_s"], 0)
        self.assertGreater(result["seconds"], 0)
        self.assertGreater(result["p50_us"], 0)
        self.assertLessEqual(result["p50_us"], result["p99_us"])
        self.assertLessEqual(result["p99_us"], result["p999_us"])
        self.assertLessEqual(result["p999_us"], result["max_us"])
        self.assertGreater(result["machine"]["cores"], 0)
        for name in ("cpu", "kernel"):
            self.assertTrue(result["machine"][name])
        return result

    def workloads(self):
        shown = run_tool("imlog-bench", "--help").stdout
        return [line.split()[0] for line in shown.partition("workloads:\n")[2].splitlines()]

    def test_append_and_pull_measure_a_live_node(self):
        node = self.node(shards=2)
        load = ["--server", node.server, "--connections", "3", "--window", "2", *SMALL_LOAD, *BRIEF]
        result = self.bench("append", *load)
        self.assertEqual((result["connections"], result["window"], result["bytes"],
                          result["sessions"]), (3, 2, 64, 50))
        self.bench("append", *load, "--batch", "5")
        result = self.bench("pull", *load, "--count", "7")
        self.assertAlmostEqual(result["messages"] / 7,
                               result["requests_per_s"] * result["seconds"], delta=1)
        self.bench("pull", *load, "--no-fill")

    def test_bounded_append_stores_exactly_that_many_in_rounds(self):
        node = self.node(shards=2)
        result = self.bench("append", "--server", node.server, "--messages", "1000", "--rounds",
                            "--sessions", "40", "--first-session", "100", "--batch", "7",
                            "--connections", "4")
        self.assertEqual(result["messages"], 1000)
        with node.connect() as client:
            sessions = client.all_sessions()
        self.assertEqual(sorted(sessions), list(range(100, 140)))
        self.assertEqual({session.latest_seq for session in sessions.values()}, {25})

    def test_engine_workloads_run_in_process(self):
        folder = ["--data-dir", self.directory / "engine"]
        result = self.bench("engine-append", *folder, "--window", "64", *SMALL_LOAD, *BRIEF)
        self.assertGreater(result["log_bytes_per_s"], 0)
        self.assertGreaterEqual(result["mean_write_bytes"], 4096)
        self.assertTrue(result["machine"]["file_system"])
        self.bench("engine-append", "--data-dir", self.directory / "two", "--shards", "2",
                   "--messages", "501", *SMALL_LOAD)
        self.bench("engine-pull", *folder, *SMALL_LOAD, *BRIEF)

    def test_limits_need_no_node(self):
        load = ["--connections", "2", "--window", "3", "--bytes", "100"]
        self.bench("echo", *load, *BRIEF)
        self.bench("disk", "--data-dir", self.directory, "--file-bytes", "4m", "--window", "2",
                   *BRIEF)

    def test_embedded_peers_run_where_they_are_built_in(self):
        for workload in self.workloads():
            if workload in ("rocksdb-append", "lmdb-append"):
                self.bench(workload, "--data-dir", self.directory / workload, "--batch", "8",
                           *SMALL_LOAD, *BRIEF)

    def test_wrong_usage_is_2_and_a_failed_run_is_1(self):
        wrong = [["nonsense"], ["append", "--nonsense"], ["append", "--window"],
                 ["append", "--window", "0"], ["append", "--window", "12x"],
                 ["append", "--seconds", "-1"], ["echo", "--sessions", "5"], ["disk"], []]
        for arguments in wrong:
            done = run_tool("imlog-bench", *arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertEqual(done.stdout, "")
            self.assertTrue(done.stderr)
        done = run_tool("imlog-bench", "append", "--server", "127.0.0.1:1")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("127.0.0.1:1", done.stderr)


if __name__ == "__main__":
    main()
