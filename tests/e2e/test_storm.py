"""P10 in bulk: a storm of bad frames from many connections costs their senders errors, and costs
the node nothing: each request has its one answer, a good client notices nothing, memory stays
bounded, the drain ends with 0 and what is stored verifies. Most worth on a sanitizer build.

IMLOG_FRAMES: how many bad frames."""
# ctest: serial
import os

from harness import MIB, ImlogTest, main, wait_until
from storm import CONNECTIONS, Storm

FRAMES = int(os.environ.get("IMLOG_FRAMES") or 100_000)
SETTINGS = {"segment_bytes": "4m", "hot_bytes": "4m", "cache_bytes": "4m", "threads": 2,
            "dedupe_messages": 20000,
            "heartbeat_ms": 600000}  # one would wake, and so hide, a connection that was forgotten
PROCESSES = 2
# docs/OPERATIONS.md, "What it needs"; each busy connection has its 6 MiB under way.
RSS_BYTES = (32 + 2 * 8 + 2 * (4 + 4 + 1 + 2 * 4) + 6 * PROCESSES * CONNECTIONS) * MIB
SANITIZER_BYTES = 256 * MIB  # red zones, shadow, quarantine


class BadFrameStorm(ImlogTest):

    def test_a_storm_of_bad_frames_costs_nobody_else_anything(self):
        self.say_seed()
        # What is freed stays in the address sanitizer's quarantine; bounded, so is all memory.
        os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=16"
        node = self.node(shards=2, settings=SETTINGS)
        storm = Storm(node, self.seed, FRAMES, PROCESSES)
        told = 0
        while not storm.step():
            if storm.frames() - told >= 1_000_000:
                told = storm.frames()
                print(f"  {told} bad frames", flush=True)
        print(f"  {storm.finish()}", flush=True)
        self._check_nothing_is_left(node)
        self.assertGreaterEqual(storm.frames(), FRAMES)
        self.assertEqual(node.stop(), 0, "the drain; a leak or any finding is not 0")
        for word in ("assert", "Sanitizer", "runtime error"):
            self.assertNotIn(word, node.log_text())
        self.assert_clean(node)

    def _check_nothing_is_left(self, node):
        """Every connection and request of the storm is gone, and memory stayed in its bounds."""
        with node.connect() as client:
            def is_alone():
                figures, _ = client.stats()
                return [figures[name] for name in (
                    "connections", "requests_under_way", "request_weight_bytes")] == [1, 0, 0]
            wait_until(is_alone, "all but this connection to end")
            _, shards = client.stats()
        index_bytes = sum(figures["index_bytes"] for figures in shards.values())
        peak_bytes = node.status_bytes("VmHWM")
        print(f"  RSS at most {peak_bytes / MIB:.0f} MiB, in the end"
              f" {node.status_bytes('VmRSS') / MIB:.0f} MiB, indexes {index_bytes / MIB:.1f} MiB",
              flush=True)
        self.assertLess(peak_bytes, RSS_BYTES + index_bytes + (
            SANITIZER_BYTES if node.is_sanitized() else 0))


if __name__ == "__main__":
    main()
