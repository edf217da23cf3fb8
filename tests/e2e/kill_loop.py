"""kill_loop: a real daemon under load, killed at random moments, and all it ever said checked.

A *life* of the node goes from a start to a kill: under load, while it starts and recovers, while
it drains, or right after it was ready. After each the history is compared with what the restarted
node says (kill_model.py). Now and then `imlog-dump verify` reads every byte, everything is pulled
again, and the loop goes on with an empty directory, so that it may run for ever.
"""
import collections
import subprocess

from kill_load import Load, Shared
from kill_model import History, require

LOAD_S = 0.06             # mean; a life under load lasts at most four times that
START_S = 0.08            # about what a start takes, to hit all parts of it
DRAIN_S = 0.03
SETTINGS = {"segment_bytes": "4m", "hot_bytes": "4m", "cache_bytes": "4m",
            "dedupe_messages": 20000}


class Totals(collections.Counter):
    """Figures of a run."""

    def line(self):
        return (f"{self['kills']} kills ({self['under load']} under load, {self['starting']}"
                f" starting, {self['draining']} draining), {self['acks']} acks,"
                f" {self['retries']} of them retries, {self['messages']} messages in"
                f" {self['directories']} directories, {self['reads']} messages read and compared,"
                f" {self['verifies']} verifies; {self['rolls']} segments filled, shards opened"
                f" {self['from checkpoints']} times from a checkpoint, {self['torn']} times with"
                f" a torn tail, replaying {self['replayed_records']} records;"
                " lost 0, duplicated 0, gaps 0")


class Directory:
    """One data directory from its creation to its last check."""

    def __init__(self, make_node, random, totals):
        self.random, self.totals = random, totals
        self.history = History(random)
        self.shared = Shared(self.history)
        settings = {**SETTINGS, "plain_ring": random.choice([0, 0, 0, 1]), "threads": 2}
        self.node = make_node(shards=random.choice([1, 2, 2, 2, 3, 4]), settings=settings)
        self.load = None
        self.shards = {}  # their figures after the newest start

    def live_and_die(self):
        """One or more kills; afterwards the node runs and is as the history says."""
        kind = self.random.choices(("under load", "draining"), (0.85, 0.15))[0]
        self._load()
        if kind == "draining":
            self.node.terminate()
            self.load.run(self.random.uniform(0, DRAIN_S))
        else:
            require(self.node.running(), "the node lives under load")
        self._kill(kind)
        self.load.finish()
        while self.random.random() < 0.2:
            self._start(self.node.launch)
            self._wait_while_it_lives(self.random.uniform(0, 1.3 * START_S))
            self._kill("starting")
        self._start(self.node.start)
        self.settle()

    def _load(self):
        retries = self.load.unanswered() if self.load is not None else []
        kept = [key for key in retries if self.random.random() < 0.9]  # others are given up
        self.load = Load(self.node, self.history, self.random, self.shared, kept)
        if self.random.random() < 0.1:
            self.load.run(self.random.uniform(0, 0.003))
        else:
            self.load.run(min(self.random.expovariate(1 / LOAD_S), 4 * LOAD_S))

    def _start(self, start):
        self.node.port = 0  # while it was dead, another program may have taken its port
        start()

    def _wait_while_it_lives(self, duration_s):
        try:
            code = self.node.process.wait(duration_s)
        except subprocess.TimeoutExpired:
            return
        require(False, "a start goes on until it is killed", code, self.node.log_text()[-2000:])

    def _kill(self, kind):
        if kind == "draining" and not self.node.running():
            require(self.node.wait() == 0, "a drain ends with 0")  # it was faster
            self.totals["drained"] += 1
            return
        self.node.kill()
        self.totals["kills"] += 1
        self.totals[kind] += 1

    def settle(self, everything=False):
        with self.node.connect() as client:
            orders = self.load.orders() if self.load is not None else []
            self.history.settle(client, orders, everything)
            _, shards = client.stats()
        for figures in shards.values():
            require(figures["damaged_messages"] == figures["damaged_footers"] == 0
                    == figures["degraded"], "a kill damages nothing", figures)
            self.totals["replayed_records"] += figures["replayed_records"]
            self.totals["torn"] += figures["torn_bytes"] > 0
            self.totals["from checkpoints"] += figures["checkpoint_lsn"] > 0
        self.shards = shards

    def verify(self):
        done = self.node.verify()
        require(done.returncode == 0, "imlog-dump verify is clean", done.stdout, done.stderr)
        self.totals["verifies"] += 1

    def finish(self):
        """Everything is read once more, from the running node and from the files."""
        self.settle(everything=True)
        self.verify()
        require(self.node.stop() == 0, "the node ends with 0")
        self.verify()
        history, totals = self.history, self.totals
        totals["acks"] += history.acked_count
        totals["retries"] += history.retried_count
        totals["reads"] += history.checked_count
        totals["messages"] += len(history.placed)
        totals["directories"] += 1
        for figures in self.shards.values():
            totals["rolls"] += figures["segments"] - 1


def run(make_node, random, kills, kills_a_directory=100, verify_every=25, tell=None,
        forget=lambda node: None):
    """Kill until there were `kills` of them; the totals. make_node(shards=, settings=) starts a
    daemon on an empty directory, forget(node) removes it. A Violation says what went wrong."""
    totals = Totals()
    while totals["kills"] < kills:
        directory = Directory(make_node, random, totals)
        end = min(kills, totals["kills"] + kills_a_directory)
        verify_at = totals["kills"] + verify_every
        while totals["kills"] < end:
            directory.live_and_die()
            if totals["kills"] >= verify_at:
                directory.verify()
                verify_at += verify_every
        directory.finish()
        forget(directory.node)
        if tell is not None:
            tell(totals)
    return totals
