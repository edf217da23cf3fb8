"""What a client may rely on: appends, pulls, keys, sessions and connections, as promised in
docs/PROTOCOL.md, over one, two and three shards."""
import threading
import time

from harness import MIB, ImlogTest, main
from imlog_wire import (APPEND, EABORTED, EINVALID, EKIND, ENOSESSION, ETOOBIG, KIND_ANY,
                        KIND_BROADCAST, KIND_DIRECT, KIND_GROUP, PING, PULL, RESOLVED_ID_END,
                        RESOLVED_ID_MIN, SESSION, STATS, Append, AppendRequest, NodeError, Pull,
                        PullRequest, SessionRequest)
from model import Ledger, random_pull


class Semantics:
    """The laws; the classes at the end run them on different shapes of node."""

    SHARDS, THREADS = 1, 1

    def setUp(self):
        self.small = {"segment_bytes": "4m", "hot_bytes": "8m", "cache_bytes": "4m",
                      "threads": self.THREADS}

    def serve(self, **settings):
        node = self.node(shards=self.SHARDS, settings={**self.small, **settings})
        self.assertEqual(node.shards, self.SHARDS)
        client = node.connect()
        self.addCleanup(client.close)
        return node, client

    def restart(self, node, crash):
        if crash:
            node.kill()
        else:
            self.assertEqual(node.stop(), 0)
        client = node.start().connect()
        self.addCleanup(client.close)
        return client

    # ---- appends

    def test_info_tells_the_node_and_its_limits(self):
        node, client = self.serve(idle_timeout_ms=12345)
        info = client.info()
        self.assertEqual((info.protocol_version, len(info.node_uuid), info.shard_count),
                         (1, 16, self.SHARDS))
        self.assertEqual((info.body_bytes_max, info.frame_bytes_max, info.request_items_max,
                          info.pull_messages_max, info.idle_timeout_ms),
                         (65536, 4 * MIB, 4096, 1000, 12345))
        self.assertLess(abs(info.server_ms / 1000 - time.time()), 60)
        self.assertEqual(self.restart(node, False).info().node_uuid, info.node_uuid)

    def test_seqs_are_1_to_n_in_each_session(self):
        _, client = self.serve()
        ledger = Ledger()
        ledger.fill(client, self.random, range(1, 12), 1500)
        ledger.check_all(self, client)
        msg_ids = [ack.msg_id for acks in ledger.acks.values() for ack in acks]
        self.assertEqual(len(msg_ids), len(set(msg_ids)), "msg_id is unique on the node")

    def test_pipelined_appends_keep_the_order_of_their_connection(self):
        _, client = self.serve()
        sent = []
        for number in range(3000):
            item = Append(session_id=self.random.randint(1, 7), sender_id=1,
                          client_msg_id=number + 1, body=b"%d" % number)
            sent.append((client.send(APPEND, AppendRequest(items=[item])), item))
        ledger = Ledger()
        for request_id, item in sent:
            ledger.add(item, client.wait(request_id).results[0])
        ledger.check_all(self, client)

    def test_connections_that_share_a_session_each_keep_their_order(self):
        node, client = self.serve()
        count = 400

        def write(sender_id):
            with node.connect() as own:
                requests = [own.send(APPEND, AppendRequest(items=[Append(
                    session_id=5, sender_id=sender_id, client_msg_id=n + 1, body=b"%d" % n)]))
                    for n in range(count)]
                for request_id in requests:
                    self.assert_acked(own.wait(request_id).results[0], duplicate=False)

        threads = [threading.Thread(target=write, args=(sender,)) for sender in range(1, 7)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        messages = client.pull_all(5)
        self.assertEqual(len(messages), 6 * count)
        self.assert_chain(messages)
        for sender in range(1, 7):
            own = [int(m.body) for m in messages if m.sender_id == sender]
            self.assertEqual(own, list(range(count)))

    def test_an_acked_message_is_seen_by_every_connection_at_once(self):
        node, client = self.serve()
        with node.connect() as other:
            for number in range(300):
                session_id = 1 + number % 3
                self.assert_acked(client.append_one(session_id, b"x"))
                latest_seq = number // 3 + 1
                self.assertEqual(other.session([session_id])[0].latest_seq, latest_seq)
                page = other.pull_one(session_id, backward=True, count_max=1)
                self.assertEqual(page.messages[0].seq, latest_seq)

    def test_all_fields_come_back_as_they_were_sent(self):
        node, client = self.serve()
        items = [Append(session_id=1, sender_id=1, body=b""),
                 Append(session_id=1, sender_id=2**48 - 1, client_msg_id=2**64 - 1,
                        client_ms=2**63, type=65535, body=bytes(range(256)) * 256),
                 Append(session_id=2**48 - 1, sender_id=7, client_msg_id=1, body=b"\0")]
        ledger = Ledger()
        for item, result in zip(items, client.append(items)):
            ledger.add(item, result)
        ledger.check_all(self, client)
        ledger.check_all(self, self.restart(node, True))

    def test_an_argument_out_of_range_is_refused(self):
        _, client = self.serve()
        good = {"session_id": 1, "sender_id": 1, "body": b"x"}
        for wrong in ({"session_id": 0}, {"sender_id": 0}, {"type": 65536}, {"kind": 4}):
            try:
                code = client.append([Append(**{**good, **wrong})])[0].code
            except NodeError as error:
                code = error.code
            self.assertEqual(code, EINVALID, wrong)
        self.assertEqual(client.append_one(1, b"x").seq, 1, "nothing of those was stored")

    def test_a_failed_item_aborts_only_the_later_items_of_its_session(self):
        _, client = self.serve()
        def item(session_id, body=b"x"):
            return Append(session_id=session_id, sender_id=1, body=body)
        big = b"x" * 65537
        results = client.append([item(1), item(1, big), item(2), item(1), item(3), item(2, big),
                                 item(3), item(2), item(1)])
        self.assertEqual([r.code for r in results],
                         [0, ETOOBIG, 0, EABORTED, 0, ETOOBIG, 0, EABORTED, EABORTED])
        self.assertEqual([r.seq for r in results if r.code == 0], [1, 1, 1, 2])
        self.assertTrue(all(r.text and r.ack == 0 for r in results if r.code != 0))
        self.assertEqual([r.seq for r in client.append([item(1), item(2), item(3)])], [2, 2, 3])

    def test_a_session_has_the_kind_of_its_first_message(self):
        node, client = self.serve()
        for session_id, first, kind in ((1, KIND_ANY, KIND_GROUP), (2, KIND_DIRECT, KIND_DIRECT),
                                        (3, KIND_GROUP, KIND_GROUP),
                                        (4, KIND_BROADCAST, KIND_BROADCAST)):
            self.assert_acked(client.append_one(session_id, b"x", kind=first))
            self.assert_acked(client.append_one(session_id, b"y", kind=KIND_ANY))
            self.assert_acked(client.append_one(session_id, b"z", kind=kind))
            for other in {KIND_DIRECT, KIND_GROUP, KIND_BROADCAST} - {kind}:
                self.assertEqual(client.append_one(session_id, b"n", kind=other).code, EKIND)
            self.assertEqual(client.session([session_id])[0].kind, kind)
        client = self.restart(node, True)
        self.assertEqual([s.kind for s in client.session([1, 2, 3, 4])],
                         [KIND_GROUP, KIND_DIRECT, KIND_GROUP, KIND_BROADCAST])
        self.assertEqual(client.append_one(2, b"n", kind=KIND_GROUP).code, EKIND)

    def test_a_body_up_to_the_limit_is_stored_and_a_larger_one_refused(self):
        _, client = self.serve()
        body = self.random.randbytes(65536)
        self.assert_acked(client.append_one(1, body))
        self.assertEqual(client.append_one(1, body + b"x").code, ETOOBIG)
        self.assertEqual([m.body for m in client.pull_all(1)], [body])

    def test_bodies_of_1_mib_are_stored_when_the_setting_allows(self):
        node, client = self.serve(body_bytes_max="1m")
        self.assertEqual(client.info().body_bytes_max, MIB)
        ledger = Ledger()
        for first in range(0, 15, 3):
            items = [Append(session_id=1 + n % 2, sender_id=1, client_msg_id=n + 1,
                            body=self.random.randbytes(MIB - n % 2))
                     for n in range(first, first + 3)]
            for item, result in zip(items, client.append(items)):
                ledger.add(item, result)
        self.assertEqual(client.append_one(1, b"x" * (MIB + 1)).code, ETOOBIG)
        ledger.check_all(self, client)
        ledger.check_all(self, self.restart(node, True))

    # ---- retries

    def test_a_retry_gets_the_original_seq_and_msg_id(self):
        node, client = self.serve()
        firsts = {}
        for session_id in range(1, 5):
            for sender_id in (1, 2):
                for client_msg_id in (1, 2, 2**64 - 1):
                    result = client.append_one(session_id, b"first", sender_id=sender_id,
                                               client_msg_id=client_msg_id)
                    self.assert_acked(result, duplicate=False)
                    firsts[session_id, sender_id, client_msg_id] = result
        self._retry_all(client, firsts)
        self._retry_all(self.restart(node, False), firsts)
        client = self.restart(node, True)
        self._retry_all(client, firsts)
        self.assertEqual([len(client.pull_all(s)) for s in range(1, 5)], [6] * 4)

    def _retry_all(self, client, firsts):
        for (session_id, sender_id, client_msg_id), first in firsts.items():
            again = client.append_one(session_id, b"retry", sender_id=sender_id,
                                      client_msg_id=client_msg_id)
            self.assert_acked(again, duplicate=True)
            self.assertEqual((again.seq, again.msg_id), (first.seq, first.msg_id))

    def test_a_retry_sent_before_the_first_answer_is_not_stored_twice(self):
        _, client = self.serve()
        item = Append(session_id=1, sender_id=1, client_msg_id=9, body=b"once")
        requests = [client.send(APPEND, AppendRequest(items=[item, item])) for _ in range(50)]
        results = [r for request_id in requests for r in client.wait(request_id).results]
        self.assertEqual({(r.code, r.seq, r.ack) for r in results}, {(0, 1, 1)})
        self.assertEqual(len({r.msg_id for r in results}), 1)
        self.assertEqual(sum(not r.duplicate for r in results), 1)
        self.assertEqual(len(client.pull_all(1)), 1)

    def test_without_a_client_msg_id_every_append_is_stored(self):
        _, client = self.serve()
        self.assertEqual([client.append_one(1, b"same").seq for _ in range(5)], [1, 2, 3, 4, 5])

    def test_the_dedupe_window_holds_what_it_promises_also_after_a_crash(self):
        window_count = 2000
        node, client = self.serve(dedupe_messages=window_count)
        total = window_count * self.SHARDS * 4
        for first in range(0, total, 500):
            results = client.append([Append(session_id=1, sender_id=1, client_msg_id=n + 1,
                                            body=b"x") for n in range(first, first + 500)])
            self.assertEqual([r.seq for r in results], list(range(first + 1, first + 501)))
        for crash in (None, True):
            client = self.restart(node, crash) if crash is not None else client
            again = client.append([Append(session_id=1, sender_id=1, client_msg_id=n, body=b"x")
                                   for n in range(total - window_count + 1, total + 1)])
            self.assertEqual([(r.seq, r.duplicate) for r in again],
                             [(n, True) for n in range(total - window_count + 1, total + 1)])
        late = client.append_one(1, b"x", client_msg_id=1)
        self.assertEqual((late.seq, late.duplicate), (total + 1, False))

    # ---- pulls

    def test_pulls_answer_exactly_the_asked_window(self):
        node, client = self.serve()
        ledger = Ledger()
        ledger.fill(client, self.random, [1, 1, 1, 1, 2, 3], 4000, bytes_max=900)
        for _ in range(2):
            for _ in range(300):
                session_id = self.random.choice([1, 1, 2, 3])
                ledger.check_pull(self, client, session_id, **random_pull(
                    self.random, len(ledger.bodies(session_id))))
            client = self.restart(node, True)

    def test_paging_backward_meets_every_message_once(self):
        _, client = self.serve()
        ledger = Ledger()
        ledger.fill(client, self.random, [1], 500)
        seqs, before_seq = [], 0
        while True:
            page = ledger.check_pull(self, client, 1, backward=True, before_seq=before_seq,
                                     count_max=7)
            seqs = [m.seq for m in page.messages] + seqs
            if not page.more:
                break
            before_seq = page.first_seq
        self.assertEqual(seqs, list(range(1, 501)))

    def test_pulls_past_the_end_are_empty_and_say_there_is_no_more(self):
        _, client = self.serve()
        client.append_one(1, b"x")
        for arguments in ({"after_seq": 1}, {"after_seq": 2}, {"after_seq": 2**64 - 1},
                          {"after_seq": 2**53}, {"backward": True, "before_seq": 1}):
            page = client.pull_one(1, **arguments)
            self.assertEqual((page.code, page.messages, page.gaps, page.more,
                              page.session_latest_seq), (0, [], [], False, 1), arguments)
            self.assertEqual(page.first_seq, page.end_seq, arguments)
        self.assertEqual(client.pull_one(1, after_seq=1).end_seq, 2)
        page = client.pull_one(1, backward=True, before_seq=2**64 - 1)
        self.assertEqual([m.seq for m in page.messages], [1])

    def test_a_pull_of_an_unknown_session_says_so(self):
        _, client = self.serve()
        client.append_one(1, b"x")
        found, unknown = client.pull([Pull(session_id=1), Pull(session_id=2)])
        self.assertEqual((found.code, len(found.messages)), (0, 1))
        self.assertEqual(unknown.code, ENOSESSION)
        self.assertEqual(client.session([2])[0].code, ENOSESSION, "asking made no session")

    def test_one_request_pulls_many_sessions(self):
        _, client = self.serve()
        ledger = Ledger()
        ledger.fill(client, self.random, range(1, 301), 3000, bytes_max=60)
        pages = client.pull([Pull(session_id=s) for s in range(1, 301)])
        for session_id, page in enumerate(pages, 1):
            self.assertEqual([m.body for m in page.messages], ledger.bodies(session_id))
        pages = client.pull([Pull(session_id=1 + n % 300, count_max=1) for n in range(4096)])
        self.assertEqual({len(p.messages) for p in pages}, {1})

    def test_a_reply_that_would_be_too_large_leaves_items_to_ask_again(self):
        _, client = self.serve()
        ledger = Ledger()
        ledger.fill(client, self.random, range(1, 13), 600, bytes_max=60000, batch=50)
        wanted = {s: 0 for s in range(1, 13)}
        rounds = 0
        while wanted:
            rounds += 1
            asked = list(wanted)
            pages = client.pull([Pull(session_id=s, after_seq=wanted[s], bytes_max=4 * MIB)
                                 for s in asked])
            self.assertTrue(any(p.messages for p in pages), "every round brings something")
            for session_id, page in zip(asked, pages):
                self.assertEqual(page.code, 0)
                self.assertEqual(len(page.messages), page.end_seq - page.first_seq)
                for message in page.messages:
                    ledger.check_message(self, session_id, message)
                if page.messages:
                    self.assertEqual(page.first_seq, wanted[session_id] + 1)
                    wanted[session_id] = page.end_seq - 1
                if not page.more:
                    self.assertEqual(wanted.pop(session_id), len(ledger.bodies(session_id)))
        self.assertGreater(rounds, 3)

    # ---- keys

    def test_resolve_gives_a_key_one_id_for_ever(self):
        node, client = self.serve()
        keys = [b"k%d" % n for n in range(500)] + [b"a", b"\0\xff", b"x" * 255, "ключ".encode()]
        first = client.resolve(keys)
        ids = [r.id for r in first]
        self.assertEqual({(r.code, r.created) for r in first}, {(0, True)})
        self.assertEqual(len(set(ids)), len(keys))
        self.assertTrue(all(RESOLVED_ID_MIN <= i < RESOLVED_ID_END for i in ids))
        for crash in (None, False, True):
            client = self.restart(node, crash) if crash is not None else client
            again = client.resolve(keys[::-1])
            self.assertEqual([(r.code, r.created, r.id) for r in again],
                             [(0, False, i) for i in ids[::-1]])
            self.assertEqual([n.key for n in client.names(ids)], keys)

    def test_a_key_twice_in_a_request_is_made_once(self):
        node, client = self.serve()
        results = client.resolve([b"twice"] * 20)
        self.assertEqual(len({r.id for r in results}), 1)
        self.assertEqual(sum(r.created for r in results), 1)
        with node.connect() as other:
            self.assertEqual(other.resolve([b"twice"])[0].id, results[0].id)

    def test_keys_out_of_range_are_refused(self):
        _, client = self.serve()
        results = client.resolve([b"", b"x" * 256, b"good"])
        self.assertEqual([r.code for r in results], [EINVALID, EINVALID, 0])

    def test_a_lookup_makes_no_key(self):
        _, client = self.serve()
        self.assertEqual(client.resolve([b"a"], lookup_only=True)[0].code, ENOSESSION)
        made = client.resolve([b"a"])[0]
        self.assertTrue(made.created)
        found = client.resolve([b"a", b"b"], lookup_only=True)
        self.assertEqual([(r.code, r.id, r.created) for r in found],
                         [(0, made.id, False), (ENOSESSION, 0, False)])

    def test_names_of_ids_that_resolve_never_gave_are_empty(self):
        _, client = self.serve()
        made = client.resolve([b"a"])[0].id
        answers = client.names([made, 1, made + 1, 0, 2**64 - 1])
        self.assertEqual([n.key for n in answers], [b"a", b"", b"", b"", b""])
        self.assertEqual([n.id for n in answers], [made, 1, made + 1, 0, 2**64 - 1])

    def test_resolved_ids_name_sessions_and_senders(self):
        node, client = self.serve()
        session, sender = [r.id for r in client.resolve([b"g:room", b"u:ann"])]
        self.assert_acked(client.append_one(session, b"hi", sender_id=sender))
        client = self.restart(node, True)
        self.assertEqual(client.pull_all(session)[0].sender_id, sender)

    # ---- sessions and figures

    def test_session_tells_its_state(self):
        node, client = self.serve()
        ledger = Ledger()
        ledger.fill(client, self.random, range(1, 30), 400)
        for crash in (None, True):
            client = self.restart(node, crash) if crash is not None else client
            states = client.session([*range(1, 30), 999])
            for session_id, state in enumerate(states[:-1], 1):
                count = len(ledger.bodies(session_id))
                self.assertEqual((state.code, state.session_id, state.first_seq, state.latest_seq,
                                  state.message_count), (0, session_id, 1, count, count))
                self.assertLess(state.shard, self.SHARDS)
            self.assertEqual(states[-1].code, ENOSESSION)
        self.assertEqual(len({s.shard for s in states[:-1]}), self.SHARDS, "all shards are used")

    def test_sessions_pages_through_every_session_once(self):
        node, client = self.serve()
        ids = self.random.sample(range(1, 10**9), 777)
        for first in range(0, len(ids), 100):
            client.append([Append(session_id=i, sender_id=1, body=b"x")
                           for i in ids[first:first + 100]])
        for count_max in (1, 10, 500, 0, 100000):
            found = client.all_sessions(count_max)
            self.assertEqual(sorted(found), sorted(ids))
            self.assertTrue(all(s.latest_seq == 1 for s in found.values()))
        page = client.sessions(b"", 100)
        self.assertEqual(len(page.sessions), 100)
        rest, cursor = [], page.next_cursor
        client = self.restart(node, True)
        while cursor:
            next_page = client.sessions(cursor, 100)
            rest += next_page.sessions
            cursor = next_page.next_cursor
        seen = [s.session_id for s in page.sessions] + [s.session_id for s in rest]
        self.assertEqual(sorted(set(seen)), sorted(ids), "a cursor outlives a restart")

    def test_sessions_of_an_empty_node_is_an_empty_last_page(self):
        _, client = self.serve()
        page = client.sessions()
        self.assertEqual((page.sessions, page.next_cursor), ([], b""))

    def test_a_foreign_cursor_is_refused_and_the_connection_goes_on(self):
        _, client = self.serve()
        client.append_one(1, b"x")
        for cursor in (b"x", b"\xff" * 16, b"\0" * 100, b"\1" + b"\xff" * 12, b"y" * 4000):
            with self.assertRaises(NodeError) as caught:
                client.sessions(cursor)
            self.assertEqual(caught.exception.code, EINVALID)
        self.assertEqual(len(client.sessions().sessions), 1)

    def test_stats_name_the_node_and_every_shard(self):
        _, client = self.serve()
        before, _ = client.stats()
        for session_id in range(1, 50):
            client.append_one(session_id, b"x")
        after, shards = client.stats()
        self.assertEqual(sorted(shards), list(range(self.SHARDS)))
        self.assertTrue(all(shards.values()))
        self.assertEqual(set(before), set(after))
        self.assertTrue(any(after[name] >= before[name] + 49 for name in after))

    # ---- lists and request ids

    def test_an_empty_list_is_answered_with_an_empty_list(self):
        _, client = self.serve()
        for reply in (client.append([]), client.pull([]), client.resolve([]), client.names([]),
                      client.session([])):
            self.assertEqual(reply, [])

    def test_up_to_4096_items_are_taken_and_more_refused(self):
        _, client = self.serve()
        items = [Append(session_id=1 + n % 5, sender_id=1, body=b"x") for n in range(4097)]
        with self.assertRaises(NodeError) as caught:
            client.append(items)
        self.assertEqual(caught.exception.code, EINVALID)
        with self.assertRaises(NodeError):
            client.pull([Pull(session_id=1)] * 4097)
        with self.assertRaises(NodeError):
            client.session([1] * 4097)
        results = client.append(items[:4096])
        self.assertEqual(sum(r.code == 0 for r in results), 4096)
        self.assertEqual([s.latest_seq for s in client.session([1, 2, 3, 4, 5])],
                         [820, 819, 819, 819, 819])
        self.assertEqual(len(client.session([1] * 4096)), 4096)

    def test_replies_carry_any_request_id(self):
        _, client = self.serve()
        ids = [2**64 - 1, 1, 2**32, 77, 2**63]
        for request_id in ids:
            client.send(PING, request_id=request_id)
        for request_id in reversed(ids):
            self.assertGreater(client.wait(request_id).server_ms, 0)

    def test_thousands_of_pipelined_requests_are_all_answered(self):
        _, client = self.serve()
        asked = []
        for number in range(6000):
            kind = number % 4
            if kind == 0:
                asked.append(client.send(PING))
            elif kind == 1:
                asked.append(client.send(APPEND, AppendRequest(items=[
                    Append(session_id=1 + number % 9, sender_id=1, body=b"x")])))
            elif kind == 2:
                asked.append(client.send(PULL, PullRequest(items=[
                    Pull(session_id=1 + number % 9, count_max=3)])))
            else:
                asked.append(client.send(SESSION, SessionRequest(session_ids=[1, 2, 3])))
        for request_id in self.random.sample(asked, len(asked)):
            client.wait(request_id)
        self.assertEqual(client.under_way_count(), 0)
        self.assertEqual(sum(s.latest_seq for s in client.session(range(1, 10))), 1500)

    def test_a_request_over_all_shards_is_answered_once_whole(self):
        _, client = self.serve()
        for _ in range(20):
            items = [Append(session_id=s, sender_id=1, body=b"x") for s in range(1, 200)]
            self.assertEqual({r.code for r in client.append(items)}, {0})
            self.assertEqual(len({r.msg_id for r in client.append(items)}), 199)
        self.assertEqual({s.latest_seq for s in client.all_sessions().values()}, {40})
        client.call(STATS)


class OneShard(Semantics, ImlogTest):
    SHARDS, THREADS = 1, 1


class TwoShardsOnTwoThreads(Semantics, ImlogTest):
    SHARDS, THREADS = 2, 2


class ThreeShardsOnTwoThreads(Semantics, ImlogTest):
    SHARDS, THREADS = 3, 2


class Connections(ImlogTest):
    """How a connection lives and ends by time alone."""

    def test_a_silent_connection_is_closed_after_the_idle_timeout(self):
        node = self.node(settings={"idle_timeout_ms": 600, "heartbeat_ms": 60000})
        began = time.monotonic()
        with node.connect() as client:
            client.ping()
            client.wait_closed()
        self.assertGreater(time.monotonic() - began, 0.5)
        self.assertLess(time.monotonic() - began, 10)

    def test_heartbeats_of_the_client_keep_a_connection_open(self):
        node = self.node(settings={"idle_timeout_ms": 1500, "heartbeat_ms": 200})
        with node.connect() as client:
            began = time.monotonic()
            while time.monotonic() - began < 4.5:
                client.wait_heartbeat()
                client.heartbeat()
            client.ping()
            self.assertGreaterEqual(client.heartbeats_seen, 10)

    def test_a_busy_node_sends_no_heartbeat_in_between(self):
        node = self.node(settings={"heartbeat_ms": 2000})
        with node.connect() as client:
            for _ in range(300):
                client.ping()
            self.assertEqual(client.heartbeats_seen, 0)


if __name__ == "__main__":
    main()
