"""storm: bad frames against a live node from many connections, with every answer accounted for.

Each connection sends volleys and owes nothing else to the node; the node owes one answer to each
request of a volley, and only to those, or the end of the connection where docs/PROTOCOL.md
section 4 says so. A Witness works on a connection of its own and must not notice any of it.
"""
import collections
import multiprocessing.connection
import random as random_module
import select
import socket
import struct
import threading
import time

from harness import die_with_parent
from imlog_wire import (APPEND, EBUSY, EINVALID, EPROTO, ERROR, EUNSUPPORTED, HEADER, HEARTBEAT,
                        INFO, NAMES, PING, PULL, REPLIES, REPLY_BIT, RESOLVE, SESSION, SESSIONS,
                        STATS, Append, AppendRequest, ErrorReply, InfoRequest, NamesRequest,
                        PingRequest, PullRequest, ResolveRequest, SessionRequest,
                        SessionsRequest, StatsRequest, WireError)
from storm_frames import Mutator, cut

CONNECTIONS = 24          # of each process at once
VOLLEYS_A_CONNECTION = 8  # unless it ends before
FRAMES_A_VOLLEY = 300     # at most: more than a node takes at once
ANSWER_S = 30             # whoever waits longer for an answer or an end has found a fault
DECODED_SHARE = 0.05      # of the replies are decoded whole, and compared with their requests
REQUESTS = {PING: PingRequest, INFO: InfoRequest, STATS: StatsRequest, RESOLVE: ResolveRequest,
            NAMES: NamesRequest, APPEND: AppendRequest, PULL: PullRequest,
            SESSION: SessionRequest, SESSIONS: SessionsRequest}
CODES = (EPROTO, EINVALID, EUNSUPPORTED, EBUSY)
WITNESS_SESSION = 0xABCD_1234_5678  # no storm hits it by chance


class Fault(AssertionError):
    """The node did what it must not."""


class Volley:
    """Bytes to send, and what is owed for them."""

    def __init__(self, mutator, random):
        count = random.randint(1, 4 if random.random() < 0.05 else FRAMES_A_VOLLEY)
        first_id = random.getrandbits(63)
        frames = [mutator.frame(first_id + n) for n in range(count)]
        kind = random.random()
        if kind < 0.06:
            frames.insert(random.randint(0, count), mutator.refused_frame(first_id - 1))
        elif kind < 0.12:
            frames.append(mutator.half_frame(first_id - 1))
        self.data = b"".join(frames)
        if 0.12 < kind < 0.2:
            self.data = mutator.damage_stream(self.data)
        self.is_slow = len(self.data) < 1000  # sent in small pieces
        self.asked, self.refused_id, self.rest_bytes = cut(self.data)
        self.must_be_refused = self.refused_id is not None
        self.refusals = collections.Counter()  # of ids used twice: which was meant is not told
        self.bodies = self._bodies() if random.random() < DECODED_SHARE else {}

    def _bodies(self):
        """{request_id: body} where ids are not used twice."""
        bodies, at = {}, 0
        while len(self.data) - at >= HEADER.size:
            body_bytes, _, _, _, request_id = HEADER.unpack_from(self.data, at)
            at += HEADER.size
            if body_bytes > len(self.data) - at or request_id == self.refused_id:
                break
            bodies[request_id] = self.data[at:at + body_bytes]
            at += body_bytes
        return {id_: body for id_, body in bodies.items() if len(self.asked.get(id_, ())) == 1}

    def is_answered(self):
        return not self.asked and self.refused_id is None


