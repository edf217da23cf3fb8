"""SIGTERM under load: what was acked is there after the restart, what was not answered is unknown
and can be retried, every connection is closed, and the daemon exits 0."""
# ctest: serial
import signal
import socket
import time

from harness import MIB, ImlogTest, main, wait_until
from imlog_wire import (APPEND, EDRAINING, EUNKNOWN, PULL, Append, AppendRequest, ConnectionLost,
                        NodeError, Pull, PullRequest, frame)

DRAIN_S = 15  # the daemon waits a few seconds for clients that do not read


class Load:
    """One connection with many appends under way; keeps what was acked and what was not."""

    def __init__(self, node, sender_id):
        self.client, self.sender_id = node.connect(), sender_id
        self.next_client_msg_id = 1
        self.under_way, self.acks, self.unknown = {}, {}, []

    def turn(self):
        """Keep 100 requests under way; False once the connection is closed."""
        try:
            while len(self.under_way) < 100:
                self._send()
            for request_id, reply in self.client.poll():
                self._take(self.under_way.pop(request_id), reply)
            return True
        except ConnectionLost:
            self.unknown += [item for items in self.under_way.values() for item in items]
            self.client.close()
            return False

    def _send(self):
        items = []
        for _ in range(5):
            items.append(Append(session_id=1 + self.next_client_msg_id % 7,
                                sender_id=self.sender_id, client_msg_id=self.next_client_msg_id,
                                body=b"%d" % self.next_client_msg_id))
            self.next_client_msg_id += 1
        self.under_way[self.client.send(APPEND, AppendRequest(items=items))] = items

    def _take(self, items, reply):
        if isinstance(reply, NodeError):
            assert reply.code in (EDRAINING, EUNKNOWN), reply
            self.unknown += items
            return
        for result in reply.results:
            item = items[result.index]
            if result.code == 0:
                self.acks[item.session_id, self.sender_id, item.client_msg_id] = (
                    result.seq, result.msg_id)
            else:
                assert result.code in (EDRAINING, EUNKNOWN), result
                self.unknown.append(item)


class Drain(ImlogTest):

    def drain_under_load(self, shards, signal_number):
        node = self.node(f"node{shards}", shards=shards)
        loads = [Load(node, sender_id) for sender_id in range(1, 9)]
        wait_until(lambda: all([load.turn() for load in loads])
                   and sum(len(load.acks) for load in loads) > 4000, "acks", 60, every_s=0)
        node.process.send_signal(signal_number)
        began, open_loads = time.monotonic(), list(loads)
        while open_loads:
            open_loads = [load for load in open_loads if load.turn()]
            self.assertLess(time.monotonic() - began, DRAIN_S, "connections left open")
        self.assertEqual(node.wait(DRAIN_S), 0)
        self.assert_clean(node)
        node.start()
        self._check(node, loads)

    def _check(self, node, loads):
        acks = {}
        for load in loads:
            acks.update(load.acks)
        with node.connect() as client:
            for load in loads:
                for first in range(0, len(load.unknown), 100):
                    items = load.unknown[first:first + 100]
                    for item, result in zip(items, client.append(items)):
                        self.assert_acked(result)
                        acks[item.session_id, item.sender_id, item.client_msg_id] = (
                            result.seq, result.msg_id)
            stored = {}
            for session_id in range(1, 8):
                messages = client.pull_all(session_id)
                self.assert_chain(messages)
                for m in messages:
                    key = (session_id, m.sender_id, m.client_msg_id)
                    self.assertNotIn(key, stored)
                    self.assertEqual(m.body, b"%d" % m.client_msg_id)
                    stored[key] = (m.seq, m.msg_id)
        self.assertEqual(stored, acks)

    def test_sigterm_under_load_keeps_every_ack(self):
        self.drain_under_load(1, signal.SIGTERM)

    def test_sigint_under_load_over_three_shards_keeps_every_ack(self):
        self.drain_under_load(3, signal.SIGINT)

    def test_an_idle_daemon_ends_at_once(self):
        node = self.node(shards=2)
        with node.connect() as client:
            client.ping()
            began = time.monotonic()
            node.terminate()
            client.wait_closed()
            self.assertEqual(node.wait(), 0)
        self.assertLess(time.monotonic() - began, 3)

    def test_a_draining_daemon_takes_no_new_connection(self):
        node = self.node()
        self.assertEqual(node.stop(), 0)
        with self.assertRaises(OSError):
            socket.create_connection((node.host, node.port), timeout=5)

    def test_clients_that_do_not_read_or_finish_do_not_hold_up_the_end(self):
        node = self.node(shards=2)
        with node.connect() as client:
            for _ in range(20):
                client.append([Append(session_id=9, sender_id=1, body=b"z" * 60000)] * 20)
        half = node.connect()
        self.addCleanup(half.close)
        half.send_raw(frame(APPEND, b"", 1, body_bytes=1000))
        pull = PullRequest(items=[Pull(session_id=9, bytes_max=3 * MIB)]).encode()
        raw = socket.create_connection((node.host, node.port), timeout=20)
        self.addCleanup(raw.close)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.sendall(b"".join(frame(PULL, pull, n) for n in range(1, 200)))
        self.assertTrue(raw.recv(1, socket.MSG_PEEK))
        began = time.monotonic()
        node.terminate()
        self.assertEqual(node.wait(DRAIN_S), 0)
        self.assertLess(time.monotonic() - began, DRAIN_S)
        self.assert_clean(node)

    def test_stopping_again_and_again_changes_nothing(self):
        node = self.node(shards=2)
        for seq in range(1, 12):
            with node.connect() as client:
                self.assertEqual(client.append_one(1, b"%d" % seq, client_msg_id=seq).seq, seq)
            if seq % 3 == 0:
                node.kill()
            else:
                self.assertEqual(node.stop(), 0)
            node.start()
        with node.connect() as client:
            messages = client.pull_all(1)
            self.assert_chain(messages)
            self.assertEqual([m.body for m in messages], [b"%d" % n for n in range(1, 12)])


if __name__ == "__main__":
    main()
