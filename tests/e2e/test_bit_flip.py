"""Done-when 4: one flipped bit in any sealed segment is found by imlog-dump verify, which names
exactly the (session, seq) ranges that are lost, and the daemon serves everything else, byte for
byte, and answers those with a typed gap. What is lost is measured by export, not believed."""
import json
import shutil

from harness import ImlogTest, json_lines, main, run_tool
from imlog_wire import GAP_DAMAGED
from model import Ledger

BLOCK_BYTES = 4096
SESSIONS = range(1, 41)
RANDOM_FLIPS = 40
BODY_FLIPS = 10
SERVED_FLIPS = 14
PLACES = ("head", "body", "batches", "trailer", "footer", "batch head", "room")
KEY_FLIPS = 3


class Damage:
    """One bit of a file, flipped while the block lasts."""

    def __init__(self, path, offset, bit):
        self.path, self.offset, self.bit = path, offset, bit

    def __str__(self):
        return f"{self.path.name} byte {self.offset} bit {self.bit}"

    def _flip(self):
        with open(self.path, "r+b") as file:
            file.seek(self.offset)
            byte = file.read(1)[0]
            file.seek(self.offset)
            file.write(bytes([byte ^ 1 << self.bit]))

    def __enter__(self):
        self._flip()
        return self

    def __exit__(self, *_):
        self._flip()


