#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
"nlbctl maps check" on the network of test_datapath.py, while requests run: nothing is lost when
nothing was wrong; what is spoilt in the live maps is found and put right, on demand and by
the agent itself; and "nlbctl maps" tells of it.
"""
import glob
import json
import subprocess
import sys

import test_datapath as dp
from nsenv import NLBCTL, run_scenario, wait_for

VIP = dp.VIPS["4in4"][0]
CHECKS = 5


class World(dp.World):
    """The same hosts, with nlbctl and the maps at hand."""

    def ctl(self, *args):
        line = [NLBCTL, "-s", self.path("a.sock"), *args]
        return subprocess.run(line, check=False, capture_output=True, text=True)

    def maps(self):
        return json.loads(self.ctl("--json", "maps").stdout)

    def zero(self, name, size, elements):
        """Overwrites elements of a map, all by one bpftool."""
        (path,) = glob.glob(self.path("bpf/nlb/v*/") + name)
        with open(self.path("batch"), "w", encoding="utf-8") as out:
            for i in range(elements):
                key = " ".join(str(byte) for byte in i.to_bytes(4, "little"))
                value = " ".join(["0"] * size)
                out.write(f"map update pinned {path} key {key} value {value}\n")
        subprocess.run(
            ["bpftool", "batch", "file", self.path("batch")], check=True, stdout=subprocess.PIPE
        )

    def config(self):
        """Removals take no longer than they must."""
        super().config()
        with open(self.path("agent.conf"), encoding="utf-8") as conf:
            text = conf.read()
        text = text.replace("max-vips", "hold-down-ms = 10\nmax-vips")
        text = text.replace(self.path("nlbd.sock"), "")
        with open(self.path("agent.conf"), "w", encoding="utf-8") as conf:
            conf.write(text)

    def local_vip(self, address, ring_size, host):
        """A VIP beside the scheduler's, with a ring of that size for this backend."""
        backends = [{"address": dp.addr(host, 4)}]
        port = {"protocol": "tcp", "port": 80, "maglev_size": ring_size, "backends": backends}
        with open(self.path("vip.json"), "w", encoding="utf-8") as out:
            json.dump({"address": address, "ports": [port]}, out)
        return self.ctl("vip", "set", self.path("vip.json"))

    def ring(self, address):
        return self.fetch("/v1/vips/" + address)["ports"][0]["ring"]

    def served(self):
        return self.ask("get", VIP) == [dp.BE1, dp.BE2]


SPOIL = {
    "vip_dir": ("nlb_vip_dir", 32, 64),
    "services": ("nlb_services", 32, 16),
    "rings": ("nlb_rings", 8, 1024),
    "backends": ("nlb_backends", 32, 8),
    "hops": ("nlb_hops", 64, 8),
}


def undisturbed(tap, world):
    """Checks under traffic; a check of maps that are right."""
    world.ask("storm")
    wait_for(lambda: world.ask("counts")["good"] > 100)
    done = [world.ctl("maps", "check") for _ in range(CHECKS)]
    tap.equal("nothing is wrong", [d.returncode for d in done], [0] * CHECKS)
    tap.equal("no request fails meanwhile", world.ask("calm")["bad"], 0)
    check = world.maps()["check"]
    tap.equal("checks are counted", (check["runs"], check["total"]["found"]), (CHECKS, 0))


def repaired(tap, world, kind):
    """One map is overwritten: requests fail until it is checked."""
    before = world.maps()["check"]["total"]["kinds"][kind]["found"]
    world.zero(*SPOIL[kind])
    tap.result(f"{kind}: spoilt, nothing goes", not world.ask("big", VIP), "it does")
    done = world.ctl("maps", "check")
    tap.equal(f"{kind}: found and repaired", done.returncode, 1)
    tap.result(f"{kind}: traffic is right again", world.served(), done.stdout)
    after = world.maps()["check"]["total"]["kinds"][kind]["found"]
    tap.result(f"{kind}: it is counted", after > before, (before, after))
    tap.equal(f"{kind}: nothing is left", world.ctl("maps", "check").returncode, 0)


def by_itself(tap, world):
    world.agent_kill()
    with open(world.path("agent.conf"), "a", encoding="utf-8") as conf:
        conf.write("[maps]\ncheck-interval = 1\n")
    world.agent_start()
    ready = wait_for(world.ready) and wait_for(lambda: world.maps()["check"]["runs"] > 0)
    tap.result("an agent that checks each second", ready, "it does not")
    world.zero(*SPOIL["services"])
    found = wait_for(lambda: world.maps()["check"]["total"]["found"] > 0)
    tap.result("what is spoilt is found without being asked", found, world.maps()["check"])
    tap.result("and traffic is right again", wait_for(world.served), "it is not")


def usage(tap, world):
    maps = world.maps()
    used = {kind: maps["usage"][kind]["used"] for kind in ("vips", "services", "backends")}
    wanted = {"vips": len(dp.VIPS), "services": 2 * len(dp.VIPS), "backends": 4}
    tap.equal("what is in use", used, wanted)
    rings = maps["usage"]["ring_slots"]
    tap.result("slots of rings", 251 < rings["used"] <= rings["max"] == 131072, rings)
    tap.result("they weigh what they must", rings["bytes"] >= 131072 * 4, rings)
    sizes = [maps["memory"][name] for name in ("maps", "maps_process", "parent_process")]
    tap.result("memory of maps and processes", all(size > 1 << 20 for size in sizes), sizes)
    text = world.ctl("maps")
    tap.result("as a table", text.returncode == 0 and "ring_slots" in text.stdout, text)


def refused(tap, world):
    """Half of the room for rings, twice: the second waits until the first is gone."""
    first, second, size = "203.0.113.1", "203.0.113.2", 65521
    done = world.local_vip(first, size, dp.BE1)
    proven = wait_for(lambda: world.ring(first)["state"] == "proven")
    tap.result("a large ring fits", proven, done)
    world.local_vip(second, size, dp.BE2)
    state = wait_for(lambda: world.ring(second)["state"] == "failed")
    reason = world.ring(second).get("reason", "")
    said = "ring-slots (131072) used up" in reason
    tap.result("another one does not, and the limit is named", state and said, reason)
    tap.equal("of the VIP, too", world.fetch("/v1/vips/" + second)["reason"], reason)
    tap.result("the others go on", world.served(), "they do not")
    world.ctl("vip", "delete", first)
    proven = wait_for(lambda: world.ring(second)["state"] == "proven", 45)
    tap.result("it is taken in when there is room", proven, world.ring(second))
    tap.equal("and nothing is wrong", world.ctl("maps", "check").returncode, 0)
    world.ctl("vip", "delete", second)


def scenario(tap, world):
    world.network()
    world.servers()
    world.config()
    world.agent_start()
    ready = wait_for(world.listening) and wait_for(world.ready)
    if not tap.result("the data path works", ready, "it does not"):
        return
    usage(tap, world)
    undisturbed(tap, world)
    for kind in SPOIL:
        repaired(tap, world, kind)
    refused(tap, world)
    by_itself(tap, world)


if __name__ == "__main__":
    sys.exit(run_scenario(1 + 5 + 3 + 5 * len(SPOIL) + 6 + 3, World, scenario))
