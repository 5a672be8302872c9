#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
What the agent says of the data path against what the data path does: the network of
test_datapath.py with real flows. "nlbctl route" names the server that each flow reached;
"nlbctl capture" holds its packets, as tcpdump reads them; the counters add up.
"""
import glob
import json
import os
import shutil
import signal
import socket
import subprocess
import sys

import test_datapath as dp
from nsenv import NLBCTL, inside, kill_all, run_scenario, wait_for

PORTS = range(50000, 50012)
VIP = dp.VIPS["4in4"][0]
SERVER_OF = {dp.addr(host, family): host for host in dp.SERVERS for family in (4, 6)}


# ---- what runs at the client ----


def flows(vip, protocol):
    """Prints which server each source port gets, as JSON."""
    answers = {}
    family = socket.AF_INET6 if ":" in vip else socket.AF_INET
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    for port in PORTS:
        with socket.socket(family, kind) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.settimeout(5)
            sock.bind(("", port))
            sock.connect((vip, 80 if protocol == "tcp" else 53))
            sock.send(b"GET / HTTP/1.0\r\n\r\n")
            answer = b""
            while chunk := sock.recv(1000):
                answer += chunk
                if protocol == "udp":
                    break
            answers[port] = answer.decode().split()[-1]
    print(json.dumps(answers))


# ---- the test ----


class World(dp.World):
    """The same hosts, with nlbctl at hand."""

    def ctl(self, *args):
        return [NLBCTL, "-s", self.path("a.sock"), *args]

    def get(self, *args):
        done = subprocess.run(self.ctl("--json", *args), check=False, capture_output=True)
        return json.loads(done.stdout or "{}")

    def flows(self, vip, protocol):
        script = os.path.abspath(__file__)
        done = subprocess.run(
            ["ip", "netns", "exec", dp.CLIENT, sys.executable, script, "flows", vip, protocol],
            check=True,
            stdout=subprocess.PIPE,
        )
        return {int(port): host for port, host in json.loads(done.stdout).items()}

    def capture(self, *args):
        """nlbctl capture in the background, once it samples."""
        process = subprocess.Popen(
            self.ctl("capture", *args),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.processes.append(process)
        wait_for(lambda: self.sample_rate() or process.poll() is not None)
        return process

    def sample_rate(self):
        """As it stands in the map that the program reads."""
        (path,) = glob.glob(self.path("bpf/nlb/v*/nlb_config"))
        done = subprocess.run(
            ["bpftool", "-j", "map", "lookup", "pinned", path, "key", "0", "0", "0", "0"],
            check=True,
            stdout=subprocess.PIPE,
        )
        return json.loads(done.stdout)["formatted"]["value"]["sample_rate"]


def endpoint(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def compare(world, vip, protocol):
    """What "route" says of each flow that differs from where it went."""
    service = 80 if protocol == "tcp" else 53
    client = dp.addr(dp.CLIENT, 6 if ":" in vip else 4)
    wrong = []
    for port, host in world.flows(vip, protocol).items():
        words = endpoint(client, port), endpoint(vip, service) + "/" + protocol
        for established in ([], ["--established"]):
            answer = world.get("route", *established, *words)
            said = SERVER_OF.get(answer.get("backend"))
            way = answer.get("outer", {}).get("destination"), answer.get("verdict")
            if said != host or way != (answer.get("backend"), "sent"):
                wrong.append((host, answer))
    return wrong


def routes(tap, world):
    for name, (vip, _) in dp.VIPS.items():
        for protocol in ("tcp", "udp"):
            wrong = compare(world, vip, protocol)
            tap.equal(f'{name}, {protocol}: flows go where "route" says', wrong, [])
    answer = world.get("route", "198.51.100.7:1", VIP + ":81/tcp")
    got = answer.get("verdict"), answer.get("reason"), answer.get("vip")
    tap.equal("a port without service", got, ("dropped", "vip_no_service", VIP))
    answer = world.get("route", "198.51.100.7:1", "203.0.113.9:80/tcp")
    tap.equal("another address", answer.get("reason"), "not_vip")
    done = subprocess.run(
        world.ctl("route", "198.51.100.7:1", VIP + ":80/tcp", "--interface", "eth7"),
        check=False,
        capture_output=True,
        text=True,
    )
    said = "nlbctl: the program is not on this interface\n"
    tap.equal("another interface", (done.returncode, done.stderr), (1, said))


def counters(tap, world):
    def read():
        stats = world.get("stats")
        vips = {v["address"]: v for v in stats["vips"]}
        tcp = [s for s in stats["services"] if (s["vip"], s["port"]) == (VIP, 80)]
        return vips[VIP], tcp[0], {b["address"]: b for b in stats["backends"]}

    before = read()
    reached = world.flows(VIP, "tcp")
    after = read()
    for what, old, new in zip(("VIP", "service"), before, after):
        tap.equal(f"new flows of the {what}", new["flows"] - old["flows"], len(PORTS))
        grown = new["packets"] > old["packets"] and new["bytes"] > old["bytes"]
        tap.result(f"packets and bytes of the {what}", grown, (old, new))
    counted = {
        SERVER_OF[a]: b["flows"] - before[2].get(a, {"flows": 0})["flows"]
        for a, b in after[2].items()
        if SERVER_OF[a] in reached.values() and ":" not in a
    }
    wanted = {host: list(reached.values()).count(host) for host in set(reached.values())}
    tap.equal("new flows by backend", counted, wanted)


def tcpdump(path):
    done = subprocess.run(
        ["tcpdump", "-nn", "-r", path], check=False, capture_output=True, text=True
    )
    return done.stdout.splitlines()


def captures(tap, world):
    have_tcpdump = shutil.which("tcpdump")
    for option in ([], ["--pcapng"]):
        path = world.path("x.pcap")
        process = world.capture("-w", path, "-c", "20", "--vip", VIP, *option)
        world.flows(VIP, "tcp")
        _, errors = process.communicate(timeout=30)
        tap.equal("20 packets in a file", errors, "20 packets captured, 0 lost\n")
        if not have_tcpdump:
            tap.result("as tcpdump reads them # SKIP no tcpdump", True)
            continue
        lines = tcpdump(path)
        inner = f" {dp.addr(dp.CLIENT, 4)}.{PORTS[0]} > {VIP}.80: Flags [S]"
        good = [line for line in lines if f" IP {dp.addr(dp.LB, 4)} > 10." in line]
        good = len(lines) == len(good) == 20 and inner in lines[0]
        tap.result("as tcpdump reads them", good, lines[:3])
    tap.equal("no sampling afterwards", world.sample_rate(), 0)
    # To the screen, by reason: a ping to the balancer is nobody's VIP.
    process = world.capture("-c", "1", "--reason", "not_vip")
    inside(dp.CLIENT, "ping", "-c1", "-W5", dp.addr(dp.LB, 4))
    shown, _ = process.communicate(timeout=30)
    words = shown.split()
    tap.equal(
        "a line on the screen",
        (words[1:5], words[-2:-1]),
        (["passed", "not_vip", "vip", "-"], ["length"]),
    )
    process = world.capture("--seconds", "60")
    second = subprocess.run(world.ctl("capture"), check=False, capture_output=True, text=True)
    said = "nlbctl: another capture runs\n"
    tap.equal("one at a time", (second.returncode, second.stderr), (1, said))
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    tap.result("Ctrl-C ends it", process.returncode == 0 and "captured" in errors, errors)


def ends(tap, world):
    """Sampling ends with whoever wanted it."""
    process = world.capture()
    process.kill()
    off = wait_for(lambda: world.sample_rate() == 0)
    tap.result("nobody reads: it ends by itself", off, "it still samples")
    world.capture()
    tap.result("and the next one begins", world.sample_rate() == 1, "it does not sample")
    kill_all(dp.LB)
    world.agent.wait()
    world.agent_start()
    off = wait_for(lambda: world.ready() and world.sample_rate() == 0)
    tap.result("an agent that was killed: the next one ends it", off, "it still samples")


def scenario(tap, world):
    world.network()
    world.servers()
    world.config()
    world.agent_start()
    ready = wait_for(world.listening) and wait_for(world.ready)
    if not tap.result("the data path works", ready, "it does not"):
        return
    routes(tap, world)
    counters(tap, world)
    captures(tap, world)
    ends(tap, world)


if __name__ == "__main__":
    if sys.argv[1:2] == ["flows"]:
        flows(*sys.argv[2:])
    else:
        sys.exit(run_scenario(1 + 2 * len(dp.VIPS) + 3 + 5 + 8 + 3, World, scenario))
