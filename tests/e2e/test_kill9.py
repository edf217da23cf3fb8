"""Done-when 2: a daemon killed by SIGKILL at random moments loses nothing that it acked, stores
nothing twice and leaves no hole, for the replay tool and for clients of our own."""
# ctest: serial
import json
import random
import threading

from harness import (ImlogTest, connect_patiently, history_path, history_sessions, main,
                     start_tool, wait_until)
from imlog_wire import (APPEND, PULL, Append, AppendRequest, ConnectionLost, NodeError, Pull,
                        PullRequest)

REPLAY_KILLS = 20
WRITER_KILLS = 12


class Kill9(ImlogTest):

    # ---- the replay tool

    def test_replay_is_exactly_once_over_20_kills(self):
        path = history_path()
        if path is None:
            return
        self.say_seed()
        with open(path, encoding="utf-8") as lines:
            told = history_sessions(map(json.loads, lines))
        busiest = max(told, key=lambda session: len(told[session]))
        node = self.node(shards=2)
        with node.connect() as client:
            session_id = client.resolve([busiest.encode()])[0].id
        replay = self._start_replay(node, path)
        moments = sorted(self.random.sample(range(1, len(told[busiest])), REPLAY_KILLS))
        for kill_index, moment in enumerate(moments):
            self._wait_for_seq(node, session_id, moment, replay)
            node.kill()
            tool_dies = kill_index % 5 == 4  # now and then, and is started again
            if tool_dies:
                replay.kill()
                replay.communicate()
            node.start()
            if tool_dies:
                replay = self._start_replay(node, path)
        _, stderr = replay.communicate(timeout=300)
        self.assertEqual(replay.returncode, 0, stderr.decode())
        self._check_history(node, told)
        node.kill()
        node.start()
        self._check_history(node, told)

    def _start_replay(self, node, path):
        return start_tool("imlog-dump", "replay", path, "--server", node.server, "--speed", "max",
                          "--state", self.directory / "replay.state")

    def _wait_for_seq(self, node, session_id, seq, replay):
        def reached():
            if replay.poll() is not None:
                raise AssertionError(f"replay ended with {replay.returncode}:"
                                     f" {replay.stderr.read().decode()}")
            states = client.session([session_id])
            return states[0].code == 0 and states[0].latest_seq >= seq
        with node.connect() as client:
            wait_until(reached, f"seq {seq} of the busiest session", 120, every_s=0.001)

    def _check_history(self, node, told):
        came = history_sessions(node.export())
        self.assertEqual(set(came), set(told))
        for session, messages in told.items():
            self.assertEqual(came[session], messages, session)
        self.assert_clean(node)

    # ---- clients of our own

    def test_every_ack_is_kept_over_kills(self):
        self.say_seed()
        for shards in (1, 3):
            with self.subTest(shards=shards):
                self._acks_are_kept(shards)

    def _acks_are_kept(self, shards):
        node = self.node(f"acks{shards}", shards=shards)
        writers = [Writer(node, sender_id, self.random.getrandbits(32))
                   for sender_id in range(1, 5)]
        reader = Reader(node, sorted({s for w in writers for s in w.sessions}))
        for thread in (*writers, reader):
            thread.start()
        try:
            for _ in range(WRITER_KILLS):
                target = sum(w.acked_count for w in writers) + self.random.randint(1, 3000)
                wait_until(lambda: sum(w.acked_count for w in writers) >= target or
                           any(w.trouble for w in writers), "acks", 60, every_s=0.0005)
                node.kill()
                node.start()
        finally:
            for thread in (*writers, reader):
                thread.finish.set()
            for thread in (*writers, reader):
                thread.join(120)
        for thread in (*writers, reader):
            self.assertIsNone(thread.trouble, thread.trouble)
            self.assertFalse(thread.is_alive())
        node.kill()
        node.start()
        self._check_acks(node, writers, reader)
        self.assert_clean(node)

    def _check_acks(self, node, writers, reader):
        acks = {}
        for writer in writers:
            acks.update(writer.acks)
        print(f"  {len(acks)} messages acked, {sum(w.retry_count for w in writers)} retried,"
              f" {sum(w.duplicate_count for w in writers)} of those had been stored,"
              f" {len(reader.seen)} seen by a reader meanwhile", flush=True)
        stored = {}
        with node.connect() as client:
            for session_id in sorted({key[0] for key in acks}):
                messages = client.pull_all(session_id)
                self.assert_chain(messages)
                for message in messages:
                    key = (session_id, message.sender_id, message.client_msg_id)
                    self.assertNotIn(key, stored, "a message is stored once")
                    stored[key] = (message.seq, message.msg_id, message.body)
        self.assertEqual(set(stored), set(acks), "what was acked is there, and nothing else")
        for key, ack in acks.items():
            self.assertEqual(stored[key], ack)
        for (session_id, seq), seen in reader.seen.items():
            sender_id, client_msg_id, msg_id, body = seen
            self.assertEqual(stored[session_id, sender_id, client_msg_id], (seq, msg_id, body),
                             "a message once read is never taken back")


