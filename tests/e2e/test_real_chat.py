"""Done-when 1: a real chat history goes in by imlog-dump replay and comes out identical, by export
and by pulls; exported and replayed into an empty node, it is the same again."""
import json

from harness import ImlogTest, history_path, history_sessions, main, run_tool
from imlog_wire import KIND_DIRECT, KIND_GROUP, Pull

KINDS = {"direct": KIND_DIRECT, "group": KIND_GROUP}


class RealChat(ImlogTest):

    def test_history_survives_replay_export_and_replay_again(self):
        path = history_path()
        if path is None:
            return
        with open(path, encoding="utf-8") as lines:
            told = history_sessions(map(json.loads, lines))
        first = self.node("first", shards=2)
        self._replay(first, path, sum(map(len, told.values())))
        exported = self.directory / "first.jsonl"
        lines = self._export(first, exported)
        self._check_lines(lines, told)
        self._check_pulls(first, lines, told)
        self.assert_clean(first)
        self._check_after_crash(first, lines)

        second = self.node("second", shards=3)
        self._replay(second, exported, len(lines))
        again = self._export(second, self.directory / "second.jsonl")
        self.assertEqual(self._identity(again), self._identity(lines))
        self.assert_clean(second)

    def _replay(self, node, path, messages_count):
        state = self.directory / f"{node.data_dir.name}.state"
        done = run_tool("imlog-dump", "replay", path, "--server", node.server, "--speed", "max",
                        "--state", state)
        self.assertEqual(done.returncode, 0, done.stderr)
        with node.connect() as client:
            states = client.all_sessions().values()
            self.assertEqual(sum(s.message_count for s in states), messages_count)

    def _export(self, node, path):
        done = run_tool("imlog-dump", "export", "--data-dir", node.data_dir, "--output", path)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(path, encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]

    def _check_lines(self, lines, told):
        """Per session the same messages in the same order, seq 1..n, and the promised fields."""
        came = history_sessions(lines)
        self.assertEqual(set(came), set(told))
        for session, messages in told.items():
            self.assertEqual(came[session], messages, session)
        promised = {"session", "kind", "sender", "ts_ms", "text", "seq", "msg_id", "session_id",
                    "sender_id", "client_msg_id", "server_ms"}
        self.assertTrue(all(promised <= set(line) for line in lines))
        self.assertEqual(len({line["msg_id"] for line in lines}), len(lines))

    def _check_pulls(self, node, lines, told):
        """What is pulled by (session, last seq) is what was exported."""
        by_session = {}
        for line in lines:
            by_session.setdefault(line["session"], []).append(line)
        keys = sorted(by_session)
        with node.connect() as client:
            for first in range(0, len(keys), 500):
                self._check_some_pulls(client, keys[first:first + 500], by_session, told)

    def _check_some_pulls(self, client, keys, by_session, told):
        resolved = client.resolve([key.encode() for key in keys], lookup_only=True)
        ids = [r.id for r in resolved]
        states = client.session(ids)
        waiting = dict(zip(ids, keys))
        pulled = {session_id: [] for session_id in ids}
        while waiting:
            asked = [Pull(session_id=i, after_seq=len(pulled[i])) for i in waiting]
            for page in client.pull(asked):
                self.assertEqual(page.code, 0, page.text)
                pulled[page.session_id] += page.messages
                if not page.more:
                    del waiting[page.session_id]
        for session_id, key, state in zip(ids, keys, states):
            self.assertEqual(state.kind, KINDS[told[key][0][3]])
            self.assert_chain(pulled[session_id])
            self.assertEqual(
                [(m.seq, m.msg_id, m.client_ms, m.sender_id, m.client_msg_id, m.body)
                 for m in pulled[session_id]],
                [(line["seq"], line["msg_id"], line["ts_ms"], line["sender_id"],
                  line["client_msg_id"], line["text"].encode()) for line in by_session[key]])

    def _check_after_crash(self, node, lines):
        """SIGKILL, export of what lies there, restart, export again: nothing changed."""
        node.kill()
        crashed = self._export(node, self.directory / "crashed.jsonl")
        node.start()
        reopened = self._export(node, self.directory / "reopened.jsonl")
        order = lambda line: (line["session_id"], line["seq"])
        self.assertEqual(sorted(crashed, key=order), sorted(lines, key=order))
        self.assertEqual(sorted(reopened, key=order), sorted(lines, key=order))

    @staticmethod
    def _identity(lines):
        return sorted((line["session"], line["seq"], line["sender"], line["kind"], line["ts_ms"],
                       line["text"]) for line in lines)


if __name__ == "__main__":
    main()
