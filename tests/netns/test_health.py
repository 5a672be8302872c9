#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
The health checks of a whole agent against real nginx in network namespaces: each kind,
each certificate that is not good, servers that are slow, reset or gone, IPv4 and IPv6; then
nginx is stopped and started again, conditions change under way, and the health child dies.

One VIP per case, with one backend and one check, so that the case is the VIP. Each backend
is an address of its own on the far end of a cable. What came of a check is read from the
agent's local API.
"""
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

from nsenv import AGENT, BUILD, Api, Tap, inside, pids_in, run, skip_all, wait_for

TAG = f"nlbhc{os.getpid()}"
LB, BE = TAG + "lb", TAG + "be"
NAME = "good.example"

# Addresses of the backends; the agent is .1. Nobody has .99.
PLAIN, RESET, GOOD, EXPIRED, WRONG, SELF = (f"10.77.0.{i}" for i in range(11, 17))
GONE = "10.77.0.99"
SIX = "fd77::11"

HTTP_CONF = """
user root;
worker_processes 1;
daemon off;
master_process off;
pid {dir}/nginx.pid;
error_log {dir}/nginx.log warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {dir}/t1;
    proxy_temp_path {dir}/t2;
    fastcgi_temp_path {dir}/t3;
    uwsgi_temp_path {dir}/t4;
    scgi_temp_path {dir}/t5;
    reset_timedout_connection on;
    root {dir}/www;
    server {{
        listen {plain}:80;
        listen [{six}]:80;
        location / {{ }}
        location /503 {{ return 503; }}
        location /moved {{ return 301 http://{plain}/; }}
        location /slow {{ limit_rate 1; }}
        location /chunked {{ ssi on; ssi_types *; }}
        location /named {{ if ($host != "{name}") {{ return 404; }} return 200 "named"; }}
    }}
    server {{ listen {reset}:80; return 444; }}
    {tls}
}}
"""

TLS_CONF = """
    server {{
        listen {listen}:443 ssl;
        ssl_certificate {dir}/{cert}.pem;
        ssl_certificate_key {dir}/server.key;
        location / {{ }}
        location /sni {{ return 200 "sni=$ssl_server_name."; }}
    }}
