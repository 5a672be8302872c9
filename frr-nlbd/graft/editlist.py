# SPDX-License-Identifier: GPL-2.0-or-later
"""
The edit format of the graft: what a line in edits/*.txt means.

An edit list is a plain text file; the first word of a line says what it is:

    # ...           a comment (so is an empty line)
    file PATH       the edits that follow are for this file of the FRR tree
    in TEXT         the next edit looks for its anchor only from the one line
                    that contains TEXT to the next line that starts with "}"
    upto TEXT       ... or, after "in", to the next line that contains TEXT
    before ANCHOR   put our lines before the line that contains ANCHOR
    after ANCHOR    put our lines after it
    replace ANCHOR  put our text in the place of ANCHOR itself, inside its line
    +TEXT           one line of ours, verbatim after the plus

An anchor is as short as it can be and still be found once. Where it stands on
N lines by nature, "before K/N ANCHOR" takes the K-th and insists that there
are N. "before = ANCHOR" wants the whole line (blanks at its ends aside).

Anything that is not found, or is found more often than said, is an error that
names the file and the anchor: FRR has changed there and a human has to look.
"""

import re
from pathlib import Path

OPS = ("before", "after", "replace")


class GraftError(Exception):
    """What stopped the graft, in words that name the file and the anchor."""


class Edit:
    """One place: where it is, and what we put there."""

    def __init__(self, path, op, anchor, origin, scope=None, upto=None):
        self.path = path  # file in the FRR tree
        self.op = op  # one of OPS
        self.origin = origin  # "build.txt:12", for messages
        self.scope = scope  # text of the line that opens the scope, or None
        self.upto = upto  # text of the line that ends it, None: a "}"
        self.lines = []  # ours
        self.nth, self.of = 1, 1
        counted = re.match(r"(\d+)/(\d+) (.+)$", anchor)
        if counted:
            self.nth, self.of = int(counted[1]), int(counted[2])
            anchor = counted[3]
        self.whole = anchor.startswith("= ")
        self.anchor = anchor[2:] if self.whole else anchor

    def __str__(self):
        where = f" (in '{self.scope}')" if self.scope else ""
        return f"{self.path}: {self.op} '{self.anchor}'{where}"

    def _fail(self, what):
        raise GraftError(f"{self}: {what} [{self.origin}]")

    def _span(self, lines):
        """First line and end (exclusive) of the scope."""
        if self.scope is None:
            return 0, len(lines)
        starts = [i for i, line in enumerate(lines) if self.scope in line]
        if len(starts) != 1:
            self._fail(f"scope '{self.scope}' found {len(starts)} times, expected once")
        for i in range(starts[0] + 1, len(lines)):
            if self.upto in lines[i] if self.upto else lines[i].startswith("}"):
                return starts[0], i + 1
        self._fail(f"end of scope '{self.upto or '}'}' not found")

    def _find(self, lines):
        """Index of the anchor's line; fails if that is not plain."""
        first, end = self._span(lines)
        hits = []
        for i in range(first, end):
            if self.whole:
                hit = lines[i].strip() == self.anchor.strip()
            else:
                hit = self.anchor in lines[i]
            if hit:
                hits.append(i)
        if not hits:
            self._fail("anchor not found")
        if len(hits) != self.of:
            self._fail(f"anchor found {len(hits)} times, expected {self.of}")
        return hits[self.nth - 1]

    def present(self, lines):
        """Is our text at its place already? Fails if the place is gone."""
        if self.op == "replace":
            first, end = self._span(lines)
            return "\n".join(self.lines) in "\n".join(lines[first:end])
        at = self._find(lines)
        if self.op == "before":
            return lines[max(0, at - len(self.lines)) : at] == self.lines
        return lines[at + 1 : at + 1 + len(self.lines)] == self.lines

    def apply(self, lines):
        """Put our text in, in place."""
        if self.present(lines):
            return
        at = self._find(lines)
        if self.op == "replace":
            if lines[at].count(self.anchor) != 1:
                self._fail("anchor stands more than once on its line")
            new = lines[at].replace(self.anchor, "\n".join(self.lines))
            lines[at : at + 1] = new.split("\n")
        elif self.op == "before":
            lines[at:at] = self.lines
        else:
            lines[at + 1 : at + 1] = self.lines


def parse(text, origin):
    """The edits of one list; GraftError on anything that is not understood."""
    edits = []
    path = scope = upto = None
    for number, line in enumerate(text.splitlines(), 1):
        where = f"{origin}:{number}"
        if line.startswith("+"):
            if not edits or edits[-1].path != path or scope is not None:
                raise GraftError(f"{where}: a line of ours before its anchor")
            edits[-1].lines.append(line[1:])
            continue
        if not line.strip() or line.startswith("#"):
            continue
        word, _, rest = line.partition(" ")
        rest = rest.strip()
        if not rest:
            raise GraftError(f"{where}: '{word}' needs something after it")
        if word == "file":
            path, scope, upto = rest, None, None
        elif word == "in":
            scope = rest
        elif word == "upto" and scope is not None:
            upto = rest
        elif word in OPS and path:
            edits.append(Edit(path, word, rest, where, scope, upto))
            scope = upto = None
        else:
            raise GraftError(f"{where}: '{word}' not understood here")
    for edit in edits:
        if not edit.lines:
            raise GraftError(f"{edit}: nothing to put there [{edit.origin}]")
    return edits


def load(directory):
    """All edits of a directory: a dict from path to its edits, in list order."""
    by_path = {}
    for listing in sorted(Path(directory).glob("*.txt")):
        for edit in parse(listing.read_text(encoding="utf-8"), listing.name):
            by_path.setdefault(edit.path, []).append(edit)
    if not by_path:
        raise GraftError(f"{directory}: no edits there")
    for edits in by_path.values():
        places = [(e.op, e.anchor, e.nth, e.scope, e.upto) for e in edits]
        for edit, place in zip(edits, places):
            if places.count(place) > 1:
                raise GraftError(f"{edit}: two edits at one place [{edit.origin}]")
    return by_path


def graft_text(text, edits):
    """The text of a file with its edits in it."""
    lines = text.split("\n")
    for edit in edits:
        edit.apply(lines)
    return "\n".join(lines)
