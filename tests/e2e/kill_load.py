"""kill_load: clients of a node that may die at any moment, driven by one thread.

Each worker owns one connection and tells the history what it sent and what came back. A request
that the connection's end left unanswered stays open there; the messages are in `unanswered`, to
be retried on the next connection.
"""
import collections
import select
import time

from imlog_wire import (APPEND, NAMES, PULL, RESOLVE, AppendRequest, ConnectionLost,
                        NamesRequest, NodeError, Pull, PullRequest, ResolveRequest)
from kill_model import require

NUMBERED_SESSIONS = range(1, 41)


class Worker:
    """One connection with at most `depth` requests under way."""

    depth = 1

    def __init__(self, node, history, random):
        self.history, self.random = history, random
        self.client = node.connect()
        self.under_way = {}
        self.was_refused = False

    def turn(self, may_send):
        """Send and take what is possible now; False once the connection is lost."""
        try:
            while may_send and len(self.under_way) < self.depth:
                request_id, context = self.ask()
                self.under_way[request_id] = context
            for request_id, reply in self.client.poll():
                context = self.under_way.pop(request_id)
                if isinstance(reply, NodeError):
                    require(self.history.may_refuse(reply.code), "a good request is not refused",
                            str(reply))
                    self.was_refused = True
                    self.refused(context)
                else:
                    self.take(context, reply)
            return True
        except ConnectionLost:
            for context in self.under_way.values():
                self.refused(context)
            self.under_way.clear()
            self.client.close()
            return False

    def ask(self):
        """Send a request: (its id, what take() needs to know of it)."""
        raise NotImplementedError

    def take(self, context, reply):
        raise NotImplementedError

    def refused(self, context):
        """No answer, or none that tells the outcome."""


class Writer(Worker):
    """Appends; first what an earlier connection left without an answer."""

    def __init__(self, node, history, random, shared):
        super().__init__(node, history, random)
        self.shared = shared
        self.depth = random.choice([1, 2, 16, 32])
        self.batch = random.choice([1, 4, 12])
        self.retries = []     # keys
        self.unanswered = []  # keys
        self.order = {}       # session_id -> keys sent first by this connection, in order

    def ask(self):
        keys = self._retries() if self.retries else self._fresh()
        return self.send(keys), keys

    def _retries(self):
        keys, self.retries = self.retries[:50], self.retries[50:]
        return keys

    def _fresh(self):
        keys = []
        for _ in range(self.random.randint(1, self.batch)):
            key = self.shared.new_key(self.random)
            self.order.setdefault(key[0], []).append(key)
            keys.append(key)
        if self.random.random() < 0.1 and self.shared.acked:  # and a retry of an old one
            keys.append(self.random.choice(self.shared.acked))
        return keys

    def send(self, keys):
        items = []
        for key in keys:
            is_stored = key in self.history.placed
            items.append(self.history.item(key, is_stored and self.random.random() < 0.5))
            self.history.sent(key)
        return self.client.send(APPEND, AppendRequest(items=items))

    def take(self, keys, reply):
        require(sorted(r.index for r in reply.results) == list(range(len(keys))),
                "each item has one result", reply)
        for result in reply.results:
            key = keys[result.index]
            if result.code == 0:
                self.history.acked(key, result)
                self.shared.remember(key)
            else:
                require(self.history.may_refuse(result.code), "a good append is not refused", key,
                        result)
                self.unanswered.append(key)
                self.was_refused = True

    def refused(self, keys):
        self.unanswered += keys


class Doubler(Writer):
    """Sends everything on two connections at once: one of the two is the retry."""

    def __init__(self, node, history, random, shared, twin):
        super().__init__(node, history, random, shared)
        self.twin = twin

    def _fresh(self):
        keys = super()._fresh()
        self.twin.retries += [key for key in keys if key[2] != 0]
        self.order.clear()  # the twin may overtake
        return keys


class Reader(Worker):
    """Pulls forward and backward, by many sessions a request or one."""

    depth = 2

    def ask(self):
        sessions = self.history.sessions
        ids = list(sessions)
        pulls = []
        for _ in range(self.random.choice([1, 3, 20]) if ids else 0):
            session_id = self.random.choice(ids)
            seq = self.random.randint(0, len(sessions[session_id]) + 2)
            pull = Pull(session_id=session_id, count_max=self.random.choice([1, 5, 20]))
            pull.backward = self.random.random() < 0.7
            if not pull.backward:
                pull.after_seq = seq
            elif self.random.random() < 0.5:
                pull.before_seq = seq
            pulls.append(pull)
        return self.client.send(PULL, PullRequest(items=pulls)), len(pulls)

    def take(self, count, reply):
        require(len(reply.results) == count, "each pull has one result", reply)
        for page in reply.results:
            if not self.history.may_refuse(page.code):
                self.history.read_page(page)


