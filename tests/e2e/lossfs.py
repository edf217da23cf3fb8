"""lossfs: mounts tests/power/lossfs, a file system in memory whose power can be cut.

    fs = LossFs(directory, seed)      # mounted on fs.path; NoFuse if this machine cannot
    fs.arm("torn-512", after=100)     # after so many more operations; 0: now
    fs.is_cut(), fs.wait_cut()
    fs.restart()                      # what was durable is there again
    fs.unmount()
"""
import os
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import program

KINDS = ("keep-all", "drop-all", "prefix", "torn-512", "torn-4096", "reordered", "garbled", "any")
LIES = ("writes", "syncs", "names")
ANSWER_S = 60
NO_FUSE_CODE = 77


class NoFuse(Exception):
    """No file system can be mounted here; the text says why."""


class LossFs:

    def __init__(self, directory, seed, lies=()):
        self.path = Path(directory)
        self.path.mkdir()
        try:
            words = [program("lossfs"), "--seed", str(seed)]
        except FileNotFoundError as error:
            raise NoFuse(f"built without libfuse3: {error}") from error
        for lie in lies:
            words += ["--lie", lie]
        self.process = subprocess.Popen([*words, str(self.path)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.unread = b""
        self.cut_line = None  # what it said of the newest cut, until the restart
        if self._read_line(ANSWER_S) != "mounted":
            _, stderr = self.process.communicate()
            text = stderr.decode(errors="replace").strip()
            if self.process.returncode == NO_FUSE_CODE:
                raise NoFuse(text)
            raise AssertionError(f"lossfs ended with {self.process.returncode}: {text}")

    def _read_line(self, wait_s):
        """The next line; None if none has come. "" at the end."""
        deadline = time.monotonic() + wait_s
        out = self.process.stdout.fileno()
        while b"\n" not in self.unread:
            readable, _, _ = select.select([out], [], [], max(0.0, deadline - time.monotonic()))
            if not readable:
                return None
            data = os.read(out, 4096)
            if not data:
                return ""
            self.unread += data
        line, _, self.unread = self.unread.partition(b"\n")
        return line.decode()

    def _expect(self, word, wait_s=ANSWER_S):
        line = self._read_line(wait_s)
        if line is None or line.split()[:1] != [word]:
            raise AssertionError(f"lossfs said {line!r}, not {word!r}: {self._last_words()}")
        return line

    def _last_words(self):
        if self.process.poll() is None:
            return "it is alive"
        return self.process.stderr.read().decode(errors="replace")

    def _command(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def arm(self, kind, after):
        self._command(f"cut {kind} {after}")
        self._expect("armed")

    def is_cut(self):
        """Nothing fails before this is true."""
        if self.cut_line is None:
            self.wait_cut(0)
        return self.cut_line is not None

    def wait_cut(self, deadline_s):
        if self.cut_line is None:
            self.cut_line = self._read_line(deadline_s)
            if self.cut_line is not None and self.cut_line.split()[:1] != ["cut"]:
                raise AssertionError(f"lossfs said {self.cut_line!r}: {self._last_words()}")

    def figures(self):
        """What the cut found: {name: number}."""
        pairs = (word.split("=", 1) for word in self.cut_line.split()[1:])
        return {name: int(value) for name, value in pairs if value.isdigit()}

    def restart(self):
        self._command("restart")
        self._expect("restarted")
        self.cut_line = None

    def unmount(self):
        """After those that use it are gone. The exit code."""
        self.process.stdin.close()
        try:
            code = self.process.wait(ANSWER_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            stream.close()
        if os.path.ismount(self.path):  # it died; the mount is still there
            subprocess.run(["umount", "-l", str(self.path)], check=False)
        return code


def skip_without_fuse():
    """End the program, saying why, where no file system can be mounted."""
    try:
        with tempfile.TemporaryDirectory(prefix="imlog-lossfs-") as directory:
            LossFs(Path(directory) / "mnt", 1).unmount()
    except NoFuse as error:
        print(f"skipped, since no FUSE file system can be mounted here: {error}")
        sys.exit(NO_FUSE_CODE)
