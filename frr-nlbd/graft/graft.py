#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Lay nlbd into an unpacked FRR source tree.

    graft.py apply SRC    put in our files and the lines FRR itself needs
    graft.py check SRC    say whether all of it is in; 1 and a list if not
    graft.py list         every place that is touched, one a line

Two kinds of things go in: whole files of ours (files.txt says which goes
where) and lines in files of FRR's (edits/*.txt; the format is described in
editlist.py).

"apply" works out every result in memory first. If one anchor is missing or
ambiguous, it names file and anchor, exits with 1, and nothing at all has been
written. Before an FRR file is changed for the first time, a copy of it goes to
SRC/.nlb-graft/orig/. Every later run starts from these copies, so that a
changed edit replaces the one of before instead of adding to it. A file whose
content stays the same is not touched, so that make rebuilds only what has to
be.
"""

import argparse
import hashlib
import json
import os
import shutil
import sys
from pathlib import Path

sys.dont_write_bytecode = True  # the repository's folders stay as they are

import editlist  # noqa: E402
from editlist import GraftError  # noqa: E402

HERE = Path(__file__).resolve().parent
REPO = HERE.parent.parent
KEEP = ".nlb-graft"  # our folder in the tree
SKIP = ("__pycache__", "*.pyc", "*.o", "*.lo", "*~", ".*.swp")


def read(path):
    """A file's text, byte for byte."""
    return path.read_bytes().decode("utf-8", "surrogateescape")


def write(path, text, like=None):
    """Replace a file's content in one step; keeps the mode of like or path."""
    like = like or path
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.nlb-new")
    new.write_bytes(text.encode("utf-8", "surrogateescape"))
    if like.exists():
        shutil.copymode(like, new)
    os.replace(new, path)


def digest(text):
    """What the record keeps of a text we wrote."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


class Tree:
    """The FRR tree, with what is known about earlier grafts of it."""

    def __init__(self, src):
        self.src = Path(src)
        if not (self.src / "configure.ac").is_file():
            raise GraftError(f"{src}: not an unpacked FRR source tree")
        self.orig = self.src / KEEP / "orig"
        self.record = self.src / KEEP / "record.json"
        self.written = {}  # path of an FRR file -> digests of what we wrote
        self.copied = []  # paths of whole files of ours
        if self.record.is_file():
            known = json.loads(read(self.record))
            self.written, self.copied = known["written"], known["copied"]

    def save(self):
        """Write the record, if it says something new."""
        known = {"written": self.written, "copied": sorted(self.copied)}
        text = json.dumps(known, indent=1, sort_keys=True) + "\n"
        if not self.record.is_file() or read(self.record) != text:
            write(self.record, text)

    def pristine(self, path):
        """FRR's own text of a file, and whether we hold a copy of it."""
        kept, now = self.orig / path, self.src / path
        if not now.is_file():
            raise GraftError(f"{path}: no such file in {self.src}")
        text = read(now)
        if not kept.is_file():
            return text, False
        kept_text = read(kept)
        if text != kept_text and digest(text) not in self.written.get(path, []):
            raise GraftError(
                f"{path}: changed in {self.src} by something else since it was "
                f"grafted; undo that, or unpack FRR afresh"
            )
        return kept_text, True

    def grafted_before(self):
        """Paths of FRR's files that we hold a copy of."""
        if not self.orig.is_dir():
            return []
        files = [p for p in self.orig.rglob("*") if p.is_file()]
        return [str(p.relative_to(self.orig)) for p in files]


def our_files(listing, ours):
    """
    The whole files of ours: a dict from place in the tree to Path.

    A line of the listing is "FROM PLACE"; FROM is a file, or a folder if it
    ends in "/", relative to the repository. A "?" in front: may be absent yet.
    """
    files = {}
    for number, line in enumerate(read(listing).splitlines(), 1):
        words = line.split()
        if not words or line.startswith("#"):
            continue
        if len(words) != 2:
            raise GraftError(f"{listing.name}:{number}: FROM and PLACE expected")
        optional, source = words[0].startswith("?"), words[0].lstrip("?")
        found = sorted(ours.glob(source.rstrip("/")))
        if not found and not optional:
            raise GraftError(f"{listing.name}:{number}: no {source} in {ours}")
        for path in found:
            if not source.endswith("/"):
                files[words[1]] = path
                continue
            place = words[1]
            if "*" in source:
                place = f"{place.rstrip('/')}/{path.name}/"
            for leaf in sorted(p for p in path.rglob("*") if p.is_file()):
                inner = leaf.relative_to(path)
                if not any(part.match(s) for s in SKIP for part in [*inner.parents, inner]):
                    files[place + str(inner)] = leaf
    return files


