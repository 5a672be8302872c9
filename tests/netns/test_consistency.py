#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
TCP connections that live through what happens to a service: the network of
test_datapath.py, with connections that stay open and say now and then which server they
are with. Backends are added, drained and removed, the agent is killed under way, and a
flood of SYNs comes: a connection ends with its own backend, and with nothing else.
"""
import json
import os
import random
import socket
import socketserver
import sys

import test_datapath as dp
from nsenv import kill_all, run_scenario, wait_for

VIP = dp.VIPS["4in4"][0]
BE1, BE2 = (dp.addr(host, 4) for host in (dp.BE1, dp.BE2))
PORT = 7
FLOWS = 64
FLOOD = 20_000


# ---- what runs on a server ----


class Names(socketserver.StreamRequestHandler):
    """Answers each line with the server's name, for as long as the connection lives."""

    def handle(self):
        for _ in self.rfile:
            self.wfile.write(sys.argv[2].encode() + b"\n")


class Server(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    request_queue_size = 256
    daemon_threads = True


def serve():
    Server(("::", PORT), Names).serve_forever()


# ---- what runs at the client ----


def talk(conn):
    try:
        conn.sendall(b"who?\n")
        return conn.recv(100).decode().strip() or "closed"
    except OSError as err:
        return type(err).__name__


def checksum(data):
    total = sum(int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total


def flood():
    """SYNs from addresses that nobody has, to the service."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    generator = random.Random(1)
    dest = socket.inet_aton(VIP)
    for _ in range(FLOOD):
        source = bytes([198, 18, generator.randrange(256), generator.randrange(256)])
        tcp = generator.randrange(1024, 65536).to_bytes(2, "big") + PORT.to_bytes(2, "big")
        tcp += generator.randbytes(4) + bytes(4) + b"\x50\x02\x20\x00"
        check = checksum(source + dest + b"\x00\x06\x00\x14" + tcp + bytes(4))
        tcp += check.to_bytes(2, "big") + bytes(2)
        # The kernel fills in what is 0 here: length, identification, checksum.
        header = b"\x45\x00\x00\x28" + bytes(2) + b"\x40\x00\x40\x06" + bytes(2)
        sock.sendto(header + source + dest + tcp, (VIP, 0))
    return FLOOD


def client():
    """Answers lines of JSON on stdin: a set of connections by name, and what they say."""
    sets = {}
    for line in sys.stdin:
        what, name = json.loads(line)
        if what == "open":
            sets[name] = [socket.create_connection((VIP, PORT), 5) for _ in range(FLOWS)]
        elif what == "flood":
            flood()
        answer = [talk(conn) for conn in sets.get(name, [])]
        print(json.dumps(answer), flush=True)


# ---- the test ----


class World(dp.World):
    """The same hosts, with other servers and one service whose backends change."""

    script = os.path.abspath(__file__)

    def backends(self, revision, *backends):
        """The scheduler's list, with these backends: address, weight, admin state."""
        service = {
            "protocol": "tcp",
            "port": PORT,
            "maglev_size": 251,
            "backends": [dict(zip(("address", "weight", "admin"), b)) for b in backends],
        }
        vip = {"id": "x", "address": VIP, "desired_revision": revision, "ports": [service]}
        path = self.path("vips.json")
        with open(path + ".new", "w", encoding="utf-8") as out:
            json.dump({"revision": revision, "vips": [vip]}, out)
        os.rename(path + ".new", path)

    def serving(self, *backends):
        """True when the live ring is proven and has new flows for these backends only."""
        try:
            port = self.fetch(f"/v1/vips/{VIP}/ports/tcp/{PORT}")
            if port["ring"]["state"] != "proven" or port["enabled"] != len(backends):
                return False
            found = set()
            for sport in range(50000, 50032):
                query = f"src=198.51.100.9&sport={sport}&vip={VIP}&dport={PORT}&protocol=tcp"
                found.add(self.fetch("/v1/route?" + query).get("backend"))
            return found == set(backends)
        except (OSError, ValueError, LookupError):
            return False

    def events(self):
        return self.fetch("/v1/stats")["events"]


def wait_serving(tap, world, what, *backends):
    done = wait_for(lambda: world.serving(*backends))
    return tap.result(what, done, world.fetch(f"/v1/vips/{VIP}"))


def hosts(answers):
    return sorted(set(answers))


def scenario(tap, world):
    world.network()
    world.servers()
    world.config()
    world.backends(1, (BE1, 1, "up"))
    world.agent_start()
    if not wait_serving(tap, world, "one backend", BE1):
        return
    tap.equal("connections to it", hosts(world.ask("open", "old")), [dp.BE1])

    world.backends(2, (BE1, 1, "up"), (BE2, 1, "up"))
    wait_serving(tap, world, "a second backend is added", BE1, BE2)
    tap.equal("connections from before stay", hosts(world.ask("ask", "old")), [dp.BE1])
    both = world.ask("open", "both")
    tap.equal("new ones go to both", hosts(both), [dp.BE1, dp.BE2])
    tap.equal("and stay there", world.ask("ask", "both"), both)
    events = world.events()
    known = events["flow_new"] > 0 and events["flow_old"] > 0
    tap.result("flows of changed slots are remembered", known, events)

    world.ask("flood", "")
    tap.equal("a flood of SYNs moves none", world.ask("ask", "both"), both)
    tap.equal("nor those from before", hosts(world.ask("ask", "old")), [dp.BE1])

    kill_all(dp.LB)
    world.agent.wait()
    tap.equal("without an agent they go on", world.ask("ask", "both"), both)
    world.agent_start()
    wait_serving(tap, world, "a new agent", BE1, BE2)
    tap.equal("and with a new one", world.ask("ask", "both"), both)
    tap.equal("those from before too", hosts(world.ask("ask", "old")), [dp.BE1])

    world.backends(3, (BE1, 0, "up"), (BE2, 1, "up"))
    wait_serving(tap, world, "the first backend drains", BE2)
    tap.equal("it keeps what it has", hosts(world.ask("ask", "old")), [dp.BE1])
    tap.equal("so does the other", world.ask("ask", "both"), both)
    tap.equal("new ones go to the other", hosts(world.ask("open", "new")), [dp.BE2])

    world.backends(4, (BE2, 1, "up"))
    wait_serving(tap, world, "the first backend is removed", BE2)
    left = [was if was == dp.BE2 else "gone" for was in both]
    said = [now if now == dp.BE2 else "gone" for now in world.ask("ask", "both")]
    tap.equal("its connections end, the others' stay", said, left)
    tap.equal("as do the new ones", hosts(world.ask("ask", "new")), [dp.BE2])


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve()
    elif sys.argv[1:2] == ["client"]:
        client()
    else:
        sys.exit(run_scenario(20, World, scenario))
