"""The arguments that tools share, each with its limits."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from servers.memory.models import KINDS, Kind
from servers.memory.text import one_line

Line = Annotated[str, AfterValidator(one_line)]
Id = Annotated[int, Field(ge=1, le=2**63 - 1, description="A memory's id")]
Repo = Annotated[
    Line | None,
    Field(description="As owner/repo; by default your work's, without work all", max_length=201),
]
Kinds = Annotated[list[Kind] | None, Field(description="Only these", max_length=len(KINDS))]
Limit = Annotated[int, Field(ge=1, le=50, description="At most so many")]
Chars = Annotated[int, Field(ge=80, le=4000, description="Length of a preview")]
Content = Annotated[str, Field(description="Markdown, up to 32,000 characters")]
Importance = Annotated[
    int, Field(ge=1, le=5, description="5: everybody working there has to know; 3: useful; 1: a detail")
]
Tag = Annotated[Line, AfterValidator(lambda tag: tag.replace(" ", "-")), Field(min_length=1, max_length=50)]
Tags = Annotated[list[Tag], Field(description="Words shown with it; only the content is searched", max_length=20)]
Source = Annotated[Line, Field(description="Where you learned it: a file, a URL, a run", max_length=500)]
Why = Annotated[Line, Field(description="Why, in a sentence", max_length=500)]
_Issue = Annotated[
    str,
    Field(pattern=r"^[\w.-]+/[\w.-]+[#~]\d{1,9}$", max_length=300),
    AfterValidator(lambda issue: re.sub(r"(?<=[#~])0+(?=\d)", "", issue)),
]
Issue = Annotated[_Issue | None, Field(description="As owner/repo#12; by default the one you work on")]
Days = Annotated[int | None, Field(ge=1, le=3650, description="Forget it after so many days")]