"""


def case(backend, state, result, **check):
    return {"backend": backend, "state": state, "result": result, "check": check}


CASES = {
    "icmp": case(PLAIN, "up", "ok", type="icmp"),
    "icmp, IPv6": case(SIX, "up", "ok", type="icmp"),
    "icmp, nobody there": case(GONE, "down", "timeout|unreachable", type="icmp"),
    "tcp": case(PLAIN, "up", "ok", type="tcp"),
    "tcp, IPv6": case(SIX, "up", "ok", type="tcp"),
    "tcp, refused": case(PLAIN, "down", "connection refused", type="tcp", port=81),
    "tcp, nobody there": case(
        GONE, "down", "timeout while connecting|unreachable: No route", type="tcp"
    ),
    "http": case(PLAIN, "up", "ok", type="http", path="/index.html", body="all is ok"),
    "http, IPv6": case(SIX, "up", "ok", type="http", path="/index.html", body="all is ok"),
    "http, HEAD": case(PLAIN, "up", "ok", type="http", method="HEAD", path="/index.html"),
    "http, chunked": case(PLAIN, "up", "ok", type="http", path="/chunked.html", body="end"),
    "http, Host": case(PLAIN, "up", "ok", type="http", path="/named", host=NAME, body="named"),
    "http, Host by default": case(PLAIN, "down", "status 404", type="http", path="/named"),
    "http, 404": case(PLAIN, "down", "status 404", type="http", path="/nothing"),
    "http, 404 wanted": case(PLAIN, "up", "ok", type="http", path="/nothing", status="404"),
    "http, 503": case(PLAIN, "down", "status 503", type="http", path="/503"),
    "http, redirect": case(PLAIN, "down", "status 301", type="http", path="/moved"),
    "http, wrong body": case(
        PLAIN, "down", "not in the body", type="http", path="/index.html", body="all is well"
    ),
    "http, slow": case(
        PLAIN, "down", "timeout while waiting", type="http", path="/slow.html", body="end"
    ),
    "http, reset": case(RESET, "down", "reset", type="http"),
    "http on a TLS port": case(GOOD, "down", "status 400", type="http", port=443),
    "https, by name": case(GOOD, "up", "ok", type="https", sni=NAME, body="all is ok"),
    "https, by address": case(GOOD, "up", "ok", type="https", body="all is ok"),
    "https, SNI": case(GOOD, "up", "ok", type="https", path="/sni", sni=NAME, body=f"sni={NAME}."),
    "https, no SNI for an address": case(GOOD, "up", "ok", type="https", path="/sni", body="sni=."),
    "https, expired": case(EXPIRED, "down", "certificate has expired", type="https", sni=NAME),
    "https, wrong name": case(WRONG, "down", "hostname mismatch", type="https", sni=NAME),
    "https, wrong address": case(WRONG, "down", "IP address mismatch", type="https"),
    "https, self-signed": case(SELF, "down", "self.signed", type="https", sni=NAME),
    "https, not verified": case(SELF, "up", "ok", type="https", verify=False),
    "https on a plain port": case(PLAIN, "down", "wrong version number", type="https", port=80),
}


def validity(days):
    """OpenSSL 3.4 and later want dates for a certificate that has expired, earlier ones days."""
    dates = ["-not_before", "20200101000000Z", "-not_after", "20200102000000Z"]
    usage = subprocess.run(["openssl", "x509", "-help"], check=False, capture_output=True)
    return dates if days < 0 and b"-not_after" in usage.stderr else ["-days", str(days)]


class World:
    """Two namespaces, a cable, nginx on one side and the agent on the other."""

    def __init__(self):
        # As short as can be: the path of a unix socket has its limit.
        self.dir = tempfile.mkdtemp(prefix="hc", dir=BUILD)
        self.nginx = None
        self.agent = None
        self.vips = {}
        self.cases = {name: json.loads(json.dumps(c)) for name, c in CASES.items()}
        self.revision = 0

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text):
        with open(self.path(name + ".new"), "w", encoding="utf-8") as out:
            out.write(text)
        os.rename(self.path(name + ".new"), self.path(name))

    def network(self):
        for netns in (LB, BE):
            run("ip", "netns", "add", netns)
            inside(netns, "ip", "link", "set", "lo", "up")
        inside(LB, "ip", "link", "add", "lb0", "type", "veth", "peer", "name", "be0", "netns", BE)
        for netns, link, number in ((LB, "lb0", 1), (BE, "be0", 2)):
            inside(netns, "ip", "link", "set", link, "up")
            inside(netns, "ip", "addr", "add", f"10.77.0.{number}/24", "dev", link)
            inside(netns, "ip", "addr", "add", f"fd77::{number}/64", "dev", link, "nodad")
        for address in (PLAIN, RESET, GOOD, EXPIRED, WRONG, SELF):
            inside(BE, "ip", "addr", "add", address + "/24", "dev", "be0")
        inside(BE, "ip", "addr", "add", SIX + "/64", "dev", "be0", "nodad")

    def certificate(self, name, days, names, issuer="ca"):
        sign = ["-CA", self.path("ca.pem"), "-CAkey", self.path("ca.key"), "-CAcreateserial"]
        if not issuer:
            sign = ["-signkey", self.path("server.key")]
        self.write("ext", f"subjectAltName={names}\nbasicConstraints=CA:FALSE\n")
        run(
            *("openssl", "x509", "-req", "-in", self.path("server.csr"), *validity(days)),
            *("-out", self.path(name + ".pem"), "-extfile", self.path("ext"), *sign),
        )

    def certificates(self):
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        run(
            *("openssl", "req", "-x509", *key, "-keyout", self.path("ca.key"), "-days", "30"),
            *("-out", self.path("ca.pem"), "-subj", "/CN=test authority"),
        )
        run(
            *("openssl", "req", *key, "-keyout", self.path("server.key")),
            *("-out", self.path("server.csr"), "-subj", "/CN=" + NAME),
        )
        self.certificate("good", 30, f"DNS:{NAME},IP:{GOOD}")
        self.certificate("expired", -1, f"DNS:{NAME},IP:{EXPIRED}")
        self.certificate("wrong", 30, "DNS:other.example,IP:192.0.2.1")
        self.certificate("self", 30, f"DNS:{NAME},IP:{SELF}", issuer=None)

    def nginx_config(self):
        tls = "".join(
            TLS_CONF.format(dir=self.dir, listen=listen, cert=cert)
            for listen, cert in (
                (GOOD, "good"),
                (EXPIRED, "expired"),
                (WRONG, "wrong"),
                (SELF, "self"),
            )
        )
        self.write(
            "nginx.conf",
            HTTP_CONF.format(dir=self.dir, plain=PLAIN, six=SIX, reset=RESET, name=NAME, tls=tls),
        )
        os.mkdir(self.path("www"))
        self.write("www/index.html", "<p>all is ok</p>\n")
        self.write("www/chunked.html", "x" * 5000 + '<!--# echo var="x" --> end\n')
        self.write("www/slow.html", "x" * 1000 + "end\n")

    def nginx_start(self):
        self.nginx = subprocess.Popen(
            ["ip", "netns", "exec", BE, "nginx", "-c", self.path("nginx.conf")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def nginx_stop(self):
        if self.nginx:
            self.nginx.kill()
            self.nginx.wait()
            self.nginx = None

    def model(self):
        """The VIP list, one VIP a case, as the scheduler would give it."""
        self.revision += 1
        vips = []
        for number, (name, c) in enumerate(self.cases.items(), start=1):
            six = ":" in c["backend"]
            address = f"fd88::{number}" if six else f"192.0.2.{number}"
            self.vips[name] = address
            # TLS cases speak to 443 unless they say otherwise.
            port = 443 if c["check"]["type"] == "https" else 80
            vips.append(
                {
                    "id": f"case-{number}",
                    "address": address,
                    "desired_revision": self.revision,
                    "ports": [
                        {
                            "protocol": "tcp",
                            "port": port,
                            "maglev_size": 251,
                            "backends": [{"address": c["backend"]}],
                            "health": {
                                "interval_ms": 500,
                                "timeout_ms": 400,
                                "rise": 2,
                                "fall": 2,
                                "checks": [c["check"]],
                            },
                        }
                    ],
                }
            )
        self.write("vips.json", json.dumps({"revision": self.revision, "vips": vips}))

    def agent_start(self):
        self.write(
            "agent.conf",
            f"""
