from __future__ import annotations

from agents.changes import Change, added_lines, commentable, lines_changed, parse_raw

DIFF = """\
diff --git a/app.py b/app.py
index 1..2 100644
--- a/app.py
+++ b/app.py
@@ -1,3 +1,4 @@ def f():
 one
-two
+zwei
+++ drei
 four
@@ -10 +11,0 @@
-gone
diff --git a/new file b/new file
new file mode 100644
--- /dev/null
+++ b/new file\t
@@ -0,0 +1 @@
+first
\\ No newline at end of file
"""


def test_added_lines_carry_their_numbers_in_the_new_file() -> None:
    found = [(line.path, line.number, line.text) for line in added_lines(DIFF)]
    assert found == [("app.py", 2, "zwei"), ("app.py", 3, "++ drei"), ("new file", 1, "first")]


def test_comments_may_stand_on_every_line_of_the_new_files_that_is_shown() -> None:
    assert commentable(DIFF) == {("app.py", 1), ("app.py", 2), ("app.py", 3), ("app.py", 4), ("new file", 1)}


def test_raw_gives_path_and_mode() -> None:
    raw = ":100644 160000 a b M\0sub\0:100644 000000 d 0 D\0old\ttab\0"
    assert parse_raw(raw) == [Change("sub", "160000"), Change("old\ttab", "000000")]
    assert parse_raw("") == []


def test_lines_are_counted_by_their_hunks() -> None:
    hunks = "@@ -1 +1,3 @@ def f():", "-@@ -1 +1,900 @@", "+a", "+b", "+c", "@@ -9,2 +11,0 @@", "-d", "-e"
    assert lines_changed("\n".join(hunks)) == 6
    assert lines_changed("") == 0
