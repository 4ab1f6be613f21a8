"""How the command talks: rich text for people, JSON for programs, one line for an error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any

from servers.kit.errors import InvalidInput, RigError, leaves


def console(*, to_error: bool = False) -> Any:
    """A rich console, made late because importing rich takes a tenth of a second."""
    from rich.console import Console

    return Console(stderr=to_error, highlight=False)


def hanging(text: str, width: int, indent: str = "  ", first: str | None = None) -> str:
    """`text` in lines of at most `width`, each behind `indent`; the first one behind `first` if given."""
    import textwrap

    return textwrap.fill(
        text,
        max(width, len(indent) + 20),
        initial_indent=indent if first is None else first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def print_json(value: Any, *, pretty: bool = True) -> None:
    """Write `value` as JSON to standard output."""
    text = json.dumps(value, indent=2 if pretty else None, default=str, ensure_ascii=False)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def print_table(columns: Iterable[str], rows: Iterable[Iterable[object]], title: str | None = None) -> None:
    """Write rows below their headings."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=box.SIMPLE_HEAD, title=title, title_justify="left")
    for row in rows:
        # Text, for other people's words may look like rich's markup
        table.add_row(*(Text(clean(str(cell))) for cell in row))
    console().print(table)


def clean(text: str) -> str:
    """`text` without the control characters that could steer a terminal."""
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


def rig_error_in(error: BaseException) -> RigError | None:
    """The refusal that `error` is, or that stands in the group which `error` is."""
    return next((leaf for leaf in leaves(error) if isinstance(leaf, RigError)), None)


def fail(error: RigError) -> int:
    """Say the error on standard error; the exit code that goes with it."""
    sys.stderr.write(f"rig: {clean(str(error))}\n")
    return 2 if isinstance(error, InvalidInput) else 1
