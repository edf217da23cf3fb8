"""Done-when 5, frames: whatever a client sends or does not send costs it an error or its
connection, and costs nobody else anything: a good client works on all the while, the daemon stays
alive and its memory bounded."""
import socket
import struct
import threading
import time
from pathlib import Path

from harness import MIB, ImlogTest, main, wait_until
from imlog_wire import (APPEND, EINVALID, EPROTO, EUNSUPPORTED, FRAME_BYTES_MAX, HEARTBEAT, INFO,
                        NAMES, PING, PULL, REPLIES, RESOLVE, SESSION, SESSIONS, STATS, Append,
                        AppendRequest, ConnectionLost, NamesRequest, NodeError, Pull,
                        PullRequest, ResolveRequest, SessionRequest, SessionsRequest, field_key,
                        frame, length_delimited, varint)

TYPES = sorted(REPLIES)
GOOD_SESSION = 0xABCD_1234_5678  # no frame below hits it by chance
BAD_SESSIONS = (1, 2, 3)
# The most that one greedy connection may cost: 8 MiB of requests under way, and a reply going out.
CONNECTION_BYTES = 12 * MIB


class GoodClient(threading.Thread):
    """Appends and pulls while the others misbehave; `trouble` says what went wrong."""

    def __init__(self, node):
        super().__init__(daemon=True)
        self.node, self.finish = node, threading.Event()
        self.trouble, self.rounds = None, 0
        self.slowest_s = 0.0

    def run(self):
        try:
            with self.node.connect() as client:
                while not self.finish.is_set():
                    self._round(client)
        except BaseException as error:  # told to the test's own thread
            self.trouble = repr(error)

    def _round(self, client):
        self.rounds += 1
        body, began = b"good %d" % self.rounds, time.monotonic()
        result = client.append_one(GOOD_SESSION, body, client_msg_id=self.rounds)
        assert (result.code, result.seq) == (0, self.rounds), result
        page = client.pull_one(GOOD_SESSION, backward=True, count_max=1)
        assert [m.body for m in page.messages] == [body], page
        self.slowest_s = max(self.slowest_s, time.monotonic() - began)


