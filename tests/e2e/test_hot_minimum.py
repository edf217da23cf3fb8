"""Done-when 3: with the least RAM for hot segments the same pulls give the same answers, read from
disk, and the daemon's memory stays within its documented bound."""
# ctest: serial
from harness import MIB, ImlogTest, main
from imlog_wire import Pull
from model import Ledger, random_pull

SHARDS, THREADS = 2, 2
DEDUPE_MESSAGES = 20_000
ROOMY = {"segment_bytes": "4m", "hot_bytes": "256m", "cache_bytes": "64m", "threads": THREADS,
         "dedupe_messages": DEDUPE_MESSAGES}
LEAST = {**ROOMY, "hot_bytes": "4m", "cache_bytes": "4m"}
SESSIONS = range(1, 121)


def rss_bound_bytes(shards, threads, hot_bytes, cache_bytes, dedupe_messages, segment_bytes):
    """The sum of docs/OPERATIONS.md (RAM), with 32 MiB for the program itself, few sessions and
    a connection or two."""
    return (32 * MIB + threads * 8 * MIB
            + shards * (hot_bytes + cache_bytes + dedupe_messages * 53 + 2 * segment_bytes))


class HotMinimum(ImlogTest):

    def setUp(self):
        self.pulls = None

    def test_the_same_pulls_give_the_same_answers_from_disk(self):
        node = self.node(shards=SHARDS, settings=ROOMY)
        ledger = Ledger()
        with node.connect() as client:
            ledger.fill(client, self.random, SESSIONS, 60_000, bytes_max=1400, batch=400)
            self.pulls = [self._random_pull(ledger) for _ in range(1500)]
            from_ram = self._answers(client)
            ledger.check_all(self, client)
        self.assertEqual(node.stop(), 0)
        node.settings = LEAST
        node.start()
        with node.connect() as client:
            for pull, before, now in zip(self.pulls, from_ram, self._answers(client)):
                self.assertEqual(now, before, pull)
            ledger.check_all(self, client)
            for session_id, arguments in self._random_arguments(ledger, 500):
                ledger.check_pull(self, client, session_id, **arguments)
        self._check_memory(node)

    def test_memory_stays_bounded_while_much_is_appended_and_pulled(self):
        node = self.node(shards=SHARDS, settings=LEAST)
        ledger = Ledger()
        with node.connect() as client:
            for _ in range(6):
                ledger.fill(client, self.random, SESSIONS, 3000, bytes_max=8000, batch=200)
                for session_id, arguments in self._random_arguments(ledger, 150):
                    ledger.check_pull(self, client, session_id, **arguments)
            ledger.check_all(self, client, bytes_max=2 * MIB)
        self._check_memory(node)

    def _random_arguments(self, ledger, count):
        for _ in range(count):
            session_id = self.random.choice(SESSIONS)
            yield session_id, random_pull(self.random, len(ledger.bodies(session_id)))

    def _random_pull(self, ledger):
        """One or several items, together small enough that all fit one reply."""
        items = self.random.choice([1, 1, 1, 3, 20])
        pulls = [Pull(session_id=session_id, **arguments)
                 for session_id, arguments in self._random_arguments(ledger, items)]
        for pull in pulls:
            pull.bytes_max = min(pull.bytes_max or 2 * MIB, 2 * MIB // items)
        return pulls

    def _answers(self, client):
        return [client.pull(pull) for pull in self.pulls]

    def _check_memory(self, node):
        peak, bound = node.status_bytes("VmHWM"), rss_bound_bytes(
            SHARDS, THREADS, 4 * MIB, 4 * MIB, DEDUPE_MESSAGES, 4 * MIB)
        print(f"  peak RSS {peak / MIB:.1f} MiB, bound {bound / MIB:.1f} MiB", flush=True)
        if not node.is_sanitized():
            self.assertLess(peak, bound)


if __name__ == "__main__":
    main()
