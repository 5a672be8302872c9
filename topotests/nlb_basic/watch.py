# SPDX-License-Identifier: GPL-2.0-or-later
"""
Waiting for something on a router to be so, and watching that nothing goes away meanwhile.
"""
import os

from lib import topotest


def expect(func, what, text, count=60):
    "Wait until func() returns `what`."
    ok, result = topotest.run_and_expect(func, what, count=count, wait=0.5)
    assert ok, f"{text}: {result}"


class Watch:
    """Watches r1's kernel routes and r2's BGP for anything that goes away meanwhile."""

    def __init__(self, world):
        self.r1, self.r2 = world.r1, world.r2
        self.file = os.path.join(self.r1.logdir, "r1", "monitor.log")
        self.out = None
        self.proc = None

    def __enter__(self):
        self.r2.vtysh_cmd("debug bgp updates in")
        self.mark = len(self._bgp())
        # pylint: disable=consider-using-with
        self.out = open(self.file, "w", encoding="utf-8")
        self.proc = self.r1.net.popen(
            ["stdbuf", "-oL", "ip", "monitor", "route"], stdout=self.out, stderr=None
        )
        # It listens once it reports a route of ours.
        probe = ["198.18.0.1/32", "dev", "lo"]

        def listening():
            self.r1.run(f"ip route replace {' '.join(probe)}; ip route del {' '.join(probe)}")
            return "198.18.0.1" in self._kernel()

        expect(listening, True, "ip monitor")
        return self

    def __exit__(self, *_):
        self.proc.kill()
        self.proc.wait()
        self.out.close()

    def _kernel(self):
        with open(self.file, encoding="utf-8") as log:
            return log.read()

    def _bgp(self):
        with open(os.path.join(self.r2.logdir, "r2", "bgpd.log"), encoding="utf-8") as log:
            return log.read()

    def assert_quiet(self, vips):
        "None of these has been withdrawn, from the kernel or from r2."
        for line in self._kernel().splitlines():
            assert not any(f"Deleted blackhole {v}" in line for v in vips), line
        for line in self._bgp()[self.mark :].splitlines():
            assert not ("withdrawn" in line and any(v in line for v in vips)), line
