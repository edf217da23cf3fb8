"""model: the obvious answers, from a plain list per session, that a node is compared with."""
import collections

from imlog_wire import Append

PULL_MESSAGES_MAX = 1000       # InfoReply.pull_messages_max
PULL_BYTES_DEFAULT = 1 << 20   # of bodies, when a pull does not say

Window = collections.namedtuple("Window", "first_seq end_seq more")


def window(bodies, after_seq=0, before_seq=0, backward=False, count_max=0, bytes_max=0):
    """The seqs a pull of a session with these bodies answers, as docs/PROTOCOL.md says."""
    count_max = min(count_max or PULL_MESSAGES_MAX, PULL_MESSAGES_MAX)
    bytes_max = bytes_max or PULL_BYTES_DEFAULT
    latest_seq = len(bodies)
    if backward:
        end_seq = latest_seq + 1 if before_seq == 0 else min(before_seq, latest_seq + 1)
        candidates = range(end_seq - 1, 0, -1)
    else:
        candidates = range(after_seq + 1, latest_seq + 1)
    taken_count = _fitting(bodies, candidates, count_max, bytes_max)
    more = taken_count < len(candidates)
    if backward:
        return Window(end_seq - taken_count, end_seq, more)
    return Window(after_seq + 1, after_seq + 1 + taken_count, more)


def _fitting(bodies, candidates, count_max, bytes_max):
    taken_count = taken_bytes = 0
    for seq in candidates:
        taken_bytes += len(bodies[seq - 1])
        if taken_count == count_max or (taken_count > 0 and taken_bytes > bytes_max):
            break
        taken_count += 1
    return taken_count


def random_pull(random, latest_seq):
    """Arguments of a pull that reaches any part of a session, a little past its ends too."""
    limits = {"count_max": random.choice([0, 1, 2, 7, 50, 1000, 5000]),
              "bytes_max": random.choice([0, 0, 1, 300, 5000, 100_000])}
    seq = random.randint(0, latest_seq + 2)
    if random.random() < 0.5:
        return {"after_seq": seq, **limits}
    return {"backward": True, "before_seq": seq, **limits}


def random_body(random, bytes_max=400):
    return random.randbytes(random.randint(0, bytes_max))


class Ledger:
    """Appends made through it are remembered, so that every later answer can be compared."""

    def __init__(self):
        self.appends = {}  # session_id -> [Append] in seq order
        self.acks = {}     # session_id -> [Appended] in seq order
        self._client_msg_id = 0

    def next_client_msg_id(self):
        """Never the same again, also when the message it was for was refused."""
        self._client_msg_id += 1
        return self._client_msg_id

    def add(self, item, result):
        appends = self.appends.setdefault(item.session_id, [])
        assert result.code == 0 and result.seq == len(appends) + 1, (
            f"session {item.session_id}: the append after seq {len(appends)} got {result}")
        appends.append(item)
        self.acks.setdefault(item.session_id, []).append(result)

    def bodies(self, session_id):
        return [item.body for item in self.appends.get(session_id, [])]

    def fill(self, client, random, session_ids, count, bytes_max=400, batch=200):
        """Append `count` random messages over the sessions."""
        while count > 0:
            items = []
            for _ in range(min(batch, count)):
                items.append(Append(
                    session_id=random.choice(session_ids), sender_id=random.randint(1, 9),
                    client_msg_id=self.next_client_msg_id(), client_ms=random.getrandbits(40),
                    type=random.getrandbits(16), body=random_body(random, bytes_max)))
            for item, result in zip(items, client.append(items)):
                self.add(item, result)
            count -= len(items)

    def check_message(self, test, session_id, message):
        """A pulled message is byte for byte what was appended and acked at its seq."""
        sent = self.appends[session_id][message.seq - 1]
        ack = self.acks[session_id][message.seq - 1]
        test.assertEqual(
            (message.sender_id, message.client_msg_id, message.client_ms, message.type,
             message.body, message.msg_id, message.server_ms),
            (sent.sender_id, sent.client_msg_id, sent.client_ms, sent.type, sent.body,
             ack.msg_id, ack.server_ms), f"session {session_id} seq {message.seq}")

    def check_session(self, test, client, session_id, **limits):
        messages = client.pull_all(session_id, **limits)
        test.assertEqual(len(messages), len(self.appends.get(session_id, [])))
        test.assert_chain(messages)
        for message in messages:
            self.check_message(test, session_id, message)

    def check_all(self, test, client, **limits):
        for session_id in self.appends:
            self.check_session(test, client, session_id, **limits)

    def check_pull(self, test, client, session_id, **arguments):
        """One pull gives exactly the window the model gives."""
        bodies = self.bodies(session_id)
        page = client.pull_one(session_id, **arguments)
        context = f"session {session_id} {arguments}"
        expected = window(bodies, **arguments)
        test.assertEqual(page.code, 0, context)
        test.assertEqual(page.session_id, session_id)
        test.assertEqual(page.session_latest_seq, len(bodies), context)
        test.assertEqual([m.seq for m in page.messages],
                         list(range(expected.first_seq, expected.end_seq)), context)
        test.assertEqual(page.more, expected.more, context)
        test.assertEqual(page.gaps, [], context)
        if page.messages:
            test.assertEqual((page.first_seq, page.end_seq), expected[:2], context)
        else:
            test.assertEqual(page.first_seq, page.end_seq, context)
        for message in page.messages:
            self.check_message(test, session_id, message)
        return page
