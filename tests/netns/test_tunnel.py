#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Health checks through the tunnel, on the network of test_datapath.py, by a whole agent. On
the balancer each VIP is a blackhole, as nlbd has it. Of each VIP the service tcp/80 is
checked through the tunnel, and udp/53 directly: what breaks the data path to a backend must
take it out of the first and leave it in the second, whose backend answers as well as ever.
What breaks on the balancer itself must change no verdict.
"""
import glob
import http.client
import ipaddress
import json
import os
import socket
import ssl
import subprocess
import sys
import threading

import test_datapath as dp
from nsenv import fetch, inside, run, run_scenario, wait_for

TUNNEL, DIRECT = ("tcp", 80), ("udp", 53)
TABLE = "1252"
MARK = 0x4E400000


KINDS = {
    TUNNEL: [
        {"type": "icmp"},
        {"type": "tcp", "port": 80},
        {"type": "http", "port": 80},
        {"type": "https", "port": 443, "verify": False},
        # Of this one the server answers at the VIP alone.
        {"type": "udp", "port": 53, "payload": "who are you?"},
    ],
    DIRECT: [{"type": "icmp"}, {"type": "tcp", "port": 80}, {"type": "http", "port": 80}],
}


def health(service):
    more = {"tunnel": True} if service == TUNNEL else {}
    pace = {"interval_ms": 1000, "timeout_ms": 1000, "rise": 1, "fall": 3}
    return {**pace, **more, "checks": KINDS[service]}


class World(dp.World):
    """The same hosts, with checks."""

    script = os.path.abspath(__file__)

    def network(self):
        super().network()
        for vip in self.vips:
            inside(dp.LB, "ip", "route", "add", "blackhole", vip)

    def servers(self):
        pem = self.path("tls.pem")
        run(
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-subj", "/CN=test", "-days", "2", "-keyout", pem, "-out", pem + ".crt"),
        )
        with open(pem, "a", encoding="utf-8") as out, open(pem + ".crt", encoding="utf-8") as crt:
            out.write(crt.read())
        os.environ["NLB_PEM"] = pem
        super().servers()

    def config(self):
        super().config()
        with open(self.path("vips.json"), encoding="utf-8") as have:
            model = json.load(have)
        for vip in model["vips"]:
            for port in vip["ports"]:
                port["health"] = health((port["protocol"], port["port"]))
        with open(self.path("vips.json"), "w", encoding="utf-8") as out:
            json.dump(model, out)

    def checks(self, vip, service, host):
        """{type: (state, result)} of a backend's checks; {} while the agent can't say."""
        backend = dp.addr(host, dict(dp.VIPS.values())[vip])
        document = fetch(self.path("a.sock"), "/v1/vips/" + vip)
        for port in document.get("ports", []):
            for have in port["backends"]:
                if (port["protocol"], port["port"]) == service and have["address"] == backend:
                    return {c["type"]: (c["state"], c.get("result", "")) for c in have["checks"]}
        return {}

    def marked(self, vip, service):
        """Of each check of a service: is it said to go through the tunnel?"""
        document = fetch(self.path("a.sock"), "/v1/vips/" + vip)
        return [
            check.get("tunnel", False)
            for port in document.get("ports", [])
            for backend in port["backends"]
            for check in backend["checks"]
            if (port["protocol"], port["port"]) == service
        ]

    def are(self, state, service, hosts, vips=None, results=None):
        """What is not as it should be: every check of these backends has the state."""
        wrong = []
        for vip in vips or self.vips:
            for host in hosts:
                have = self.checks(vip, service, host)
                for kind in (check["type"] for check in KINDS[service]):
                    got = have.get(kind, ("none", ""))
                    if got[0] != state or (results and not results(got[1])):
                        wrong.append(f"{vip} {host} {kind}: {got}")
        return wrong

    def events(self):
        return fetch(self.path("a.sock"), "/v1/stats").get("events", {})

    def decap(self, host, on):
        program = ["obj", os.path.join(dp.BUILD, "xdp/nlb_decap.bpf.o"), "sec", "xdp"]
        inside(host, "ip", "link", "set", "eth0", "xdpdrv", *(program if on else ["off"]))

    def rules(self):
        """The rules and the routes of ours on the balancer, a line each."""
        lines = []
        for family in ("-4", "-6"):
            for what in (["rule", "show"], ["route", "show", "table", TABLE]):
                out = subprocess.run(
                    ["ip", "-n", dp.LB, family, *what],
                    check=False,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                )
                lines += [x for x in out.stdout.splitlines() if what[0] == "route" or TABLE in x]
        return lines


def settle(tap, world, name, *wanted):
    """Waits until each of the wanted (arguments of are()) is so."""
    last = [["?"]]

    def fits():
        last[0] = [wrong for args in wanted for wrong in world.are(*args)]
        return not last[0]

    return tap.result(name, wait_for(fits), "; ".join(last[0][:6]))


def path_broken(tap, world):
    """Each way to break the data path to one backend, and nothing but it."""
    both, first, second = list(dp.SERVERS), [dp.BE1], [dp.BE2]
    world.decap(dp.BE1, False)
    settle(
        tap,
        world,
        "no decapsulation: down through the tunnel, and there alone",
        ("down", TUNNEL, first, None, lambda result: "timeout" in result),
        ("up", TUNNEL, second),
        ("up", DIRECT, both),
    )
    world.decap(dp.BE1, True)
    settle(tap, world, "decapsulation again: up", ("up", TUNNEL, both), ("up", DIRECT, both))
    vip, *others = world.vips
    inside(dp.BE2, "ip", "addr", "del", vip + "/32", "dev", "lo")
    settle(
        tap,
        world,
        "the VIP is missing at a backend: down for that VIP",
        ("down", TUNNEL, second, [vip]),
        ("up", TUNNEL, first, [vip]),
        ("up", TUNNEL, both, others),
        ("up", DIRECT, both),
    )
    inside(dp.BE2, "ip", "addr", "add", vip + "/32", "dev", "lo")
    settle(tap, world, "the VIP is there again: up", ("up", TUNNEL, both))


def node_broken(tap, world):
    """What is this node's own fault takes nobody out."""
    four = [vip for vip in world.vips if ":" not in vip]
    six = [vip for vip in world.vips if ":" in vip]
    both = list(dp.SERVERS)
    inside(dp.LB, "sysctl", "-qw", "net.ipv4.conf.eth0.rp_filter=2")
    settle(
        tap,
        world,
        "rp_filter: no probe, and no verdict",
        ("up", TUNNEL, both, four, lambda result: "rp_filter must be 0" in result),
        ("up", TUNNEL, both, six, lambda result: result == "ok"),
    )
    inside(dp.LB, "sysctl", "-qw", "net.ipv4.conf.eth0.rp_filter=0")
    ok = ("up", TUNNEL, both, None, lambda result: result == "ok")
    settle(tap, world, "no rp_filter: probes again", ok)
    rules = world.rules()
    for family in ("-4", "-6"):
        inside(dp.LB, "ip", family, "rule", "del", "table", TABLE)
        inside(dp.LB, "ip", family, "route", "flush", "table", TABLE)
    back = wait_for(lambda: world.rules() == rules)
    tap.result("rules and routes are put back", back, f"{world.rules()}, not {rules}")
    settle(tap, world, "and probes go on", ok)


