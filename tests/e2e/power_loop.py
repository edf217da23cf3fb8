"""power_loop: a real daemon on a file system that loses power (lossfs.py), under load, and all it
ever said checked (kill_model.py).

A *life* of the machine goes from a start to a cut of its power: under load, while the daemon
starts and recovers, or while it drains. When the power is cut, every operation of the disk fails;
the daemon runs on for a moment or none, is killed, and what was not durable is kept, dropped, cut
or torn. Then the next life begins.
"""
import collections
import shutil
import time

from harness import Node
from kill_load import Load, Shared
from kill_model import History, require
from lossfs import KINDS, LossFs

START_OPERATIONS = (10, 40, 150)  # of the disk; a start takes between 30 and some hundreds
LOAD_OPERATIONS = (10, 60, 250)   # until the cut, mean
WARM_UP_S = 0.02                  # before the cut is armed
AFTERGLOW_S = 0.03                # how long the daemon may live without power
CUT_S = 60                        # within that the cut comes
SETTINGS = {"segment_bytes": "4m", "hot_bytes": "4m", "cache_bytes": "4m",
            "dedupe_messages": 20000}


class Totals(collections.Counter):
    """Figures of a run."""

    def line(self):
        kinds = ", ".join(f"{self[kind]} {kind}" for kind in KINDS)
        return (f"{self['cuts']} cuts ({kinds}; {self['under load']} under load,"
                f" {self['starting']} starting, {self['draining']} draining), {self['acks']} acks,"
                f" {self['retries']} of them retries, {self['messages']} messages on"
                f" {self['machines']} machines, {self['reads']} messages read and compared,"
                f" {self['refused']} answers without power refused;"
                f" {self['durable']} of {self['writes']} writes asked to be durable,"
                f" {self['syncs']} syncs, {self['in_flight']} writes in flight at a cut;"
                f" {self['rolls']} segments filled, shards opened {self['from checkpoints']} times"
                f" from a checkpoint and {self['torn']} times with a torn tail;"
                " lost 0, duplicated 0, gaps 0")


class PoweredHistory(History):
    """Without power a good request may be refused and a page may have gaps; what is acked or
    shown even then must be true."""

    def __init__(self, random, fs):
        super().__init__(random)
        self.fs = fs
        self.refused_count = 0  # for want of power

    def may_refuse(self, code):
        if super().may_refuse(code):
            return True
        is_powerless = code != 0 and self.fs.is_cut()
        self.refused_count += is_powerless
        return is_powerless

    def read_page(self, page):
        if (page.code != 0 or page.gaps) and self.fs.is_cut():
            for message in page.messages:
                self.read(page.session_id, message)
        else:
            super().read_page(page)


