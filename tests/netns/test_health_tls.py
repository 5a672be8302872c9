#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
HTTPS checks of a whole agent against real nginx, IPv4 and IPv6: certificates that are good, and
each way of not being so, names, client certificates, and sessions that are resumed, by nginx's
own account. Then nginx gets a certificate that has expired, and an agent is given a
certificate of its own that can't be used.
"""
import subprocess
import sys

from healthenv import LB, NAME, World, both, case, expect, expect_all, run_test
from nsenv import AGENT, run, wait_for

GOOD, EXPIRED, WRONG, SELF, NOT_YET, CLIENT, OLD, PLAIN = range(11, 19)
CERTS = {EXPIRED: "expired", WRONG: "wrong", SELF: "self", NOT_YET: "notyet"}

SERVER = """
    server {{{{
        listen 10.77.0.{host}:443 ssl;
        listen [fd77::{host}]:443 ssl;
        ssl_certificate {{dir}}/{cert}.pem;
        ssl_certificate_key {{dir}}/server.key;
        location / {{{{ return 200 "all is ok"; }}}}
        location /sni {{{{ return 200 "sni=$ssl_server_name."; }}}}
        location /client {{{{ return 200 "client=$ssl_client_s_dn."; }}}}
        {more}
    }}}}
"""
SESSIONS = """
    log_format sessions "$uri $server_addr $ssl_protocol reused=$ssl_session_reused";
    ssl_session_cache shared:SSL:1m;
    ssl_protocols TLSv1.2 TLSv1.3;
    server {{ listen 10.77.0.18:80; listen [fd77::18]:80; return 200 "plain"; }}
"""
LOGGED = "access_log {dir}/sessions.log sessions;"


def server(host, cert="good", more=""):
    return SERVER.format(host=host, cert=cert, more=more)


SERVERS = (
    SESSIONS
    + server(GOOD, more=LOGGED)
    + server(CLIENT, more="ssl_client_certificate {dir}/ca.pem; ssl_verify_client on;")
    + server(OLD, more="ssl_protocols TLSv1.2; ssl_session_tickets off; " + LOGGED)
    + "".join(server(host, cert) for host, cert in CERTS.items())
)


def tls(server_host, state, result, path="/", **check):
    return case(server_host, state, result, type="https", path=path, **check)


CASES = both(
    {
        "by name": tls(GOOD, "up", "ok", sni=NAME, body="all is ok"),
        "by address": tls(GOOD, "up", "ok", body="all is ok"),
        "by Host": tls(GOOD, "up", "ok", host=NAME + ":443"),
        "SNI": tls(GOOD, "up", "ok", "/sni", sni=NAME, body=f"sni={NAME}."),
        "no SNI for an address": tls(GOOD, "up", "ok", "/sni", body="sni=."),
        "expired": tls(EXPIRED, "down", "certificate has expired", sni=NAME),
        "not yet valid": tls(NOT_YET, "down", "certificate is not yet valid", sni=NAME),
        "wrong name": tls(WRONG, "down", "hostname mismatch", sni=NAME),
        "wrong address": tls(WRONG, "down", "IP address mismatch"),
        "self-signed": tls(SELF, "down", "self.signed", sni=NAME),
        "self-signed, not verified": tls(SELF, "up", "ok", verify=False),
        "expired, not verified": tls(EXPIRED, "up", "ok", verify=False),
        "plain port": tls(PLAIN, "down", "wrong version number", port=80),
        "http on a TLS port": case(GOOD, "down", "status 400", type="http", port=443),
        "client certificate": tls(
            CLIENT, "up", "ok", "/client", client_cert=True, sni=NAME, body=f"client=CN={NAME}."
        ),
        "no client certificate": tls(CLIENT, "down", "status 400", "/client", sni=NAME),
        "TLS 1.2": tls(OLD, "up", "ok", "/each", sni=NAME),
        "resumed": tls(GOOD, "up", "ok", "/resumed", sni=NAME, resume=True),
        "resumed, TLS 1.2": tls(OLD, "up", "ok", "/resumed", sni=NAME, resume=True),
        "not resumed": tls(GOOD, "up", "ok", "/each", sni=NAME),
    }
)


# ---- certificates ----


def validity(name):
    """OpenSSL 3.4 and later want dates for such certificates, earlier ones days."""
    dates = {
        "expired": ["-not_before", "20200101000000Z", "-not_after", "20200102000000Z"],
        "notyet": ["-not_before", "20900101000000Z", "-not_after", "20910102000000Z"],
    }
    usage = subprocess.run(["openssl", "x509", "-help"], check=False, capture_output=True)
    if name not in dates:
        return ["-days", "30"]
    return dates[name] if b"-not_after" in usage.stderr else None


def certificate(world, name, names, issuer="ca"):
    sign = ["-CA", world.path("ca.pem"), "-CAkey", world.path("ca.key"), "-CAcreateserial"]
    if not issuer:
        sign = ["-signkey", world.path("server.key")]
    world.write("ext", f"subjectAltName={names}\nbasicConstraints=CA:FALSE\n")
    dates = validity(name)
    if dates is None:
        by_ca(world, name)
        return
    run(
        *("openssl", "x509", "-req", "-in", world.path("server.csr"), *dates),
        *("-out", world.path(name + ".pem"), "-extfile", world.path("ext"), *sign),
    )


def by_ca(world, name):
    """By `openssl ca`, which takes dates in all its versions."""
    start, end = {
        "expired": ("20200101000000Z", "20200102000000Z"),
        "notyet": ("20900101000000Z", "20910102000000Z"),
    }[name]
    world.write("index", "")
    world.write("ca-serial", {"expired": "aa01", "notyet": "aa02"}[name])
    world.write(
        "ca.conf",
        f"""[ca]