class Resolver(Worker):
    """Gives names to new sessions and asks for old ones."""

    depth = 4

    def __init__(self, node, history, random, shared):
        super().__init__(node, history, random)
        self.shared = shared

    def ask(self):
        known = self.shared.names
        if known and self.random.random() < 0.3:
            names = [self.random.choice(known) for _ in range(5)]
            ids = [self.history.ids[name] for name in names]
            return self.client.send(NAMES, NamesRequest(ids=ids)), (NAMES, names)
        names = [self.shared.new_name(self.random)]
        names += [self.random.choice(known) for _ in range(3) if known]
        return self.client.send(RESOLVE, ResolveRequest(keys=names)), (RESOLVE, names)

    def take(self, context, reply):
        type_, names = context
        require(len(reply.results) == len(names), "each name has one result", reply)
        for result in reply.results:
            name = names[result.index]
            if type_ == NAMES:
                require(result.key == name, "an id keeps its key", name, result)
            elif result.code == 0:
                if name not in self.history.ids:
                    self.shared.names.append(name)
                self.history.resolved(name, result.id)
            else:
                require(self.history.may_refuse(result.code), "resolving is not refused", name,
                        result)
                self.shared.unanswered_names.append(name)

    def refused(self, context):
        type_, names = context
        if type_ == RESOLVE:
            self.shared.unanswered_names.append(names[0])


class Shared:
    """What the workers of one history have in common."""

    NAMED_SESSIONS = 100  # of all names: each session is checked after every kill
    REMEMBERED_MAX = 500  # recent acks to retry: well inside the dedupe window

    def __init__(self, history):
        self.history = history
        self.names = []
        self.unanswered_names = []
        self.acked = collections.deque(maxlen=self.REMEMBERED_MAX)
        self.next_number = 1

    def new_key(self, random):
        """A message of its own: most have a client_msg_id, a few are without retry."""
        self.next_number += 1
        if self.names and random.random() < 0.2:
            name = random.choice(self.names[:self.NAMED_SESSIONS])
            session_id = self.history.ids[name]
        else:
            session_id = random.choice(NUMBERED_SESSIONS)
        if random.random() < 0.05:
            return (session_id, 1_000_000 + self.next_number, 0)
        return (session_id, random.randint(1, 5), self.next_number)

    def new_name(self, random):
        if self.unanswered_names and random.random() < 0.5:
            return self.unanswered_names.pop()
        self.next_number += 1
        return b"name %d" % self.next_number

    def remember(self, key):
        if key[2] != 0:
            self.acked.append(key)


class Load:
    """All workers of one life of the node, from its start to its end."""

    def __init__(self, node, history, random, shared, retries):
        twin = Writer(node, history, random, shared)
        self.writers = [Writer(node, history, random, shared),
                        Writer(node, history, random, shared),
                        Doubler(node, history, random, shared, twin), twin]
        self.workers = [*self.writers, Reader(node, history, random),
                        Resolver(node, history, random, shared)]
        for key in retries:
            self.writers[key[0] % 2].retries.append(key)

    def run(self, duration_s):
        deadline = time.monotonic() + duration_s
        while time.monotonic() < deadline and self.workers:
            self._turn(may_send=True)
            self._wait(min(0.002, max(0.0, deadline - time.monotonic())))

    def finish(self, deadline_s=30.0):
        """Take what the node had sent before its end."""
        deadline = time.monotonic() + deadline_s
        while self.workers:
            self._turn(may_send=False)
            require(time.monotonic() < deadline, "a connection ends with its node")
            self._wait(0.01)

    def _turn(self, may_send):
        self.workers = [worker for worker in self.workers if worker.turn(may_send)]

    def _wait(self, wait_s):
        sockets = [worker.client.socket for worker in self.workers]
        if sockets:
            select.select(sockets, [], [], wait_s)

    def unanswered(self):
        """Keys to be tried again: those that a retry cannot store twice."""
        keys = [key for writer in self.writers for key in writer.unanswered + writer.retries]
        return [key for key in dict.fromkeys(keys) if key[2] != 0]

    def orders(self):
        return [keys for writer in self.writers if not writer.was_refused
                for keys in writer.order.values()]