def plan(tree, edits, files):
    """What each touched file has to hold: (edited FRR files, our files)."""
    errors, edited, copies = [], {}, {}
    for path in sorted(set(edits) | set(tree.grafted_before())):
        try:
            text, kept = tree.pristine(path)
            # an FRR file that no edit names any more goes back to what it was
            edited[path] = (text, kept, editlist.graft_text(text, edits.get(path, [])))
        except GraftError as error:
            errors.append(str(error))
    for place, path in files.items():
        copies[place] = read(path)
        there = tree.src / place
        if place in tree.copied or not there.exists() or read(there) == copies[place]:
            continue
        errors.append(f"{place}: exists in {tree.src} and is not ours; not overwritten by {path}")
    if errors:
        raise GraftError("\n".join(errors))
    return edited, copies


def apply(tree, edits, files):
    """Graft; returns the paths that were written or removed."""
    edited, copies = plan(tree, edits, files)
    changed = []
    # from here on only plain writes, in an order that can stop anywhere: the
    # copy of the original and the record always stand before the file itself
    for path, (text, kept, new) in edited.items():
        if not kept:
            write(tree.orig / path, text, like=tree.src / path)
        tree.written[path] = (tree.written.get(path, []) + [digest(new)])[-4:]
        if tree.written[path][-2:-1] == tree.written[path][-1:]:
            tree.written[path].pop()
    stale = [place for place in tree.copied if place not in copies]
    tree.copied = sorted(set(tree.copied) | set(copies))
    tree.save()
    for place, text in [*((p, e[2]) for p, e in edited.items()), *copies.items()]:
        there = tree.src / place
        if there.is_file() and read(there) == text:
            continue
        write(there, text, like=files.get(place))
        changed.append(place)
    for place in stale:
        (tree.src / place).unlink(missing_ok=True)
        changed.append(place)
    tree.copied = sorted(copies)
    tree.save()
    return changed


def check(tree, edits, files):
    """Every place that is not as it should be, as a list of lines."""
    missing = []
    for path, wanted in edits.items():
        if not (tree.src / path).is_file():
            missing.append(f"{path}: no such file in {tree.src}")
            continue
        lines = read(tree.src / path).split("\n")
        for edit in wanted:
            try:
                if not edit.present(lines):
                    missing.append(f"{edit}: not there [{edit.origin}]")
            except GraftError as error:
                missing.append(str(error))
    for place, path in files.items():
        there = tree.src / place
        if not there.is_file() or read(there) != read(path):
            missing.append(f"{place}: not the same as {path}")
    return missing


def main():
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="Lay nlbd into an FRR source tree.")
    parser.add_argument("--edits", type=Path, default=HERE / "edits", help="folder of edit lists")
    parser.add_argument("--files", type=Path, default=HERE / "files.txt", help="list of our files")
    parser.add_argument("--ours", type=Path, default=REPO, help="folder those are relative to")
    parser.add_argument("command", choices=("apply", "check", "list"))
    parser.add_argument("src", nargs="?", type=Path, help="unpacked FRR source")
    args = parser.parse_args()
    if args.command != "list" and args.src is None:
        parser.error(f"{args.command} needs SRC")
    try:
        edits = editlist.load(args.edits)
        files = our_files(args.files, args.ours)
        if args.command == "list":
            for edit in (e for path in sorted(edits) for e in edits[path]):
                print(f"{edit} [{edit.origin}]")
            for place in sorted(files):
                print(f"{place}: our file {files[place].relative_to(args.ours)}")
            return 0
        tree = Tree(args.src)
        places = sum(len(e) for e in edits.values())
        if args.command == "apply":
            changed = apply(tree, edits, files)
            print(f"graft: {places} places, {len(files)} files; {len(changed)} files written")
            return 0
        missing = check(tree, edits, files)
        for line in missing:
            print(f"graft: {line}", file=sys.stderr)
        if not missing:
            print(f"graft: all {places} places and {len(files)} files are in")
        return 1 if missing else 0
    except (GraftError, OSError) as error:
        for line in str(error).splitlines():
            print(f"graft: {line}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
