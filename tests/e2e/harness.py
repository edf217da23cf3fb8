"""harness: starts, kills and asks real imlog programs for the end-to-end tests.

    class MyTest(ImlogTest):
        def test_law(self):
            node = self.node(shards=2, settings={"segment_bytes": "4m"})
            with node.connect() as client: ...
            node.kill(); node.start()

IMLOG_BIN is the folder of the programs, IMLOG_SRC the source tree, IMLOG_SEED the seed of what is
random. Every test has a temporary directory; when it ends its daemons are killed and the directory
is removed, and when it fails their logs are printed first.
"""
import ctypes
import json
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from imlog_wire import Client, ConnectionLost

MIB = 1 << 20
START_S = 60       # a start that takes longer has failed
STOP_S = 60        # so has a drain
TOOL_S = 300       # and a tool

SRC = Path(os.environ.get("IMLOG_SRC") or Path(__file__).resolve().parents[2]).resolve()
SMALL = {"segment_bytes": "4m", "hot_bytes": "8m", "cache_bytes": "4m"}

_PRCTL = ctypes.CDLL(None).prctl  # looked up once: little may happen between fork and exec
_PR_SET_PDEATHSIG = 1


def program(name):
    """The path of a built program; without IMLOG_BIN the usual build folders are tried."""
    given = os.environ.get("IMLOG_BIN")
    folders = [Path(given)] if given else [SRC / "build" / preset / "bin"
                                           for preset in ("release", "dev")]
    for folder in folders:
        if (folder / name).exists():
            return str((folder / name).resolve())
    raise FileNotFoundError(f"{name} is in none of {', '.join(map(str, folders))}:"
                            " build it, or set IMLOG_BIN")


def die_with_parent():
    """No daemon outlives its test. (The kernel means the parent *thread*: only the main thread
    starts programs.)"""
    _PRCTL(_PR_SET_PDEATHSIG, signal.SIGKILL)


def wait_until(condition, what, deadline_s=30.0, every_s=0.005):
    """Poll until condition() is true and return what it returned."""
    deadline = time.monotonic() + deadline_s
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {deadline_s} s")
        time.sleep(every_s)


def start_tool(name, *args, **popen):
    """A tool in the background; it dies with the test."""
    popen.setdefault("stdin", subprocess.DEVNULL)
    popen.setdefault("stdout", subprocess.PIPE)
    popen.setdefault("stderr", subprocess.PIPE)
    return subprocess.Popen([program(name), *map(str, args)], preexec_fn=die_with_parent, **popen)


def run_tool(name, *args, input=b"", env=None, deadline_s=TOOL_S, stdout=subprocess.PIPE):
    """Run a tool to its end: .returncode, .stdout and .stderr as text."""
    environment = {key: value for key, value in os.environ.items() if key != "IMLOG_SERVER"}
    environment.update(env or {})
    done = subprocess.run([program(name), *map(str, args)], input=input, env=environment,
                          stdout=stdout, stderr=subprocess.PIPE, timeout=deadline_s,
                          preexec_fn=die_with_parent)
    done.stdout = (done.stdout or b"").decode("utf-8", "surrogateescape")
    done.stderr = done.stderr.decode("utf-8", "surrogateescape")
    return done


def json_lines(text):
    """The lines of JSONL text. (splitlines() would also cut at U+2028 inside a string.)"""
    return text.removesuffix("\n").split("\n") if text else []


