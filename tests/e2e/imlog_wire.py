"""imlog_wire: a client of the imlog wire protocol, written from docs/PROTOCOL.md and
net/imlog.proto alone (standard library only), so that it shares no blind spot with the C code.

    with Client("127.0.0.1", 7700) as client:          # blocking
        client.append([Append(session_id=1, sender_id=2, client_msg_id=3, body=b"hello")])
        first = client.send(PING)                      # pipelined: send many, then wait for each
        second = client.send(PING)
        client.wait(second), client.wait(first)

A message is a plain object with the names of imlog.proto as attributes; absent fields have their
proto3 defaults. Trouble is one of NodeError (the node answered ErrorReply), ConnectionLost,
TimeoutError, or WireError (the node broke the protocol).
"""
import select
import socket
import struct
import time
from collections import namedtuple

PROTOCOL_VERSION = 1
HEADER = struct.Struct("<IBBHQ")  # body_bytes, version, flags, type, request_id
FRAME_BYTES_MAX = 4 * 1024 * 1024
REQUESTS_UNDER_WAY_MAX = 256

PING, INFO, HEARTBEAT, STATS = 0x0001, 0x0002, 0x0003, 0x0004
RESOLVE, NAMES = 0x0010, 0x0011
APPEND, PULL, SESSION, SESSIONS = 0x0020, 0x0021, 0x0022, 0x0023
REPLY_BIT, ERROR = 0x8000, 0xFFFF

KIND_ANY, KIND_DIRECT, KIND_GROUP, KIND_BROADCAST = 0, 1, 2, 3
ACK_NONE, ACK_DURABLE = 0, 1
GAP_NONE, GAP_DAMAGED = 0, 1

RESOLVED_ID_MIN, RESOLVED_ID_END = 1 << 48, 1 << 53

ETOOBIG, EDEGRADED, EDISKFULL, EKIND, ENOSESSION = -5002, -5003, -5004, -5007, -5008
EPROTO, EDRAINING, EUNKNOWN, EABORTED = -5009, -5010, -5011, -5014
EBUSY, EINVALID, EUNSUPPORTED = -5016, -5017, -5019


class WireError(Exception):
    """The bytes received break the protocol."""


class ConnectionLost(Exception):
    """The connection is closed; requests without an answer are unknown."""


class NodeError(Exception):
    """The node answered a whole request with ErrorReply."""

    def __init__(self, reply):
        super().__init__(f"{reply.code}: {reply.text}")
        self.code, self.text, self.retry_after_ms = reply.code, reply.text, reply.retry_after_ms


# ---- protobuf ---------------------------------------------------------------------------

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # the wire types in use