class Machine:
    """One file system and one data directory on it."""

    def __init__(self, directory, random, totals, lies=()):
        directory.mkdir()
        self.random, self.totals = random, totals
        self.fs = LossFs(directory / "mnt", random.getrandbits(32), lies)
        self.history = PoweredHistory(random, self.fs)
        self.shared = Shared(self.history)
        settings = {**SETTINGS, "plain_ring": random.choice([0, 0, 0, 1]), "threads": 2}
        self.node = Node(self.fs.path / "data", directory / "log", settings=settings,
                         shards=random.choice([1, 2, 2, 2, 3]))
        self.kinds = []    # of cuts to come
        self.load = None   # of this life
        self.retries = []  # keys that earlier lives left without an answer
        self.orders = []   # what the newest of them sent, to be settled
        self.shards = {}   # their figures after the newest start

    # ---- lives

    def live_and_lose_power(self):
        weights = (0.6, 0.3, 0.1) if self.history.placed else (0.2, 0.7, 0.1)  # creation counts too
        when = self.random.choices(("under load", "starting", "draining"), weights)[0]
        kind = self._deal_kind()
        if when == "starting":
            self._arm(kind, START_OPERATIONS)
            self._start()
            if self.node.running():
                self._open_load()
        else:
            self._start()
            self.settle()
            self._open_load()
            self.load.run(self.random.uniform(0, WARM_UP_S))
            self._arm(kind, LOAD_OPERATIONS)
        if when == "draining":
            self.node.terminate()
        self._work_until_cut(when, kind)
        if self.load is not None:
            self.load.run(self.random.choice([0, self.random.uniform(0, AFTERGLOW_S)]))
        self._count(when, kind)
        self._end_life()

    def _deal_kind(self):
        """Each before one comes again."""
        if not self.kinds:
            self.kinds = self.random.sample(KINDS, len(KINDS))
        return self.kinds.pop()

    def _arm(self, kind, scales):
        self.fs.arm(kind, int(self.random.expovariate(1 / self.random.choice(scales))))

    def _start(self):
        self.node.port = 0  # while it was dead, another program may have taken its port
        try:
            self.node.start()
        except AssertionError:
            if not self.fs.is_cut():
                raise

    def _open_load(self):
        self.load = Load(self.node, self.history, self.random, self.shared, self.retries)
        self.retries = []
        self.orders = []  # no longer what those connections sent, now that others retry it

    def _work_until_cut(self, when, kind):
        """Only operations bring the cut nearer, so the load goes on."""
        deadline = time.monotonic() + CUT_S
        while self.node.running() and not self.fs.is_cut():
            self.load.run(0.002)
            require(time.monotonic() < deadline, "a node under load uses its disk")
        if not self.fs.is_cut():
            require(when == "draining" and self.node.wait() == 0, "only a drain ends, with 0",
                    when, self.node.log_text()[-2000:])
            self.fs.arm(kind, 0)
            self.fs.wait_cut(CUT_S)

    def _end_life(self):
        self.node.kill()
        if self.load is not None:
            self.load.finish()
            self.orders = self.load.orders()
            # A client gives up now and then.
            self.retries += [key for key in self.load.unanswered() if self.random.random() < 0.9]
            self.load = None
        self.fs.restart()

    def _count(self, when, kind):
        self.totals["cuts"] += 1
        self.totals[when] += 1
        self.totals[kind] += 1
        self.totals.update(self.fs.figures())

    # ---- checks

    def settle(self, everything=False):
        """The node that has just started is as the history says."""
        with self.node.connect() as client:
            self.history.settle(client, self.orders, everything)
            _, shards = client.stats()
        self.orders = []
        for figures in shards.values():
            require(figures["damaged_messages"] == figures["damaged_footers"] == 0
                    == figures["degraded"], "a loss of power damages nothing", figures)
            self.totals["torn"] += figures["torn_bytes"] > 0
            self.totals["from checkpoints"] += figures["checkpoint_lsn"] > 0
        self.shards = shards

    def verify(self):
        done = self.node.verify()
        require(done.returncode == 0, "imlog-dump verify is clean", done.stdout, done.stderr)

    def finish(self):
        """Everything is read once more; a clean end leaves nothing that power could take."""
        self._start()
        self.settle(everything=True)
        self.verify()
        require(self.node.stop() == 0, "the node ends with 0")
        self.verify()
        self.fs.arm("drop-all", 0)
        self.fs.wait_cut(CUT_S)
        self.fs.restart()
        self._start()
        self.settle(everything=True)
        history, totals = self.history, self.totals
        totals["acks"] += history.acked_count
        totals["retries"] += history.retried_count
        totals["reads"] += history.checked_count
        totals["refused"] += history.refused_count
        totals["messages"] += len(history.placed)
        totals["machines"] += 1
        for figures in self.shards.values():
            totals["rolls"] += figures["segments"] - 1

    def keep(self):
        """After a failure: the files as they are, beside the log."""
        self.node.kill()
        if self.fs.is_cut():
            self.fs.restart()
        shutil.copytree(self.fs.path, self.node.log_path.with_name("kept"))

    def close(self):
        """The exit code of the file system."""
        self.node.kill()
        for worker in self.load.workers if self.load is not None else []:
            worker.client.close()
        return self.fs.unmount()


def run(make_machine, random, cuts, cuts_a_machine=25, tell=None):
    """Cut the power until that happened `cuts` times; the totals. make_machine(random, totals)
    gives an empty one. A Violation says what went wrong."""
    totals = Totals()
    while totals["cuts"] < cuts:
        machine = make_machine(random, totals)
        try:
            for _ in range(min(cuts_a_machine, cuts - totals["cuts"])):
                machine.live_and_lose_power()
            machine.finish()
        except Exception:
            machine.keep()
            raise
        finally:
            code = machine.close()
        require(code == 0, "the file system ends with 0", code)
        if tell is not None:
            tell(totals)
    return totals