default_ca = d
[d]
database = {world.path("index")}
serial = {world.path("ca-serial")}
new_certs_dir = {world.dir}
certificate = {world.path("ca.pem")}
private_key = {world.path("ca.key")}
default_md = sha256
policy = p
[p]
commonName = supplied
""",
    )
    run(
        *("openssl", "ca", "-batch", "-notext", "-config", world.path("ca.conf")),
        *("-in", world.path("server.csr"), "-out", world.path(name + ".pem")),
        *("-startdate", start, "-enddate", end, "-extfile", world.path("ext")),
    )


def certificates(world):
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    run(
        *("openssl", "req", "-x509", *key, "-keyout", world.path("ca.key"), "-days", "30"),
        *("-out", world.path("ca.pem"), "-subj", "/CN=test authority"),
    )
    run(
        *("openssl", "req", *key, "-keyout", world.path("server.key")),
        *("-out", world.path("server.csr"), "-subj", "/CN=" + NAME),
    )
    hosts = (GOOD, EXPIRED, SELF, NOT_YET, CLIENT, OLD)
    names = ",".join([f"DNS:{NAME}"] + [f"IP:10.77.0.{h},IP:fd77::{h}" for h in hosts])
    for name in ("good", "expired", "notyet"):
        certificate(world, name, names)
    certificate(world, "wrong", "DNS:other.example,IP:192.0.2.1")
    certificate(world, "self", names, issuer=None)


# ---- after the cases ----


def sessions(world, path):
    """What nginx logged for a path: {(address, protocol): [reused or not]}."""
    seen = {}
    with open(world.path("sessions.log"), encoding="utf-8") as log:
        for line in log:
            uri, address, protocol, reused = line.split(None, 3)
            if uri == path:
                seen.setdefault((address, protocol), []).append(reused.strip() == "reused=r")
    return seen


def resumption(tap, world):
    """All but the first resume; without `resume` none does."""
    servers = {
        (address, protocol)
        for host, protocol in ((GOOD, "TLSv1.3"), (OLD, "TLSv1.2"))
        for address in (f"10.77.0.{host}", f"fd77::{host}")
    }

    def enough():
        seen = sessions(world, "/resumed")
        return set(seen) == servers and all(len(s) >= 4 for s in seen.values())

    tap.result("four probes that may resume", wait_for(enough), f"{sessions(world, '/resumed')}")
    for server_and_protocol, reused in sorted(sessions(world, "/resumed").items()):
        good = not reused[0] and all(reused[1:])
        tap.result(f"resumed, says nginx: {server_and_protocol}", good, f"{reused}")
    never = not any(r for reused in sessions(world, "/each").values() for r in reused)
    tap.result("not resumed, says nginx", never, f"{sessions(world, '/each')}")


def expires_under_way(tap, world):
    """nginx is restarted with another certificate: its old sessions are void, and it is seen."""
    world.servers = world.servers.replace("{dir}/good.pem", "{dir}/expired.pem")
    world.nginx_stop()
    world.nginx_start()
    for name in ("by name", "resumed, IPv6", "resumed, TLS 1.2"):
        expect(tap, world, name, "down", "certificate has expired", "it expires: ")
    world.servers = world.servers.replace("{dir}/expired.pem", "{dir}/good.pem", 3)
    world.nginx_stop()
    world.nginx_start()
    for name in ("by name", "resumed, IPv6", "resumed, TLS 1.2"):
        expect(tap, world, name, "up", "ok", "renewed: ")


def refused_at_start(tap, world):
    """A certificate that can't be used: the agent says so, and does not run on without."""
    with open(world.path("agent.conf"), encoding="utf-8") as conf:
        text = conf.read()
    world.write("bad.conf", text.replace("server.key", "ca.key").replace("a.sock", "b.sock"))
    script = 'mount -t bpf bpf /sys/fs/bpf && exec "$0" -c "$1"'
    done = subprocess.run(
        ["ip", "netns", "exec", LB, "sh", "-c", script, AGENT, world.path("bad.conf")],
        check=False,
        capture_output=True,
        timeout=30,
    )
    said = done.stderr.decode(errors="replace")
    tap.result("wrong key: the agent ends", done.returncode != 0, f"{done.returncode}: {said}")
    tap.result("wrong key: and says why", "health key" in said, said)


AFTER = 1 + 4 + 1 + 6 + 2


def scenario(tap, world):
    world.network()
    certificates(world)
    world.health_keys = {
        "ca": world.path("ca.pem"),
        "cert": world.path("good.pem"),
        "key": world.path("server.key"),
    }
    world.nginx_start()
    world.model()
    world.agent_start()
    expect_all(tap, world)
    resumption(tap, world)
    expires_under_way(tap, world)
    world.stop_agent()
    refused_at_start(tap, world)


def main():
    world = World(CASES, range(GOOD, PLAIN + 1), SERVERS)
    return run_test(("nginx", "openssl"), len(CASES) + AFTER, world, scenario)


if __name__ == "__main__":
    sys.exit(main())
