"""The commands that users and scripts rely on: verbs, tables and JSON, exit codes (0 ok, 1 the node
said no or cannot be reached, 2 usage), export, replay, verify and segments."""
import base64
import json
import os
import pty
import select
import socket
import time

from harness import ImlogTest, json_lines, main, run_tool, start_tool
from imlog_wire import KIND_BROADCAST, KIND_DIRECT, KIND_GROUP, Append

VERBS = ("ping", "info", "append", "pull", "session", "sessions", "stats")
ODD_TEXTS = ["", "plain", "Grüße, 世界 🙂", 'quote " back \\ slash',
             "tab\tnewline\n\x01\x1b[31mred", "\u2028", "\x7f", "a" * 3000]


class Ctl(ImlogTest):

    def setUp(self):
        self.served = self.node(shards=2)

    def ok(self, *args, **run):
        done = self.served.ctl(*args, **run)
        self.assertEqual(done.returncode, 0, f"{args}: {done.stdout}{done.stderr}")
        return done.stdout

    def refused(self, code, *args, says=(), **run):
        done = self.served.ctl(*args, **run)
        context = f"{args}: {done.returncode}\n{done.stdout}{done.stderr}"
        self.assertEqual(done.returncode, code, context)
        self.assertTrue(done.stderr.strip(), context)
        for word in says:
            self.assertIn(word, done.stderr, context)

    def test_every_verb_explains_itself(self):
        done = run_tool("imlog-ctl", "--help")
        self.assertEqual(done.returncode, 0)
        for verb in VERBS:
            self.assertIn(verb, done.stdout)
            explained = run_tool("imlog-ctl", verb, "--help")
            self.assertEqual(explained.returncode, 0, verb)
            self.assertIn(verb, explained.stdout)
        self.assertEqual(run_tool("imlog-ctl", "--version").returncode, 0)

    def test_usage_errors_exit_2_and_name_the_cause(self):
        for args, word in ((("frobnicate",), "frobnicate"), (("ping", "--bogus"), "bogus"),
                           (("append", "1"), "append"), (("append", "1", "2"), "append"),
                           (("append", "1", "2", "x", "--kind", "huge"), "huge"),
                           (("append", "1", "2", "x", "--type", "65536"), "65536"),
                           (("append", "0", "2", "x"), "0"), (("pull",), "pull"),
                           (("pull", "1", "--count", "x"), "x"),
                           (("pull", "1", "--count", "-1"), "-1"),
                           (("pull", "1", "--after", "1", "--before", "2"), "--before"),
                           (("session",), "session"), (("sessions", "--limit", "x"), "x"),
                           (("ping", "extra"), "extra")):
            self.refused(2, *args, says=(word,))
        self.assertEqual(run_tool("imlog-ctl").returncode, 2)
        done = run_tool("imlog-ctl", "--server", "nonsense", "ping")
        self.assertEqual(done.returncode, 2)
        self.assertIn("nonsense", done.stderr)

    def test_a_node_that_cannot_be_reached_exits_1_and_is_named(self):
        with socket.create_server(("127.0.0.1", 0)) as closed:
            address = f"127.0.0.1:{closed.getsockname()[1]}"
        for verb in (["ping"], ["info"], ["pull", "1"], ["sessions"], ["--json", "stats"]):
            done = run_tool("imlog-ctl", "--server", address, *verb)
            self.assertEqual(done.returncode, 1)
            self.assertIn(address, done.stderr)

    def test_the_server_comes_from_the_environment_too(self):
        done = run_tool("imlog-ctl", "ping", env={"IMLOG_SERVER": self.served.server})
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_ping_and_info(self):
        self.assertEqual(len(self.ok("ping", "--count", "3").strip().splitlines()[:3]), 3)
        table = self.ok("info")
        with self.served.connect() as client:
            uuid = client.info().node_uuid.hex()
        self.assertIn(uuid, table.replace("-", ""))
        document = self.served.ctl_json("info")
        self.assertEqual(document["shard_count"], 2)
        self.assertEqual(document["body_bytes_max"], 65536)
        self.assertEqual(document["node_uuid"].replace("-", ""), uuid)
        self.served.ctl_json("ping")

    def test_what_is_appended_is_pulled(self):
        for text in ODD_TEXTS:
            self.ok("append", "g:room", "u:ann", text, "--type", "7", "--time-ms", "12345")
        self.ok("append", "g:room", "u:bob", "-", input=b"\xff\x00 not text")
        file = self.directory / "body"
        file.write_bytes(b"from a file\n")
        self.ok("append", "g:room", "u:bob", "--file", file)
        document = self.served.ctl_json("pull", "g:room")
        messages = document["messages"]
        self.assertEqual([m["seq"] for m in messages], list(range(1, len(ODD_TEXTS) + 3)))
        for message, text in zip(messages, ODD_TEXTS):
            self.assertEqual((message["text"], message["type"], message["ts_ms"],
                              message["sender"]), (text, 7, 12345, "u:ann"))
        self.assertEqual(base64.b64decode(messages[-2]["body_base64"]), b"\xff\x00 not text")
        self.assertNotIn("text", messages[-2])
        self.assertEqual(messages[-1]["text"], "from a file\n")

    def test_tables_carry_no_control_characters(self):
        for text in ODD_TEXTS:
            self.ok("append", "g:\x1b[2Jroom", "u:\x1b]0;evil\x07", text)
        for table in (self.ok("pull", "g:\x1b[2Jroom"), self.ok("sessions"),
                      self.ok("session", "g:\x1b[2Jroom")):
            self.assertFalse([c for c in table if ord(c) < 32 and c != "\n" or ord(c) == 127],
                             repr(table))

    def test_pull_windows(self):
        with self.served.connect() as client:
            client.append([Append(session_id=5, sender_id=1, body=b"%d" % n)
                           for n in range(1, 2501)])
        def seqs(*args):
            return [m["seq"] for m in self.served.ctl_json("pull", "5", *args)["messages"]]
        self.assertEqual(seqs("--after", "10", "--count", "3"), [11, 12, 13])
        self.assertEqual(seqs("--before", "10", "--count", "3"), [7, 8, 9])
        self.assertEqual(seqs("--last", "4"), [2497, 2498, 2499, 2500])
        self.assertEqual(seqs("--after", "1000", "--follow-all"), list(range(1001, 2501)))
        self.assertEqual(seqs("--after", "2500"), [])

    def test_kinds_and_retries(self):
        self.ok("append", "7", "1", "hi", "--kind", "direct", "--client-msg-id", "5")
        again = self.served.ctl_json("append", "7", "1", "hi", "--kind", "direct",
                                     "--client-msg-id", "5")
        self.assertEqual((again["seq"], again["duplicate"]), (1, True))
        self.refused(1, "append", "7", "1", "hi", "--kind", "broadcast", says=("kind",))
        self.refused(1, "append", "7", "1", "x" * 65537)
        self.assertEqual(self.served.ctl_json("session", "7")["sessions"][0]["kind"], "direct")

    def test_reading_makes_no_key_and_no_session(self):
        self.refused(1, "pull", "g:nowhere", says=("g:nowhere",))
        self.refused(1, "session", "g:nowhere", says=("g:nowhere",))
        self.refused(1, "pull", "12345", says=("12345",))
        with self.served.connect() as client:
            self.assertNotEqual(client.resolve([b"g:nowhere"], lookup_only=True)[0].code, 0)
            self.assertEqual(client.all_sessions(), {})

    def test_a_key_that_looks_like_a_number(self):
        self.ok("append", "key:42", "key:7", "hi")
        with self.served.connect() as client:
            key, sender = client.resolve([b"42", b"7"], lookup_only=True)
            self.assertEqual((key.code, sender.code), (0, 0))
            self.assertEqual(client.pull_all(key.id)[0].sender_id, sender.id)
        self.assertEqual(len(self.served.ctl_json("pull", "key:42")["messages"]), 1)

    def test_sessions_lists_them_all(self):
        with self.served.connect() as client:
            client.append([Append(session_id=n, sender_id=1, body=b"x") for n in range(1, 2501)])
        every = self.served.ctl_json("sessions", "--all")["sessions"]
        self.assertEqual(sorted(s["session_id"] for s in every), list(range(1, 2501)))
        self.assertEqual(len(self.served.ctl_json("sessions", "--limit", "10")["sessions"]), 10)
        self.assertGreaterEqual(len(self.ok("sessions", "--limit", "10").splitlines()), 10)

    def test_stats(self):
        document = self.served.ctl_json("stats")
        self.assertTrue(document["node"])
        self.assertEqual(len(document["shards"]), 2)
        self.assertTrue(self.ok("stats"))
        self.assertEqual(len(self.served.ctl_json("stats", "--shard", "1")["shards"]), 1)
        self.refused(1, "stats", "--shard", "9", says=("9",))
        self.refused(1, "stats", "no_such_figure", says=("no_such_figure",))