class Connection:
    """Sends volleys and takes the answers; is_done when its last one is accounted for."""

    errors_known = {}  # body of an ErrorReply -> its code: nearly all are equal

    def __init__(self, address, mutator, random, volleys):
        self.mutator, self.random, self.volleys_left = mutator, random, volleys
        self.socket = socket.create_connection(address, timeout=ANSWER_S)
        self.socket.setblocking(False)
        self.received = bytearray()
        self.is_done = False
        self.was_refused = False  # the node said why, and will end the connection
        self.was_cut_off = False
        self.reply_count = self.error_count = 0
        self._next_volley()

    def _next_volley(self):
        self.volleys_left -= 1
        self.volley = Volley(self.mutator, self.random)
        self.unsent = memoryview(self.volley.data)
        self.deadline = time.monotonic() + ANSWER_S

    def events(self):
        return select.POLLIN | (select.POLLOUT if self.unsent else 0)

    def turn(self, events):
        if events & select.POLLOUT and self.unsent:
            self._send()
        if events & ~select.POLLOUT:
            self._receive()
        if not self.is_done and not self.unsent and self.volley.is_answered():
            self._volley_done()

    def _send(self):
        step = self.random.randint(1, 9) if self.volley.is_slow else 1 << 18
        try:
            self.unsent = self.unsent[self.socket.send(self.unsent[:step]):]
        except BlockingIOError:
            pass
        except OSError:
            self.unsent = b""  # what the node has to say about it is still to be read

    def _receive(self):
        try:
            data = self.socket.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError as error:
            self._lost(str(error), is_reset=True)
            return
        if not data:
            self._lost("closed by the node", is_reset=False)
            return
        self.received += data
        at = 0
        while len(self.received) - at >= HEADER.size:
            body_bytes, version, flags, type_, id_ = HEADER.unpack_from(self.received, at)
            if (version, flags) != (1, 0):
                raise Fault(f"a reply with version {version}, flags {flags}")
            end = at + HEADER.size + body_bytes
            if end > len(self.received):
                break
            self._take(type_, id_, self.received[at + HEADER.size:end])
            at = end
        del self.received[:at]

    def _take(self, type_, id_, body):
        if type_ == HEARTBEAT:
            return
        self.reply_count += 1
        self.error_count += type_ == ERROR
        code = self._error_code(bytes(body)) if type_ == ERROR else None
        types = self.volley.asked.get(id_)
        if types is None:
            if id_ != self.volley.refused_id or type_ != ERROR:
                raise Fault(f"an answer of type {type_:#x} to nothing that was asked: {id_}")
            self.volley.refused_id = None
            self.was_refused = True
            return
        if code is not None and len(types) > 1:
            self.volley.refusals[id_] += 1
        else:
            self._take_answer(types, type_, id_, code, body)
        if len(types) == self.volley.refusals[id_]:
            del self.volley.asked[id_]

    def _take_answer(self, types, type_, id_, code, body):
        asked = types[0] if code is not None else type_ & ~REPLY_BIT
        if asked not in types or not (code is not None or type_ & REPLY_BIT):
            raise Fault(f"types {types} answered by {type_:#x}")
        if id_ in self.volley.bodies:
            self._compare(asked, self.volley.bodies[id_], code, body)
        types.remove(asked)

    def _error_code(self, body):
        code = self.errors_known.get(body)
        if code is None:
            reply = ErrorReply.decode(body)
            code = self.errors_known[body] = reply.code
            if code not in CODES or not reply.text:
                raise Fault(f"an error with code {code} and text {reply.text!r}")
        return code

    @staticmethod
    def _compare(type_, request_body, code, reply_body):
        """What is no protobuf for us must be none for the node; its own replies are well formed."""
        if code is None:
            REPLIES[type_].decode(bytes(reply_body))
        if type_ not in REPLIES:
            if code != EUNSUPPORTED:
                raise Fault(f"type {type_:#x} is known")
            return
        try:
            REQUESTS[type_].decode(request_body)
        except WireError as error:
            if code not in (EPROTO, EINVALID):
                raise Fault(f"type {type_:#x} took {request_body.hex()}: {error}") from error

    def _lost(self, why, is_reset):
        """The end of the connection: only where a header asked for it, and after all answers; but
        who does not take them in time after such a header has them cut off by a reset."""
        if self.volley.must_be_refused and is_reset:
            self.was_cut_off = bool(self.volley.asked)
        elif not self.was_refused or self.volley.asked:
            waited_s = ANSWER_S - (self.deadline - time.monotonic())
            raise Fault(f"{why} after {waited_s:.1f} s, with {len(self.unsent)} of"
                        f" {len(self.volley.data)} bytes unsent, {len(self.volley.asked)} requests"
                        f" unanswered, {'told' if self.was_refused else 'not told'} why,"
                        f" {self.volley.rest_bytes} bytes of a half frame")
        self._close(is_hard=False)

    def _volley_done(self):
        if self.was_refused:
            return  # the end is the node's to make
        if self.volleys_left == 0 or self.volley.rest_bytes > 0:
            self._close(is_hard=self.random.random() < 0.5)
        else:
            self._next_volley()

    def _close(self, is_hard):
        if is_hard:  # a reset instead of an orderly end
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()
        self.is_done = True


