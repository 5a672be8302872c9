# SPDX-License-Identifier: GPL-2.0-or-later
"""
The world of batchenv.py with FRR: nlbd, zebra and bgpd on the balancer, and beside it two
neighbours on one wire. One is FRR too; the other (speaker.c) only hears, and knows when. And
rtnetlink's word (routes.c) on when zebra has changed the kernel's routes, here and there.

    lb: agent, nlbd, zebra, bgpd (AS 65001) --- nb: zebra, bgpd (AS 65000); speaker (AS 65002)
"""
import json
import os
import subprocess

from batchenv import POOL, Failed, World
from nsenv import BUILD, inside, kill_all, wait_for

SBIN = os.path.join(BUILD, "prefix/sbin")
VTYSH = os.path.join(BUILD, "prefix/bin/vtysh")
HOST = os.path.join(os.path.dirname(os.path.abspath(__file__)), "host.sh")
NODE, NEIGHBOUR, SPEAKER = "10.9.0.1", "10.9.0.2", "10.9.0.3"

NODE_CONF = f"""
hostname lb
TUNING
router bgp 65001
 bgp router-id {NODE}
 no bgp ebgp-requires-policy
 neighbor {NEIGHBOUR} remote-as 65000
 neighbor {NEIGHBOUR} timers connect 1
 neighbor {SPEAKER} remote-as 65002
 neighbor {SPEAKER} passive
 address-family ipv4 unicast
  redistribute nlb
 exit-address-family
exit
nlb
 agent socket SOCKET
 vip-pool {POOL}
 vip-pool 192.0.2.0/24
exit
"""

NEIGHBOUR_CONF = f"""
hostname nb
TUNING
router bgp 65000
 bgp router-id {NEIGHBOUR}
 no bgp ebgp-requires-policy
 neighbor {NODE} remote-as 65001
 neighbor {NODE} timers connect 1
exit
"""

# All as root, and no directory needs to be open for others; nlbd and agent have to be the same user.
USER = ("-u", "root", "-g", "root")

# What docs/benchmarks.md tells the operator to set, on both sides.
TUNING = "zebra work-queue 0"


class Host:
    """FRR in a network namespace, with mounts of its own."""

    def __init__(self, netns, directory):
        self.netns, self.directory = netns, directory
        self.keeper = None
        os.mkdir(directory)

    def up(self, conf, daemons):
        with open(os.path.join(self.directory, "frr.conf"), "w", encoding="utf-8") as out:
            out.write(conf)
        self.keeper = subprocess.Popen(
            ["ip", "netns", "exec", self.netns, HOST, self.directory],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if self.keeper.stdout.readline() != "up\n":
            raise Failed(f"{self.netns}: no mounts")
        for daemon in daemons:
            self.start(daemon)
        done = self.call(VTYSH, "-b")
        if done.returncode:
            raise Failed(f"{self.netns}: vtysh -b: {done.stdout}")

    def inside(self, *args):
        return ["nsenter", "-t", str(self.keeper.pid), "--net", "--mount", "--", *args]

    def start(self, daemon):
        """Until vtysh can speak to it. It keeps open what it is given to write to."""
        path, log = os.path.join(self.directory, daemon + ".log"), f"file:/run/frr/{daemon}.log"
        command = self.inside(os.path.join(SBIN, daemon), "-d", *USER, "--log", log)
        with open(path, "wb") as out:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=False
            )
        socket = f"/run/frr/{daemon}.vty"
        if done.returncode or not wait_for(lambda: not self.call("test", "-S", socket).returncode):
            with open(path, encoding="utf-8", errors="replace") as out:
                raise Failed(f"{self.netns}: {daemon}: {out.read()}")

    def call(self, *args):
        return subprocess.run(
            self.inside(*args),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def show(self, what):
        try:
            return json.loads(self.call(VTYSH, "-c", what + " json").stdout)
        except ValueError:
            return {}

    def close(self):
        if self.keeper:
            self.keeper.kill()
            self.keeper.wait()


class FrrWorld(World):
    """A balancer whose VIPs are announced."""

    def __init__(self, vips, tuned):
        super().__init__(vips)
        self.tuning = TUNING if tuned else ""
        self.nb = self.lb + "nb"
        self.hosts.append(self.nb)
        self.node = self.neighbour = None
        self.speaker = self.node_routes = self.neighbour_routes = None

    def network(self):
        super().network()
        inside(self.lb, "ip", "link", "add", "bgp0", "type", "veth", "peer", "name", "far")
        inside(self.lb, "ip", "link", "set", "far", "netns", self.nb, "name", "bgp0")
        for netns, addresses in ((self.lb, [NODE]), (self.nb, [NEIGHBOUR, SPEAKER])):
            for address in addresses:
                inside(netns, "ip", "addr", "add", address + "/24", "dev", "bgp0")
            inside(netns, "ip", "link", "set", "bgp0", "up")

    def config(self):
        super().config()
        socket = self.path("nlbd.sock")
        with open(self.path("agent.conf"), encoding="utf-8") as known:
            conf = known.read()
        conf = conf.replace("[nlbd]\nsocket =\n", f"[nlbd]\nsocket = {socket}\n")
        with open(self.path("agent.conf"), "w", encoding="utf-8") as out:
            out.write(conf)
        self.node = Host(self.lb, self.path("node"))
        self.neighbour = Host(self.nb, self.path("neighbour"))
        conf = NODE_CONF.replace("TUNING", self.tuning).replace("SOCKET", socket)
        self.node.up(conf, ("mgmtd", "zebra", "bgpd", "nlbd"))
        conf = NEIGHBOUR_CONF.replace("TUNING", self.tuning)
        self.neighbour.up(conf, ("mgmtd", "zebra", "bgpd"))
        self.speaker = self.program_in(self.nb, "speaker", SPEAKER, NODE, 65002)
        self.node_routes = self.program_in(self.lb, "routes")
        self.neighbour_routes = self.program_in(self.nb, "routes")

    def listed(self):
        """So many prefixes are in the neighbour's BGP table."""
        table = self.neighbour.show("show bgp ipv4 unicast")
        return len(table.get("routes", {}))

    def close(self):
        # Before what they listen to.
        for process in self.ends:
            process.kill()
        for host in (self.node, self.neighbour):
            if host:
                kill_all(host.netns)
                host.close()
        super().close()
