"""The goals' questions, each asked of imlog and of its peers or limits in turn.

Every function takes a Run and returns rows. Within a round, ours and the others follow one
another, so that a noisy neighbour hits both.
"""

import random
import shutil
from contextlib import contextmanager

from suite import programs
from suite.figures import row

BLOCK_BYTES = 4096


class Run:
    """What all questions share: the programs, where data goes, and how much of everything."""

    def __init__(self, tools, folder, quick, rounds, say):
        self.tools = tools
        self.folder = folder
        self.rounds = rounds
        self.say = say
        self.quick = quick
        self.seconds = 0.3 if quick else 5
        self.warmup = 0.1 if quick else 1
        self.sessions = 2000 if quick else 100_000
        self.notes = []

    def many(self, full, quick):
        return quick if self.quick else full

    def timed(self, workload, **options):
        return self.tools.bench(workload, seconds=self.seconds, warmup=self.warmup, **options)

    def each_round(self, goal):
        for index in range(self.rounds):
            self.say(f"goal {goal}: round {index + 1} of {self.rounds}")
            yield index

    @contextmanager
    def data(self, name):
        """A fresh folder for one system's data, gone afterwards."""
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def column(results, field):
    return [result[field] for result in results]


def durable_appends(run, goal, window, peers, redis_ratio, echo_ratio):
    """Goals 1 and 2: 64 connections against Redis Streams and a bare echo."""
    load = {"connections": 64, "window": window}
    ours, echo = [], []
    theirs = {policy: [] for policy in peers}
    for _ in run.each_round(goal):
        with run.data("imlogd") as home, programs.Node(run.tools, home) as node:
            ours.append(run.timed("append", server=node.listen, sessions=run.sessions,
                                  data_dir=home, **load))
        for policy in peers:
            with run.data("redis") as home, programs.Redis(run.tools, home, policy) as redis:
                theirs[policy].append(run.timed("redis-append", server=redis.listen,
                                                sessions=run.sessions, data_dir=home, **load))
        echo.append(run.timed("echo", **load))
    what = f"durable appends, 64 connections × {window}"
    mine = column(ours, "messages_per_s")
    rows = []
    for policy in peers:
        always = policy == "always"
        rows.append(row(goal, what, "/s", mine, f"Redis Streams, {policy}",
                        column(theirs[policy], "messages_per_s"),
                        f"≥ {redis_ratio} ×" if always else "",
                        (lambda ratio: ratio >= redis_ratio) if always else None))
    rows.append(row(goal, what, "/s", mine, "loopback echo", column(echo, "messages_per_s"),
                    f"≥ {echo_ratio} ×" if echo_ratio else "",
                    (lambda ratio: ratio >= echo_ratio) if echo_ratio else None))
    for quantile in ("p50_us", "p99_us"):
        rows.append(row(goal, f"… ack {quantile[:-3]}", "µs", column(ours, quantile),
                        "Redis Streams, always", column(theirs["always"], quantile)))
    return rows


def goal_1(run):
    return durable_appends(run, 1, 1, ["always"], 2.5, 0.6)


def goal_2(run):
    return durable_appends(run, 2, 16, ["always", "everysec"], 5, None)