class BitFlip(ImlogTest):

    def setUp(self):
        self.say_seed()
        self.stopped = self.node(shards=2, settings={
            "segment_bytes": "4m", "hot_bytes": "8m", "cache_bytes": "4m"})
        self.ledger = Ledger()
        with self.stopped.connect() as client:
            self.ledger.fill(client, self.random, SESSIONS, 9000, bytes_max=5000)

    def stop(self, crash):
        if crash:
            self.stopped.kill()
        else:
            self.assertEqual(self.stopped.stop(), 0)
        self.whole = self._export(self.stopped.data_dir)
        self.assertEqual(len(self.whole), sum(map(len, self.ledger.appends.values())))
        self.assert_clean(self.stopped)
        self.sealed = self._sealed_files(self.stopped.data_dir)
        self.assertGreater(len(self.sealed), 3)

    # ---- what the tools say

    def _sealed_files(self, data_dir):
        """[(path, where its footer begins)] of every sealed segment."""
        done = run_tool("imlog-dump", "segments", "--data-dir", data_dir, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return [(data_dir / segment["file"],
                 BLOCK_BYTES + segment["end_lsn"] - segment["base_lsn"])
                for segment in json.loads(done.stdout)["segments"] if segment["state"] == "sealed"]

    def _export(self, data_dir):
        """{(session_id, seq): line} of all that can be exported."""
        done = run_tool("imlog-dump", "export", "--data-dir", data_dir)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        lines = {}
        for line in json_lines(done.stdout):
            fields = json.loads(line)
            lines[fields["session_id"], fields["seq"]] = line
        return lines

    def _named(self, data_dir, damage):
        """{(session_id, seq)} that verify names as damaged; it must not say clean."""
        done = run_tool("imlog-dump", "verify", "--data-dir", data_dir, "--json")
        self.assertEqual(done.returncode, 1, f"{damage}: {done.stdout}{done.stderr}")
        named = set()
        for finding in json.loads(done.stdout)["findings"]:
            if finding.get("session_id"):
                named |= {(finding["session_id"], seq)
                          for seq in range(finding["first_seq"], finding["last_seq"] + 1)}
        return named

    def _check_tools(self, damage):
        """verify names exactly what export lacks; the rest of the export is unchanged."""
        data_dir = self.stopped.data_dir
        named, left = self._named(data_dir, damage), self._export(data_dir)
        self.assertEqual(set(self.whole) - set(left), named, str(damage))
        for where, line in left.items():
            self.assertEqual(line, self.whole[where], f"{damage}: {where}")
        return named

    # ---- what is damaged

    def _random_damage(self, place=None):
        """A bit of any byte; or of a place that random choice seldom meets."""
        path, footer_offset = self.random.choice(self.sealed)
        file_bytes = path.stat().st_size
        places = {
            "head": range(BLOCK_BYTES),
            "batches": range(BLOCK_BYTES, footer_offset),
            "batch head": range(BLOCK_BYTES, BLOCK_BYTES + 96),  # of the first one
            "footer": range(footer_offset, footer_offset + BLOCK_BYTES),
            "room": range(footer_offset + BLOCK_BYTES, file_bytes - BLOCK_BYTES),
            "trailer": range(file_bytes - BLOCK_BYTES, file_bytes),
        }
        offsets = places[place or self.random.choice([*places, "batches", "batches"])]
        return Damage(path, self.random.choice(offsets), self.random.randrange(8))

    def _body_damage(self):
        """A bit inside the body of one known message, found by its bytes alone."""
        contents = {path: path.read_bytes() for path, _ in self.sealed}
        while True:
            session_id = self.random.choice(SESSIONS)
            seq = self.random.randint(1, len(self.ledger.bodies(session_id)))
            body = self.ledger.bodies(session_id)[seq - 1]
            for path, content in contents.items():
                at = content.find(body) if len(body) > 40 else -1
                if at >= 0:
                    offset = at + self.random.randrange(len(body))
                    return (session_id, seq), Damage(path, offset, self.random.randrange(8))

    def _key_damage(self, keys):
        """A bit inside the text of one known key."""
        contents = [(path, path.read_bytes()) for path, _ in self.sealed]
        while True:
            key = self.random.choice(keys)
            for path, content in contents:
                at = content.find(key)
                if at >= 0:
                    return Damage(path, at + self.random.randrange(len(key)),
                                  self.random.randrange(8))

    # ---- laws

    def test_verify_names_exactly_what_a_random_bit_cost(self):
        self.stop(crash=False)
        cost = []
        for _ in range(RANDOM_FLIPS):
            with self._random_damage() as damage:
                cost.append(len(self._check_tools(damage)))
        self.assert_clean(self.stopped)
        print(f"  messages lost by one bit: {sorted(cost)}", flush=True)
        self.assertLessEqual(sorted(cost)[len(cost) // 2], 1, "a bit costs a message, not many")

    def test_a_bit_in_a_body_costs_exactly_that_message(self):
        self.stop(crash=True)
        for _ in range(BODY_FLIPS):
            where, damage = self._body_damage()
            with damage:
                self.assertEqual(self._check_tools(damage), {where}, str(damage))
                text = run_tool("imlog-dump", "verify", "--data-dir", self.stopped.data_dir)
                self.assertEqual(text.returncode, 1)
                self.assertIn(str(where[0]), text.stdout)
                self.assertIn(str(where[1]), text.stdout)
        self.assert_clean(self.stopped)

    def test_a_bit_in_a_key_never_gives_a_key_another_id(self):
        keys = [b"a key of number %06d" % number for number in range(2000)]
        with self.stopped.connect() as client:
            ids = [r.id for r in client.resolve(keys)]
            self.ledger.fill(client, self.random, SESSIONS, 6000, bytes_max=5000)
        self.stop(crash=True)
        for number in range(KEY_FLIPS):
            with self._key_damage(keys) as damage:
                self.assertEqual(self._check_tools(damage), set(), str(damage))
                name = f"keys{number}"
                shutil.copytree(self.stopped.data_dir, self.directory / name)
                node = self.node(name, settings=self.stopped.settings)
                with node.connect() as client:
                    again = client.resolve(keys)
                    self.assertTrue(all(r.code != 0 or r.id == i for r, i in zip(again, ids)),
                                    str(damage))
                    self.assertGreaterEqual(sum(r.code == 0 for r in again), len(keys) - 1)
                    names = client.names(ids)
                    self.assertTrue(all(n.key in (key, b"") for n, key in zip(names, keys)))
                node.kill()

    def test_the_daemon_serves_the_rest_after_a_clean_stop(self):
        self._check_daemons(crash=False)

    def test_the_daemon_serves_the_rest_after_a_crash(self):
        self._check_daemons(crash=True)

    def _check_daemons(self, crash):
        self.stop(crash)
        for number in range(SERVED_FLIPS):
            place = PLACES[number % len(PLACES)]
            damage = (self._body_damage()[1] if place == "body" else self._random_damage(place))
            with damage:
                lost = self._check_tools(damage)
                self._check_daemon(f"copy{number}", damage, lost)

    def _check_daemon(self, name, damage, lost):
        """A daemon on a copy: gaps for exactly what is lost; appends and a restart as ever."""
        copy = self.directory / name
        shutil.copytree(self.stopped.data_dir, copy)
        node = self.node(name, settings=self.stopped.settings)
        with node.connect() as client:
            self._check_pulls(client, damage, lost)
            for session_id in {session_id for session_id, _ in lost} | {1}:
                latest_seq = len(self.ledger.bodies(session_id))
                result = client.append_one(session_id, b"after the damage")
                self.assertEqual((result.code, result.seq), (0, latest_seq + 1), str(damage))
        node.kill()
        node.start()
        with node.connect() as client:
            self._check_pulls(client, damage, lost, added={s for s, _ in lost} | {1})
        node.kill()
        shutil.rmtree(copy)

    def _check_pulls(self, client, damage, lost, added=()):
        for session_id in SESSIONS:
            bodies = self.ledger.bodies(session_id)
            came, gone, next_seq = {}, set(), 1
            for page in client.pull_pages(session_id, count_max=self.random.choice([0, 50])):
                context = f"{damage}: session {session_id} [{page.first_seq}, {page.end_seq})"
                self.assertEqual(page.first_seq, next_seq, context)
                next_seq = page.end_seq
                self.assertEqual(page.session_latest_seq,
                                 len(bodies) + (1 if session_id in added else 0), context)
                for gap in page.gaps:
                    self.assertEqual(gap.reason, GAP_DAMAGED, context)
                    gone |= set(range(gap.first_seq, gap.last_seq + 1))
                came.update((message.seq, message) for message in page.messages)
            self.assertEqual(gone, {seq for s, seq in lost if s == session_id}, context)
            self.assertEqual(set(came) | gone, set(range(1, next_seq)), context)
            self.assertFalse(set(came) & gone, context)
            for seq, message in came.items():
                if seq <= len(bodies):
                    self.ledger.check_message(self, session_id, message)


if __name__ == "__main__":
    main()