class Export(ImlogTest):

    def fill(self, node):
        """Messages of all kinds by keys and by ids, as dicts of what an export tells of them."""
        told = []
        with node.connect() as client:
            room, pair, ann, bob = [r.id for r in client.resolve(
                [b"g:room", "d:änn|bob".encode(), "änn".encode(), b"bob"])]
            names = {room: "g:room", pair: "d:änn|bob", ann: "änn", bob: "bob", 5: 5, 9: 9}
            for number in range(60):
                session_id, kind = [(room, KIND_GROUP), (pair, KIND_DIRECT),
                                    (5, KIND_BROADCAST)][number % 3]
                sender_id = [ann, bob, 9][number % 3 if session_id != 5 else 2]
                body = (ODD_TEXTS[number // 3 % len(ODD_TEXTS)].encode() if number % 4
                        else b"\xc3\x28 %d" % number)
                result = client.append_one(session_id, body, sender_id=sender_id, kind=kind,
                                           client_msg_id=number, client_ms=1000 + number,
                                           type=number % 5)
                told.append({"session": names[session_id], "sender": names[sender_id],
                             "kind": {1: "direct", 2: "group", 3: "broadcast"}[kind],
                             "body": body, "seq": result.seq, "msg_id": result.msg_id,
                             "session_id": session_id, "sender_id": sender_id,
                             "client_msg_id": number, "ts_ms": 1000 + number,
                             "server_ms": result.server_ms, "type": number % 5})
        return sorted(told, key=lambda message: message["msg_id"])

    @staticmethod
    def body(line):
        return (base64.b64decode(line["body_base64"]) if "body_base64" in line
                else line["text"].encode())

    def check(self, lines, told):
        self.assertEqual(len(lines), len(told))
        for line, message in zip(sorted(lines, key=lambda line: line["msg_id"]), told):
            self.assertEqual({**{k: line.get(k, 0) for k in message if k != "body"},
                              "body": self.body(line)}, message)
            try:
                message["body"].decode()
                self.assertIn("text", line)
            except UnicodeDecodeError:
                self.assertIn("body_base64", line)
                self.assertNotIn("text", line)

    def test_export_tells_every_field_beside_a_running_daemon_and_after(self):
        node = self.node(shards=2)
        told = self.fill(node)
        self.check(node.export(), told)
        node.kill()
        self.check(node.export(), told)
        node.start()
        self.assertEqual(node.stop(), 0)
        self.check(node.export(), told)

    def test_filters_choose_sessions_and_times(self):
        node = self.node(shards=2)
        told = self.fill(node)
        def chosen(*args):
            return sorted(line["msg_id"] for line in node.export(*args))
        def expected(law):
            return [m["msg_id"] for m in told if law(m)]
        self.assertEqual(chosen("--session", "g:room"),
                         expected(lambda m: m["session"] == "g:room"))
        self.assertEqual(chosen("--session", "g:room", "--session", "5"),
                         expected(lambda m: m["session"] in ("g:room", 5)))
        middle = told[30]["server_ms"]
        early = chosen("--until", str(middle))
        late = chosen("--since", str(middle))
        self.assertEqual(sorted({*early, *late}), expected(lambda m: True))
        self.assertEqual(late, expected(lambda m: m["server_ms"] >= middle))
        self.assertEqual(chosen("--since", str(told[-1]["server_ms"] + 1)), [])
        self.assertEqual(chosen("--since", "2020-01-01T00:00:00Z"), expected(lambda m: True))
        self.assertEqual(chosen("--until", "2020-01-01T00:00:00Z"), [])
        self.assertEqual(chosen("--by-client-time", "--since", "1050"),
                         expected(lambda m: m["ts_ms"] >= 1050))

    def test_export_to_a_file_and_to_a_full_device(self):
        node = self.node()
        self.fill(node)
        out = self.directory / "out.jsonl"
        done = run_tool("imlog-dump", "export", "--data-dir", node.data_dir, "--output", out)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([json.loads(line) for line in json_lines(out.read_text())],
                         node.export())
        with open("/dev/full", "wb") as full:
            done = run_tool("imlog-dump", "export", "--data-dir", node.data_dir, stdout=full)
        self.assertEqual(done.returncode, 1)
        self.assertIn("space", done.stderr.lower())

    def test_export_writes_nothing_into_the_data_directory(self):
        node = self.node()
        self.fill(node)
        self.assertEqual(node.stop(), 0)
        def tree():
            return {path: (path.stat().st_mtime_ns, path.stat().st_size)
                    for path in node.data_dir.rglob("*")}
        before = tree()
        node.export()
        self.assert_clean(node)
        self.assertEqual(run_tool("imlog-dump", "segments", "--data-dir",
                                  node.data_dir).returncode, 0)
        self.assertEqual(tree(), before)

    def test_directories_that_are_none_are_named(self):
        foreign = self.directory / "foreign"
        foreign.mkdir()
        (foreign / "file").write_text("mine")
        for command in ("export", "verify", "segments"):
            for path in (self.directory / "absent", foreign, foreign / "file"):
                done = run_tool("imlog-dump", command, "--data-dir", path)
                self.assertEqual(done.returncode, 1, (command, path, done.stderr))
                self.assertIn(str(path), done.stderr)
            done = run_tool("imlog-dump", command)
            self.assertEqual(done.returncode, 2)
            self.assertIn("data-dir", done.stderr)
            done = run_tool("imlog-dump", command, "--data-dir", foreign, "--bogus")
            self.assertEqual(done.returncode, 2)
            self.assertIn("bogus", done.stderr)
        self.assertFalse((self.directory / "absent").exists())

    def test_help_ends_well(self):
        self.assertEqual(run_tool("imlog-dump").returncode, 2)
        self.assertEqual(run_tool("imlog-dump", "frobnicate").returncode, 2)
        done = run_tool("imlog-dump", "--help")
        self.assertEqual(done.returncode, 0)
        for command in ("export", "replay", "verify", "segments"):
            self.assertIn(command, done.stdout)
            self.assertEqual(run_tool("imlog-dump", command, "--help").returncode, 0)

    def test_verify_and_segments_of_a_sound_directory(self):
        node = self.node(shards=2)
        told = self.fill(node)
        for stop in (lambda: None, node.kill):
            stop()
            done = node.verify("--json")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(json.loads(done.stdout)["findings"], [])
            done = node.verify()
            self.assertEqual(done.returncode, 0)
            self.assertTrue(done.stdout.strip())
            done = run_tool("imlog-dump", "segments", "--data-dir", node.data_dir, "--json")
            self.assertEqual(done.returncode, 0)
            segments = json.loads(done.stdout)["segments"]
            self.assertEqual(sum(s["message_count"] for s in segments), len(told))
            self.assertEqual({s["shard"] for s in segments}, {0, 1})


class Replay(ImlogTest):

    def history(self, count=300):
        lines = []
        for number in range(count):
            room = number % 3
            lines.append({"session": ["g:room", "d:ann|bob", 77][room],
                          "kind": ["group", "direct", "broadcast"][room],
                          "sender": ["ann", 5][number % 2], "ts_ms": 1000 + number,
                          "text": f"{number} {ODD_TEXTS[number % len(ODD_TEXTS)]}"})
        return lines

    def write(self, lines, name="history.jsonl"):
        path = self.directory / name
        path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n"
                                for line in lines))
        return path

    def replay(self, node, path, *args, code=0, says=(), **run):
        done = run_tool("imlog-dump", "replay", path, "--server", node.server, *args, **run)
        context = f"exit {done.returncode}\n{done.stdout}{done.stderr}"
        self.assertEqual(done.returncode, code, context)
        for word in says:
            self.assertIn(word, done.stderr, context)
        return done

    def stored(self, node):
        """The history as told by an export, without what the node added."""
        lines = sorted(node.export(), key=lambda line: line["msg_id"])
        kept = ("session", "kind", "sender", "ts_ms", "text", "body_base64", "type")
        return [{key: line[key] for key in kept if key in line} for line in lines]

    def by_session(self, lines):
        sessions = {}
        for line in lines:
            sessions.setdefault(line["session"], []).append(line)
        return sessions

    def assert_stored(self, node, lines):
        self.assertEqual(self.by_session(self.stored(node)), self.by_session(lines))

    def test_a_history_is_stored_once_however_often_it_is_replayed(self):
        node, lines = self.node(shards=2), self.history()
        path = self.write(lines)
        self.replay(node, path)
        self.assert_stored(node, lines)
        self.replay(node, path)                    # the state file says: all done
        self.replay(node, path, "--restart")       # from line 1: all duplicates
        self.assert_stored(node, lines)
        for state in self.directory.glob("*state*"):
            state.unlink()
        self.replay(node, path, "--batch", "7")    # no state: all duplicates
        self.assert_stored(node, lines)

    def test_a_grown_history_goes_on_where_it_ended(self):
        node, lines = self.node(shards=2), self.history(600)
        path = self.write(lines[:200])
        self.replay(node, path)
        self.write(lines)
        done = self.replay(node, path, "--json")
        summary = json.loads(done.stdout)
        self.assertEqual((summary["messages"], summary["duplicates"]), (400, 0))
        self.assert_stored(node, lines)

    def test_state_of_another_node_or_history_is_refused(self):
        first, second, lines = self.node("a"), self.node("b"), self.history()
        path, state = self.write(lines), self.directory / "state"
        self.replay(first, path, "--state", state)
        self.replay(second, path, "--state", state, code=1, says=("--restart",))
        other = self.write(self.history(301)[1:], "other.jsonl")
        self.replay(first, other, "--state", state, code=1, says=("--restart",))
        self.replay(second, path, "--state", state, "--restart")
        self.assert_stored(second, lines)
        self.assert_stored(first, lines)

    def test_a_malformed_line_is_named_and_what_stands_before_it_is_stored(self):
        good = self.history(50)
        bad = {"no json": "{", "no object": "[1]", "no text": '{"session":"a","sender":"b"}',
               "session 0": '{"session":0,"kind":"group","sender":1,"ts_ms":1,"text":"x"}',
               "kind": '{"session":"a","kind":"crowd","sender":1,"ts_ms":1,"text":"x"}',
               "no session": '{"kind":"group","sender":1,"ts_ms":1,"text":"x"}',
               "long key": json.dumps({"session": "k" * 256, "kind": "group", "sender": 1,
                                       "ts_ms": 1, "text": "x"}),
               "base64": '{"session":"a","kind":"group","sender":1,"ts_ms":1,"body_base64":"?"}',
               "cut": '{"session":"a","kind":"group","sender":1,"ts_ms":1,"te'}
        for number, (name, line) in enumerate(bad.items()):
            with self.subTest(name):
                node = self.node(f"node{number}")
                path = self.write([*good[:40], line, *good[40:]], f"{number}.jsonl")
                self.replay(node, path, code=1, says=(str(path), "41"))
                self.assert_stored(node, good[:40])
                done = self.replay(node, path, "--skip-bad", "--json")
                self.assert_stored(node, good)
                self.assertIn(1, json.loads(done.stdout).values())
                self.assertEqual(node.stop(), 0)

    def test_a_message_that_the_node_refuses_is_named(self):
        """What stands before it is stored; other sessions of its batch may be further."""
        node, good = self.node(), self.history(20)
        refused = {**good[0], "text": "x" * 70000}
        path = self.write([*good, refused, *good])
        self.replay(node, path, code=1, says=("21",))
        before, told = self.by_session(good), self.by_session([*good, *good])
        for session, lines in self.by_session(self.stored(node)).items():
            self.assertEqual(lines, told[session][:len(lines)])
            self.assertGreaterEqual(len(lines), len(before[session]))
        self.assertEqual(len(self.by_session(self.stored(node))[refused["session"]]),
                         len(before[refused["session"]]), "its own session waits for it")

    def test_standard_input_is_replayed(self):
        node, lines = self.node(), self.history(40)
        text = "".join(json.dumps(line) + "\n" for line in lines).encode()
        self.replay(node, "-", "--state", self.directory / "state", input=text)
        self.assert_stored(node, lines)

    def test_an_export_replays_to_the_same_bytes(self):
        first, second = self.node("first", shards=2), self.node("second", shards=1)
        with first.connect() as client:
            room, ann = [r.id for r in client.resolve([b"g:room", b"ann"])]
            for number in range(200):
                body = self.random.randbytes(30) if number % 2 else b"text %d" % number
                client.append_one([room, 8][number % 4 // 2], body, sender_id=[ann, 3][number % 2],
                                  client_msg_id=1000 + number, type=number, client_ms=5)
        path = self.directory / "export.jsonl"
        self.assertEqual(run_tool("imlog-dump", "export", "--data-dir", first.data_dir,
                                  "--output", path).returncode, 0)
        self.replay(second, path)
        def same(node):
            return sorted((str(line["session"]), line["seq"], str(line["sender"]), line["kind"],
                           line["ts_ms"], line.get("type", 0), line["client_msg_id"],
                           Export.body(line)) for line in node.export())
        self.assertEqual(same(second), same(first))

    def test_usage_errors_exit_2_and_missing_things_1(self):
        node = self.node()
        path = self.write(self.history(3))
        self.replay(node, self.directory / "absent", code=1, says=("absent",))
        self.replay(node, path, "--speed", "fast", code=2, says=("fast",))
        self.replay(node, path, "--batch", "0", code=2, says=("batch",))
        self.replay(node, path, "--bogus", code=2, says=("bogus",))
        self.assertEqual(run_tool("imlog-dump", "replay").returncode, 2)
        with socket.create_server(("127.0.0.1", 0)) as closed:
            address = f"127.0.0.1:{closed.getsockname()[1]}"
        done = run_tool("imlog-dump", "replay", path, "--server", address, "--give-up", "1")
        self.assertEqual(done.returncode, 1)
        self.assertIn(address, done.stderr)

    def test_speed_keeps_the_pace_of_the_history(self):
        node = self.node()
        lines = [{**line, "ts_ms": 1000 + number * 100}
                 for number, line in enumerate(self.history(11))]
        began = time.monotonic()
        self.replay(node, self.write(lines), "--speed", "1")
        self.assertGreater(time.monotonic() - began, 0.9)
        self.assert_stored(node, lines)

    def test_progress_is_shown_on_a_terminal_only(self):
        node, lines = self.node(), self.history(30)
        paced = [{**line, "ts_ms": number * 80} for number, line in enumerate(lines)]
        path = self.write(paced)
        self.assertLess(len(self.replay(node, path, "--speed", "1").stderr.splitlines()), 5)
        try:
            leader, follower = pty.openpty()
        except OSError as error:  # a chroot without /dev/pts
            print('not checked, no terminal can be opened here: %s' % error)
            return
        tool = start_tool("imlog-dump", "replay", path, "--server", node.server, "--speed", "1",
                          "--restart", stdout=follower, stderr=follower)
        os.close(follower)
        shown = self._read_terminal(leader)
        self.assertEqual(tool.wait(60), 0)
        self.assertIn(b"\r", shown)

    @staticmethod
    def _read_terminal(leader):
        shown = b""
        try:
            while select.select([leader], [], [], 60)[0]:
                data = os.read(leader, 4096)
                if not data:
                    break
                shown += data
        except OSError:  # the other side is closed
            pass
        os.close(leader)
        return shown


if __name__ == "__main__":
    main()
