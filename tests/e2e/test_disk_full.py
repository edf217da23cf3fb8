"""Promise P7: on a full disk appends get a clear error, reads go on, and service resumes without a
restart when space is back; nothing acked is lost. The disk is a small file system of our own, in
a private mount namespace that vanishes with this process."""
import ctypes
import os
import subprocess

from harness import MIB, ImlogTest, main, wait_until
from imlog_wire import EABORTED, EDISKFULL, Append
from model import Ledger

CLONE_NEWNS = 0x00020000
DISK_BYTES = 72 * MIB
SETTINGS = {"segment_bytes": "4m", "hot_bytes": "4m", "cache_bytes": "4m"}


def enter_private_mounts():
    """None, or why no file system of our own can be mounted here."""
    if os.geteuid() != 0:
        return "mounting needs root"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        return f"unshare: {os.strerror(ctypes.get_errno())}"
    done = subprocess.run(["mount", "--make-rprivate", "/"], capture_output=True)
    return done.stderr.decode().strip() if done.returncode != 0 else None


def mount_disk(image, at):
    """None, or why not: a small ext4 in a file, else a tmpfs."""
    at.mkdir()
    with open(image, "wb") as file:
        file.truncate(DISK_BYTES)
    commands = (["mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", image],
                ["mount", "-o", "loop", image, at])
    reasons = []
    for command in commands:
        try:
            done = subprocess.run(command, capture_output=True)
        except FileNotFoundError as error:
            reasons.append(str(error))
            break
        if done.returncode != 0:
            reasons.append(done.stderr.decode().strip())
            break
    else:
        return None
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", at],
                          capture_output=True)
    if done.returncode == 0:
        return None
    return "; ".join([*reasons, done.stderr.decode().strip()])


class DiskFull(ImlogTest):

    reason = None

    @classmethod
    def setUpClass(cls):
        cls.reason = enter_private_mounts()

    def disk(self):
        """The mount point, or None with the reason printed."""
        at = self.directory / "disk"
        reason = self.reason or mount_disk(self.directory / "image", at)
        if reason:
            print(f"no small file system here ({reason}): nothing to fill", flush=True)
            return None
        self.addCleanup(self._leave_disk, at)
        return at

    def _leave_disk(self, at):
        """A killed daemon's ring may hold its files a moment longer than the process."""
        for node in self.nodes:
            node.kill()
        wait_until(lambda: subprocess.run(["umount", at], capture_output=True).returncode == 0,
                   f"unmounting {at}", 20, every_s=0.05)

    def test_appends_fail_clearly_reads_go_on_and_space_brings_service_back(self):
        at = self.disk()
        if at is None:
            return
        node = self.node("disk/data", shards=2, settings=SETTINGS)
        ledger, ballast = Ledger(), at / "ballast"
        with node.connect() as client:
            ledger.fill(client, self.random, range(1, 9), 500, bytes_max=4000)
            for _ in range(3):
                self._fill_disk(ballast)
                self._append_until_full(client, ledger)
                ledger.check_all(self, client)
                self.assertTrue(client.all_sessions())
                client.ping()
                self._append_is_refused(client, ledger)
                ballast.unlink()
                self._appends_resume(client, ledger)
                ledger.check_all(self, client)
        self.assertTrue(node.running())
        self.assertRegex(node.log_text().lower(), "no space|disk.*full|full.*disk|no disk space")
        node.kill()
        node.start()
        with node.connect() as client:
            ledger.check_all(self, client)
        self.assert_clean(node)

    def test_a_node_that_dies_on_a_full_disk_serves_again_on_it(self):
        at = self.disk()
        if at is None:
            return
        node = self.node("disk/data", shards=2, settings=SETTINGS)
        ledger, ballast = Ledger(), at / "ballast"
        with node.connect() as client:
            ledger.fill(client, self.random, range(1, 9), 500, bytes_max=4000)
            self._fill_disk(ballast)
            self._append_until_full(client, ledger)
        for stop in (node.kill, node.stop):
            stop()
            node.start()
            with node.connect() as client:
                ledger.check_all(self, client)
                self._append_until_full(client, ledger)
                ledger.check_all(self, client)
        ballast.unlink()
        with node.connect() as client:
            self._appends_resume(client, ledger)
            ledger.check_all(self, client)
        self.assertEqual(node.stop(), 0)
        self.assert_clean(node)

    def test_a_start_without_space_names_the_directory(self):
        at = self.disk()
        if at is None:
            return
        self._fill_disk(at / "ballast")
        node = self.node("disk/data", start=False, settings=SETTINGS).launch()
        self.assertEqual(node.wait(), 1)
        self.assertIn(str(node.data_dir), node.log_text())
        self.assertRegex(node.log_text().lower(), "space")
        (at / "ballast").unlink()
        node.start()
        with node.connect() as client:
            self.assert_acked(client.append_one(1, b"x"))

    def _fill_disk(self, ballast):
        with open(ballast, "wb", buffering=0) as file:
            for chunk_bytes in (MIB, 65536, 4096):
                try:
                    while True:
                        file.write(b"\xaa" * chunk_bytes)
                except OSError:
                    pass

    def _items(self, ledger, count):
        return [Append(session_id=self.random.randint(1, 8), sender_id=1,
                       client_msg_id=ledger.next_client_msg_id(),
                       body=self.random.randbytes(8000)) for _ in range(count)]

    def _take(self, ledger, items, results):
        """Add what was acked; the codes of what was not."""
        refused = []
        for item, result in zip(items, results):
            if result.code == 0:
                ledger.add(item, result)
            else:
                self.assertIn(result.code, (EDISKFULL, EABORTED), result.text)
                self.assertTrue(result.text)
                refused.append(result.code)
        return refused

    def _append_until_full(self, client, ledger):
        """At most as much as the disk holds goes in; then both shards refuse even one message."""
        for _ in range(DISK_BYTES // (50 * 8000)):
            items = self._items(ledger, 50)
            refused = self._take(ledger, items, client.append(items))
            if len(refused) == len(items):
                self.assertIn(EDISKFULL, refused)
                break
        else:
            self.fail("the disk never filled")
        refused_count = 0
        while refused_count < 30:  # a last message may have fitted where many did not
            items = self._items(ledger, 1)
            refused = self._take(ledger, items, client.append(items))
            refused_count = refused_count + 1 if refused else 0

    def _append_is_refused(self, client, ledger):
        for _ in range(20):
            items = self._items(ledger, 1)
            self.assertEqual(self._take(ledger, items, client.append(items)), [EDISKFULL])

    def _appends_resume(self, client, ledger):
        def all_taken():
            items = self._items(ledger, 16)
            return not self._take(ledger, items, client.append(items))
        wait_until(all_taken, "appends after space came back", 30, every_s=0.05)
        ledger.fill(client, self.random, range(1, 9), 300, bytes_max=3000)


if __name__ == "__main__":
    main()