class CrashSurvivor(threading.Thread):
    """A thread that works on a node which dies now and then; `trouble` says what went wrong."""

    def __init__(self, node, seed):
        super().__init__(daemon=True)
        self.node, self.random = node, random.Random(seed)
        self.finish = threading.Event()
        self.trouble = None

    def run(self):
        try:
            while not self.finish.is_set() or self.unfinished():
                client = connect_patiently(self.node)
                try:
                    self.work(client)
                except ConnectionLost:
                    pass
                finally:
                    client.close()
        except BaseException as error:  # told to the test's own thread
            self.trouble = repr(error)

    def unfinished(self):
        return False

    def work(self, client):
        """Until it is finished or the connection is lost."""
        raise NotImplementedError


class Writer(CrashSurvivor):
    """Appends to sessions of its own and to shared ones, many requests under way; retries what
    has no answer with the same client_msg_id until it is acked."""

    def __init__(self, node, sender_id, seed):
        super().__init__(node, seed)
        self.sender_id = sender_id
        self.sessions = [1, 2, 1000 + sender_id, 2000 + sender_id]
        self.acks = {}       # (session, sender, client_msg_id) -> (seq, msg_id, body)
        self.unknown = []    # items sent and not answered
        self.next_client_msg_id = 1
        self.acked_count = self.retry_count = self.duplicate_count = 0

    def unfinished(self):
        return bool(self.unknown)

    def work(self, client):
        under_way = {}
        retries, self.unknown = self.unknown, []
        self.retry_count += len(retries)
        try:
            for first in range(0, len(retries), 100):
                self._send(client, under_way, retries[first:first + 100])
            while under_way or not self.finish.is_set():
                while len(under_way) < 16 and not self.finish.is_set():
                    self._send(client, under_way, self._new_items())
                request_id, reply = client.wait_any()
                self._take(under_way, request_id, reply)
        finally:
            for items in under_way.values():
                self.unknown += items

    def _new_items(self):
        items = []
        for _ in range(self.random.randint(1, 12)):
            items.append(Append(
                session_id=self.random.choice(self.sessions), sender_id=self.sender_id,
                client_msg_id=self.next_client_msg_id,
                body=self.random.randbytes(self.random.choice([5, 50, 200, 3000]))))
            self.next_client_msg_id += 1
        return items

    @staticmethod
    def _send(client, under_way, items):
        request_id = client.send(APPEND, AppendRequest(items=items))
        under_way[request_id] = items

    def _take(self, under_way, request_id, reply):
        items = under_way[request_id]
        if isinstance(reply, NodeError):
            raise reply
        for result in reply.results:
            item = items[result.index]
            if result.code != 0:
                raise AssertionError(f"append refused: {result}")
            key = (item.session_id, item.sender_id, item.client_msg_id)
            self.acks[key] = (result.seq, result.msg_id, item.body)
            self.duplicate_count += result.duplicate
        if len(reply.results) != len(items):
            raise AssertionError(f"{len(reply.results)} results for {len(items)} items")
        self.acked_count += len(items)
        del under_way[request_id]


class Reader(CrashSurvivor):
    """Pulls the newest messages all the time and remembers what it saw."""

    def __init__(self, node, sessions):
        super().__init__(node, 0)
        self.sessions = sessions
        self.seen = {}  # (session, seq) -> (sender, client_msg_id, msg_id, body)

    def work(self, client):
        while not self.finish.is_set():
            request_id = client.send(PULL, PullRequest(items=[
                Pull(session_id=s, backward=True, count_max=20) for s in self.sessions]))
            for page in client.wait(request_id).results:
                for message in page.messages:
                    self._see(page.session_id, message)

    def _see(self, session_id, message):
        now = (message.sender_id, message.client_msg_id, message.msg_id, message.body)
        if self.seen.setdefault((session_id, message.seq), now) != now:
            raise AssertionError(f"session {session_id} seq {message.seq} changed its message")


if __name__ == "__main__":
    main()
