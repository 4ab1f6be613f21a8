import contextlib
import io
import tempfile
import unittest
from pathlib import Path

from tally.__main__ import main


class Command(unittest.TestCase):
    def run_with(self, text, *options):
        out, err = io.StringIO(), io.StringIO()
        with tempfile.TemporaryDirectory() as folder:
            book = Path(folder, "hours.txt")
            book.write_text(text, encoding="utf-8")
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = main([str(book), *options])
        return code, out.getvalue(), err.getvalue()

    def test_prints_the_totals(self):
        code, out, _ = self.run_with("2026-03-02  website  1h\n")
        self.assertEqual(code, 0)
        self.assertIn("website", out)

    def test_a_bad_book_is_an_error_with_a_reason(self):
        code, _, err = self.run_with("hello\n")
        self.assertEqual(code, 1)
        self.assertIn("expected a day", err)
