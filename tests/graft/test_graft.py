# SPDX-License-Identifier: GPL-2.0-or-later
"""
The graft tool itself, on small trees made here: all or nothing, idempotent, loud.

Whether the real edits reach every place in the real FRR is test_guard.py's job.
"""

import os
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(REPO / "frr-nlbd" / "graft"))

import editlist  # noqa: E402 (the path above comes first)
import graft  # noqa: E402

FRR_C = """\
int a(int x)
{
	switch (x) {
	case ONE:
		return 1;
	}
}

int b(int x)
{
	case ONE:
		return 1;
}
"""

FRR_LIST = "daemons = alpha beta\nend\n"

EDITS = """\
# a comment
file lib/x.c
in int b(
before case ONE:
+	case NLB:
+		return 32;

file list
replace alpha beta
+alpha beta nlbd
after = end
+nlbd after the end
"""


class Lab:
    """A tree to graft into, our side of it, and the tool between them."""

    def __init__(self, root):
        self.src = root / "frr"
        self.ours = root / "ours"
        self.put("configure.ac", "AC_INIT\n")
        self.put("lib/x.c", FRR_C)
        self.put("list", FRR_LIST)
        self.our("edits/one.txt", EDITS)
        self.our("files.txt", "nlbd/ nlbd/\nyang/m.yang yang/m.yang\n")
        self.our("nlbd/nlb.c", "int nlb;\n")
        self.our("nlbd/sub/deep.h", "int deep;\n")
        self.our("yang/m.yang", "module m {}\n")

    def put(self, path, text):
        """A file of FRR's."""
        write(self.src / path, text)

    def our(self, path, text):
        """A file of ours."""
        write(self.ours / path, text)

    def load(self):
        """What graft.py's main() reads."""
        edits = editlist.load(self.ours / "edits")
        return edits, graft.our_files(self.ours / "files.txt", self.ours)

    def apply(self):
        """graft.py apply; the changed paths."""
        return graft.apply(graft.Tree(self.src), *self.load())

    def check(self):
        """graft.py check; what misses."""
        return graft.check(graft.Tree(self.src), *self.load())

    def get(self, path):
        """Text of a file in the tree."""
        return (self.src / path).read_text()

    def snapshot(self):
        """All files of the tree with content and time."""
        files = [p for p in self.src.rglob("*") if p.is_file()]
        return {str(p): (p.read_bytes(), p.stat().st_mtime_ns) for p in files}

    def refused(self, *words):
        """Apply must fail, name these words, and write nothing."""
        before = self.snapshot()
        with pytest.raises(editlist.GraftError) as error:
            self.apply()
        for word in words:
            assert word in str(error.value)
        assert self.snapshot() == before


