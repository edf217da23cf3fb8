"""storm_frames: bad frames by the thousand, and what a node owes for any stream of bytes.

Mutator makes frames that are nearly right; cut() says, from docs/PROTOCOL.md alone, which
requests a stream of bytes holds, so that every answer to a storm can be accounted for.
"""
from collections import namedtuple

from imlog_wire import (APPEND, BYTES, FIXED32, FIXED64, FRAME_BYTES_MAX, HEADER, HEARTBEAT, INFO,
                        NAMES, PING, PROTOCOL_VERSION, PULL, RESOLVE, SESSION, SESSIONS, STATS,
                        VARINT, Append, AppendRequest, NamesRequest, Pull, PullRequest,
                        ResolveRequest, SessionRequest, SessionsRequest, field_key, frame,
                        length_delimited, read_varint, varint)

SESSION_END = 200  # storms write to sessions below
EXTREMES = (0, 1, 127, 128, 4096, 4097, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**48,
            2**53, 2**63 - 1, 2**63, 2**64 - 1)
GREETINGS = (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n....",
             b"\x16\x03\x01\x02\0\1\0\1\xfc\3\3" + b"\0" * 40)

Owed = namedtuple("Owed", "asked refused_id rest_bytes")
Sample = namedtuple("Sample", "type body fields")  # fields: [(number, wire type, payload)]


def cut(data):
    """What a node owes for these bytes: `asked` {request_id: [types]} each with one answer;
    `refused_id` of the header that ends the connection, or None; `rest_bytes` of a half frame."""
    asked, at, end = {}, 0, len(data)
    while end - at >= HEADER.size:
        body_bytes, version, flags, type_, request_id = HEADER.unpack_from(data, at)
        if version != PROTOCOL_VERSION or flags != 0 or body_bytes > FRAME_BYTES_MAX:
            return Owed(asked, request_id, 0)
        if end - at - HEADER.size < body_bytes:
            break
        if type_ != HEARTBEAT:
            asked.setdefault(request_id, []).append(type_)
        at += HEADER.size + body_bytes
    return Owed(asked, None, end - at)


def split(body):
    """The fields of a valid body, payloads as they are encoded."""
    fields, at = [], 0
    while at < len(body):
        key, at = read_varint(body, at, len(body))
        start = at
        value, at = read_varint(body, at, len(body))
        if key & 7 == BYTES:
            start, at = at, at + value
        fields.append((key >> 3, key & 7, body[start:at]))
    return fields


def join(fields):
    return b"".join([length_delimited(number, payload) if wire_type == BYTES
                     else field_key(number, wire_type) + payload
                     for number, wire_type, payload in fields])


