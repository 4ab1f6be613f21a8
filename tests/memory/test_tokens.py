from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.memory.tokens import LONGEST_TERM, LONGEST_TEXT, terms


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("parseHTTPHeader", ["pars", "http", "header"]),
        ("retry_with_backoff", ["retri", "backoff", "retry_with_backoff"]),
        ("max.poll.interval.ms", ["max", "poll", "interval", "ms", "max.poll.interval.ms"]),
        ("order-export", ["order", "export", "order-export"]),
        ("Utf8Decoder", ["utf8", "decod", "utf8decoder"]),
    ],
)
def test_an_identifier_is_found_by_its_parts_and_as_a_whole(said: str, found: list[str]) -> None:
    assert set(terms(said)) >= set(found)
    assert said.lower() in terms(said)


@pytest.mark.parametrize("code", ["E0502", "40P01", "TS2345", "CVE-2024-3094", "HBR-4012"])
def test_an_error_code_stays_in_one_piece(code: str) -> None:
    assert code.lower() in terms(f"It failed with {code}.")


def test_forms_of_a_word_are_one_term() -> None:
    assert terms("retries") == terms("retrying") == terms("Retry")
    assert terms("wrote broken children") == terms("write break child")


def test_words_that_say_nothing_are_left_out() -> None:
    assert terms("what is it that we should do about the") == []


def test_accents_and_widths_do_not_matter() -> None:
    assert terms("Café ﬁle ＡＢＣ") == terms("cafe file abc")


@pytest.mark.parametrize("said", ["数据库连接失败", "データベース接続", "ไม่พบไฟล์", "데이터베이스"])
def test_scripts_without_spaces_are_found_by_pairs_of_characters(said: str) -> None:
    assert set(terms(said[1:4])) <= set(terms(said))
    assert all(len(term) == 2 for term in terms(said))


def test_russian_words_are_found_in_another_case() -> None:
    assert terms("ошибки сервера") == terms("ошибка сервер")


def test_a_long_text_and_a_long_word_are_bounded() -> None:
    assert len(terms("ab " * LONGEST_TEXT)) <= LONGEST_TEXT // 3 + 1
    assert max(map(len, terms("x" * 10_000 + " " + "A" * 1_000 + ".b"))) <= LONGEST_TERM


@given(st.text(alphabet=st.characters(), max_size=300))
def test_any_text_has_terms_that_a_database_takes(said: str) -> None:
    for term in terms(said):
        assert term
        assert "\x00" not in term
        assert term.encode("utf-8")


def test_half_of_a_surrogate_pair_is_no_term() -> None:
    assert terms("\ud800 bad \udfff") == ["bad"]