class BadFrames(ImlogTest):

    SETTINGS = {"segment_bytes": "4m", "hot_bytes": "8m", "cache_bytes": "4m", "threads": 2,
                "frame_timeout_ms": 1500, "slow_reader_timeout_ms": 1500}

    def setUp(self):
        self.served = self.node(shards=2, settings=self.SETTINGS)
        self.good = GoodClient(self.served)
        self.good.start()

    def tearDown(self):
        rounds = self.good.rounds
        wait_until(lambda: self.good.rounds > rounds + 5 or self.good.trouble, "the good client")
        self.good.finish.set()
        self.good.join(60)
        self.assertIsNone(self.good.trouble)
        self.assertTrue(self.served.running())
        with self.served.connect() as client:
            self.assertEqual(len(client.pull_all(GOOD_SESSION)), self.good.rounds)
        self.check_memory()
        self.assertEqual(self.served.stop(), 0)
        self.assertNotIn("assert", self.served.log_text().lower())
        self.assert_clean(self.served)

    def check_memory(self, greedy_connections=4):
        peak = self.served.status_bytes("VmHWM")
        bound = (64 + 2 * 16 + 2 * (8 + 4 + 64)) * MIB + greedy_connections * CONNECTION_BYTES
        if not self.served.is_sanitized():
            self.assertLess(peak, bound, f"{peak / MIB:.0f} MiB")

    # ---- frames that cannot be skipped: an error, then the end

    def assert_refused(self, data, codes):
        """An ErrorReply with one of the codes, then a closed connection."""
        with self.served.connect(timeout_s=20) as client:
            client.send_raw(data)
            _, reply = client.wait_any()
            self.assertIsInstance(reply, NodeError)
            self.assertIn(reply.code, codes)
            self.assertTrue(reply.text)
            client.wait_closed()

    def test_another_version_is_refused(self):
        for version in (0, 2, 255):
            self.assert_refused(frame(PING, request_id=9, version=version), (EUNSUPPORTED,))

    def test_unknown_flags_are_refused(self):
        for flags in (1, 0x80, 255):
            self.assert_refused(frame(PING, request_id=9, flags=flags), (EUNSUPPORTED,))

    def test_a_frame_above_the_limit_is_refused_before_its_body_comes(self):
        for body_bytes in (FRAME_BYTES_MAX + 1, 2**31, 2**32 - 1):
            self.assert_refused(frame(APPEND, request_id=9, body_bytes=body_bytes), (EPROTO,))

    def test_other_protocols_are_refused(self):
        for greeting in (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
                         b"SSH-2.0-OpenSSH_9.2\r\n...",
                         b"\x16\x03\x01\x02\0\1\0\1\xfc\3\3" + b"\0" * 40,
                         b"*1\r\n$4\r\nPING\r\n" + b" " * 16):
            self.assert_refused(greeting, (EPROTO, EUNSUPPORTED))

    # ---- bodies that can be skipped: an error, and the connection goes on

    def assert_error_and_goes_on(self, client, type_, body, codes):
        request_id = client.send(type_, body, request_id=self.random.getrandbits(64))
        with self.assertRaises(NodeError, msg=f"type {type_:#x}, body {body[:40]!r}") as caught:
            client.wait(request_id)
        self.assertIn(caught.exception.code, codes, f"type {type_:#x}, body {body[:40]!r}")
        client.ping()

    def test_an_unknown_type_is_an_error_and_the_connection_goes_on(self):
        with self.served.connect() as client:
            for type_ in (0, 5, 0x7FFF, 0x8001, 0x8020, 0xFFFF, 0xFFFE):
                self.assert_error_and_goes_on(client, type_, b"", (EUNSUPPORTED,))

    def test_a_body_that_is_no_protobuf_is_an_error_and_the_connection_goes_on(self):
        bodies = (
            b"\xff" * 11, b"\x80" * 20, b"\x0a", b"\x0a\x05abc", b"\x0a\xff\xff\xff\xff\x0f",
            b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\x0f", b"\x0e\0", b"\x08",
            field_key(7, 1) + b"1234567", field_key(7, 5) + b"123", b"\x0b", b"\x0c",
        )
        with self.served.connect() as client:
            for type_ in (APPEND, PULL, RESOLVE, SESSION, NAMES):
                for body in bodies:
                    self.assert_error_and_goes_on(client, type_, body, (EPROTO,))

    def test_an_item_that_is_no_protobuf_is_an_error_and_stores_nothing(self):
        good = Append(session_id=77, sender_id=1, body=b"x").encode()
        with self.served.connect() as client:
            for bad in (good[:-1], good + b"\x3a\x7f", b"\xff" * 4, b"\x08" + b"\x80" * 11):
                body = length_delimited(1, good) + length_delimited(1, bad)
                self.assert_error_and_goes_on(client, APPEND, body, (EPROTO,))
            self.assertEqual(client.append_one(77, b"first").seq, 1)

    def test_unknown_fields_are_skipped(self):
        unknown = (varint(99 << 3) + varint(2**64 - 1) + length_delimited(98, b"y" * 1000)
                   + field_key(97, 1) + b"8 bytes." + field_key(96, 5) + b"four")
        item = Append(session_id=78, sender_id=1, body=b"x").encode() + unknown
        with self.served.connect() as client:
            appended = client.send(APPEND, unknown + length_delimited(1, item) + unknown)
            self.assertEqual(client.wait(appended).results[0].seq, 1)
            client.wait(client.send(PING, unknown))

    def test_bodies_that_would_amplify_are_refused_and_cost_no_memory(self):
        full = FRAME_BYTES_MAX
        nested = b""
        while len(nested) < 60_000:
            nested = length_delimited(1, nested + b"\x08\x01")
        bodies = [
            (APPEND, b"\x0a\x00" * (full // 2), True),            # two million empty items
            (PULL, b"\x0a\x00" * (full // 2), True),
            (PULL, b"\x0a\x02\x08\x01" * (full // 4), True),
            (RESOLVE, b"\x0a\x01x" * (full // 3), True),
            (SESSION, length_delimited(1, b"\x01" * (full - 10)), True),  # packed: 4 M ids
            (NAMES, b"\x08\x01" * (full // 2), True),             # unpacked: 2 M ids
            (PING, b"\x78\x01" * (full // 2), False),             # unknown fields only
            (APPEND, b"\x7a\x00" * (full // 2), False),
            (APPEND, length_delimited(1, b"\x7a\x00" * (full // 2 - 10)), False),
            (APPEND, length_delimited(1, b"\x08\x01" * (full // 2 - 10)), False),
            (PULL, nested, False),
            (SESSIONS, length_delimited(1, b"c" * (full - 10)), False),
        ]
        with self.served.connect() as client:
            for type_, body, refused in bodies:
                request_id = client.send(type_, body)
                try:
                    client.wait(request_id)
                    self.assertFalse(refused, f"type {type_:#x} {body[:8]!r}")
                except NodeError as error:
                    self.assertIn(error.code, (EINVALID, EPROTO), f"type {type_:#x} {body[:8]!r}")
                client.ping()

    # ---- at random

    def test_random_bytes_never_hurt(self):
        for _ in range(150):
            data = self.random.randbytes(self.random.choice([1, 15, 16, 17, 100, 5000, 70_000]))
            self._throw(data)

    def test_random_frames_are_answered_or_closed(self):
        for _ in range(40):
            data = b"".join(self._random_frame() for _ in range(self.random.randint(1, 40)))
            self._throw(data)

    def test_damaged_requests_are_each_answered(self):
        """Only the body is damaged, so every frame can be skipped and has one answer."""
        with self.served.connect() as client:
            for _ in range(60):
                asked = []
                for _ in range(50):
                    type_, body = self._good_request()
                    asked.append(client.send(type_, self._damage(body)))
                for request_id in asked:
                    try:
                        client.wait(request_id)
                    except NodeError:
                        pass

    def _throw(self, data):
        """Send, half-close, and read to the end: it must come."""
        with socket.create_connection((self.served.host, self.served.port), timeout=30) as raw:
            try:
                raw.sendall(data)
                raw.shutdown(socket.SHUT_WR)
                while raw.recv(1 << 16):
                    pass
            except (ConnectionResetError, BrokenPipeError):
                pass

    def _random_frame(self):
        choice = self.random.random()
        if choice < 0.1:
            body = self.random.randbytes(self.random.randint(0, 60))
            return struct.pack("<IBBHQ", len(body), *self.random.randbytes(2),
                               self.random.getrandbits(16), 1) + body
        if choice < 0.4:
            return frame(self.random.choice([*TYPES, HEARTBEAT, 99]),
                         self.random.randbytes(self.random.randint(0, 300)), 1)
        type_, body = self._good_request()
        return frame(type_, self._damage(body) if choice < 0.7 else body, 1)

    def _good_request(self):
        pick = self.random.choice
        requests = {
            APPEND: lambda: AppendRequest(items=[Append(
                session_id=pick(BAD_SESSIONS), sender_id=1, client_msg_id=pick([0, 5]),
                body=self.random.randbytes(20)) for _ in range(pick([0, 1, 5]))]),
            PULL: lambda: PullRequest(items=[Pull(session_id=pick(BAD_SESSIONS), count_max=5)]),
            RESOLVE: lambda: ResolveRequest(keys=[self.random.randbytes(2)]),
            NAMES: lambda: NamesRequest(ids=[1, 2**48]),
            SESSION: lambda: SessionRequest(session_ids=list(BAD_SESSIONS)),
            SESSIONS: lambda: SessionsRequest(count_max=3),
        }
        type_ = pick([*requests, PING, INFO, STATS])
        return type_, requests[type_]().encode() if type_ in requests else b""

    def _damage(self, body):
        body = bytearray(body)
        for _ in range(self.random.randint(1, 3)):
            where = self.random.randint(0, len(body))
            action = self.random.random()
            if action < 0.5 and where < len(body):
                body[where] ^= 1 << self.random.randint(0, 7)
            elif action < 0.7:
                del body[where:]
            elif action < 0.85:
                body[where:where] = self.random.randbytes(self.random.randint(1, 9))
            else:
                body[where:where + 4] = b""
        return bytes(body)

    # ---- time and slowness

    def test_a_request_byte_by_byte_is_answered(self):
        item = Append(session_id=4, sender_id=1, body=b"slowly")
        data = frame(APPEND, AppendRequest(items=[item]).encode(), 5) + frame(PING, b"", 6)
        with self.served.connect() as client:
            client.expect(5, APPEND)
            client.expect(6, PING)
            for byte in data:
                client.send_raw(bytes([byte]))
            self.assertEqual(client.wait(5).results[0].seq, 1)
            client.wait(6)

    def test_half_a_frame_and_silence_is_closed_in_time(self):
        whole = frame(APPEND, AppendRequest(items=[Append(session_id=1, sender_id=1,
                                                          body=b"x" * 500)]).encode(), 5)
        began, clients = time.monotonic(), []
        for cut in (1, 15, 16, 17, 400):
            client = self.served.connect(timeout_s=20)
            self.addCleanup(client.close)
            client.ping()
            client.send_raw(whole[:cut])
            clients.append(client)
        for client in clients:
            client.wait_closed()
        self.assertGreater(time.monotonic() - began, 1.0)
        self.assertLess(time.monotonic() - began, 15)

    def test_a_frame_that_drips_forever_is_closed_in_time(self):
        """Bytes that come do not renew the time a started frame has."""
        whole = frame(APPEND, AppendRequest(items=[Append(session_id=1, sender_id=1,
                                                          body=b"x" * 60000)]).encode(), 5)
        began = time.monotonic()
        with self.served.connect() as client:
            def drip():
                at = drip.at
                client.send_raw(whole[at:at + 1])
                drip.at += 1
                try:
                    client.poll()
                except ConnectionLost:
                    return True
                return False
            drip.at = 0
            wait_until(drip, "the node to close a dripping connection", 20, every_s=0.02)
        self.assertGreater(time.monotonic() - began, 1.0)

    def test_clients_that_never_read_are_closed_and_cost_bounded_memory(self):
        with self.served.connect() as client:
            for _ in range(40):
                client.append([Append(session_id=9, sender_id=1, body=b"z" * 60000)] * 20)
            client.pull_all(9, bytes_max=3 * MIB)  # so that only the greedy ones add to memory
        before = self.served.status_bytes("VmRSS")
        pull = PullRequest(items=[Pull(session_id=9, bytes_max=3 * MIB)]).encode()
        request = b"".join(frame(PULL, pull, n) for n in range(1, 256))
        greedy = []
        for _ in range(12):
            raw = socket.create_connection((self.served.host, self.served.port), timeout=20)
            self.addCleanup(raw.close)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.sendall(request)
            greedy.append(raw)
        peak = [0]
        ports = {raw.getsockname()[1] for raw in greedy}

        def closed_all():
            peak[0] = max(peak[0], self.served.status_bytes("VmRSS"))
            return not self._established_ports() & ports
        wait_until(closed_all, "12 connections that never read to be closed", 40, every_s=0.02)
        if not self.served.is_sanitized():
            each = (peak[0] - before) / len(greedy)
            self.assertLess(each, CONNECTION_BYTES, f"{each / MIB:.1f} MiB each")

    def _established_ports(self):
        """Client ports of the connections that the daemon still has open. (A client that does
        not read cannot see the end from its own side: it lies behind the unread bytes.)"""
        ports = set()
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            local, remote, state = line.split()[1:4]
            if int(local.split(":")[1], 16) == self.served.port and state == "01":
                ports.add(int(remote.split(":")[1], 16))
        return ports

    def test_connections_dropped_in_the_middle_leave_nothing_behind(self):
        wait_until(lambda: self.good.rounds, "the good client")
        for _ in range(200):
            client = self.served.connect()
            for _ in range(self.random.randint(0, 30)):
                type_, body = self._good_request()
                client.send_raw(frame(type_, body, self.random.getrandbits(30)))
            client.send_raw(frame(*self._good_request())[:self.random.randint(0, 30)])
            if self.random.random() < 0.5:  # reset instead of an orderly end
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                         struct.pack("ii", 1, 0))
            client.close()
        wait_until(lambda: len(self._established_ports()) == 1, "all but the good one to end")


class ConnectionLimit(ImlogTest):

    def test_connections_above_the_limit_are_refused_and_freed_places_serve_again(self):
        node = self.node(settings={"connections_max": 20})
        clients = [node.connect() for _ in range(20)]
        for client in clients:
            self.addCleanup(client.close)
            client.ping()
        refused = node.connect(timeout_s=20)
        self.addCleanup(refused.close)
        refused.wait_closed()
        for client in clients:
            client.ping()
        clients[7].close()

        def served():
            try:
                with node.connect() as client:
                    return client.ping()
            except (ConnectionLost, NodeError, OSError):
                return None
        wait_until(served, "a freed place")


if __name__ == "__main__":
    main()