class Node:
    """One imlogd and its data directory; start() again after kill() or stop() reopens it."""

    def __init__(self, data_dir, log_path, shards=None, settings=None, config=None, args=()):
        self.data_dir, self.log_path = Path(data_dir), Path(log_path)
        self.shards, self.settings = shards, dict(SMALL if settings is None else settings)
        self.config, self.args = config, list(args)
        self.host, self.port = "127.0.0.1", 0
        self.process = None
        self.ready_line = None

    # life

    def command(self):
        words = [program("imlogd"), "--data-dir", str(self.data_dir),
                 "--listen", f"{self.host}:{self.port}"]
        if self.shards is not None:
            words += ["--shards", str(self.shards)]
        if self.config is not None:
            words += ["--config", str(self.config)]
        for key, value in self.settings.items():
            words += ["--set", f"{key}={value}"]
        return words + self.args

    def launch(self):
        """Start the process without waiting for it to serve."""
        with open(self.log_path, "ab") as log:
            log.write(f"---- {' '.join(self.command())}\n".encode())
            log.flush()
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                preexec_fn=die_with_parent)
        return self

    def start(self):
        """Start and wait for the ready line; afterwards the port stays the same."""
        self.launch()
        self.ready_line = self._read_ready_line()
        words = dict(word.split("=", 1) for word in self.ready_line.split()[2:])
        if self.ready_line.split()[:2] != ["imlogd", "ready"] or set(words) != {"listen", "shards"}:
            raise AssertionError(f"ready line: {self.ready_line!r}")
        self.host, port = words["listen"].rsplit(":", 1)
        self.port, self.shards = int(port), int(words["shards"])
        return self

    def _read_ready_line(self):
        line, deadline = b"", time.monotonic() + START_S
        out = self.process.stdout.fileno()
        while not line.endswith(b"\n"):
            readable, _, _ = select.select([out], [], [], max(0, deadline - time.monotonic()))
            if not readable:
                self.kill()
                raise AssertionError(f"imlogd not ready within {START_S} s:\n{self.log_text()}")
            data = os.read(out, 4096)
            if not data:
                code = self.process.wait(STOP_S)
                raise AssertionError(f"imlogd ended with {code} at start:\n{self.log_text()}")
            line += data
        return line.decode().rstrip("\n")

    def running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """SIGKILL: the crash."""
        if self.process is not None:
            self.process.kill()
            self._reap()

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def wait(self, deadline_s=STOP_S):
        """The exit code, once it has ended by itself."""
        code = self.process.wait(deadline_s)
        self._reap()
        return code

    def stop(self):
        """SIGTERM, and the exit code after the drain."""
        self.terminate()
        return self.wait()

    def _reap(self):
        self.process.wait()
        self.process.stdout.close()

    # use

    @property
    def pid(self):
        return self.process.pid

    @property
    def server(self):
        return f"{self.host}:{self.port}"

    def connect(self, timeout_s=30.0):
        return Client(self.host, self.port, timeout_s)

    def ctl(self, *args, **run):
        return run_tool("imlog-ctl", "--server", self.server, *args, **run)

    def ctl_json(self, *args):
        done = self.ctl("--json", *args)
        if done.returncode != 0:
            raise AssertionError(f"imlog-ctl {args}: {done.returncode}\n{done.stderr}")
        return json.loads(done.stdout)

    def export(self, *args):
        """The history as a list of dicts, by imlog-dump export."""
        done = run_tool("imlog-dump", "export", "--data-dir", self.data_dir, *args)
        if done.returncode != 0:
            raise AssertionError(f"export: {done.returncode}\n{done.stderr}")
        return [json.loads(line) for line in json_lines(done.stdout)]

    def verify(self, *args):
        return run_tool("imlog-dump", "verify", "--data-dir", self.data_dir, *args)

    def log_text(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def status_bytes(self, field):
        """VmRSS, VmHWM … of the running daemon."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            name, _, value = line.partition(":")
            if name == field:
                return int(value.split()[0]) * 1024
        raise KeyError(field)

    def is_sanitized(self):
        """Built with a sanitizer: its memory says nothing about imlog's."""
        maps = Path(f"/proc/{self.pid}/maps").read_text()
        return "libasan" in maps or "libtsan" in maps


class ImlogTest(unittest.TestCase):
    """A test with its own directory, daemons and seed."""

    maxDiff = 2000

    def run(self, result=None):
        if result is None:
            result = self.defaultTestResult()
        bad_count = len(result.failures) + len(result.errors)
        self.nodes = []
        self.directory = Path(tempfile.mkdtemp(prefix="imlog-e2e-"))
        self.seed = int(os.environ.get("IMLOG_SEED") or random.SystemRandom().getrandbits(32))
        self.random = random.Random(self.seed)
        try:
            super().run(result)
        finally:
            for node in self.nodes:
                node.kill()
            if len(result.failures) + len(result.errors) > bad_count:
                self._tell()
            shutil.rmtree(self.directory, ignore_errors=True)
        return result

    def _tell(self):
        print(f"\n{self.id()} failed; seed: IMLOG_SEED={self.seed}", file=sys.stderr)
        for node in self.nodes:
            print(f"-- log of {node.data_dir.name}, last lines:", file=sys.stderr)
            print("\n".join(node.log_text().splitlines()[-60:]), file=sys.stderr)

    def say_seed(self):
        print(f"{self.id()}: IMLOG_SEED={self.seed}", flush=True)

    def node(self, name="node", start=True, **options):
        """A daemon on DIRECTORY/name."""
        log = self.directory / f"{len(self.nodes)}.{name.replace('/', '.')}.log"
        node = Node(self.directory / name, log, **options)
        self.nodes.append(node)
        return node.start() if start else node

    # laws that many tests check

    def assert_chain(self, messages, first_seq=1, prev_msg_id=0):
        """Seqs without a hole, msg_ids rising, each message naming the one before it."""
        for seq, message in enumerate(messages, first_seq):
            self.assertEqual(message.seq, seq)
            if seq == 1:
                self.assertEqual(message.prev_msg_id, 0)
            elif prev_msg_id:
                self.assertEqual(message.prev_msg_id, prev_msg_id, f"chain at seq {seq}")
            self.assertGreater(message.msg_id, prev_msg_id)
            prev_msg_id = message.msg_id

    def assert_acked(self, result, duplicate=None):
        self.assertEqual(result.code, 0, result.text)
        self.assertEqual(result.ack, 1, "code 0 of an append says ACK_DURABLE")
        self.assertGreater(result.seq, 0)
        if duplicate is not None:
            self.assertEqual(result.duplicate, duplicate)

    def assert_clean(self, node):
        done = node.verify()
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


def connect_patiently(node, deadline_s=START_S):
    """A connection to a node that may be starting right now."""
    def attempt():
        try:
            return node.connect()
        except (ConnectionLost, OSError):
            return None
    return wait_until(attempt, "connecting", deadline_s)


def history_path():
    """The real chat history, or None with the reason printed."""
    path = Path(os.environ.get("IMLOG_IRC") or
                SRC.parent / "shared" / "data" / "irc" / "ubuntu-train.jsonl")
    if path.exists():
        return path
    print(f"the real chat history is not here ({path}; set IMLOG_IRC): nothing to replay",
          flush=True)
    return None


def history_sessions(lines):
    """{session: [(seq, sender, ts_ms, kind, body bytes)]} of History JSONL dicts, in file order;
    a line without seq gets its place in the session."""
    import base64
    sessions = {}
    for line in lines:
        messages = sessions.setdefault(line["session"], [])
        body = (base64.b64decode(line["body_base64"]) if "body_base64" in line
                else line["text"].encode())
        messages.append((line.get("seq", len(messages) + 1), line["sender"], line["ts_ms"],
                         line["kind"], body))
    return sessions


def main():
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # end as by ^C: cleaning up
    unittest.main(module="__main__", verbosity=2)
