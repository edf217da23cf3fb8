"""kill_model: what must be true of a node that is killed again and again, as plain dicts.

A message is known by its key (session_id, sender_id, client_msg_id); its other fields follow from
the key, so that any copy can be checked. The outcome of a request that a kill left unanswered is
open until settle() reads the restarted node: from then on the message is there for ever, or it is
absent until it is sent again.
"""
import hashlib

from imlog_wire import EABORTED, EBUSY, EDRAINING, EUNKNOWN, Append, Pull

SIZES = (0, 30, 200, 200, 1000, 1000, 4000, 20000)  # of bodies; large ones fill segments
OVERLAP = 1      # settled messages of a session that are read again with its new ones
OLD_PULLS = 5    # pulls of anything old, each time
PULLS_AT_ONCE = 50
NAMES_CHECKED = 100  # the newest, each time
PASSING = (EABORTED, EBUSY, EDRAINING, EUNKNOWN)  # the message may be sent again
OTHER_BODY = b"a retry whose body does not count"


class Violation(AssertionError):
    """A promise is broken."""


def require(condition, what, *details):
    if not condition:
        raise Violation(f"{what}: " + " ".join(map(repr, details)))


class History:
    """All that is known of one data directory."""

    def __init__(self, random):
        self.random = random
        self.salt = random.randbytes(16)
        self.noise = random.randbytes(1 << 16)
        self.placed = {}      # key -> (seq, msg_id): acked, or seen by a reader
        self.sessions = {}    # session_id -> {seq: key}
        self.msg_ids = {}     # msg_id -> key: unique on the node
        self.possible = {}    # key -> how often it was sent, while its outcome is open
        self.recent = []      # keys that got their place since the last settle()
        self.closed = set()   # keys that from now on get the answer of a retry
        self.settled_seq = {}  # session_id -> newest seq when it was settled
        self.ids = {}         # string key -> resolved id, once known
        self.names = {}       # and back
        self.acked_count = self.retried_count = self.checked_count = 0

    # ---- messages

    def may_refuse(self, code):
        """Is this an answer that a good request may get?"""
        return code in PASSING

    def item(self, key, is_other_body=False):
        session_id, sender_id, client_msg_id = key
        type_, client_ms, body = self._content(key)
        return Append(session_id=session_id, kind=kind_of(session_id), sender_id=sender_id,
                      client_msg_id=client_msg_id, client_ms=client_ms, type=type_,
                      body=OTHER_BODY if is_other_body else body)

    def _content(self, key):
        """(type, client_ms, body) of the message with this key."""
        digest = hashlib.blake2b(b"%d %d %d" % key, key=self.salt, digest_size=16).digest()
        at = int.from_bytes(digest[:2], "little")
        body_bytes = SIZES[digest[2] % len(SIZES)]
        start = at % (len(self.noise) - body_bytes)
        return at, int.from_bytes(digest[3:8], "little"), (
            digest + self.noise[start:start + body_bytes])[:body_bytes]

    def sent(self, key):
        if key not in self.placed:
            self.possible[key] = self.possible.get(key, 0) + 1

    def acked(self, key, result):
        require((result.code, result.ack) == (0, 1), "an ack says durable", key, result)
        if result.duplicate:  # perhaps of a try whose own ack is still on its way
            require(key in self.placed or self.possible.get(key, 0) > 1,
                    "a first try is no retry", key, result)
        else:
            require(key not in self.closed, "a retry is told to be one", key, result)
            self.closed.add(key)
        self._place(key, result.seq, result.msg_id)
        self.acked_count += 1
        self.retried_count += result.duplicate

    def read(self, session_id, message):
        """A message that a pull returned."""
        key = (session_id, message.sender_id, message.client_msg_id)
        self._place(key, message.seq, message.msg_id)
        require((message.type, message.client_ms, message.body) == self._content(key),
                "a message is as it was sent", key, message.seq)
        before = self.sessions[session_id].get(message.seq - 1)
        if message.seq == 1 or before is not None:
            expected = self.placed[before][1] if before is not None else 0
            require(message.prev_msg_id == expected < message.msg_id,
                    "each message names the one before it", key, message, expected)
        self.checked_count += 1

    def _place(self, key, seq, msg_id):
        """A key has one place and a place one key, for ever."""
        known = self.placed.get(key)
        if known is not None:
            require(known == (seq, msg_id), "a message stays where it was", key, known,
                    (seq, msg_id))
            return
        require(key in self.possible, "nothing comes that was not sent", key, seq, msg_id)
        places = self.sessions.setdefault(key[0], {})
        require(seq not in places, "a seq is given once", key, seq, places.get(seq))
        require(msg_id not in self.msg_ids, "a msg_id is given once", key, msg_id)
        places[seq] = key
        self.msg_ids[msg_id] = key
        self.placed[key] = (seq, msg_id)
        del self.possible[key]
        self.recent.append(key)

    # ---- keys

    def resolved(self, name, id_):
        known = self.ids.setdefault(name, id_)
        require(known == id_, "a key keeps its id", name, known, id_)
        require(self.names.setdefault(id_, name) == name, "an id is given once", name, id_)

    # ---- after a restart

    def settle(self, client, orders=(), everything=False):
        """Read what is new in the restarted node (or all), and close every open outcome.
        `orders`: lists of keys of one session, each in the order one connection sent them."""
        states = client.all_sessions()
        unseen = {key[0] for key in self.possible}
        for session_id in self.sessions:
            require(session_id in states, "a session stays", session_id)
        for session_id in states:
            require(session_id in self.sessions or session_id in unseen,
                    "no session comes from nowhere", session_id)
        self._read_sessions(client, states, everything)
        self._read_old(client)
        for session_id, state in states.items():
            self._check_session(session_id, state)
        self.possible.clear()
        self.closed.update(self.recent)
        self.recent.clear()
        for keys in orders:
            self._check_order(keys)
        self._check_names(client, list(self.ids)[0 if everything else -NAMES_CHECKED:])

    def _read_sessions(self, client, states, everything):
        waiting = {}
        for session_id, state in states.items():
            settled_seq = 0 if everything else self.settled_seq.get(session_id, 0)
            if state.latest_seq != settled_seq:
                waiting[session_id] = max(0, settled_seq - OVERLAP)
        while waiting:
            asked = [Pull(session_id=session_id, after_seq=after_seq)
                     for session_id, after_seq in list(waiting.items())[:PULLS_AT_ONCE]]
            for page in client.pull(asked):
                self.read_page(page)
                require(page.session_latest_seq == states[page.session_id].latest_seq,
                        "latest_seq is one", page.session_id, page.session_latest_seq, states)
                if page.more:
                    waiting[page.session_id] = page.end_seq - 1
                else:
                    del waiting[page.session_id]

    def _read_old(self, client):
        if not self.sessions:
            return
        pulls = []
        for session_id in self.random.choices(list(self.sessions), k=OLD_PULLS):
            after_seq = self.random.randrange(len(self.sessions[session_id]))
            pulls.append(Pull(session_id=session_id, after_seq=after_seq, count_max=10))
        for page in client.pull(pulls):
            self.read_page(page)

    def read_page(self, page):
        require(page.code == 0 and not page.gaps, "a pull is answered in full", page)
        require([m.seq for m in page.messages] == list(range(page.first_seq, page.end_seq)),
                "a page has no hole", page.session_id, page.first_seq, page.end_seq)
        for message in page.messages:
            self.read(page.session_id, message)

    def _check_session(self, session_id, state):
        places = self.sessions[session_id]
        require(state.latest_seq == state.message_count == len(places) == max(places),
                "seqs are 1..n, and all that was acked or seen is among them", session_id, state,
                len(places), max(places))
        require(state.kind == kind_of(session_id), "a session keeps its kind", state)
        self.settled_seq[session_id] = state.latest_seq

    def _check_order(self, keys):
        """What one connection sent to one session: a prefix is there, in that order."""
        seqs = [self.placed[key][0] if key in self.placed else None for key in keys]
        there = [seq for seq in seqs if seq is not None]
        require(there == sorted(there) and seqs[:len(there)] == there,
                "appends of a connection keep their order", keys[0][0], seqs)

    def _check_names(self, client, names):
        if not names:
            return
        for name, result in zip(names, client.resolve(names, lookup_only=True)):
            require(result.code == 0, "a resolved key stays", name, result)
            self.resolved(name, result.id)
        for name, result in zip(names, client.names([self.ids[name] for name in names])):
            require(result.key == name, "an id keeps its key", name, result)


def kind_of(session_id):
    return 1 + session_id % 3
