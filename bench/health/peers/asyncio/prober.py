#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
The Python peer of the health benchmark: asyncio's streams, one task per target, all at once; a
semaphore keeps the open connections below the limit of descriptors. The timeout of a probe
begins when it has its place.

  prober.py N PORT TIMEOUT_MS CONNECTIONS

probes the addresses from 127.1.0.0 on, and prints one line of JSON.
"""
import asyncio
import collections
import ipaddress
import json
import resource
import sys
import time

FIRST = 0x7F010000


async def exchange(address, port):
    reader, writer = await asyncio.open_connection(address, port)
    try:
        writer.write(f"GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
    finally:
        writer.close()
    return "ok" if answer.startswith(b"HTTP/1.1 200 ") else "failed"


async def probe(places, address, port, timeout):
    async with places:
        try:
            return await asyncio.wait_for(exchange(address, port), timeout)
        except asyncio.TimeoutError:
            return "timeouts"
        except OSError:
            return "failed"


async def run(n, port, timeout, connections):
    places = asyncio.Semaphore(connections)
    begun = time.monotonic()
    addresses = (str(ipaddress.IPv4Address(FIRST + i)) for i in range(n))
    results = await asyncio.gather(*(probe(places, a, port, timeout) for a in addresses))
    count = collections.Counter({"ok": 0, "timeouts": 0, "failed": 0})
    count.update(results)
    print(json.dumps({"wall_s": time.monotonic() - begun, **count}))


def main():
    if len(sys.argv) != 5:
        sys.exit("prober.py N PORT TIMEOUT_MS CONNECTIONS")
    n, port, timeout_ms, connections = map(int, sys.argv[1:])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(run(n, port, timeout_ms / 1000, connections))


main()
