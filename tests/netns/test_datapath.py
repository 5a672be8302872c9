#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
The data path with real traffic: a client behind a router, a balancer with native XDP on
veth, two servers with the BPF decapsulator that answer the client directly. IPv4 and IPv6,
TCP and UDP, all four kinds of tunnel, packets of full size; then the agent is killed under
traffic, and the programs of its successor swapped in.

    client -- router -- lb, be1, be2

The agent is the whole one, without nlbd and without health checks; the router has a static
route to each VIP. The test runs in a mount namespace of its own (it starts itself again in
one), so that the bpffs that keeps maps and links goes away with it.
"""
import http.client
import http.server
import json
import os
import shutil
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading

from nsenv import AGENT, BUILD, Api, inside, kill_all, run, run_scenario, wait_for

TAG = f"nlbdp{os.getpid()}"
CLIENT, ROUTER, LB, BE1, BE2 = HOSTS = [TAG + h for h in ("cl", "rt", "lb", "b1", "b2")]
SERVERS = {BE1: 3, BE2: 4}
NETS = {CLIENT: 1, LB: 2, **SERVERS}
BIG = 300_000

# Address of the VIP and the families of its tunnel.
VIPS = {
    "4in4": ("192.0.2.10", 4),
    "4in6": ("192.0.2.46", 6),
    "6in6": ("2001:db8:f::10", 6),
    "6in4": ("2001:db8:f::64", 4),
}


def addr(host, family, net=None):
    net = net or NETS[host]
    return f"10.{net}.0.2" if family == 4 else f"fd00:{net}::2"


# ---- what runs on a server ----


class Answer(http.server.BaseHTTPRequestHandler):
    """GET / names the server, GET /big is long, POST says how much came."""

    protocol_version = "HTTP/1.0"

    def reply(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.reply(b"x" * BIG if self.path == "/big" else sys.argv[2].encode())

    def do_POST(self):
        length = int(self.headers["Content-Length"])
        self.reply(str(len(self.rfile.read(length))).encode())

    def log_message(self, *args):
        pass


class Web(socketserver.ThreadingMixIn, http.server.HTTPServer):
    address_family = socket.AF_INET6
    request_queue_size = 128
    daemon_threads = True


def echo(vip):
    """UDP: answers with the server's name, from the VIP."""
    sock = socket.socket(socket.AF_INET6 if ":" in vip else socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((vip, 53))
    while True:
        _, client = sock.recvfrom(2048)
        sock.sendto(sys.argv[2].encode(), client)


def serve():
    for vip, _ in VIPS.values():
        threading.Thread(target=echo, args=(vip,), daemon=True).start()
    Web(("::", 80), Answer).serve_forever()


# ---- what runs at the client ----


def fetch(vip, path="/", body=None):
    """One request on a connection of its own; the answer, or None."""
    try:
        conn = http.client.HTTPConnection(vip, 80, timeout=3)
        conn.request("POST" if body else "GET", path, body)
        return conn.getresponse().read().decode()
    except OSError:
        return None


def client():
    """Answers lines of JSON on stdin with lines of JSON: the test's hands in the namespace."""
    stop = threading.Event()
    counts = {"good": 0, "bad": 0}

    def storm():
        while not stop.is_set():
            for vip, _ in VIPS.values():
                counts["bad" if fetch(vip) is None else "good"] += 1

    threads = [threading.Thread(target=storm, daemon=True) for _ in range(4)]
    for line in sys.stdin:
        what, vip = json.loads(line)
        if what == "get":
            answer = sorted({fetch(vip) or "failed" for _ in range(40)})
        elif what == "big":
            answer = len(fetch(vip, "/big") or "")
        elif what == "post":
            answer = fetch(vip, "/", b"y" * BIG)
        elif what == "udp":
            answer = sorted({datagram(vip) for _ in range(40)})
        elif what == "storm":
            for thread in threads:
                thread.start()
            answer = True
        else:
            if what == "calm":
                stop.set()
                for thread in threads:
                    thread.join()
            answer = dict(counts)
        print(json.dumps(answer), flush=True)


def datagram(vip):
    sock = socket.socket(socket.AF_INET6 if ":" in vip else socket.AF_INET, socket.SOCK_DGRAM)
    with sock:
        sock.settimeout(3)
        sock.connect((vip, 53))
        sock.send(b"who are you?")
        try:
            return sock.recv(100).decode()
        except OSError:
            return "failed"


# ---- the test ----


class World:
    """The five hosts, and the processes on them."""

    vips = [vip for vip, _ in VIPS.values()]
    script = os.path.abspath(__file__)  # of the processes, by their roles

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="dp", dir=BUILD)
        self.processes = []
        self.agent = None
        self.client = None

    def path(self, name):
        return os.path.join(self.dir, name)

    def cable(self, host):
        """A veth from the router; tunnels need room beside a full-sized packet."""
        net, mtu = NETS[host], 1500 if host == CLIENT else 1600
        far = f"to{net}"
        inside(ROUTER, "ip", "link", "add", far, "type", "veth", "peer", "name", "eth0")
        inside(ROUTER, "ip", "link", "set", "eth0", "netns", host)
        for netns, link, last in ((ROUTER, far, 1), (host, "eth0", 2)):
            inside(netns, "ip", "link", "set", link, "mtu", str(mtu), "up")
            inside(netns, "ip", "addr", "add", f"10.{net}.0.{last}/24", "dev", link)
            inside(netns, "ip", "addr", "add", f"fd00:{net}::{last}/64", "dev", link, "nodad")
        inside(host, "ip", "route", "add", "default", "via", f"10.{net}.0.1")
        inside(host, "ip", "-6", "route", "add", "default", "via", f"fd00:{net}::1")
        if host != CLIENT:
            # Nobody fills in a checksum that is left open once the packet is in a tunnel.
            inside(ROUTER, "ethtool", "-K", far, "tx", "off")
            # veth hands over what the other end's XDP sends only with a program of its own.
            program = os.path.join(BUILD, "xdp/nlb_pass.bpf.o")
            inside(ROUTER, "ip", "link", "set", far, "xdpdrv", "obj", program, "sec", "xdp.frags")

    def network(self):
        for host in HOSTS:
            run("ip", "netns", "add", host)
            inside(host, "ip", "link", "set", "lo", "up")
            for name in ("all", "default"):
                inside(host, "sysctl", "-qw", f"net.ipv4.conf.{name}.rp_filter=0")
        for host in (ROUTER, LB):
            inside(host, "sysctl", "-qw", "net.ipv4.ip_forward=1")
            inside(host, "sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
        for host in NETS:
            self.cable(host)
        for vip, _ in VIPS.values():
            family = 6 if ":" in vip else 4
            inside(ROUTER, "ip", "route", "add", vip, "via", addr(LB, family))

    def start(self, host, role, **kwargs):
        args = ["ip", "netns", "exec", host, sys.executable, self.script, role, host]
        process = subprocess.Popen(args, **kwargs)
        self.processes.append(process)
        return process

    def servers(self):
        for host in SERVERS:
            program = os.path.join(BUILD, "xdp/nlb_decap.bpf.o")
            inside(host, "ip", "link", "set", "eth0", "xdpdrv", "obj", program, "sec", "xdp")
            for vip, _ in VIPS.values():
                inside(host, "ip", "addr", "add", vip, "dev", "lo")
            self.start(host, "serve", stdin=subprocess.DEVNULL)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.client = self.start(CLIENT, "client", **pipes)

    def config(self):
        vips = [
            {
                "id": name,
                "address": vip,
                "desired_revision": 1,
                "ports": [
                    {
                        "protocol": protocol,
                        "port": port,
                        "maglev_size": 251,
                        "backends": [{"address": addr(host, family)} for host in SERVERS],
                    }
                    for protocol, port in (("tcp", 80), ("udp", 53))
                ],
            }
            for name, (vip, family) in VIPS.items()
        ]
        with open(self.path("vips.json"), "w", encoding="utf-8") as out:
            json.dump({"revision": 1, "vips": vips}, out)
        with open(self.path("agent.conf"), "w", encoding="utf-8") as out:
            out.write(
                f"""
[node]
name = {TAG}
state-dir = {self.path("state")}
user =
[scheduler]
url = file:{self.path("vips.json")}
[dataplane]
interface = eth0
mode = native
bpf-dir = {self.path("bpf")}/nlb
max-vips = 64
max-services = 64
max-backends = 64
ring-slots = 131072
[nlbd]
socket = {self.path("nlbd.sock")}
[api]
socket = {self.path("a.sock")}
"""
            )
        os.mkdir(self.path("state"))
        os.mkdir(self.path("bpf"))
        run("mount", "-t", "bpf", "bpf", self.path("bpf"))

    def agent_start(self):
        with open(self.path("agent.log"), "ab") as log:
            self.agent = subprocess.Popen(
                ["ip", "netns", "exec", LB, AGENT, "-c", self.path("agent.conf")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def agent_kill(self):
        """All three processes at once, as hard as can be."""
        kill_all(LB)
        self.agent.wait()

    def fetch(self, path):
        """What the agent's API says."""
        api = Api(self.path("a.sock"))
        api.request("GET", path)
        return json.loads(api.getresponse().read())

    def ready(self):
        """True when every VIP is proven."""
        try:
            return all(self.fetch("/v1/vips/" + vip)["ready"] for vip in self.vips)
        except (OSError, http.client.HTTPException, ValueError, LookupError):
            return False

    def ask(self, what, vip=""):
        self.client.stdin.write(json.dumps([what, vip]) + "\n")
        self.client.stdin.flush()
        return json.loads(self.client.stdout.readline())

    def program(self):
        """Numbers of the link and the program on the balancer's interface."""
        out = subprocess.run(
            ["bpftool", "-j", "link", "show", "pinned", self.path("bpf/nlb/link-eth0")],
            # Debian 13's bpftool prints the link, and then ends with an error.
            check=False,
            stdout=subprocess.PIPE,
        )
        link = json.loads(out.stdout)
        return link["id"], link["prog_id"]

    def listening(self):
        return all(self.ask("get", addr(host, 4)) == [host] for host in SERVERS)

    def show_logs(self):
        with open(self.path("agent.log"), encoding="utf-8", errors="replace") as log:
            for line in log.readlines()[-60:]:
                print(f"# agent: {line.rstrip()}")

    def close(self):
        if self.agent and self.agent.poll() is None:
            self.agent_kill()
        for process in self.processes:
            process.kill()
            process.wait()
        for host in HOSTS:
            subprocess.run(["ip", "netns", "del", host], check=False, stderr=subprocess.DEVNULL)
        subprocess.run(["umount", self.path("bpf")], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(self.dir, ignore_errors=True)


def agent_under_traffic(tap, world):
    """kill -9 and a new agent while requests run: not one of them fails."""
    link, program = world.program()
    world.ask("storm")

    def more(than):
        return lambda: world.ask("counts")["good"] > than

    flowing = wait_for(more(100))
    world.agent_kill()
    before = world.ask("counts")["good"]
    # Without any agent, for a while.
    flowing &= wait_for(more(before + 200))
    world.agent_start()
    swapped = wait_for(lambda: world.program()[1] != program)
    flowing &= wait_for(more(world.ask("counts")["good"] + 200))
    counts = world.ask("calm")
    tap.result("traffic flows while the agent is dead and comes back", flowing, counts)
    tap.equal("no request fails meanwhile", counts["bad"], 0)
    tap.result("the program is swapped", swapped, "it is still the same")
    tap.equal("in the same link", world.program()[0], link)
    tap.result("every VIP is proven again", wait_for(world.ready), "not ready")


def scenario(tap, world):
    world.network()
    world.servers()
    world.config()
    tap.result("servers answer", wait_for(world.listening), "they do not")
    world.agent_start()
    tap.result("every VIP is proven", wait_for(world.ready), "not ready")
    for name, (vip, _) in VIPS.items():
        tap.equal(f"{name}: both servers get requests", world.ask("get", vip), [BE1, BE2])
        tap.equal(f"{name}: UDP", world.ask("udp", vip), [BE1, BE2])
        tap.equal(f"{name}: a long answer", world.ask("big", vip), BIG)
        tap.equal(f"{name}: a long question", world.ask("post", vip), str(BIG))
    agent_under_traffic(tap, world)


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve()
    elif sys.argv[1:2] == ["client"]:
        client()
    else:
        sys.exit(run_scenario(2 + 4 * len(VIPS) + 5, World, scenario))