class Attack:
    """One process's connections, until enough bad frames were sent."""

    def __init__(self, address, seed, frames):
        self.address, self.frames = address, frames
        self.random = random_module.Random(seed)
        self.mutator = Mutator(self.random)
        self.poller = select.poll()
        self.connections = {}  # by descriptor
        self.reply_count = self.error_count = self.connection_count = self.cut_off_count = 0

    def run(self, tell):
        """tell(bad frames so far) now and then; a Fault ends it."""
        told_at = 0.0
        while True:
            if self.mutator.bad_count < self.frames:
                while len(self.connections) < CONNECTIONS:
                    self._connect()
            elif not self.connections:
                return
            for descriptor, events in self.poller.poll(1000):
                self._turn(descriptor, events)
            now = time.monotonic()
            if now - told_at > 0.5:
                told_at = now
                tell(self.mutator.bad_count)
                self._check_deadlines(now)

    def _connect(self):
        volleys = self.random.randint(1, VOLLEYS_A_CONNECTION)
        connection = Connection(self.address, self.mutator, self.random, volleys)
        self.connections[connection.socket.fileno()] = connection
        self.poller.register(connection.socket, connection.events())
        self.connection_count += 1

    def _turn(self, descriptor, events):
        connection = self.connections[descriptor]
        before = connection.events()
        connection.turn(events)
        if connection.is_done:
            self.poller.unregister(descriptor)
            del self.connections[descriptor]
            self.reply_count += connection.reply_count
            self.error_count += connection.error_count
            self.cut_off_count += connection.was_cut_off
        elif connection.events() != before:
            self.poller.modify(descriptor, connection.events())

    def _check_deadlines(self, now):
        for connection in self.connections.values():
            if now > connection.deadline:
                raise Fault(f"no answer within {ANSWER_S} s to"
                            f" {len(connection.volley.asked)} requests")


def _attack(pipe, address, seed, frames):
    """A process: tells ("frames", count) now and then, and at its end what came of it."""
    die_with_parent()
    attack = Attack(address, seed, frames)
    try:
        attack.run(lambda count: pipe.send(("frames", count)))
        pipe.send(("done", (attack.mutator.bad_count, attack.reply_count, attack.error_count,
                            attack.connection_count, attack.cut_off_count)))
    except BaseException as error:  # told to the process that counts
        pipe.send(("failed", f"{type(error).__name__}: {error}"))
    for connection in attack.connections.values():
        connection.socket.close()


