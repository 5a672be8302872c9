#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Servers that misbehave, for the tests of the health checks: each on a port of its own, IPv4
and IPv6, one thread a connection. Prints "ready" when all listen, and runs until it is killed.
PORTS names them; a few, which wait and then do well, are for checks that must be patient.
"""
import socket
import struct
import threading

OK = b"HTTP/1.1 200 OK\r\n"
NEVER = threading.Event()


def request(conn):
    data = b""
    while b"\r\n\r\n" not in data:
        piece = conn.recv(4096)
        if not piece:
            break
        data += piece
    return data


def flood(conn, piece):
    while True:
        conn.sendall(piece)


def linger(conn):
    """Until the client goes."""
    while conn.recv(4096):
        pass


def hang(conn):
    """Neither reads nor writes: what is sent fills the window."""
    NEVER.wait(30)


def mute(conn):
    request(conn)
    linger(conn)


def drip(conn):
    """A byte a second: each one is progress, and none is the last."""
    request(conn)
    for byte in OK * 10:
        conn.sendall(bytes([byte]))
        NEVER.wait(1)


def trickle(conn):
    """A header now and then, for ever."""
    request(conn)
    conn.sendall(OK)
    while True:
        conn.sendall(b"A: b\r\n")
        NEVER.wait(0.1)


def endless_headers(conn):
    request(conn)
    conn.sendall(OK)
    flood(conn, b"A: b\r\n" * 100)


def endless_line(conn):
    request(conn)
    flood(conn, b"HTTP/1.1 200 " + b"x" * 4000)


def endless_body(conn):
    request(conn)
    conn.sendall(OK + b"\r\n")
    flood(conn, b"x" * 65536)


def endless_chunks(conn):
    request(conn)
    conn.sendall(OK + b"Transfer-Encoding: chunked\r\n\r\n")
    flood(conn, b"1;" + b"x" * 7000 + b"\r\nx\r\n")


def continues(conn):
    request(conn)
    flood(conn, b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


def binary(conn):
    request(conn)
    flood(conn, bytes(range(256)) * 16)


def other_protocol(conn):
    conn.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
    linger(conn)


def chunk_garbage(conn):
    request(conn)
    conn.sendall(OK + b"Transfer-Encoding: chunked\r\n\r\nzzz\r\nok\r\n0\r\n\r\n")
    linger(conn)


def short_body(conn):
    request(conn)
    conn.sendall(OK + b"Content-Length: 1000\r\n\r\nonly this")


def negative_length(conn):
    request(conn)
    conn.sendall(OK + b"Content-Length: -5\r\n\r\n")
    linger(conn)


def two_lengths(conn):
    request(conn)
    conn.sendall(OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok")
    linger(conn)


def reset(conn):
    """In the middle of the answer."""
    request(conn)
    conn.sendall(OK + b"Content-Length: 1000\r\n")
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def fin(conn):
    request(conn)


def redirect(conn):
    request(conn)
    conn.sendall(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n")


def tls_garbage(conn):
    conn.recv(4096)
    conn.sendall(b"\x16\x03\x03\x00\x40" + b"\xff" * 64)
    linger(conn)


def tls_half_record(conn):
    conn.recv(4096)
    conn.sendall(b"\x16\x03\x03\x3f\xff" + b"\x02\x00")
    linger(conn)


def tls_alerts(conn):
    """Warnings (user_canceled) without end."""
    conn.recv(4096)
    flood(conn, b"\x15\x03\x03\x00\x02\x01\x5a")


def after(seconds):
    def late(conn):
        request(conn)
        NEVER.wait(seconds)
        conn.sendall(OK + b"Content-Length: 7\r\n\r\nat last")

    return late


PORTS = {
    **{7001: hang, 7002: mute, 7003: drip, 7004: trickle, 7005: endless_headers},
    **{7006: endless_line, 7007: endless_body, 7008: endless_chunks, 7009: continues},
    **{7010: binary, 7011: other_protocol, 7012: chunk_garbage, 7013: short_body},
    **{7014: negative_length, 7015: two_lengths, 7016: reset, 7017: fin, 7018: redirect},
    **{7020: tls_garbage, 7021: tls_half_record, 7022: tls_alerts, 7023: hang},
    **{7030: after(0.15), 7031: after(20)},
}
UDP_ECHO, UDP_MUTE, UDP_OTHER_PORT = 7100, 7101, 7102


def play(part, conn):
    try:
        part(conn)
    except OSError:
        pass
    finally:
        conn.close()


def serve(part, listener):
    while True:
        conn, _ = listener.accept()
        threading.Thread(target=play, args=(part, conn), daemon=True).start()


def udp(family):
    sock = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return sock


def answer(family, sock, how):
    """The answer must come from the address that was asked, which recvmsg tells."""
    four = family == socket.AF_INET
    level, option = (0, 8) if four else (41, socket.IPV6_RECVPKTINFO)
    sock.setsockopt(level, option, 1)
    other = udp(family)
    while True:
        data, control, _, peer = sock.recvmsg(2048, 256)
        info = [c for c in control if c[0] == level]
        if four:  # struct in_pktinfo: index, local address, header's destination
            info = [(0, 8, bytes(4) + c[2][4:8] + bytes(4)) for c in info]
        if how == UDP_ECHO:
            sock.sendmsg([b"pong " + data], info, 0, peer)
        elif how == UDP_OTHER_PORT:
            other.sendto(b"pong " + data, peer)


def main():
    for port, part in PORTS.items():
        listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
        listener.listen(128)
        threading.Thread(target=serve, args=(part, listener), daemon=True).start()
    for port in (UDP_ECHO, UDP_MUTE, UDP_OTHER_PORT):
        for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            sock = udp(family)
            sock.bind((address, port))
            threading.Thread(target=answer, args=(family, sock, port), daemon=True).start()
    print("ready", flush=True)
    NEVER.wait()


if __name__ == "__main__":
    main()