def varint(value):
    """The varint bytes of an unsigned 64-bit value."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_varint(data, at, end):
    """(value, position after it) of the varint at data[at:end]."""
    value = shift = 0
    while True:
        if at >= end or shift > 63:
            raise WireError("a varint is cut off or too long")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
        shift += 7


def field_key(number, wire_type):
    return varint(number << 3 | wire_type)


def length_delimited(number, payload):
    """One field of wire type 2: bytes, string, sub-message or packed numbers."""
    return field_key(number, BYTES) + varint(len(payload)) + payload


def _zigzag(value):
    return ((value << 1) ^ (value >> 63)) & 0xFFFFFFFFFFFFFFFF


def _unzigzag(value):
    return (value >> 1) ^ -(value & 1)


Scalar = namedtuple("Scalar", "wire_type default encode decode")
NUMBER = Scalar(VARINT, 0, varint, lambda v: v)
BOOL = Scalar(VARINT, False, lambda v: varint(1 if v else 0), bool)
SINT = Scalar(VARINT, 0, lambda v: varint(_zigzag(v)), _unzigzag)
FIXED = Scalar(FIXED64, 0, lambda v: v.to_bytes(8, "little"), lambda v: v)
RAW = Scalar(BYTES, b"", bytes, lambda v: v)
TEXT = Scalar(BYTES, "", lambda v: v.encode(), lambda v: str(v, "utf-8"))


class Field:
    """A field of a message: `type` is one of the scalars above or a message class."""

    def __init__(self, number, name, type_, repeated=False):
        self.number, self.name, self.type, self.repeated = number, name, type_, repeated
        self.is_message = isinstance(type_, type)
        self.wire_type = BYTES if self.is_message else type_.wire_type
        self.packed = repeated and self.wire_type != BYTES  # the proto3 default

    def default(self):
        if self.repeated:
            return []
        return None if self.is_message else self.type.default

    def encode(self, value):
        if self.packed:
            packed = b"".join(self.type.encode(v) for v in value)
            return length_delimited(self.number, packed) if value else b""
        if self.repeated:
            return b"".join(self._encode_one(v) for v in value)
        return b"" if value == self.default() else self._encode_one(value)

    def _encode_one(self, value):
        payload = value.encode() if self.is_message else self.type.encode(value)
        if self.wire_type == BYTES:
            return length_delimited(self.number, payload)
        return field_key(self.number, self.wire_type) + payload

    def decode(self, message, wire_type, value):
        if self.packed and wire_type == BYTES:
            getattr(message, self.name).extend(self._unpack(value))
            return
        if wire_type != self.wire_type:
            raise WireError(f"{self.name} has wire type {wire_type}, not {self.wire_type}")
        value = self.type.decode(value)
        if self.repeated:
            getattr(message, self.name).append(value)
        else:
            setattr(message, self.name, value)

    def _unpack(self, data):
        at = 0
        while at < len(data):
            value, at = read_varint(data, at, len(data))
            yield self.type.decode(value)


class Body:
    """Base of all messages; `FIELDS` says what is in one."""

    FIELDS = ()
    __slots__ = ()

    def __init__(self, **values):
        for field in self.FIELDS:
            setattr(self, field.name, values.pop(field.name, field.default()))
        if values:
            raise TypeError(f"{type(self).__name__} has no {', '.join(values)}")

    def __repr__(self):
        inner = ", ".join(f"{f.name}={getattr(self, f.name)!r}" for f in self.FIELDS)
        return f"{type(self).__name__}({inner})"

    def __eq__(self, other):
        return type(self) is type(other) and all(
            getattr(self, f.name) == getattr(other, f.name) for f in self.FIELDS)

    def encode(self):
        return b"".join(field.encode(getattr(self, field.name)) for field in self.FIELDS)

    @classmethod
    def decode(cls, data):
        message, at, end = cls(), 0, len(data)
        while at < end:
            key, at = read_varint(data, at, end)
            wire_type = key & 7
            value, at = _read_value(data, at, end, wire_type)
            field = cls.BY_NUMBER.get(key >> 3)
            if field is not None:  # unknown fields are skipped
                field.decode(message, wire_type, value)
        return message


def _read_value(data, at, end, wire_type):
    if wire_type == VARINT:
        return read_varint(data, at, end)
    if wire_type == BYTES:
        value_bytes, at = read_varint(data, at, end)
    elif wire_type == FIXED64:
        value_bytes = 8
    elif wire_type == FIXED32:
        value_bytes = 4
    else:
        raise WireError(f"wire type {wire_type}")
    if value_bytes > end - at:
        raise WireError("a field runs past the end of its message")
    value = data[at:at + value_bytes]
    if wire_type != BYTES:
        value = int.from_bytes(value, "little")
    return value, at + value_bytes


def _message(name, *fields):
    fields = tuple(Field(*field) for field in fields)
    return type(name, (Body,), {
        "FIELDS": fields,
        "BY_NUMBER": {field.number: field for field in fields},
        "__slots__": tuple(field.name for field in fields),
        "__hash__": None,
    })


PingRequest = _message("PingRequest")
PingReply = _message("PingReply", (1, "server_ms", NUMBER))
InfoRequest = _message("InfoRequest")
InfoReply = _message(
    "InfoReply", (1, "version", TEXT), (2, "protocol_version", NUMBER), (3, "node_uuid", RAW),
    (4, "shard_count", NUMBER), (5, "body_bytes_max", NUMBER), (6, "frame_bytes_max", NUMBER),
    (7, "request_items_max", NUMBER), (8, "pull_messages_max", NUMBER),
    (9, "idle_timeout_ms", NUMBER), (10, "server_ms", NUMBER))
StatsRequest = _message("StatsRequest")
Stat = _message("Stat", (1, "name", TEXT), (2, "value", NUMBER))
ShardStats = _message("ShardStats", (1, "shard", NUMBER), (2, "stats", Stat, True))
StatsReply = _message("StatsReply", (1, "node", Stat, True), (2, "shards", ShardStats, True))

ResolveRequest = _message("ResolveRequest", (1, "keys", RAW, True), (2, "lookup_only", BOOL))
Resolved = _message("Resolved", (1, "index", NUMBER), (2, "code", SINT), (3, "text", TEXT),
                    (4, "id", NUMBER), (5, "created", BOOL))
ResolveReply = _message("ResolveReply", (1, "results", Resolved, True))
NamesRequest = _message("NamesRequest", (1, "ids", NUMBER, True))
Name = _message("Name", (1, "index", NUMBER), (2, "id", NUMBER), (3, "key", RAW))
NamesReply = _message("NamesReply", (1, "results", Name, True))

Append = _message(
    "Append", (1, "session_id", NUMBER), (2, "kind", NUMBER), (3, "sender_id", NUMBER),
    (4, "client_msg_id", NUMBER), (5, "client_ms", NUMBER), (6, "type", NUMBER), (7, "body", RAW))
AppendRequest = _message("AppendRequest", (1, "items", Append, True))
Appended = _message(
    "Appended", (1, "index", NUMBER), (2, "code", SINT), (3, "text", TEXT), (4, "seq", NUMBER),
    (5, "msg_id", NUMBER), (6, "server_ms", NUMBER), (7, "ack", NUMBER), (8, "duplicate", BOOL))
AppendReply = _message("AppendReply", (1, "results", Appended, True))

Pull = _message(
    "Pull", (1, "session_id", NUMBER), (2, "after_seq", NUMBER), (3, "before_seq", NUMBER),
    (4, "backward", BOOL), (5, "count_max", NUMBER), (6, "bytes_max", NUMBER))
PullRequest = _message("PullRequest", (1, "items", Pull, True))
Message = _message(
    "Message", (1, "seq", NUMBER), (2, "msg_id", FIXED), (3, "prev_msg_id", FIXED),
    (4, "sender_id", NUMBER), (5, "client_msg_id", NUMBER), (6, "client_ms", NUMBER),
    (7, "server_ms", NUMBER), (8, "type", NUMBER), (9, "body", RAW))
Gap = _message("Gap", (1, "first_seq", NUMBER), (2, "last_seq", NUMBER), (3, "reason", NUMBER))
Pulled = _message(
    "Pulled", (1, "index", NUMBER), (2, "code", SINT), (3, "text", TEXT), (4, "session_id", NUMBER),
    (5, "first_seq", NUMBER), (6, "end_seq", NUMBER), (7, "messages", Message, True),
    (8, "gaps", Gap, True), (9, "session_first_seq", NUMBER), (10, "session_latest_seq", NUMBER),
    (11, "more", BOOL))
PullReply = _message("PullReply", (1, "results", Pulled, True))

SessionRequest = _message("SessionRequest", (1, "session_ids", NUMBER, True))
Session = _message(
    "Session", (1, "index", NUMBER), (2, "code", SINT), (3, "text", TEXT),
    (4, "session_id", NUMBER), (5, "kind", NUMBER), (6, "first_seq", NUMBER),
    (7, "latest_seq", NUMBER), (8, "message_count", NUMBER), (9, "shard", NUMBER),
    (10, "latest_lsn", NUMBER))
SessionReply = _message("SessionReply", (1, "results", Session, True))
SessionsRequest = _message("SessionsRequest", (1, "cursor", RAW), (2, "count_max", NUMBER))
SessionsReply = _message("SessionsReply", (1, "sessions", Session, True), (2, "next_cursor", RAW))

ErrorReply = _message("ErrorReply", (1, "code", SINT), (2, "text", TEXT),
                      (3, "retry_after_ms", NUMBER))

REPLIES = {PING: PingReply, INFO: InfoReply, STATS: StatsReply, RESOLVE: ResolveReply,
           NAMES: NamesReply, APPEND: AppendReply, PULL: PullReply, SESSION: SessionReply,
           SESSIONS: SessionsReply}


# ---- frames -----------------------------------------------------------------------------

Frame = namedtuple("Frame", "type request_id body")


def frame(type_, body=b"", request_id=0, version=PROTOCOL_VERSION, flags=0, body_bytes=None):
    """The bytes of a frame; the last three make wrong ones."""
    if body_bytes is None:
        body_bytes = len(body)
    return HEADER.pack(body_bytes, version, flags, type_, request_id) + body


class FrameReader:
    """Cuts a byte stream into frames."""

    def __init__(self):
        self._buffer = bytearray()

    def feed(self, data):
        self._buffer += data

    def frames(self):
        while len(self._buffer) >= HEADER.size:
            body_bytes, version, flags, type_, request_id = HEADER.unpack_from(self._buffer)
            if version != PROTOCOL_VERSION or flags != 0 or body_bytes > FRAME_BYTES_MAX:
                raise WireError(f"header: version {version}, flags {flags}, {body_bytes} bytes")
            end = HEADER.size + body_bytes
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[HEADER.size:end])
            del self._buffer[:end]
            yield Frame(type_, request_id, body)


# ---- the client -------------------------------------------------------------------------

class Client:
    """One connection. Every wait is bounded by `timeout_s`. Not for several threads at once."""

    def __init__(self, host, port, timeout_s=30.0):
        self.timeout_s = timeout_s
        self.heartbeats_seen = 0
        self.replies_order = []  # request ids in the order their replies came
        self._next_request_id = 1
        self._under_way = {}  # request_id -> request type
        self._arrived = {}    # request_id -> reply message
        self._unsent = bytearray()
        self._reader = FrameReader()
        self._lost = None
        try:
            self.socket = socket.create_connection((host, port), timeout=timeout_s)
        except ConnectionError as error:
            raise ConnectionLost(str(error)) from error
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    # pipelined use

    def send(self, type_, request=None, request_id=None):
        """Queue a request (a message, or the bytes of one) and push what the socket takes; the
        id to wait for."""
        body = request.encode() if isinstance(request, Body) else request or b""
        if request_id is None:
            request_id = self._next_request_id
            self._next_request_id += 1
        self.expect(request_id, type_)
        self.send_raw(frame(type_, body, request_id))
        return request_id

    def expect(self, request_id, type_):
        """Announce the reply to a request that goes out by send_raw()."""
        self._under_way[request_id] = type_

    def send_raw(self, data):
        """Queue any bytes, well-formed or not."""
        self._unsent += data
        self._push()

    def heartbeat(self):
        self.send_raw(frame(HEARTBEAT))

    def wait(self, request_id):
        """The reply to one request; replies to others are kept for their own wait."""
        deadline = time.monotonic() + self.timeout_s
        while request_id not in self._arrived:
            self._turn(deadline, f"request {request_id}")
        return self._take(request_id)

    def wait_any(self):
        """(request_id, reply or NodeError) of whichever request is answered next."""
        deadline = time.monotonic() + self.timeout_s
        while not self._arrived:
            self._turn(deadline, "any reply")
        request_id = next(iter(self._arrived))
        return request_id, self._arrived.pop(request_id)

    def poll(self):
        """[(request_id, reply or NodeError)] of what has come, without waiting."""
        if not self._arrived and self._lost is None:
            self._exchange(0)
        arrived, self._arrived = list(self._arrived.items()), {}
        if not arrived and self._lost is not None:
            raise ConnectionLost(self._lost)
        return arrived

    def under_way_count(self):
        return len(self._under_way)

    def wait_heartbeat(self):
        """Until one more heartbeat has come."""
        seen, deadline = self.heartbeats_seen, time.monotonic() + self.timeout_s
        while self.heartbeats_seen == seen:
            self._turn(deadline, "a heartbeat")

    def wait_closed(self):
        """Until the node has closed the connection; the reason as text."""
        deadline = time.monotonic() + self.timeout_s
        while self._lost is None:
            self._turn(deadline, "the node to close the connection")
        return self._lost

    def _take(self, request_id):
        reply = self._arrived.pop(request_id)
        if isinstance(reply, NodeError):
            raise reply
        return reply

    def _turn(self, deadline, what):
        if self._lost is not None:
            raise ConnectionLost(self._lost)
        remaining_s = deadline - time.monotonic()
        if remaining_s <= 0:
            raise TimeoutError(f"waited {self.timeout_s} s for {what}")
        self._exchange(remaining_s)

    def _exchange(self, wait_s):
        """Wait for the socket at most `wait_s`, then send and receive what it allows."""
        writes = [self.socket] if self._unsent else []
        readable, writable, _ = select.select([self.socket], writes, [], wait_s)
        if writable:
            self._push()
        if readable and self._lost is None:
            self._receive()

    def _push(self):
        try:
            while self._unsent and self._lost is None:
                sent_bytes = self.socket.send(self._unsent[:262144])
                del self._unsent[:sent_bytes]
        except BlockingIOError:
            pass
        except OSError as error:
            self._receive_rest()
            self._lost = self._lost or str(error)

    def _receive_rest(self):
        """Replies that came before the connection broke still count."""
        try:
            while self._lost is None:
                self._receive_once()
        except BlockingIOError:
            pass

    def _receive(self):
        try:
            self._receive_once()
        except BlockingIOError:
            pass

    def _receive_once(self):
        try:
            data = self.socket.recv(1 << 18)
        except BlockingIOError:
            raise
        except OSError as error:
            self._lost = str(error)
            return
        if not data:
            self._lost = "closed by the node"
            return
        self._reader.feed(data)
        for received in self._reader.frames():
            self._accept(received)

    def _accept(self, received):
        if received.type == HEARTBEAT:
            if received.body or received.request_id:
                raise WireError("a heartbeat has no body and no request id")
            self.heartbeats_seen += 1
            return
        if received.type == ERROR:
            self._under_way.pop(received.request_id, None)
            reply = NodeError(ErrorReply.decode(received.body))
        else:
            asked = self._under_way.pop(received.request_id, None)
            if asked is None or received.type != asked | REPLY_BIT:
                raise WireError(f"reply type {received.type:#x} for request {received.request_id}"
                                f" of type {asked}")
            reply = REPLIES[asked].decode(received.body)
        self.replies_order.append(received.request_id)
        self._arrived[received.request_id] = reply

    # blocking use

    def call(self, type_, request=None):
        return self.wait(self.send(type_, request))

    def ping(self):
        return self.call(PING)

    def info(self):
        return self.call(INFO)

    def stats(self):
        """({name: value} of the node, {shard: {name: value}})."""
        reply = self.call(STATS)
        return ({stat.name: stat.value for stat in reply.node},
                {shard.shard: {stat.name: stat.value for stat in shard.stats}
                 for shard in reply.shards})

    def resolve(self, keys, lookup_only=False):
        return self._by_index(self.call(RESOLVE, ResolveRequest(
            keys=list(keys), lookup_only=lookup_only)).results, len(keys))

    def names(self, ids):
        return self._by_index(self.call(NAMES, NamesRequest(ids=list(ids))).results, len(ids))

    def append(self, items):
        return self._by_index(self.call(APPEND, AppendRequest(items=items)).results, len(items))

    def append_one(self, session_id, body, sender_id=1, **fields):
        return self.append([Append(session_id=session_id, sender_id=sender_id, body=body,
                                   **fields)])[0]

    def pull(self, items):
        return self._by_index(self.call(PULL, PullRequest(items=items)).results, len(items))

    def pull_one(self, session_id, **fields):
        return self.pull([Pull(session_id=session_id, **fields)])[0]

    def pull_pages(self, session_id, count_max=0, bytes_max=0):
        """Every page of a session, forward from its start."""
        after_seq = 0
        while True:
            page = self.pull_one(session_id, after_seq=after_seq, count_max=count_max,
                                 bytes_max=bytes_max)
            if page.code != 0:
                raise NodeError(page_error(page))
            yield page
            if not page.more:
                return
            if page.end_seq <= page.first_seq:
                raise WireError("a single pull came back empty although there is more")
            after_seq = page.end_seq - 1

    def pull_all(self, session_id, **limits):
        return [m for page in self.pull_pages(session_id, **limits) for m in page.messages]

    def session(self, session_ids):
        return self._by_index(self.call(SESSION, SessionRequest(
            session_ids=list(session_ids))).results, len(session_ids))

    def sessions(self, cursor=b"", count_max=0):
        return self.call(SESSIONS, SessionsRequest(cursor=cursor, count_max=count_max))

    def all_sessions(self, count_max=0):
        """{session_id: Session} of every session; each may be told once only."""
        found, cursor = {}, b""
        while True:
            page = self.sessions(cursor, count_max)
            for session in page.sessions:
                if session.session_id in found:
                    raise WireError(f"session {session.session_id} came twice")
                found[session.session_id] = session
            cursor = page.next_cursor
            if not cursor:
                return found

    @staticmethod
    def _by_index(results, items_count):
        """Results in the order of the items; each item has exactly one."""
        ordered = [None] * items_count
        for result in results:
            if result.index >= items_count or ordered[result.index] is not None:
                raise WireError(f"result index {result.index} of {items_count} items")
            ordered[result.index] = result
        if None in ordered:
            raise WireError(f"item {ordered.index(None)} has no result")
        return ordered


def page_error(page):
    return ErrorReply(code=page.code, text=page.text)