def write(path, text):
    """A file with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture(name="lab")
def make_lab(tmp_path):
    """A fresh lab for each test."""
    return Lab(tmp_path)


def test_apply_puts_our_lines_in_place(lab):
    changed = lab.apply()
    assert sorted(changed) == ["lib/x.c", "list", "nlbd/nlb.c", "nlbd/sub/deep.h", "yang/m.yang"]
    assert lab.get("lib/x.c") == FRR_C.replace(
        "int b(int x)\n{\n", "int b(int x)\n{\n\tcase NLB:\n\t\treturn 32;\n"
    )
    assert lab.get("list") == "daemons = alpha beta nlbd\nend\nnlbd after the end\n"
    assert lab.get("nlbd/sub/deep.h") == "int deep;\n"
    assert lab.check() == []


def test_second_apply_touches_nothing(lab):
    lab.apply()
    before = lab.snapshot()
    assert lab.apply() == []
    assert lab.snapshot() == before


def test_check_names_what_misses(lab):
    missing = lab.check()
    assert len(missing) == 6
    assert any("lib/x.c" in line and "case ONE:" in line for line in missing)
    assert any("nlbd/nlb.c" in line for line in missing)


def test_without_the_kept_originals_nothing_is_added_twice(lab):
    lab.apply()
    grafted = lab.get("lib/x.c"), lab.get("list")
    for path in sorted((lab.src / ".nlb-graft").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    assert lab.apply() == []
    assert (lab.get("lib/x.c"), lab.get("list")) == grafted


def test_missing_anchor_is_named_and_nothing_is_written(lab):
    lab.put("list", "daemons = alpha gamma\nend\n")
    lab.refused("list", "alpha beta")
    assert not (lab.src / "nlbd").exists()


def test_ambiguous_anchor_is_named(lab):
    lab.put("list", FRR_LIST + "end\n")
    lab.refused("list", "'end'", "2 times")


def test_missing_scope_is_named(lab):
    lab.put("lib/x.c", FRR_C.replace("int b(", "int c("))
    lab.refused("lib/x.c", "case ONE:", "int b(")


def test_missing_file_is_named(lab):
    (lab.src / "list").unlink()
    lab.refused("list: no such file")


def test_all_errors_are_told_at_once(lab):
    lab.put("lib/x.c", "")
    lab.put("list", "")
    lab.refused("lib/x.c", "list")


def test_changed_edit_replaces_the_former_one(lab):
    lab.apply()
    lab.our("edits/one.txt", EDITS.replace("return 32;", "return 33;"))
    assert lab.check() != []
    assert lab.apply() == ["lib/x.c"]
    assert "return 33;" in lab.get("lib/x.c")
    assert "return 32;" not in lab.get("lib/x.c")
    assert lab.get("lib/x.c").count("case NLB:") == 1


def test_dropped_edit_gives_the_original_back(lab):
    lab.apply()
    lab.our("edits/one.txt", EDITS[: EDITS.index("file list")])
    assert lab.apply() == ["list"]
    assert lab.get("list") == FRR_LIST


def test_our_files_follow_the_repository(lab):
    lab.apply()
    (lab.ours / "nlbd/sub/deep.h").unlink()
    lab.our("nlbd/nlb.c", "int changed;\n")
    lab.put("nlbd/nlb.o", "a product of the build\n")
    assert sorted(lab.apply()) == ["nlbd/nlb.c", "nlbd/sub/deep.h"]
    assert not (lab.src / "nlbd/sub/deep.h").exists()
    assert lab.get("nlbd/nlb.c") == "int changed;\n"
    assert (lab.src / "nlbd/nlb.o").exists()


def test_a_file_of_frr_is_never_overwritten_by_one_of_ours(lab):
    lab.put("yang/m.yang", "module of-frr {}\n")
    lab.refused("yang/m.yang", "not ours")


def test_a_change_made_in_the_tree_by_hand_is_not_lost(lab):
    lab.apply()
    lab.put("list", lab.get("list") + "by hand\n")
    lab.our("edits/one.txt", EDITS.replace("alpha beta nlbd", "alpha beta nlbd2"))
    lab.refused("list", "changed")


def test_an_interrupted_apply_goes_on(lab, monkeypatch):
    lab.apply()
    lab.our("edits/one.txt", EDITS.replace("nlbd after", "nlbd2 after").replace("32", "33"))
    real, left = graft.write, [2]

    def full_disk(path, *args, **kwargs):
        if left[0] == 0:
            raise OSError("no space left on device")
        left[0] -= 1
        real(path, *args, **kwargs)

    monkeypatch.setattr(graft, "write", full_disk)
    with pytest.raises(OSError):
        lab.apply()
    monkeypatch.undo()
    assert lab.apply() == ["list"]
    assert lab.check() == []


def test_mode_of_a_file_is_kept(lab):
    os.chmod(lab.src / "list", 0o755)
    lab.apply()
    assert (lab.src / "list").stat().st_mode & 0o777 == 0o755


def test_optional_folder_and_pattern(lab):
    lab.our("files.txt", "?topotests/nlb_*/ tests/topotests/\n")
    lab.apply()
    lab.our("topotests/nlb_basic/r1/frr.conf", "!\n")
    lab.our("topotests/other/x", "!\n")
    lab.our("topotests/nlb_basic/__pycache__/x.pyc", "!\n")
    assert lab.apply() == ["tests/topotests/nlb_basic/r1/frr.conf"]


def test_missing_file_of_ours_is_named(lab):
    (lab.ours / "yang/m.yang").unlink()
    with pytest.raises(editlist.GraftError, match="yang/m.yang"):
        lab.apply()


def test_not_a_source_tree(tmp_path):
    with pytest.raises(editlist.GraftError, match="not an unpacked FRR"):
        graft.Tree(tmp_path)


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("before x\n+y\n", "not understood"),
        ("file f\n+y\n", "before its anchor"),
        ("file f\nbefore x\n", "nothing to put there"),
        ("file f\nbetween x\n+y\n", "not understood"),
        ("file f\nbefore\n+y\n", "needs something"),
        ("file f\nupto x\nbefore y\n+z\n", "not understood"),
        ("file f\nbefore x\n+y\nin s\n+z\n", "before its anchor"),
    ],
)
def test_a_bad_list_is_refused(text, complaint):
    with pytest.raises(editlist.GraftError, match=complaint):
        editlist.parse(text, "list")


def test_two_edits_at_one_place_are_refused(lab):
    lab.our("edits/two.txt", "file list\nafter = end\n+more\n")
    lab.refused("list", "two edits at one place")


def test_counted_anchor(lab):
    lab.our(
        "edits/one.txt",
        "file lib/x.c\nbefore 2/2 case ONE:\n+second\nbefore 1/2 case ONE:\n+first\n",
    )
    lab.apply()
    text = lab.get("lib/x.c")
    assert text.index("first") < text.index("int b(") < text.index("second")
    lab.our("edits/one.txt", "file lib/x.c\nbefore 1/3 case ONE:\n+first\n")
    lab.refused("case ONE:", "expected 3")