class Witness(threading.Thread):
    """Appends and pulls while the others misbehave; `trouble` says what went wrong."""

    def __init__(self, node):
        super().__init__(daemon=True)
        self.node, self.finish, self.trouble = node, threading.Event(), None
        self.random = random_module.Random(0)
        self.rounds, self.slowest_s = 0, 0.0
        self.acks = []  # (seq, msg_id, body)

    def run(self):
        try:
            with self.node.connect(timeout_s=ANSWER_S) as client:
                while not self.finish.is_set():
                    began = time.monotonic()
                    self._round(client)
                    self.slowest_s = max(self.slowest_s, time.monotonic() - began)
        except BaseException as error:  # told to the test's own thread
            self.trouble = f"{type(error).__name__}: {error}"

    def _round(self, client):
        self.rounds += 1
        count = len(self.acks)
        items = [Append(session_id=WITNESS_SESSION, sender_id=1, client_msg_id=count + n,
                        body=b"good %d" % (count + n)) for n in range(1, 4)]
        for item, result in zip(items, client.append(items)):
            assert (result.code, result.seq, result.duplicate) == (
                0, len(self.acks) + 1, False), result
            self.acks.append((result.seq, result.msg_id, item.body))
        after_seq = self.random.randint(0, len(self.acks) - 1)
        page = client.pull_one(WITNESS_SESSION, after_seq=after_seq, count_max=5)
        self.check(page.messages, self.acks[after_seq:after_seq + 5])
        page = client.pull_one(WITNESS_SESSION, backward=True, count_max=2)
        self.check(page.messages, self.acks[-2:])

    @staticmethod
    def check(messages, acks):
        assert [(m.seq, m.msg_id, m.body) for m in messages] == acks, (messages, acks)


class Storm:
    """`processes` attacks on a node with a witness beside; step() until it says True."""

    def __init__(self, node, seed, frames, processes=2):
        self.node, self.counts, self.results = node, {}, []
        self.began = time.monotonic()
        context = multiprocessing.get_context("fork")
        self.pipes = []
        for index in range(processes):
            pipe, other = context.Pipe(duplex=False)
            context.Process(target=_attack, daemon=True, args=(
                other, (node.host, node.port), seed * 1000 + index,
                -(-frames // processes))).start()
            other.close()
            self.pipes.append(pipe)
        self.witness = Witness(node)
        self.witness.start()

    def frames(self):
        return sum(self.counts.values())

    def step(self):
        """Wait a little for news; True at the end. A Fault is whatever went wrong."""
        if not self.node.running():
            raise Fault(f"the node ended with {self.node.process.returncode}")
        if self.witness.trouble is not None:
            raise Fault(f"the good client noticed: {self.witness.trouble}")
        for pipe in multiprocessing.connection.wait(self.pipes, 0.5):
            self._hear(pipe)
        return not self.pipes

    def _hear(self, pipe):
        try:
            kind, told = pipe.recv()
        except EOFError:
            raise Fault("an attacking process ended without a word") from None
        if kind == "failed":
            raise Fault(told)
        self.counts[pipe] = told if kind == "frames" else told[0]
        if kind == "done":
            self.results.append(told)
            self.pipes.remove(pipe)

    def finish(self):
        """Let the good client end, and see that it has all it stored; a summary."""
        rounds, deadline = self.witness.rounds, time.monotonic() + ANSWER_S
        while self.witness.rounds < rounds + 3 and time.monotonic() < deadline:
            self.witness.join(0.01)
        self.witness.finish.set()
        self.witness.join(ANSWER_S)
        if self.witness.trouble is not None or self.witness.rounds < rounds + 3:
            raise Fault(f"the good client: {self.witness.trouble or 'stands still'}")
        with self.node.connect() as client:
            self.witness.check(client.pull_all(WITNESS_SESSION), self.witness.acks)
        seconds = time.monotonic() - self.began
        bad_count, reply_count, error_count, connection_count, cut_off_count = map(
            sum, zip(*self.results))
        return (f"{bad_count} bad frames in {seconds:.0f} s over {connection_count} connections,"
                f" {cut_off_count} of them cut off; {reply_count} answers accounted for,"
                f" {error_count} of them errors; the good client: {self.witness.rounds} rounds,"
                " the slowest"
                f" {self.witness.slowest_s * 1000:.0f} ms, {len(self.witness.acks)} messages kept")