class Mutator:
    """Frames that are nearly right, out of valid ones. Weights: about 200 bytes a frame, so that
    storms are many rather than large; now and then a large one."""

    def __init__(self, random):
        self.random = random
        self.samples = [self._sample() for _ in range(300)]
        self.mutations = (
            self.flip_bits, self.flip_bits, self.truncate, self.insert, self.random_body,
            self.overwrite_with_varint, self.repeat_fields, self.shuffle_fields, self.extreme_value,
            self.lie_about_length, self.unknown_field, self.other_wire_type, self.nest,
            self.splice, self.in_an_item, self.in_an_item, self.in_an_item)
        self.bad_count = 0

    def _sample(self):
        pick, randint = self.random.choice, self.random.randint
        session_id = lambda: randint(1, SESSION_END)
        requests = {
            APPEND: lambda: AppendRequest(items=[Append(
                session_id=session_id(), sender_id=randint(1, 9), client_msg_id=pick([0, 5, 77]),
                client_ms=self.random.getrandbits(41), type=pick([0, 1, 65535]),
                kind=pick([0, 2]), body=self.random.randbytes(randint(0, 60)))
                for _ in range(pick([1, 1, 2, 5]))]),
            PULL: lambda: PullRequest(items=[Pull(
                session_id=session_id(), count_max=randint(1, 5), after_seq=pick([0, 1, 900]),
                backward=pick([False, True])) for _ in range(pick([1, 1, 3]))]),
            RESOLVE: lambda: ResolveRequest(keys=[self.random.randbytes(randint(1, 2))
                                                  for _ in range(pick([1, 3]))]),
            NAMES: lambda: NamesRequest(ids=[2**48 + randint(0, 99) for _ in range(3)]),
            SESSION: lambda: SessionRequest(session_ids=[session_id() for _ in range(5)]),
            SESSIONS: lambda: SessionsRequest(count_max=randint(1, 3)),
            PING: bytes, INFO: bytes, STATS: bytes,
        }
        weights = {APPEND: 30, PULL: 25, RESOLVE: 10, NAMES: 10, SESSION: 10, SESSIONS: 8}
        type_ = self.random.choices(list(requests), [weights.get(t, 2) for t in requests])[0]
        request = requests[type_]()
        body = request if isinstance(request, bytes) else request.encode()
        return Sample(type_, body, split(body))

    # ---- frames

    def frame(self, request_id):
        """One frame that can be skipped: mostly a bad body, at times a bad type or a good one."""
        sample = self.random.choice(self.samples)
        chance = self.random.random()
        if chance < 0.05:
            return frame(sample.type, sample.body, request_id)
        self.bad_count += 1
        if chance < 0.12:
            type_ = self.random.choice([self.random.getrandbits(16), sample.type | 0x8000,
                                        self.random.choice(self.samples).type])
            return frame(type_, sample.body, request_id)
        if chance < 0.1203:
            return frame(sample.type, self._amplifying(), request_id)
        return frame(sample.type, self.random.choice(self.mutations)(sample), request_id)

    def refused_frame(self, request_id):
        """One whose header says that it cannot be skipped."""
        self.bad_count += 1
        sample, action = self.random.choice(self.samples), self.random.randint(0, 3)
        if action == 0:
            version = self.random.choice([0, 2, 255])
            return frame(sample.type, sample.body, request_id, version=version)
        if action == 1:
            return frame(sample.type, sample.body, request_id,
                         flags=self.random.randint(1, 255))
        if action == 2:
            return frame(sample.type, sample.body, request_id,
                         body_bytes=self.random.randint(FRAME_BYTES_MAX + 1, 2**32 - 1))
        return self.random.choice(GREETINGS)

    def half_frame(self, request_id):
        """The beginning of one; or one that promises more than there is."""
        self.bad_count += 1
        sample = self.random.choice(self.samples)
        if self.random.random() < 0.5:
            body_bytes = len(sample.body) + self.random.choice([1, 100, 70_000, 4_000_000])
            return frame(sample.type, sample.body, request_id, body_bytes=body_bytes)
        whole = frame(sample.type, sample.body, request_id)
        return whole[:self.random.randint(1, len(whole) - 1)]

    def damage_stream(self, data):
        """Flips, losses and additions anywhere, headers and lengths included."""
        data = bytearray(data)
        for _ in range(self.random.randint(1, 3)):
            at = self.random.randrange(len(data))
            action = self.random.random()
            if action < 0.6:
                data[at] ^= 1 << self.random.randint(0, 7)
            elif action < 0.8:
                del data[at:at + self.random.randint(1, 20)]
            else:
                data[at:at] = self.random.randbytes(self.random.randint(1, 20))
        return bytes(data)

    def _amplifying(self):
        """Little on the wire that could become much in memory."""
        count = self.random.choice([5000, 30_000, 300_000])
        return self.random.choice([b"\x0a\x00", b"\x08\x01", b"\x78\x01", b"\x0a\x02\x08\x01"]) * (
            count // 2)

    # ---- bodies

    def flip_bits(self, sample):
        body = bytearray(sample.body or b"\0")
        for _ in range(self.random.randint(1, 3)):
            body[self.random.randrange(len(body))] ^= 1 << self.random.randint(0, 7)
        return bytes(body)

    def truncate(self, sample):
        return sample.body[:self.random.randrange(len(sample.body) or 1)]

    def insert(self, sample):
        at = self.random.randint(0, len(sample.body))
        return (sample.body[:at] + self.random.randbytes(self.random.randint(1, 9))
                + sample.body[at:])

    def random_body(self, _):
        return self.random.randbytes(self.random.randint(0, 100))

    def overwrite_with_varint(self, sample):
        at = self.random.randint(0, len(sample.body))
        huge = b"\xff" * self.random.randint(1, 12) + bytes([self.random.getrandbits(8)])
        return sample.body[:at] + huge + sample.body[at + len(huge):]

    def repeat_fields(self, sample):
        if not sample.fields:
            return self.random_body(sample)
        again = [self.random.choice(sample.fields) for _ in range(self.random.choice([1, 2, 40]))]
        return join(sample.fields + again)

    def shuffle_fields(self, sample):
        fields = list(sample.fields)
        self.random.shuffle(fields)
        return join(fields[:self.random.randint(0, len(fields))])

    def extreme_value(self, sample):
        """An extreme number in a field that there is or is not."""
        value = varint(self.random.choice(EXTREMES))
        number = self.random.choice(sample.fields)[0] if sample.fields else 1
        if self.random.random() < 0.3:
            number = self.random.randint(1, 9)
        return join(sample.fields + [(number, VARINT, value)])

    def lie_about_length(self, sample):
        """A length that is not that of what follows."""
        payload = self.random.choice(sample.fields)[2] if sample.fields else b"abc"
        told = self.random.choice([0, 1, len(payload) + 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1])
        number = self.random.randint(1, 7)
        return sample.body + field_key(number, BYTES) + varint(told) + payload

    def unknown_field(self, sample):
        number = self.random.choice([0, 8, 15, 16, 99, 19000, 2**29 - 1, 2**29, 2**61 - 1])
        kind = self.random.randint(0, 7)
        return field_key(number, kind) + self.random.randbytes(
            self.random.choice([1, 4, 8, 9])) + sample.body

    def other_wire_type(self, sample):
        if not sample.fields:
            return self.random_body(sample)
        number, _, payload = self.random.choice(sample.fields)
        kind = self.random.choice([VARINT, FIXED64, FIXED32, BYTES])
        return sample.body + join([(number, kind, payload[:8].ljust(8, b"\0"))])

    def nest(self, sample):
        body = sample.body
        for _ in range(self.random.randint(1, 30)):
            body = length_delimited(1, body)
        return body

    def splice(self, sample):
        other = self.random.choice(self.samples).body
        return (sample.body[:self.random.randint(0, len(sample.body))]
                + other[self.random.randint(0, len(other)):])

    def in_an_item(self, sample):
        """Any of the above, one level down."""
        if sample.type not in (APPEND, PULL):
            return self.flip_bits(sample)
        at = self.random.randrange(len(sample.fields))
        number, kind, payload = sample.fields[at]
        mutation = self.random.choice(self.mutations[:-3])
        item = Sample(PING, payload, split(payload))
        return join([*sample.fields[:at], (number, kind, mutation(item)), *sample.fields[at + 1:]])
