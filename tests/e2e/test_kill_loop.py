"""P1 to P3 on the real daemon: killed under load, while starting and while draining, it loses
nothing that it acked, stores nothing twice, leaves no hole and takes back nothing it showed.

IMLOG_KILLS: how many kills; tests/e2e/kill9 runs thousands."""
# ctest: serial
import os
import shutil

import kill_loop
from harness import ImlogTest, main

KILLS = int(os.environ.get("IMLOG_KILLS") or 50)


class KillLoop(ImlogTest):

    def test_nothing_acked_or_shown_is_lost_over_kills(self):
        self.say_seed()
        totals = kill_loop.run(self._make_node, self.random, KILLS, kills_a_directory=25,
                               verify_every=10, forget=self._forget)
        print(f"  {totals.line()}", flush=True)
        self.assertGreaterEqual(totals["kills"], KILLS)
        self.assertGreater(totals["acks"], KILLS)
        self.assertGreater(totals["reads"], totals["messages"])

    def _make_node(self, **options):
        return self.node(f"node{len(self.nodes)}", **options)

    @staticmethod
    def _forget(node):
        shutil.rmtree(node.data_dir)


if __name__ == "__main__":
    main()
