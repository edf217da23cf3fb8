"""check-layers must accept a tree that obeys and name file and line of every planted offence."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))

# (file, include, part of the complaint): each breaks one rule of layers.txt.
OFFENCES = [
    ("engine/base/a.c", '"engine/log/segment.h"', "may not include engine/log"),
    ("engine/format/a.c", '"engine/io/io.h"', "may not include engine/io"),
    ("engine/store/a.c", '"engine/shard.h"', "may not include engine"),
    ("engine/log/a.c", '"net/frame.h"', "may not include net"),
    ("net/a.c", '"engine/log/segment.h"', "may not include engine/log"),
    ("tools/a.c", '"engine/shard.h"', "may not include engine"),
    ("bench/a.c", '"tools/options.h"', "may not include tools"),
    ("include/imlog/a.h", '"net/frame.h"', "may not include net"),
    ("engine/log/a.c", "<xxhash.h>", "belongs to engine/base"),
    ("engine/store/a.c", "<liburing.h>", "belongs to engine/io net"),
    ("engine/base/a.c", "<protobuf-c/protobuf-c.h>", "belongs to net"),
    ("tools/a.c", '"net/imlog.pb-c.h"', "belongs to net"),
    ("net/a.c", "<jansson.h>", "belongs to tools bench"),
    ("engine/base/a.c", "<cmocka.h>", "belongs to tests"),
    ("engine/log/a.c", "<unistd.h>", "belongs to engine/io"),
    ("engine/store/a.c", "<pthread.h>", "belongs to net"),
    ("tests/unit/a.c", "<openssl/ssl.h>", "name its home folder"),
    ("engine/log/a.c", '"segment.h"', "from the repository's root"),
    ("engine/log/a.c", '"include/imlog/imlog.h"', "write it <imlog/imlog.h>"),
    ("net/a.c", "<imlog/nothing.h>", "is no file below include/"),
    ("net/a.c", "HEADER_BY_MACRO", "cannot be checked"),
    ("engine/new/a.c", "<stdint.h>", "its folder is not in"),
    ("include/a.h", "<stdint.h>", "its folder is not in"),
]

# An obedient tree: every arrow that the offences come near, but the right way round.
OBEDIENT = {
    "include/imlog/imlog.h": ["<imlog/error.h>", "<stdint.h>"],
    "include/imlog/error.h": [],
    "include/imlog/version.h.in": [],
    "engine/base/checksum.c": ["<xxhash.h>", "<imlog/error.h>"],
    "engine/io/io.h": [],
    "engine/io/uring.c": ['"engine/io/io.h"', "<liburing.h>", "<unistd.h>"],
    "engine/log/segment.h": ['"engine/io/io.h"'],
    "engine/log/ring.c": ["<sys/mman.h>", "<unistd.h>"],
    "engine/store/index.h": ['"engine/log/segment.h"'],
    "engine/shard.h": [],
    "engine/shard.c": ['"engine/shard.h"', '"engine/store/index.h"', "<imlog/imlog.h>"],
    "net/frame.h": [],
    "net/server.c": ['"net/frame.h"', '"net/imlog.pb-c.h"', "<liburing.h>", "<pthread.h>"],
    "tools/options.h": [],
    "tools/imlogd.c": ['"tools/options.h"', '"net/frame.h"', "<imlog/version.h>", "<jansson.h>"],
    "tests/unit/log/test_segment.c": ["<cmocka.h>", '"engine/log/segment.h"'],
}


def write(root, path, includes):
    path = os.path.join(root, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write("".join(f"# include {include}\n" for include in includes))


class CheckLayers(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="imlog-layers-")
        self.addCleanup(shutil.rmtree, self.root)
        os.makedirs(os.path.join(self.root, "tests", "tidy"))
        shutil.copy(os.path.join(HERE, "layers.txt"), os.path.join(self.root, "tests", "tidy"))
        for path, includes in OBEDIENT.items():
            write(self.root, path, includes)

    def check(self):
        return subprocess.run([sys.executable, os.path.join(HERE, "check-layers"), self.root],
                              capture_output=True, text=True, check=False)

    def test_an_obedient_tree_passes_in_silence(self):
        result = self.check()
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))

    def test_every_planted_include_is_named_by_file_and_line(self):
        for path, include, complaint in OFFENCES:
            with self.subTest(path=path, include=include):
                write(self.root, path, [include])
                result = self.check()
                os.remove(os.path.join(self.root, path))
                self.assertEqual(result.returncode, 1, result.stderr)
                self.assertEqual(result.stdout.count("\n"), 1, result.stdout)
                self.assertTrue(result.stdout.startswith(f"{path}:1: "), result.stdout)
                self.assertIn(complaint, result.stdout)

    def test_a_broken_layers_file_is_refused_by_line(self):
        with open(os.path.join(self.root, "tests", "tidy", "layers.txt"), "w",
                  encoding="utf-8") as file:
            file.write("[folders]\nengine includes everything\n")
        result = self.check()
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("layers.txt:2: expected", result.stderr)


if __name__ == "__main__":
    unittest.main()