[node]
name = {TAG}
state-dir = {self.path("state")}
user =
[scheduler]
url = file:{self.path("vips.json")}
[dataplane]
interface = lb0
bpf-dir = /sys/fs/bpf/nlb
max-vips = 64
max-services = 64
max-backends = 64
ring-slots = 131072
[nlbd]
socket = {self.path("nlbd.sock")}
[api]
socket = {self.path("a.sock")}
[health]
ca = {self.path("ca.pem")}
""",
        )
        os.makedirs(self.path("state"), exist_ok=True)
        log = open(self.path("agent.log"), "ab")
        script = 'mount -t bpf bpf /sys/fs/bpf && exec "$0" -c "$1" --respawn'
        self.agent = subprocess.Popen(
            ["ip", "netns", "exec", LB, "sh", "-c", script, AGENT, self.path("agent.conf")],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        log.close()

    def check(self, name):
        """(state, result) of the case's check, or None while the agent can't say."""
        try:
            api = Api(self.path("a.sock"))
            api.request("GET", "/v1/vips/" + self.vips[name])
            vip = json.loads(api.getresponse().read())
            check = vip["ports"][0]["backends"][0]["checks"][0]
            return check["state"], check.get("result", "")
        except (OSError, http.client.HTTPException, ValueError, LookupError):
            return None

    def settled(self, name, state, result):
        """Waits for a state and a result (a pattern); returns what there is and whether it fits."""
        last = [None]

        def fits():
            last[0] = self.check(name)
            return last[0] and last[0][0] == state and re.search(result, last[0][1])

        return wait_for(fits), last[0]

    def health_children(self):
        """PIDs of the health child of our agent: it runs in our namespace."""
        return pids_in(LB, "nlb-health")

    def show_logs(self):
        for name in ("agent.log", "nginx.log"):
            try:
                with open(self.path(name), encoding="utf-8", errors="replace") as log:
                    for line in log.readlines()[-40:]:
                        print(f"# {name}: {line.rstrip()}")
            except OSError:
                pass

    def close(self):
        if self.agent:
            self.agent.terminate()
            try:
                self.agent.wait(10)
            except subprocess.TimeoutExpired:
                self.agent.kill()
                self.agent.wait()
        self.nginx_stop()
        for netns in (LB, BE):
            subprocess.run(["ip", "netns", "del", netns], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(self.dir, ignore_errors=True)


def expect(tap, world, name, state, result, when=""):
    good, last = world.settled(name, state, result)
    tap.result(when + name, good, f"{last}, not {state} by {result}")


def death_and_return(tap, world):
    """nginx dies, and comes back: down with the right reason, up again."""
    world.nginx_stop()
    for name in ("http", "tcp, IPv6", "https, by name"):
        expect(tap, world, name, "down", "connection refused", "nginx dies: ")
    # The host still answers.
    expect(tap, world, "icmp", "up", "ok", "nginx dies: ")
    world.nginx_start()
    for name in ("http", "tcp, IPv6", "https, by name"):
        expect(tap, world, name, "up", "ok", "nginx returns: ")


def change_under_way(tap, world):
    """Another question for one VIP; the others do not notice."""
    world.cases["http, 503"]["check"]["path"] = "/index.html"
    world.cases["http"]["check"]["path"] = "/503"
    world.model()
    expect(tap, world, "http, 503", "up", "ok", "changed: ")
    expect(tap, world, "http", "down", "status 503", "changed: ")
    expect(tap, world, "https, by name", "up", "ok", "not changed: ")


def child_killed(tap, world):
    """kill -9 of the health child: the agent comes back, and with it all verdicts."""
    before = world.health_children()
    tap.result("one health child", len(before) == 1, f"health children: {before}")
    for pid in before:
        os.kill(pid, signal.SIGKILL)

    def another():
        now = world.health_children()
        return len(now) == 1 and now != before

    came = wait_for(another)
    tap.result("killed: another one", came, f"health children: {world.health_children()}")
    expect(tap, world, "https, by name", "up", "ok", "killed: ")
    expect(tap, world, "https, expired", "down", "certificate has expired", "killed: ")


# Besides one for each case: nginx dies and returns 7, changed 3, killed 4.
AFTER = 14


def skip_reason():
    if os.geteuid() != 0:
        return "not root"
    for tool in ("ip", "nginx", "openssl"):
        if not shutil.which(tool):
            return "no " + tool
    if not os.path.exists(AGENT):
        return f"no {AGENT}"
    return None


def main():
    reason = skip_reason()
    if reason:
        return skip_all(reason)
    tap = Tap(len(CASES) + AFTER)
    world = World()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        world.network()
        world.certificates()
        world.nginx_config()
        world.nginx_start()
        world.model()
        world.agent_start()
        for name, c in CASES.items():
            expect(tap, world, name, c["state"], c["result"])
        death_and_return(tap, world)
        change_under_way(tap, world)
        child_killed(tap, world)
        if tap.failed:
            world.show_logs()
    finally:
        world.close()
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
