"""P1 to P4 on the real daemon when the machine loses power: on a file system that drops, cuts or
tears whatever was not synced, it loses nothing that it acked, stores nothing twice, leaves no
hole, takes back nothing it showed, and reports no damage.

Where no FUSE file system can be mounted the test is skipped and says why; then power loss is
simulated only (tests/sim).

IMLOG_CUTS: how many cuts; tests/e2e/power_loss does thousands."""
# ctest: serial
import os

import power_loop
from harness import ImlogTest, main
from imlog_wire import ConnectionLost, NodeError
from lossfs import LIES, skip_without_fuse

CUTS = int(os.environ.get("IMLOG_CUTS") or 40)
LIE_MACHINES_MAX = 50


class PowerLoss(ImlogTest):

    def test_nothing_acked_or_shown_is_lost_over_cuts(self):
        self.say_seed()
        totals = power_loop.run(self._make_machine, self.random, CUTS, cuts_a_machine=20)
        print(f"  {totals.line()}", flush=True)
        self.assertGreaterEqual(totals["cuts"], CUTS)
        self.assertGreater(totals["acks"], CUTS)
        self.assertGreater(totals["durable"], CUTS, "the flags of a write come through")
        self.assertGreater(totals["writes"], totals["durable"])

    def test_a_disk_that_lies_is_caught(self):
        """The same checks fail where syncs are acknowledged and not done."""
        self.say_seed()
        for lie in LIES:
            with self.subTest(lie=lie):
                self._catch(lie)

    def _catch(self, lie):
        machines = []

        def make_liar(random, totals):
            machines.append(self._make_machine(random, totals, [lie]))
            return machines[-1]

        # One cut may spare all names, many do not.
        with self.assertRaises((AssertionError, ConnectionLost, NodeError)) as caught:
            power_loop.run(make_liar, self.random, LIE_MACHINES_MAX, cuts_a_machine=1)
        reason = str(caught.exception).splitlines()[-1][:150]
        print(f"  {lie}: caught on machine {len(machines)}: {reason}", flush=True)

    def _make_machine(self, random, totals, lies=()):
        machine = power_loop.Machine(self.directory / f"machine{len(self.nodes)}", random, totals,
                                     lies)
        self.nodes.append(machine.node)
        return machine


if __name__ == "__main__":
    skip_without_fuse()
    main()
