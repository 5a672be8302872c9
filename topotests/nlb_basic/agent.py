# SPDX-License-Identifier: GPL-2.0-or-later
"""
The stand-in for nlb-agent, as a test on a router drives it, and what it says of a VIP.
"""
import json
import os
import subprocess
import sys

CWD = os.path.dirname(os.path.realpath(__file__))
SOCKET = "/var/run/frr/nlbd-agent.sock"


class Agent:
    """The stand-in (fake_agent.py) running on a router."""

    count = 0

    def __init__(self, router):
        Agent.count += 1
        self.log = os.path.join(router.logdir, router.name, f"agent-{Agent.count}.log")
        self.proc = router.net.popen(
            [sys.executable, os.path.join(CWD, "fake_agent.py"), SOCKET, self.log],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=None,
        )

    def raw(self, line):
        """Send one line as it is."""
        self.proc.stdin.write(line + "\n")
        self.proc.stdin.flush()

    def send(self, **message):
        """Send one message, named by its key."""
        self.raw(json.dumps(message))

    def sync(self, vips, instance="agent-1", dataplane="ok"):
        """Say hello and hand over a whole set."""
        self.send(hello={"version": 1, "instance": instance, "node": "lb1"})
        self.send(dataplane=dataplane)
        self.send(sync="begin")
        for vip in vips:
            self.send(vip=vip)
        self.send(sync="end")

    def close(self):
        """End the session as a process that dies does."""
        self.proc.kill()
        self.proc.wait()

    def heard(self):
        """All that nlbd has said."""
        if not os.path.exists(self.log):
            return []
        with open(self.log, encoding="utf-8") as log:
            return [json.loads(line) for line in log if line.startswith("{")]

    def route(self, address):
        """The last word on an address: (state, reason); Nones when there is none."""
        words = [m["route"] for m in self.heard() if "route" in m]
        last = [word for word in words if word["address"] == address][-1:]
        return (last[0]["state"], last[0].get("reason")) if last else (None, None)


def vip(address, up=2, ready=True, port=80, **extra):
    """A VIP with one port and three backends, of which `up` are up."""
    backends = [{"address": f"10.9.0.{i}", "weight": 1, "state": "up"} for i in (1, 2, 3)]
    for backend in backends[up:]:
        backend.update(state="down", reason="connection refused")
    service = {"protocol": "tcp", "port": port, "enabled": up, "total": 3, "backends": backends}
    service["digest"] = "00c0ffee00c0ffee"
    return {
        "address": address,
        "enabled": up,
        "total": 3,
        "ready": ready,
        "ports": [service],
        **extra,
    }
