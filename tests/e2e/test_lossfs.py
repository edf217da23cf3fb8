"""The file system that loses power (tests/power/lossfs) keeps what was made durable, and of the
rest what it is told to. What the test of power loss is worth rests on this."""
import errno
import mmap
import os

from harness import ImlogTest, main
from lossfs import LossFs, skip_without_fuse

SECTORS = 128
OLD, NEW = b"o" * 512, b"n" * 512


class LossFsTest(ImlogTest):

    def mount(self, *lies):
        self.fs = LossFs(self.directory / "mnt", self.seed, lies)
        self.addCleanup(lambda: self.assertEqual(self.fs.unmount(), 0))
        self.open_files = []
        self.addCleanup(self.close_all)

    def close_all(self):
        while self.open_files:
            os.close(self.open_files.pop())

    def open(self, name, flags=0):
        file = os.open(self.fs.path / name, os.O_RDWR | os.O_CREAT | flags, 0o640)
        self.open_files.append(file)
        return file

    def sync_names(self):
        directory = os.open(self.fs.path, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(directory)
        os.close(directory)

    def lose_power(self, kind):
        self.fs.arm(kind, 0)
        self.fs.wait_cut(10)
        with self.assertRaises(OSError) as failed:
            os.listdir(self.fs.path)
        self.assertEqual(failed.exception.errno, errno.EIO)
        self.close_all()
        self.fs.restart()

    def bytes_of(self, name):
        return (self.fs.path / name).read_bytes()

    def test_only_what_was_made_durable_survives(self):
        self.mount()
        by_flag, by_sync, by_data_sync, never = map(self.open, "abcd")
        by_direct = self.open("e", os.O_DIRECT | os.O_DSYNC)
        memory = mmap.mmap(-1, 512)
        memory.write(NEW)
        os.pwritev(by_flag, [b"kept"], 0, os.RWF_DSYNC)
        os.pwrite(by_flag, b"lost", 4)
        for file, sync in ((by_sync, os.fsync), (by_data_sync, os.fdatasync)):
            os.pwrite(file, b"kept", 0)
            sync(file)
            os.pwrite(file, b"lost", 2)
        os.pwrite(never, b"lost", 0)
        os.pwritev(by_direct, [memory], 0)
        self.assertEqual(self.bytes_of("a"), b"keptlost", "reads see all of it")
        self.sync_names()
        self.lose_power("drop-all")
        self.assertEqual([self.bytes_of(name) for name in "abcde"],
                         [b"kept", b"kept", b"kept", b"", NEW])

    def test_names_need_a_sync_of_their_directory(self):
        self.mount()
        for name in ("stays", "moved", "removed"):
            os.fsync(self.open(name))
        self.sync_names()
        os.fsync(self.open("new"))
        os.rename(self.fs.path / "moved", self.fs.path / "elsewhere")
        os.unlink(self.fs.path / "removed")
        self.assertEqual(sorted(os.listdir(self.fs.path)), ["elsewhere", "new", "stays"])
        self.lose_power("drop-all")
        self.assertEqual(sorted(os.listdir(self.fs.path)), ["moved", "removed", "stays"])

    def test_keep_all_keeps_all(self):
        self.mount()
        os.pwrite(self.open("file"), b"never synced", 0)
        self.lose_power("keep-all")
        self.assertEqual(self.bytes_of("file"), b"never synced")

    def overwrite(self, kind):
        """What a cut leaves of an unsynced write over old sectors."""
        file = self.open("file")
        os.pwrite(file, OLD * SECTORS, 0)
        os.fsync(file)
        self.sync_names()
        os.pwrite(file, NEW * SECTORS, 0)
        self.lose_power(kind)
        data = self.bytes_of("file")
        self.assertEqual(len(data), 512 * SECTORS)
        return [data[at:at + 512] for at in range(0, len(data), 512)]

    def test_a_torn_write_is_there_by_sectors(self):
        for kind, together in (("torn-512", 1), ("torn-4096", 8)):
            with self.subTest(kind=kind):
                self.mount()
                sectors = self.overwrite(kind)
                self.assertEqual(set(sectors), {OLD, NEW})
                for at in range(0, SECTORS, together):
                    self.assertEqual(len(set(sectors[at:at + together])), 1)
                self.doCleanups()
                self.fs.path.rmdir()

    def test_a_prefix_ends_at_a_sector(self):
        self.mount()
        sectors = self.overwrite("prefix")
        new_count = sectors.count(NEW)
        self.assertEqual(sectors, [NEW] * new_count + [OLD] * (SECTORS - new_count))

    def test_what_was_open_is_stale_after_a_restart(self):
        self.mount()
        self.open("file")
        self.sync_names()
        kept_open, self.open_files = self.open_files, []
        self.lose_power("keep-all")
        self.open_files = kept_open
        for use in (lambda: os.pread(kept_open[0], 1, 0), lambda: os.pwrite(kept_open[0], b"x", 0),
                    lambda: os.fsync(kept_open[0])):
            with self.assertRaises(OSError) as failed:
                use()
            self.assertEqual(failed.exception.errno, errno.EIO)
        self.assertEqual(self.bytes_of("file"), b"")

    def test_a_lie_acknowledges_what_is_then_lost(self):
        for lie in ("writes", "syncs", "names"):
            with self.subTest(lie=lie):
                self.mount(lie)
                os.pwritev(self.open("by flag"), [b"kept"], 0, os.RWF_DSYNC)
                by_sync = self.open("by sync")
                os.pwrite(by_sync, b"kept", 0)
                os.fsync(by_sync)
                self.sync_names()
                self.lose_power("drop-all")
                found = {name: self.bytes_of(name) for name in os.listdir(self.fs.path)}
                self.assertEqual(found, {
                    "writes": {"by flag": b"", "by sync": b"kept"},
                    "syncs": {"by flag": b"kept", "by sync": b""},
                    "names": {},
                }[lie])
                self.doCleanups()
                self.fs.path.rmdir()


if __name__ == "__main__":
    skip_without_fuse()
    main()
