from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from servers.memory.chunks import LONGEST, MOST, chunks, size


def test_a_short_text_is_one_piece() -> None:
    assert chunks("One sentence. And another.") == ["One sentence. And another."]
    assert chunks("") == [""]


def test_a_long_text_is_cut_between_sentences() -> None:
    sentences = [f"This is the sentence with the number {n} and it ends here." for n in range(100)]
    pieces = chunks(" ".join(sentences))
    assert len(pieces) > 3
    assert all(piece.startswith("This") and piece.endswith("here.") for piece in pieces)


def test_pieces_overlap_so_that_no_thought_is_cut() -> None:
    first, second = chunks(" ".join(f"Sentence {n} stands here alone." for n in range(60)))[:2]
    assert first.rpartition("Sentence")[2] in second


def test_paragraphs_and_chinese_sentences_are_borders() -> None:
    assert chunks("a" * 60 + "\n\n" + "b" * 60, longest=20, overlap=0) == ["a" * 60, "b" * 60]
    assert chunks("数据库连接失败。" * 10, longest=20, overlap=0)[0] == "数据库连接失败。" * 2


@given(st.text(alphabet=st.characters(), max_size=3_000), st.integers(8, 60))
def test_no_piece_is_longer_than_allowed_and_no_character_is_lost(text: str, longest: int) -> None:
    pieces = chunks(text, longest, 0)
    assert all(size(piece) <= 2 * longest for piece in pieces)
    if len(pieces) < MOST:
        assert "".join("".join(pieces).split()) == "".join(text.split())


def test_a_megabyte_is_a_bounded_number_of_pieces() -> None:
    assert len(chunks("x" * 1_000_000)) == MOST
    assert len(chunks("word " * 200_000)) == MOST
    assert size(chunks("word " * 200_000)[5]) <= LONGEST + 1
