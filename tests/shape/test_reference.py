"""The reference pages say what the code says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scripts.reference import pages

PAGES = pages()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_reference_page_is_what_the_code_says(path: Path) -> None:
    if os.environ.get("RIG_RECORD") == "1":
        path.write_text(PAGES[path], encoding="utf-8")
    assert path.read_text(encoding="utf-8") == PAGES[path], "Write it anew: RIG_RECORD=1 make test ARGS=tests/shape"
