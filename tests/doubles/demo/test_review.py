"""The reviewer's script on real diffs."""

from __future__ import annotations

import pytest

from rig.doubles.anthropic.script import UnexpectedInput
from rig.doubles.demo.catalogue import ISSUES
from rig.doubles.demo.headline import HEADLINE
from rig.doubles.demo.model import DemoIssue
from rig.doubles.demo.review import line_of
from tests.doubles.demo.office import Office, opening

OTHERS = [issue for issue in ISSUES if issue is not HEADLINE]
DIFF = """\
diff --git a/one.py b/one.py
--- a/one.py
+++ b/one.py
@@ -3,3 +3,4 @@ def f():
 kept
-gone
+new
+wanted
 kept
diff --git a/two.py b/two.py
--- a/two.py
+++ b/two.py
@@ -0,0 +1 @@
+wanted
"""


@pytest.mark.parametrize("issue", OTHERS, ids=lambda issue: issue.slug)
async def test_a_good_change_is_approved(branched: Office, issue: DemoIssue) -> None:
    desk = branched.desk(issue)
    review = await desk.play(opening(issue, "review", diff=desk.diff()))
    assert review is not None
    assert (review["verdict"], review["comments"]) == ("approve", [])


async def test_a_diff_that_misses_what_the_issue_asks_is_refused(branched: Office) -> None:
    desk = branched.desk(ISSUES[3])
    diff = desk.diff().replace('+    "csv": as_csv,', "+    # later")
    with pytest.raises(UnexpectedInput, match=r"as_csv.* in the diff in the assignment"):
        await desk.play(opening(ISSUES[3], "review", diff=diff))


async def test_another_diff_on_github_is_refused(branched: Office) -> None:
    diff = branched.desk(ISSUES[3]).diff()
    with pytest.raises(UnexpectedInput, match="in the diff from GitHub"):
        await branched.desk(ISSUES[2]).play(opening(ISSUES[3], "review", diff=diff))


async def test_a_headline_without_the_flaw_and_without_the_repair_is_refused(branched: Office) -> None:
    desk = branched.desk(HEADLINE)
    diff = desk.diff().replace("divmod(minutes, 60)", "(0, minutes)")
    with pytest.raises(UnexpectedInput, match="abs"):
        await desk.play(opening(HEADLINE, "review", diff=diff))


def test_a_line_is_numbered_in_the_new_file() -> None:
    assert line_of(DIFF, "one.py", "wanted") == 5
    assert line_of(DIFF, "two.py", "wanted") == 1
    assert line_of(DIFF, "one.py", "kept") is None
