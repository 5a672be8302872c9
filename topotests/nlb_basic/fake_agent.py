#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
A stand-in for nlb-agent, driven from outside: it holds a session with nlbd.

usage: fake_agent.py SOCKET LOG

Reads JSON lines for nlbd from its standard input and passes them on as they are. Writes to LOG,
a line each: "connected", what nlbd says, "closed". Sends a heartbeat every second by itself.
A line of the form "!mute" stops the heartbeats, "!raw TEXT" sends TEXT without a newline, "!long N"
sends N bytes without one, "!answer JSON" answers nlbd's questions with that from then on ("!answer"
alone: with nothing), "!close" ends it. Tries to connect until it can.
"""
import json
import os
import select
import socket
import sys
import time


class FakeAgent:
    """One agent: at most one session with nlbd, which it does not renew."""

    def __init__(self, path, log):
        self.path = path
        # pylint: disable=consider-using-with
        self.log = open(log, "a", buffering=1, encoding="utf-8")
        self.sock = None
        self.unread = {"stdin": b"", "nlbd": b""}
        self.heartbeats = True
        self.answer = None
        self.seq = 0

    def connect(self):
        """Connect, as often as it takes."""
        while not self.sock:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                sock.connect(self.path)
                self.sock = sock
            except OSError:
                sock.close()
                select.select([], [], [], 0.05)
        self.log.write("connected\n")

    def send(self, data):
        """To nlbd, unless it has closed; what it has said before is still to be read."""
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def lines(self, source, fd):
        """The whole lines that have come in; None at the end of the stream."""
        try:
            data = os.read(fd, 65536)
        except ConnectionResetError:
            data = b""
        if not data:
            return None
        *whole, self.unread[source] = (self.unread[source] + data).split(b"\n")
        return whole

    def take(self, line):
        """One line of nlbd's."""
        self.log.write(line + "\n")
        ask = json.loads(line).get("ask")
        if ask and self.answer:
            # The first is for nobody.
            for number in (ask["id"] + 1000, ask["id"]):
                answer = {"id": number, **self.answer}
                if "src" in ask:
                    answer["src"] = ask["src"]
                self.send(json.dumps({"answer": answer}).encode() + b"\n")

    def command(self, line):
        """One line of standard input. False: stop."""
        if line == b"!close":
            return False
        if line == b"!mute":
            self.heartbeats = False
        elif line.startswith(b"!raw "):
            self.send(line[5:])
        elif line.startswith(b"!answer"):
            self.answer = json.loads(line[7:]) if line[7:] else None
        elif line.startswith(b"!long "):
            self.send(b"x" * int(line[6:]))
        else:
            self.send(line + b"\n")
        return True

    def run(self):
        """Until told to stop, or until nlbd ends the session."""
        self.connect()
        beat = time.monotonic()
        while True:
            wait = max(0, beat - time.monotonic())
            ready, _, _ = select.select([0, self.sock], [], [], wait)
            if self.sock in ready:
                lines = self.lines("nlbd", self.sock.fileno())
                if lines is None:
                    break
                for line in lines:
                    self.take(line.decode())
            if 0 in ready:
                lines = self.lines("stdin", 0)
                if lines is None or not all(self.command(line) for line in lines):
                    break
            if time.monotonic() >= beat:
                beat += 1
                if self.heartbeats:
                    self.seq += 1
                    beat_line = json.dumps({"heartbeat": {"seq": self.seq}})
                    self.send(beat_line.encode() + b"\n")
        self.log.write("closed\n")


if __name__ == "__main__":
    FakeAgent(sys.argv[1], sys.argv[2]).run()
