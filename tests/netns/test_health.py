#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
The health checks of a whole agent against real nginx in network namespaces, IPv4 and IPv6:
each kind but HTTPS (test_health_tls.py), servers that are slow, reset or gone, answers that are
not what was wanted; then nginx is stopped and started again, conditions change under
way, and the health child dies.
"""
import os
import signal
import sys

from healthenv import NAME, World, both, case, expect, expect_all, run_test
from nsenv import wait_for

PLAIN, RESET = 11, 12
GONE = 99  # nobody has it
UDP_ECHO, UDP_MUTE, UDP_OTHER_PORT = 7100, 7101, 7102
PATIENT = {"interval_ms": 1000, "timeout_ms": 900}

SERVERS = """
    server {{
        listen 10.77.0.11:80;
        listen [fd77::11]:80;
        location / {{ }}
        location /503 {{ return 503; }}
        location /moved {{ return 301 http://10.77.0.11/; }}
        location /slow {{ limit_rate 1; }}
        location /late {{ proxy_pass http://127.0.0.1:7030/; }}
        location /hanging {{ proxy_pass http://127.0.0.1:7031/; }}
        location /chunked {{ ssi on; ssi_types *; }}
        location /named {{ if ($host != "{name}") {{ return 404; }} return 200 "named"; }}
        location /agent {{ return 200 "$request_method $http_user_agent $http_connection"; }}
    }}
    # HTTP/2 in cleartext: no more of gRPC than an answer, its status, and what is no gRPC.
    server {{
        listen 10.77.0.11:82 http2;
        listen [fd77::11]:82 http2;
        location = /grpc.health.v1.Health/Check {{
            error_page 405 =200 $uri;
            add_header grpc-status 0;
        }}
        location / {{ return 404; }}
    }}
    server {{
        listen 10.77.0.11:83 http2;
        listen [fd77::11]:83 http2;
        location / {{ add_header grpc-status 5; return 200; }}
    }}
    server {{
        listen 10.77.0.11:84 http2;
        listen [fd77::11]:84 http2;
        location / {{ return 404; }}
    }}
    server {{ listen 10.77.0.12:80; listen [fd77::12]:80; return 444; }}
"""


def web(state, result, path="/index.html", health=None, **check):
    return case(PLAIN, state, result, health, type="http", path=path, **check)


def udp(state, result, port=UDP_ECHO, **check):
    return case(PLAIN, state, result, type="udp", port=port, **check)


def grpc(state, result, port, **check):
    return case(PLAIN, state, result, type="grpc", port=port, **check)


CASES = both(
    {
        "icmp": case(PLAIN, "up", "ok", type="icmp"),
        "icmp, nobody there": case(GONE, "down", "timeout|unreachable", type="icmp"),
        "tcp": case(PLAIN, "up", "ok", type="tcp"),
        "tcp, half open": case(PLAIN, "up", "ok", type="tcp", half_open=True),
        "tcp, refused": case(PLAIN, "down", "connection refused", type="tcp", port=81),
        "tcp, nobody there": case(
            GONE, "down", "timeout while connecting|unreachable: No route", type="tcp"
        ),
        "http": web("up", "ok", body="all is ok"),
        "http, HEAD": web("up", "ok", method="HEAD"),
        "http, HEAD has no body": web("down", "not in the body", method="HEAD", body="all is ok"),
        "http, request": web("up", "ok", "/agent", body="GET nlb-agent close"),
        "http, chunked": web("up", "ok", "/chunked.html", body="end"),
        "http, Host": web("up", "ok", "/named", host=NAME, body="named"),
        "http, Host by default": web("down", "status 404", "/named"),
        "http, 404": web("down", "status 404", "/nothing"),
        "http, 404 wanted": web("up", "ok", "/nothing", status="404"),
        "http, 503": web("down", "status 503", "/503"),
        "http, redirect": web("down", "status 301", "/moved"),
        "http, redirect wanted": web("up", "ok", "/moved", status="300-399"),
        "http, wrong body": web("down", "not in the body", body="all is well"),
        "http, big body": web("up", "ok", "/big.html", body="the end", max_body=200007),
        "http, big body, past the limit": web(
            "down", "not in the body", "/big.html", body="the end", max_body=200006
        ),
        "http, big body, past the usual limit": web("down", "not in", "/big.html", body="the end"),
        "http, slow": web("down", "timeout while waiting", "/slow.html", body="end"),
        "http, late, but in time": web("up", "ok", "/late", PATIENT, body="at last"),
        "http, too late": web("down", "timeout while waiting", "/hanging"),
        "http, reset": case(RESET, "down", "reset", type="http"),
        "grpc": grpc("up", "ok", 82),
        "grpc, a service": grpc("up", "ok", 82, service="pkg.Service", host=NAME),
        "grpc, no such service": grpc("down", "grpc-status 5", 83),
        "grpc, not there": grpc("down", "status 404", 84),
        "grpc, HTTP/1": grpc("down", "not HTTP/2", 80),
        "grpc, refused": grpc("down", "connection refused", 85),
        "grpc, mute": grpc("down", "timeout while waiting", 7001),
        "udp": udp("up", "ok", payload="ping", expect="pong ping"),
        "udp, bytes": udp("up", "ok", payload_hex="00ff00", expect_hex="2000ff00"),
        "udp, any answer": udp("up", "ok"),
        "udp, wrong answer": udp("down", "not in the body", payload="ping", expect="pang"),
        "udp, no answer": udp("down", "timeout while waiting", UDP_MUTE, payload="ping"),
        "udp, from another port": udp("down", "timeout while waiting", UDP_OTHER_PORT),
        "udp, refused": udp("down", "connection refused", 7199, payload="ping"),
    }
)


def death_and_return(tap, world):
    """nginx dies, and comes back: down with the right reason, up again."""
    world.nginx_stop()
    for name in ("http", "tcp, IPv6", "http, Host"):
        expect(tap, world, name, "down", "connection refused", "nginx dies: ")
    # The host still answers.
    expect(tap, world, "icmp", "up", "ok", "nginx dies: ")
    world.nginx_start()
    for name in ("http", "tcp, IPv6", "http, Host"):
        expect(tap, world, name, "up", "ok", "nginx returns: ")


def change_under_way(tap, world):
    """Another question for one VIP; the others do not notice."""
    world.cases["http, 503"]["check"]["path"] = "/index.html"
    world.cases["http"]["check"]["path"] = "/503"
    world.model()
    expect(tap, world, "http, 503", "up", "ok", "changed: ")
    expect(tap, world, "http", "down", "status 503", "changed: ")
    expect(tap, world, "http, Host", "up", "ok", "not changed: ")


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
    expect(tap, world, "http, Host", "up", "ok", "killed: ")
    expect(tap, world, "http, wrong body", "down", "not in the body", "killed: ")


# Besides one for each case: nginx dies and returns 7, changed 3, killed 4.
AFTER = 14


def files(world):
    os.mkdir(world.path("www"))
    # HealthCheckResponse {status: SERVING}, with its length.
    os.makedirs(world.path("www/grpc.health.v1.Health"))
    world.write("www/grpc.health.v1.Health/Check", "\0\0\0\0\2\x08\1")
    world.write("www/index.html", "<p>all is ok</p>\n")
    world.write("www/chunked.html", "x" * 5000 + '<!--# echo var="x" --> end\n')
    world.write("www/slow.html", "x" * 1000 + "end\n")
    world.write("www/big.html", "x" * 200000 + "the end")


def scenario(tap, world):
    world.network()
    files(world)
    world.nginx_start()
    world.hostile_start()
    world.model()
    world.agent_start()
    expect_all(tap, world)
    death_and_return(tap, world)
    change_under_way(tap, world)
    child_killed(tap, world)


def main():
    world = World(CASES, (PLAIN, RESET), SERVERS)
    return run_test(("nginx",), len(CASES) + AFTER, world, scenario)


if __name__ == "__main__":
    sys.exit(main())
