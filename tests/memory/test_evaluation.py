from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean

import pytest

from bench.memory_methods import Index, index
from bench.memory_scores import Score, ndcg, recall, reciprocal_rank
from bench.memory_sets import Corpus, own
from servers.kit.database import Pool
from servers.memory.drafts import Author, Draft
from servers.memory.embedders.choice import choose
from servers.memory.embedders.settings import EmbedderSettings
from servers.memory.store import MemoryStore

ENOUGH = 200
MARGIN = 0.05
SAMPLE = 7
ADA = Author("ada", "person")
Scored = Callable[[str], Score]


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    [found] = own()
    return found


@pytest.fixture(scope="module")
def indexed(corpus: Corpus, request: pytest.FixtureRequest) -> Index:
    cache = Path(request.config.cache.mkdir("memory-vectors")) if request.config.cache else None

    async def embed() -> Index:
        async with choose(EmbedderSettings(memory_embedder="minilm")) as embedder:
            assert embedder
            return await index(corpus, embedder, cache)

    return asyncio.run(embed())


@pytest.fixture(scope="module")
def scored(indexed: Index) -> Scored:
    """The score of a method over all questions."""
    asked = list(enumerate(indexed.corpus.questions))
    return lambda method: Score.of((indexed.find(method, n), question.answers) for n, question in asked)


def test_the_set_has_enough_memories_and_questions_and_all_answers_exist(corpus: Corpus) -> None:
    assert len(corpus.memories) >= ENOUGH
    assert len(corpus.questions) >= ENOUGH
    assert {key for question in corpus.questions for key in question.answers} <= corpus.memories.keys()
    assert {grade for question in corpus.questions for grade in question.answers.values()} == {1, 2}


def test_no_memory_and_no_question_stands_twice(corpus: Corpus) -> None:
    assert len(set(corpus.memories.values())) == len(corpus.memories)
    assert len({question.text for question in corpus.questions}) == len(corpus.questions)


def test_fusion_beats_words_alone_and_meaning_alone(scored: Scored) -> None:
    fusion, bm25, vectors = scored("fusion"), scored("bm25"), scored("vectors")
    assert fusion.ndcg_at_10 >= bm25.ndcg_at_10 + MARGIN
    assert fusion.ndcg_at_10 >= vectors.ndcg_at_10 + MARGIN
    assert fusion.ndcg_at_10 > scored("rrf").ndcg_at_10


def test_the_answer_is_among_the_first_five(scored: Scored) -> None:
    assert scored("fusion").recall_at_5 >= 0.9


def test_no_question_that_has_an_answer_is_left_without_one(scored: Scored) -> None:
    assert scored("fusion").empty_answers == 0


async def test_the_store_ranks_as_the_evaluation_does(indexed: Index, memory_pool: Pool) -> None:
    """With the whole set in PostgreSQL, a sample of the questions, and all that nothing answers."""
    store = MemoryStore(memory_pool, Remembered(indexed))
    keys = {
        (await store.write(Draft(content=text, author=ADA, repo="ada/tally"))).id: key
        for key, text in indexed.corpus.memories.items()
    }
    relevant: dict[bool, list[bool]] = {True: [], False: []}
    for number, question in enumerate(indexed.corpus.questions):
        if number % SAMPLE and question.answers:
            continue
        ranking = await store.search(question.text, "ada/tally", limit=3)
        assert keys[ranking.found[0].id] in indexed.find("fusion", number)[:2]
        relevant[bool(question.answers)].append(ranking.relevant)
    assert fmean(relevant[True]) >= 0.95
    assert fmean(relevant[False]) <= 0.4


class Remembered:
    """The vectors of the evaluation once more, without computing them again."""

    model = "remembered"
    dimension = 384

    def __init__(self, indexed: Index) -> None:
        self._known = indexed.known

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        return [self._known[text] for text in texts]


def test_recall_is_the_share_of_the_answers_found() -> None:
    assert recall(["a", "x", "b"], {"a": 2, "b": 1, "c": 1}, 2) == pytest.approx(1 / 3)


def test_the_reciprocal_rank_goes_by_the_first_answer() -> None:
    assert reciprocal_rank(["x", "a"], {"a": 1}) == 0.5
    assert reciprocal_rank(["x"], {"a": 1}) == 0


def test_discounted_gain_is_full_only_in_the_best_order() -> None:
    grades = {"a": 2, "b": 1}
    assert ndcg(["a", "b"], grades, 10) == 1
    assert 0 < ndcg(["b", "a"], grades, 10) < 1
    assert ndcg([], grades, 10) == 0