def goal_3(run):
    """In process, against embedded stores and the disk at the same write size."""
    peers = [("rocksdb-append", 64), ("rocksdb-append", 1000), ("lmdb-append", 64),
             ("lmdb-append", 1000)]
    for workload in ("rocksdb-append", "lmdb-append"):
        if workload not in run.tools.workloads:
            run.notes.append(f"{workload} is not built in: run bench/peers/install, then build.")
    peers = [peer for peer in peers if peer[0] in run.tools.workloads]
    ours, disk = [], []
    theirs = {peer: [] for peer in peers}
    for _ in run.each_round(3):
        with run.data("engine") as home:
            ours.append(run.timed("engine-append", data_dir=home, sessions=run.sessions))
        for workload, batch in peers:
            with run.data("peer") as home:
                theirs[workload, batch].append(run.timed(
                    workload, data_dir=home, sessions=run.sessions, batch=batch))
        mean_bytes = max(ours[-1]["mean_write_bytes"], 1)
        write_bytes = int(-(-mean_bytes // BLOCK_BYTES) * BLOCK_BYTES)
        with run.data("disk") as home:
            disk.append(run.timed("disk", data_dir=home, bytes=write_bytes, window=4,
                                  file_bytes=run.many("1g", "64m")))
    rows = []
    for (workload, batch), results in theirs.items():
        judged = (workload, batch) == ("rocksdb-append", 64)
        rows.append(row(3, "durable appends in process", "/s", column(ours, "messages_per_s"),
                        f"{results[0]['system']}, batches of {batch}",
                        column(results, "messages_per_s"), "≥ 10 ×" if judged else "",
                        (lambda ratio: ratio >= 10) if judged else None))
    rows.append(row(3, "… log bytes to disk", "B/s", column(ours, "log_bytes_per_s"),
                    f"raw disk, 4 writers of {disk[-1]['bytes'] // 1024} KiB",
                    column(disk, "written_bytes_per_s"), "≥ 0.6 ×", lambda ratio: ratio >= 0.6))
    return rows


def goal_4(run):
    """One client, one message at a time, against what disk and loopback take one by one."""
    ours, disk, echo = [], [], []
    with run.data("imlogd") as home, programs.Node(run.tools, home) as node:
        for _ in run.each_round(4):
            ours.append(run.timed("append", server=node.listen, connections=1,
                                  sessions=run.sessions, data_dir=home))
            with run.data("disk") as disk_home:
                disk.append(run.timed("disk", data_dir=disk_home, bytes=BLOCK_BYTES,
                                      file_bytes=run.many("1g", "64m")))
            echo.append(run.timed("echo", connections=1, apart=True))
    rows = []
    for quantile in ("p50_us", "p99_us"):
        limits = [one[quantile] + other[quantile] for one, other in zip(disk, echo)]
        judged = quantile == "p50_us"
        rows.append(row(4, f"ack {quantile[:-3]}, one client", "µs", column(ours, quantile),
                        "4 KiB durable write + loopback echo", limits,
                        "≤ 1.3 ×" if judged else "",
                        (lambda ratio: ratio <= 1.3) if judged else None))
    rows.append(row(4, "… the write alone, p50", "µs", column(disk, "p50_us")))
    rows.append(row(4, "… the echo alone, p50", "µs", column(echo, "p50_us")))
    return rows


def fill(run, listen, workload="append", **options):
    """Appends exactly so many messages, session after session, as fast as it goes."""
    load = {"connections": 8, "window": 4, "batch": 64, "rounds": True, **options}
    return run.tools.bench(workload, server=listen, **load)


def goal_10(run):
    """RAM: of one more session, of one more message that left the hot log, of a connection."""
    warm_messages = run.many(1_000_000, 100_000)
    session_count = run.many(1_000_000, 20_000)
    cold_messages = run.many(4_000_000, 100_000)
    connection_count = run.many(10_000, 200)
    redis_messages = run.many(1_000_000, 50_000)
    # What is bounded by settings is made small and filled first, so that only growth is seen.
    settings = {"hot_bytes": "4m", "cache_bytes": "4m", "dedupe_messages": 4096}
    tiny = {"bytes": 8}
    per_session, restarted, per_cold, per_connection, redis_message = [], [], [], [], []
    for _ in run.each_round(10):
        with run.data("imlogd") as home, programs.Node(run.tools, home, settings) as node:
            fill(run, node.listen, messages=warm_messages, sessions=1000, **tiny)
            node.stop()
            node.start()
            fill(run, node.listen, messages=warm_messages, sessions=1000, **tiny)
            warm = node.rss()
            fill(run, node.listen, messages=cold_messages, sessions=1000, bytes=256)
            cold = node.rss()
            per_cold.append((cold - warm) / cold_messages)
            node.stop()
            node.start()
            without = node.rss()
            before = node.rss()
            fill(run, node.listen, messages=session_count, sessions=session_count,
                 first_session=1_000_000, **tiny)
            per_session.append((node.rss() - before) / session_count)
            node.stop()
            node.start()
            restarted.append((node.rss() - without) / session_count)
            before = node.rss()
            with programs.IdleConnections(node.listen, connection_count):
                per_connection.append((node.rss() - before) / connection_count)
        with run.data("redis") as home, programs.Redis(run.tools, home, "everysec") as redis:
            before = redis.rss()
            fill(run, redis.listen, "redis-append", messages=redis_messages,
                 sessions=run.sessions, bytes=256)
            redis_message.append((redis.rss() - before) / redis_messages)
    sessions = f"RAM of an idle session, of {session_count:,}"
    return [
        row(10, sessions, "B", per_session, goal_text="≤ 64 B", meets=lambda used: used <= 64),
        row(10, "… after a restart", "B", restarted, goal_text="≤ 64 B",
            meets=lambda used: used <= 64),
        row(10, f"RAM of a cold message, of {cold_messages:,}", "B", per_cold,
            goal_text="0 B (rounded)", meets=lambda used: used < 0.5),
        row(10, "… against Redis Streams", "B", per_cold, f"a message of {redis_messages:,}",
            redis_message),
        row(10, f"RAM of an idle connection, of {connection_count:,}", "B", per_connection,
            goal_text="≤ 4096 B", meets=lambda used: used <= 4096),
    ]


def restart(run, daemon, folder):
    """Killed as it stands, its files out of the page cache, and up again."""
    daemon.kill()
    programs.evict(folder)
    return daemon.start()


def goal_13(run):
    """From exec to the ready line after kill -9, with little and with much history."""
    few, many = run.many(1_000_000, 20_000), run.many(10_000_000, 200_000)
    redis_count = run.many(1_000_000, 20_000)
    tail_max = run.many(300_000, 10_000)
    dice = random.Random(13)  # the same moments in every run
    few_s, many_s, redis_s = [], [], []
    with run.data("few") as few_home, run.data("many") as many_home, \
            run.data("redis") as redis_home, \
            programs.Node(run.tools, few_home) as few_node, \
            programs.Node(run.tools, many_home) as many_node, \
            programs.Redis(run.tools, redis_home, "everysec") as redis:
        run.say(f"goal 13: loading {few:,} and {many:,} messages, and {redis_count:,} into Redis")
        fill(run, few_node.listen, messages=few, sessions=run.sessions)
        fill(run, many_node.listen, messages=many, sessions=run.sessions)
        fill(run, redis.listen, "redis-append", messages=redis_count, sessions=run.sessions)
        for index in run.each_round(13):
            # A new tail each time: otherwise the restart before has just tidied everything up.
            tail = dice.randrange(1, tail_max) if index > 0 else 0
            for node, home, seconds in ((few_node, few_home, few_s),
                                        (many_node, many_home, many_s)):
                if tail > 0:
                    fill(run, node.listen, messages=tail, sessions=run.sessions)
                seconds.append(restart(run, node, home))
            redis_s.append(restart(run, redis, redis_home))
        run.tools.bench("pull", server=many_node.listen, no_fill=True, seconds=run.seconds,
                        sessions=run.sessions)
    label = f"{run.sessions:,} sessions"
    return [
        row(13, f"restart after {many:,} messages in {label}", "s", many_s, goal_text="≤ 1 s",
            meets=lambda seconds: seconds <= 1),
        row(13, "… against less history", "s", many_s, f"imlog after {few:,}", few_s,
            "independent (≤ 1.2 ×)", lambda ratio: ratio <= 1.2),
        row(13, "… against Redis", "s", many_s, f"Redis, AOF of {redis_count:,} messages",
            redis_s),
    ]


GOALS = {1: goal_1, 2: goal_2, 3: goal_3, 4: goal_4, 10: goal_10, 13: goal_13}
