"""Done-when 5, starting: what cannot work ends at once with a clear line (exit 2 for what was typed
or written wrongly, 1 for what the machine refuses) and harms nothing that exists."""
import ctypes
import os
import re
import shutil
import socket
import struct
import subprocess

from harness import START_S, ImlogTest, main, program, run_tool


BLOCK_BYTES = 4096


def newer_identity(file):
    """imlog.id (docs/FORMAT.md: two equal blocks; XXH3 of bytes 8.. at 0, version at 12) as a
    later version would write it."""
    library = ctypes.CDLL("libxxhash.so.0")
    library.XXH3_64bits.restype = ctypes.c_uint64
    library.XXH3_64bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    block = bytearray(file[:BLOCK_BYTES])
    struct.pack_into("<H", block, 12, struct.unpack_from("<H", block, 12)[0] + 1)
    covered = bytes(block[8:])
    struct.pack_into("<Q", block, 0, library.XXH3_64bits(covered, len(covered)))
    return bytes(block) * 2


class StartErrors(ImlogTest):

    def refused(self, *args, code, says=(), **options):
        """imlogd with these arguments ends with `code`, says each pattern, and is never ready."""
        done = subprocess.run([program("imlogd"), *map(str, args)], stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=START_S, **options)
        text = done.stderr.decode(errors="replace")
        context = f"{args}: exit {done.returncode}\n{text}"
        self.assertEqual(done.returncode, code, context)
        self.assertNotIn(b"ready", done.stdout, context)
        for pattern in says:
            self.assertRegex(text, re.compile(pattern, re.IGNORECASE), context)
        self.assertLess(len(text.splitlines()), 40, context)
        return text

    def refused_set(self, setting, *says):
        key = setting.split("=")[0]
        self.refused("--data-dir", self.directory / "never", "--listen", "127.0.0.1:0",
                     "--set", setting, code=2, says=(re.escape(key), *says))
        self.assertFalse((self.directory / "never").exists(), "arguments are checked first")

    def tree(self, directory):
        """Everything under a directory: {path: bytes}; not LOCK, which names who came last."""
        return {str(path.relative_to(directory)): path.read_bytes() if path.is_file() else None
                for path in sorted(directory.rglob("*")) if path.name != "LOCK"}

    # ---- what was typed

    def test_help_and_version_end_well(self):
        done = run_tool("imlogd", "--help")
        self.assertEqual(done.returncode, 0)
        for word in ("--data-dir", "--listen", "--shards", "--config", "--set"):
            self.assertIn(word, done.stdout)
        done = run_tool("imlogd", "--version")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"\d+\.\d+")

    def test_wrong_arguments_are_named(self):
        never = self.directory / "never"
        self.refused(code=2, says=("data.dir",))
        self.refused("--data-dir", never, "--frobnicate", code=2, says=("frobnicate",))
        self.refused("--data-dir", never, "extra", code=2, says=("extra",))
        self.refused("--data-dir", code=2, says=("data-dir",))
        for shards in ("0", "x", "-1", "257", "1.5", "", "99999999999999999999"):
            self.refused("--data-dir", never, "--shards", shards, code=2, says=("shards",))
        for listen in ("nonsense", "127.0.0.1", "127.0.0.1:99999", "127.0.0.1:x", ":::1:1",
                       "127.0.0.1:-1"):
            self.refused("--data-dir", never, "--listen", listen, code=2, says=(re.escape(listen),))
        self.assertFalse(never.exists())

    def test_wrong_settings_are_named_with_what_is_allowed(self):
        self.refused_set("no_such_key=1")
        self.refused_set("segment_bytes")
        self.refused_set("segment_bytes=banana", "banana")
        self.refused_set("segment_bytes=1", "4")
        self.refused_set("segment_bytes=2g", "1")
        self.refused_set("segment_bytes=-4m")
        self.refused_set("hot_bytes=1m", "4")
        self.refused_set("cache_bytes=0")
        self.refused_set("body_bytes_max=2m", "1")
        self.refused_set("body_bytes_max=0")
        self.refused_set("dedupe_messages=x")
        self.refused_set("threads=-1")
        self.refused_set("idle_timeout_ms=soon")
        self.refused_set("plain_ring=perhaps")

    def test_a_wrong_config_file_is_named_with_line_and_key(self):
        config = self.directory / "imlogd.conf"
        for text, says in (("# fine\nsegment_bytes = 8m\nfrob = 1\n", ("frob", r"\b3\b")),
                           ("hot_bytes = lots\n", ("hot_bytes", "lots", r"\b1\b")),
                           ("hot_bytes = 8m\nthis is no setting\n", (r"\b2\b",)),
                           ("shards = 0\n", ("shards", r"\b1\b"))):
            config.write_text(text)
            self.refused("--data-dir", self.directory / "never", "--config", config, code=2,
                         says=(re.escape(str(config)), *says))
        self.assertFalse((self.directory / "never").exists())
        text = self.refused("--data-dir", self.directory / "never", "--config",
                            self.directory / "absent.conf", code=2, says=("absent.conf",))
        self.assertRegex(text, "[Nn]o such file")

    def test_a_config_file_sets_everything_and_the_command_line_wins(self):
        config = self.directory / "imlogd.conf"
        config.write_text(f"""# a comment
data_dir = {self.directory / "configured"}
listen = 127.0.0.1:0
shards = 3
segment_bytes = 4M
hot_bytes = 8192k
cache_bytes = 4194304
body_bytes_max = 100k
dedupe_messages = 5000
idle_timeout_ms = 45000
""")
        node = self.node("configured", config=config, settings={"body_bytes_max": "50k"})
        self.assertEqual(node.shards, 3)
        with node.connect() as client:
            info = client.info()
            self.assertEqual((info.body_bytes_max, info.idle_timeout_ms), (50 * 1024, 45000))
        self.assertEqual(node.stop(), 0)
        process = subprocess.Popen([program("imlogd"), "--config", str(config)],
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            self.assertRegex(process.stdout.readline().decode(),
                             r"^imlogd ready listen=127\.0\.0\.1:\d+ shards=3\n$")
        finally:
            process.terminate()
            self.assertEqual(process.wait(START_S), 0)
            process.stdout.close()

    # ---- what the machine refuses

    def test_a_data_directory_that_cannot_be_made_is_named(self):
        file = self.directory / "file"
        file.write_text("mine")
        for path in (file, file / "below", "/proc/imlog", "/dev/null/imlog"):
            self.refused("--data-dir", path, "--listen", "127.0.0.1:0", code=1,
                         says=(re.escape(str(path)),))
        self.assertEqual(file.read_text(), "mine")

    def test_an_unwritable_data_directory_is_named(self):
        closed = self.directory / "closed"
        closed.mkdir()
        closed.chmod(0o555)
        self.directory.chmod(0o755)
        who = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        copy = self.directory / "imlogd"  # the build folder may be closed to others
        shutil.copy(program("imlogd"), copy)
        copy.chmod(0o755)
        for path in (closed, closed / "new"):
            done = subprocess.run([copy, "--data-dir", path, "--listen", "127.0.0.1:0"],
                                  capture_output=True, timeout=START_S, **who)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn(str(path).encode(), done.stderr)
            self.assertIn(b"ermission denied", done.stderr)
        closed.chmod(0o755)
        self.assertEqual(list(closed.iterdir()), [])

    def test_a_foreign_directory_is_refused_and_left_as_it_is(self):
        foreign = self.directory / "foreign"
        (foreign / "photos").mkdir(parents=True)
        (foreign / "photos" / "cat.jpg").write_bytes(b"\xff\xd8 a cat")
        before = self.tree(foreign)
        self.refused("--data-dir", foreign, "--listen", "127.0.0.1:0", code=1,
                     says=(re.escape(str(foreign)),))
        self.assertEqual(self.tree(foreign), before)

    def test_a_port_in_use_is_named_by_whoever_holds_it(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            self.refused("--data-dir", self.directory / "a", "--listen", address, code=1,
                         says=(re.escape(address), "in use"))
        holder = self.node("holder", shards=2)
        self.refused("--data-dir", self.directory / "b", "--listen", holder.server, code=1,
                     says=(re.escape(holder.server), "in use"))
        self._serves(holder, 1)

    def test_an_address_of_another_machine_is_named(self):
        self.refused("--data-dir", self.directory / "a", "--listen", "192.0.2.1:7700", code=1,
                     says=(r"192\.0\.2\.1:7700",))

    def test_a_second_daemon_on_a_directory_is_refused_with_the_holders_pid(self):
        holder = self.node("holder", shards=2)
        self._serves(holder, 1)
        self.refused("--data-dir", holder.data_dir, "--listen", "127.0.0.1:0", code=1,
                     says=(rf"\b{holder.pid}\b", re.escape(str(holder.data_dir))))
        link = self.directory / "link"
        link.symlink_to(holder.data_dir)
        self.refused("--data-dir", link, "--listen", "127.0.0.1:0", code=1,
                     says=(rf"\b{holder.pid}\b",))
        self._serves(holder, 2)
        holder.kill()
        holder.start()
        self._serves(holder, 3)

    def test_another_shard_count_is_refused(self):
        node = self.node(shards=2)
        self._serves(node, 1)
        self.assertEqual(node.stop(), 0)
        before = self.tree(node.data_dir)
        for shards in (1, 3):
            self.refused("--data-dir", node.data_dir, "--listen", "127.0.0.1:0",
                         "--shards", shards, code=1, says=(r"\b2\b", rf"\b{shards}\b"))
        self.assertEqual(self.tree(node.data_dir), before)
        node.shards = None
        node.start()
        self.assertEqual(node.shards, 2, "without --shards the directory says how many")
        self._serves(node, 2)

    def test_a_newer_format_is_refused_and_left_as_it_is(self):
        node = self.node(shards=2)
        self._serves(node, 1)
        self.assertEqual(node.stop(), 0)
        identity = node.data_dir / "imlog.id"
        ours = identity.read_bytes()
        identity.write_bytes(newer_identity(ours))
        before = self.tree(node.data_dir)
        self.refused("--data-dir", node.data_dir, "--listen", "127.0.0.1:0", code=1,
                     says=(re.escape(str(node.data_dir)), "newer"))
        for command in ("export", "verify", "segments"):
            done = run_tool("imlog-dump", command, "--data-dir", node.data_dir)
            self.assertEqual(done.returncode, 1)
            self.assertIn("newer", done.stderr)
        self.assertEqual(self.tree(node.data_dir), before)
        identity.write_bytes(ours)
        node.start()
        self._serves(node, 2)

    def test_an_identity_survives_damage_of_one_copy_and_not_of_both(self):
        node = self.node(shards=2)
        self._serves(node, 1)
        identity = node.data_dir / "imlog.id"
        ours = identity.read_bytes()
        for copy in (0, 1):
            node.kill()
            damaged = bytearray(ours)
            damaged[copy * BLOCK_BYTES + 20] ^= 1
            identity.write_bytes(damaged)
            node.start()
            self._serves(node, 2 + copy)
        node.kill()
        damaged[20] ^= 1
        identity.write_bytes(damaged)
        self.refused("--data-dir", node.data_dir, "--listen", "127.0.0.1:0", code=1,
                     says=(re.escape(str(node.data_dir)), "imlog.id"))
        identity.write_bytes(ours)
        node.start()
        self._serves(node, 4)

    def _serves(self, node, seq):
        with node.connect() as client:
            self.assertEqual(client.append_one(1, b"x").seq, seq)
            self.assertEqual(len(client.pull_all(1)), seq)


if __name__ == "__main__":
    main()
