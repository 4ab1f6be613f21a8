"""`python3 -m tally hours.txt` prints the totals of a book."""

import argparse
import sys

from tally.book import load_book
from tally.report import FORMATS, render
from tally.summary import GROUPS, total_by


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tally", description="Adds up the hours in a plain text file.")
    parser.add_argument("book", help="the file with the entries")
    parser.add_argument("--by", choices=GROUPS, default="project", help="what to add up by")
    parser.add_argument("--format", choices=FORMATS, default="text", help="how to print the totals")
    return parser


def main(argv: list[str] | None = None) -> int:
    options = arguments().parse_args(argv)
    try:
        entries = load_book(options.book)
    except (OSError, ValueError) as error:
        print(f"tally: {error}", file=sys.stderr)
        return 1
    print(render(total_by(options.by, entries), options.format))
    return 0


if __name__ == "__main__":
    sys.exit(main())
