"""Starting, asking and stopping the programs that are measured."""

import json
import os
import select
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path

READY_S = 600  # a daemon that is not ready by then is stuck


class Failure(Exception):
    """Something that ends the whole run; the text says what and what to do."""


def ready_line(process, name, log):
    """The first line a daemon prints; how long it took is the caller's clock."""
    deadline = time.monotonic() + READY_S
    line = b""
    while not line.endswith(b"\n"):
        readable, _, _ = select.select([process.stdout], [], [], deadline - time.monotonic())
        byte = os.read(process.stdout.fileno(), 1) if readable else b""
        if not byte:
            raise Failure(f"{name} did not become ready; its log is {log}")
        line += byte
    words = line.decode().split()
    return dict(word.split("=", 1) for word in words if "=" in word)


def rss_bytes(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise Failure(f"/proc/{pid}/status has no VmRSS; is the process gone?")


def evict(folder):
    """Drop a folder's files from the page cache, so that opening them reads the disk."""
    for path in Path(folder).rglob("*"):
        if path.is_file():
            file = os.open(path, os.O_RDONLY)
            os.fdatasync(file)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)


class Daemon:
    """A server of ours: started with start(), ended by leaving the with block at the latest."""

    name = "daemon"

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self.log = self.folder.parent / (self.folder.name + ".log")
        self.process = None
        self.pid = 0
        self.listen = ""
        self.start_s = 0.0

    def command(self):
        raise NotImplementedError

    def start(self):
        """Returns the seconds from exec to the ready line."""
        began = time.monotonic()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
        try:
            words = ready_line(self.process, self.name, self.log)
        except BaseException:
            self.process.kill()
            self._wait()
            raise
        self.start_s = time.monotonic() - began
        self.listen = words["listen"]
        self.pid = int(words.get("pid", self.process.pid))
        return self.start_s

    def rss(self):
        return rss_bytes(self.pid)

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self._wait()

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        self._wait()

    def _wait(self):
        try:
            self.process.wait(timeout=READY_S)
        except subprocess.TimeoutExpired as expired:
            self.process.kill()
            raise Failure(f"{self.name} did not end; its log is {self.log}") from expired
        self.process.stdout.close()
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()


class Node(Daemon):
    name = "imlogd"

    def __init__(self, programs, folder, settings=None):
        super().__init__(folder)
        self.programs = programs
        self.settings = settings or {}

    def command(self):
        command = [self.programs.path("imlogd"), "--data-dir", self.folder, "--listen",
                   "127.0.0.1:0"]
        for key, value in self.settings.items():
            command += ["--set", f"{key}={value}"]
        return command


class Redis(Daemon):
    name = "redis-server"

    def __init__(self, programs, folder, appendfsync):
        super().__init__(folder)
        self.programs = programs
        self.appendfsync = appendfsync

    def command(self):
        return [self.programs.source / "bench/peers/redis", "--dir", self.folder, "--appendfsync",
                self.appendfsync]


class IdleConnections:
    """Connections to a node that asked one ping each and then say nothing."""

    def __init__(self, listen, count):
        host, port = listen.rsplit(":", 1)
        self.sockets = []
        try:
            for index in range(count):
                connection = socket.create_connection((host, int(port)), timeout=30)
                self.sockets.append(connection)
                # A frame header of docs/PROTOCOL.md: body_bytes, version, flags, type, request_id.
                connection.sendall(struct.pack("<IBBHQ", 0, 1, 0, 0x0001, index + 1))
                header = self._receive(connection, 16)
                self._receive(connection, struct.unpack("<I", header[:4])[0])
        except BaseException:
            self.close()
            raise

    @staticmethod
    def _receive(connection, byte_count):
        received = b""
        while len(received) < byte_count:
            part = connection.recv(byte_count - len(received))
            if not part:
                raise Failure("the node closed a connection that had only sent a ping; "
                              "is its connections_max too low?")
            received += part
        return received

    def close(self):
        for connection in self.sockets:
            connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Programs:
    """The built programs, and imlog-bench as a function."""

    def __init__(self, source, build):
        self.source = Path(source)
        self.binaries = Path(build) / "bin"
        for program in ("imlogd", "imlog-bench"):
            if not (self.binaries / program).exists():
                raise Failure(f"{self.binaries / program} is not there; build it first: "
                              "cmake --preset release && cmake --build --preset release")
        helped = subprocess.run([self.path("imlog-bench"), "--help"], check=True,
                                stdout=subprocess.PIPE, text=True)
        lines = helped.stdout.partition("workloads:\n")[2].splitlines()
        self.workloads = {line.split()[0] for line in lines}

    def path(self, program):
        return self.binaries / program

    def bench(self, workload, **options):
        """Runs a workload; window=4 becomes --window 4, apart=True becomes --apart."""
        command = [self.path("imlog-bench"), workload]
        for name, value in options.items():
            command.append("--" + name.replace("_", "-"))
            if value is not True:
                command.append(str(value))
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            shown = " ".join(str(word) for word in command)
            raise Failure(f"{shown}\nended with {done.returncode}: {done.stderr.strip()}")
        return json.loads(done.stdout)
