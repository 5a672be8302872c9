#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
A balancer with two data ports: the network of test_datapath.py, and a second cable from
the balancer straight to the first server. What comes in by one port goes out by the other
(XDP_REDIRECT), or back out by its own (XDP_TX), as the kernel's routes to the backend say;
a route that goes to the other port, because a link is down, takes the traffic along.

    client -- router -- lb, be1, be2        lb eth1 -- be1 eth1
"""
import json
import os
import sys

import test_datapath as dp
from nsenv import BUILD, inside, run_scenario, wait_for

VIP = dp.VIPS["4in4"][0]
BE1 = "10.99.0.3"  # on the first server's loopback, reached by either port


class World(dp.World):
    """The same hosts, with one more cable."""

    vips = [VIP]

    def network(self):
        super().network()
        inside(dp.LB, "ip", "link", "add", "eth1", "type", "veth", "peer", "name", "peer1")
        inside(dp.LB, "ip", "link", "set", "peer1", "netns", dp.BE1)
        inside(dp.BE1, "ip", "link", "set", "peer1", "name", "eth1")
        for host, last in ((dp.LB, 1), (dp.BE1, 2)):
            inside(host, "ip", "link", "set", "eth1", "mtu", "1600", "up")
            inside(host, "ip", "addr", "add", f"10.9.0.{last}/24", "dev", "eth1")
        inside(dp.BE1, "ip", "addr", "add", BE1, "dev", "lo")
        inside(dp.ROUTER, "ip", "route", "add", BE1, "via", dp.addr(dp.BE1, 4))
        inside(dp.LB, "ip", "route", "add", BE1, "via", "10.9.0.2", "metric", "10")
        inside(dp.LB, "ip", "route", "add", BE1, "via", "10.2.0.1", "metric", "20")

    def servers(self):
        super().servers()
        program = os.path.join(BUILD, "xdp/nlb_decap.bpf.o")
        inside(dp.BE1, "ip", "link", "set", "eth1", "xdpdrv", "obj", program, "sec", "xdp")

    def config(self):
        super().config()
        backends = [{"address": BE1}, {"address": dp.addr(dp.BE2, 4)}]
        service = {"protocol": "tcp", "port": 80, "maglev_size": 251, "backends": backends}
        vip = {"id": "x", "address": VIP, "desired_revision": 1, "ports": [service]}
        with open(self.path("vips.json"), "w", encoding="utf-8") as out:
            json.dump({"revision": 1, "vips": [vip]}, out)
        with open(self.path("agent.conf"), encoding="utf-8") as conf:
            text = conf.read().replace("interface = eth0", "interface = eth0\ninterface = eth1")
        with open(self.path("agent.conf"), "w", encoding="utf-8") as conf:
            conf.write(text)

    def egress(self):
        """The ports by which new flows leave, by backend."""
        ports = {}
        for sport in range(50000, 50032):
            query = f"src=10.1.0.2&sport={sport}&vip={VIP}&dport=80&protocol=tcp"
            answer = self.fetch("/v1/route?" + query)
            interface = answer.get("egress", {}).get("interface")
            ports.setdefault(answer.get("backend"), set()).add(interface)
        return {backend: sorted(found, key=str) for backend, found in ports.items()}

    def sent(self):
        reasons = self.fetch("/v1/stats")["reasons"]
        return reasons["tx"], reasons["tx_redirect"], sum(reasons.values())


def leaves_by(tap, world, name, port):
    wanted = {BE1: [port], dp.addr(dp.BE2, 4): ["eth0"]}
    wait_for(lambda: world.egress() == wanted)
    tap.equal(name, world.egress(), wanted)


def traffic(tap, world, name, redirected):
    before = world.sent()
    tap.equal(f"{name}: both servers get requests", world.ask("get", VIP), [dp.BE1, dp.BE2])
    tap.equal(f"{name}: a long question", world.ask("post", VIP), str(dp.BIG))
    after = world.sent()
    by_tx, by_redirect = after[0] > before[0], after[1] > before[1]
    tap.equal(f"{name}: sent from, redirected", (by_tx, by_redirect), (True, redirected))


def scenario(tap, world):
    world.network()
    world.servers()
    world.config()
    tap.result("servers answer", wait_for(world.listening), "they do not")
    world.agent_start()
    if not tap.result("the VIP is proven", wait_for(world.ready), "not ready"):
        return
    leaves_by(tap, world, "the first backend is behind the second port", "eth1")
    traffic(tap, world, "two ports", True)
    inside(dp.LB, "ip", "link", "set", "eth1", "down")
    leaves_by(tap, world, "the second port is down: by the first", "eth0")
    traffic(tap, world, "one port", False)
    inside(dp.LB, "ip", "link", "set", "eth1", "up")
    # The kernel took the route away with the link.
    inside(dp.LB, "ip", "route", "add", BE1, "via", "10.9.0.2", "metric", "10")
    leaves_by(tap, world, "it is up again", "eth1")
    traffic(tap, world, "two ports again", True)


if __name__ == "__main__":
    sys.exit(run_scenario(2 + 3 * 4, World, scenario))
