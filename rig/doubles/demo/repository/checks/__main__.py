"""`python3 -m checks`: are the README's examples true, are the change notes well formed?"""

import doctest
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
NOTE = re.compile(r"[a-z0-9-]+\.(added|changed|fixed)\.md")


def examples() -> list[str]:
    """Runs README.md as a doctest; prints what is not true."""
    failed, _ = doctest.testfile(str(ROOT / "README.md"), module_relative=False)
    return [f"README.md: {failed} of its examples are not true, see above"] if failed else []


def notes() -> list[str]:
    """Each note is one sentence in a file with a proper name."""
    complaints = []
    for path in sorted((ROOT / "changes").glob("*.md")):
        text = path.read_text(encoding="utf-8").strip()
        if path.name == "README.md":
            continue
        if not NOTE.fullmatch(path.name):
            complaints.append(f"changes/{path.name}: expected a name like csv-report.added.md")
        if "\n" in text or not text.endswith("."):
            complaints.append(f"changes/{path.name}: expected one sentence with a full stop")
    return complaints


def main() -> int:
    complaints = [*examples(), *notes()]
    for complaint in complaints:
        print(complaint)
    print("FAILED" if complaints else "OK")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
