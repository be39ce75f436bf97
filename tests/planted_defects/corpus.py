"""Clean conversations like those of LLaVA's instruction data, in Japanese with their true English originals.

Exchanges and sentences are made once from the vocabulary and kept in pools; a conversation draws from the pools, so
millions of different ones are made at tens of thousands a second.
"""

from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Any, TypeVar

from pipeline.data.samples import IMAGE_TOKEN
from tests.planted_defects import exchanges
from tests.planted_defects.exchanges import Exchange
from tests.planted_defects.sentences import Text, joined, sentence

Drawn = TypeVar("Drawn", Exchange, Text)
COCO = "coco/train2017/{:012}.jpg"
SOURCES = (
    # weight, image path, (pool, smallest and largest number of exchanges)
    (8, COCO, (("long_description", 1, 1),)),
    (6, COCO, (("short_caption", 1, 1),)),
    (18, COCO, (("talk", 2, 4), ("long_yes_no", 0, 2))),
    (14, COCO, (("yes_no", 1, 3), ("short_fact", 1, 3), ("counting", 0, 2))),
    (6, COCO, (("choice", 1, 4),)),
    (8, COCO, (("region", 2, 6),)),
    (12, "gqa/images/{}.jpg", (("short_fact", 2, 5), ("yes_no", 1, 4))),
    (12, "ocr_vqa/images/{:010}.jpg", (("book", 3, 5),)),
    (3, "textvqa/train_images/{:016x}.jpg", (("scene_text", 1, 2), ("text_caption", 0, 1))),
    (12, "vg/VG_100K/{}.jpg", (("region", 2, 7),)),
    (3, None, (("code", 1, 2), ("knowledge", 1, 2), ("talk", 1, 2))),
    (3, None, (("advice", 1, 1), ("talk", 0, 2))),
    (2, None, (("letter", 1, 1),)),
)
OPEN_ANSWERS = {
    "talk": (1, 1, 2, 2, 3, 4), "long_description": (4, 5, 6, 7, 8), "advice": (3, 4, 5), "knowledge": (1, 2, 3),
}  # fmt: skip
"""Numbers of sentences that are put together anew for every conversation, after what the pool's answer says."""


class Pools:
    """Different exchanges of every kind and different sentences, decided by the seed alone."""

    def __init__(self, seed: int, size: int) -> None:
        names = dict.fromkeys(kind for *_, parts in SOURCES for kind, _, _ in parts)
        self.exchanges = {name: _pool(getattr(exchanges, name), f"{seed}-{name}", size) for name in names}
        self.sentences = _pool(sentence, f"{seed}-sentence", size)

    def draw(self, kind: str, number: int, random: Callable[[], float]) -> list[Exchange]:
        pool = self.exchanges[kind]
        drawn = [pool[int(random() * len(pool))] for _ in range(number)]
        return [self._answered(one, kind, random) for one in drawn] if kind in OPEN_ANSWERS else drawn

    def _answered(self, exchange: Exchange, kind: str, random: Callable[[], float]) -> Exchange:
        lengths, sentences = OPEN_ANSWERS[kind], self.sentences
        length = lengths[int(random() * len(lengths))]
        japanese, english = joined([sentences[int(random() * len(sentences))] for _ in range(length)])
        question, question_en, answer, answer_en = exchange
        return Exchange(question, question_en, answer + japanese, f"{answer_en} {english}" if answer_en else english)


def _pool(make: Callable[[Random], Drawn], seed: str, size: int) -> list[Drawn]:
    rng = Random(seed)
    return list(dict.fromkeys(make(rng) for _ in range(size)))


def generate(num_samples: int, *, seed: int = 0, samples_per_image: int = 2) -> Iterator[dict[str, Any]]:
    """LLaVA-style records: ``jp`` is the Japanese text, ``value`` the English one that it was translated from."""
    rng, pools = Random(seed), Pools(seed, min(20_000, 2_000 + num_samples))
    random, kinds = rng.random, [kind for kind in SOURCES for _ in range(kind[0])]
    for index in range(num_samples):
        _, path, parts = kinds[int(random() * len(kinds))]
        drawn: list[Exchange] = []
        for name, least, most in parts:
            drawn += pools.draw(name, least + int(random() * (most - least + 1)), random)
        if len(drawn) > 1:
            drawn = list({one.question: one for one in drawn}.values())
            rng.shuffle(drawn)
        record: dict[str, Any] = {"id": f"{index:08}"}
        if path:
            record["image"] = path.format(100_000 + index // samples_per_image)
        record["conversations"] = list(_messages(drawn, has_image=path is not None, token_first=random() < 0.85))
        yield record


def _messages(drawn: list[Exchange], *, has_image: bool, token_first: bool) -> Iterator[dict[str, str]]:
    for question, question_en, answer, answer_en in drawn:
        if has_image:
            has_image = False
            if token_first:
                question, question_en = f"{IMAGE_TOKEN}\n{question}", f"{IMAGE_TOKEN}\n{question_en}"
            else:
                question, question_en = f"{question}\n{IMAGE_TOKEN}", f"{question_en}\n{IMAGE_TOKEN}"
        yield {"from": "human", "value": question_en, "jp": question}
        yield {"from": "gpt", "value": answer_en, "jp": answer}


def sample_rows(records: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The records as rows of ``SAMPLE_SCHEMA``; an image's path stands for the hash of its bytes."""
    for index, record in enumerate(records):
        image = record.get("image")
        yield {
            "sample_id": record["id"],
            "record_index": index,
            "source": image.split("/")[0] if image else "text",
            "image": image,
            "image_sha256": image,
            "category": None,
            "turns": [
                {
                    "role": "user" if message["from"] == "human" else "assistant",
                    "text": message["jp"],
                    "original": message["value"],
                }
                for message in record["conversations"]
            ],
        }