def restarted(tap, world):
    """The agent is killed, and comes again; then it ends."""
    both = list(dp.SERVERS)
    rules = world.rules()
    tap.equal("two rules, four routes", len(rules), 6)
    world.agent_kill()
    tap.equal("killed: they stay", world.rules(), rules)
    world.agent_start()
    settle(tap, world, "started again: up", ("up", TUNNEL, both), ("up", DIRECT, both))
    tap.equal("and no rule twice", world.rules(), rules)
    # The verdicts are those from disk at first: probes come after them.
    probed = wait_for(lambda: world.events().get("tunnel_check", 0) >= 2 * len(KINDS[TUNNEL]))
    counts = world.events()
    lost = sum(
        counts.get("tunnel_check_" + why, 1) for why in ("no_backend", "no_source", "failed")
    )
    tap.result("probes are counted, and none is dropped", probed and not lost, str(counts))
    world.agent.terminate()
    world.agent.wait()
    gone = wait_for(lambda: world.rules() == [])
    tap.result("ended: they are gone", gone, str(world.rules()))


def scenario(tap, world):
    world.network()
    world.servers()
    world.config()
    tap.result("servers answer", wait_for(world.listening))
    world.agent_start()
    both = list(dp.SERVERS)
    ok = ("up", TUNNEL, both, None, lambda result: result == "ok")
    settle(tap, world, "up through each kind of tunnel", ok, ("up", DIRECT, both))
    tap.result("VIPs are ready", wait_for(world.ready))
    for service in (TUNNEL, DIRECT):
        said = world.marked(world.vips[0], service)
        want = [service == TUNNEL] * len(KINDS[service]) * len(both)
        tap.equal(f"{service[0]}: what goes through the tunnel is said", said, want)
    long_questions(tap, world)
    path_broken(tap, world)
    node_broken(tap, world)
    restarted(tap, world)


def numbers(world):
    """{a backend's address: its number}, as the maps have it."""
    (path,) = glob.glob(world.path("bpf/nlb/v*/nlb_numbers"))
    out = subprocess.run(
        ["bpftool", "-j", "map", "dump", "pinned", path], check=True, stdout=subprocess.PIPE
    )
    found = {}
    for entry in json.loads(out.stdout):
        key = ipaddress.IPv6Address(bytes(int(byte, 16) for byte in entry["key"]))
        value = bytes(int(byte, 16) for byte in entry["value"])
        found[str(key.ipv4_mapped or key)] = int.from_bytes(value, sys.byteorder)
    return found


def long_questions(tap, world):
    """More than fits a packet, which TCP leaves to the device to cut (GSO)."""
    have = numbers(world)
    for name, (vip, family) in dp.VIPS.items():
        mark = MARK | have[dp.addr(dp.BE1, family)]
        args = ["ip", "netns", "exec", dp.LB, sys.executable, world.script, "post", vip, str(mark)]
        out = subprocess.run(args, check=False, capture_output=True, text=True)
        tap.equal(f"{name}: a long question", out.stdout.strip(), str(dp.BIG))


def post():
    """On the balancer: one request with a mark; says how much of it came."""
    vip, mark = sys.argv[2], int(sys.argv[3])
    conn = http.client.HTTPConnection(vip)
    conn.sock = socket.socket(socket.AF_INET6 if ":" in vip else socket.AF_INET)
    conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
    conn.sock.settimeout(10)
    conn.sock.connect((vip, 80))
    conn.request("POST", "/", b"y" * dp.BIG)
    print(conn.getresponse().read().decode())


def serve():
    """Probes end with a RST, of which there is nothing to say."""
    dp.Web.handle_error = lambda *_: None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.environ["NLB_PEM"])
    web = dp.Web(("::", 443), dp.Answer)
    # The handshake is for the thread that answers: one that hangs is nobody else's.
    web.socket = context.wrap_socket(web.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    dp.serve()


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve()
    elif sys.argv[1:2] == ["client"]:
        dp.client()
    elif sys.argv[1:2] == ["post"]:
        post()
    else:
        sys.exit(run_scenario(23, World, scenario))
