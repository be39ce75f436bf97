"""Clean sentences in Japanese and English, made from the vocabulary; numbers appear in all their usual forms."""

# ruff: noqa: E501, SIM905  (tables of sentences and words, one entry a line)

from collections.abc import Iterable
from random import Random

from tests.planted_defects.words import (
    ANIMAL_ACTIONS,
    ANIMALS,
    CLOTHES,
    COLOURS,
    FIRST_NAMES,
    HUMAN_ACTIONS,
    LAST_NAMES,
    PEOPLE,
    PLACES,
    QUALITIES,
    REASONS,
    SCENE_SENTENCES,
    SIGN_TEXTS,
    THINGS,
    Noun,
)  # fmt: skip

Text = tuple[str, str]
"""The same text in Japanese and in English."""

NUMBER_WORDS = tuple("zero one two three four five six seven eight nine ten eleven twelve".split())
KANJI_NUMBERS = tuple(["〇", "一", "二", "三", "四", "五", "六", "七", "八", "九", "十", "十一", "十二"])
FULL_WIDTH = str.maketrans("0123456789.,:", "０１２３４５６７８９．，：")
MONTHS = tuple("January February March April May June July August September October November December".split())


def article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def capital(text: str) -> str:
    return text[0].upper() + text[1:]


def japanese_number(number: int, rng: Random) -> str:
    """Digits mostly, sometimes kanji (up to twelve) or full-width digits."""
    form = rng.random()
    if form < 0.2 and number < len(KANJI_NUMBERS):
        return KANJI_NUMBERS[number]
    return str(number).translate(FULL_WIDTH) if form > 0.92 else str(number)


def english_number(number: int, rng: Random) -> str:
    if number < len(NUMBER_WORDS) and rng.random() < 0.8:
        return NUMBER_WORDS[number]
    return str(number)


def counted(noun: Noun, number: int, rng: Random) -> Text:
    """「2匹の犬」, "two dogs"."""
    japanese = f"{japanese_number(number, rng)}{noun.counter}の{noun.ja}"
    return japanese, f"{english_number(number, rng)} {noun.en if number == 1 else noun.plural}"


def acting_person(rng: Random) -> Text:
    person, (action, acting), (place, where) = rng.choice(PEOPLE), rng.choice(HUMAN_ACTIONS), rng.choice(PLACES)
    (colour, color), (cloth, clothing) = rng.choice(COLOURS), rng.choice(CLOTHES)
    return (
        f"{colour}{cloth}を着た{person.ja}が{place}で{action}います。",
        f"{capital(article(person.en))} in {article(color)} {clothing} is {acting} {where}.",
    )


def acting_animal(rng: Random) -> Text:
    animal, (action, acting), (place, where) = rng.choice(ANIMALS), rng.choice(ANIMAL_ACTIONS), rng.choice(PLACES)
    quality, english = rng.choice(QUALITIES[:5])
    return (
        f"{quality}{animal.ja}が{place}で{action}います。",
        f"{capital(article(english))} {animal.en} is {acting} {where}.",
    )


def existing_things(rng: Random) -> Text:
    noun, number, (place, where) = rng.choice(THINGS + ANIMALS + PEOPLE), rng.randint(2, 9), rng.choice(PLACES)
    japanese, english = counted(noun, number, rng)
    if rng.random() < 0.5:
        return f"{place}に{japanese}が{noun.there_is}。", f"There are {english} {where}."
    amount = japanese.removesuffix(f"の{noun.ja}")
    return f"{place}には{noun.ja}が{amount}{noun.there_is}。", f"{capital(english)} can be seen {where}."


def placed_thing(rng: Random) -> Text:
    (colour, color), thing, other = rng.choice(COLOURS), rng.choice(THINGS), rng.choice(THINGS)
    position, where = rng.choice((
        ("左側", "to the left of"), ("右側", "to the right of"), ("後ろ", "behind"), ("近く", "near"), ("隣", "next to"),
    ))  # fmt: skip
    return (
        f"{other.ja}の{position}に{colour}{thing.ja}が置かれています。",
        f"{capital(article(color))} {thing.en} is placed {where} the {other.en}.",
    )


def absent_thing(rng: Random) -> Text:
    noun, (place, where) = rng.choice(THINGS + ANIMALS), rng.choice(PLACES)
    absent = "いません" if noun.is_alive else "ありません"
    return f"{place}に{noun.ja}は{absent}。", f"There are no {noun.plural} {where}."


def quoted_sign(rng: Random) -> Text:
    text, (colour, color) = rng.choice(SIGN_TEXTS), rng.choice(COLOURS)
    open_quote, close_quote = rng.choice(("「」", "『』", "「」", '""', "“”"))
    return (
        f"{colour}看板には{open_quote}{text}{close_quote}と書かれています。",
        f'The {color} sign says "{text}".',
    )


def reason(rng: Random) -> Text:
    person, (why, english), (action, acting) = rng.choice(PEOPLE), rng.choice(REASONS), rng.choice(HUMAN_ACTIONS)
    return (
        f"{person.ja}は{why}ために{action}いるのかもしれません。",
        f"The {person.en} may be {acting} in order to {english}.",
    )


def thing_in_scene(rng: Random) -> Text:
    (quality, english), thing, (place, where) = rng.choice(QUALITIES), rng.choice(THINGS), rng.choice(PLACES)
    return f"{place}には{quality}{thing.ja}が見えます。", f"{capital(article(english))} {thing.en} can be seen {where}."


def scene(rng: Random) -> Text:
    return rng.choice(SCENE_SENTENCES)


def name(rng: Random) -> str:
    return f"{rng.choice(FIRST_NAMES)} {rng.choice(LAST_NAMES)}"


def number_form(rng: Random) -> Text:
    """A sentence whose numbers look different in the two languages although they are equal."""
    number, hour, minute, year = rng.randint(2, 9), rng.randint(1, 12), rng.randrange(5, 60, 5), rng.randint(1890, 2023)
    month, day, percent = rng.randint(1, 12), rng.randint(1, 28), rng.randrange(5, 100, 5)
    thing, person = rng.choice(THINGS), rng.choice(PEOPLE)
    return rng.choice((
        (f"時計は{hour}時{minute}分を指しています。", f"The clock shows {hour}:{minute:02}."),
        (f"この建物は{year}年に建てられました。", f"This building was built in {year}."),
        (f"撮影日は{year}年{month}月{day}日です。", f"The date of the picture is {MONTHS[month - 1]} {day}, {year}."),
        (f"バッテリーの残量は{percent}パーセントです。", f"The battery is at {percent}%."),
        (f"値段は{number}.{percent:02}ドルです。", f"The price is ${number}.{percent:02}."),
        (f"左から{number}番目の{thing.ja}が一番大きいです。", f"The {ordinal(number)} {thing.en} from the left is the biggest."),
        (f"{person.ja}は両手で{thing.ja}を持っています。", f"The {person.en} is holding a {thing.en} with both hands."),
        (f"{person.ja}の{japanese_number(1, rng)}人が{thing.ja}を指差しています。", f"One of the {person.plural} is pointing at a {thing.en}."),
        (f"道路を二階建てバスが走っています。{thing.ja}も見えます。", f"A double-decker bus is on the road. A {thing.en} is also visible."),
        (f"この{thing.ja}は{year // 10 * 10}年代のものです。", f"This {thing.en} is from the {year // 10 * 10}s."),
        (f"店には{percent * 1000:,}個の{thing.ja}の在庫があります。", f"The store has {percent * 1000:,} {thing.plural} in stock."),
        (f"{person.ja}は1日に{number}回{thing.ja}を確認します。", f"The {person.en} checks the {thing.en} {number} times a day."),
        (f"建物の{number}階に{thing.ja}があります。", f"There is a {thing.en} on the {ordinal(number)} floor of the building."),
        (f"{person.ja}は約{percent}メートル先に立っています。", f"The {person.en} is standing about {percent} meters away."),
    ))  # fmt: skip


def ordinal(number: int) -> str:
    return (["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth"])[number - 1]


DESCRIPTIVE = (acting_person, acting_animal, existing_things, placed_thing, thing_in_scene, scene)
DETAILS = (*DESCRIPTIVE, *DESCRIPTIVE, quoted_sign, reason, number_form, absent_thing)


def sentence(rng: Random) -> Text:
    """A sentence in polite style."""
    return rng.choice(DETAILS)(rng)


def paragraph(rng: Random, *, num_sentences: int) -> Text:
    return joined([sentence(rng) for _ in range(num_sentences)])


def joined(sentences: Iterable[Text]) -> Text:
    """The sentences without repetitions as one text."""
    different = dict(sentences)
    return "".join(different), " ".join(different.values())


def plain_caption(rng: Random) -> Text:
    """One short sentence in plain style or without a verb, as captions are."""
    person, thing, (colour, color) = rng.choice(PEOPLE), rng.choice(THINGS), rng.choice(COLOURS)
    (action, acting), (place, where) = rng.choice(HUMAN_ACTIONS), rng.choice(PLACES)
    return rng.choice((
        (f"{place}で{action}いる{person.ja}", f"{capital(article(person.en))} {acting} {where}"),
        (f"{person.ja}が{place}で{action}いる。", f"{capital(article(person.en))} is {acting} {where}."),
        (f"{place}に置かれた{colour}{thing.ja}", f"{capital(article(color))} {thing.en} placed {where}"),
        (f"{colour}{thing.ja}の横で{action}いる{person.ja}。", f"{capital(article(person.en))} {acting} beside {article(color)} {thing.en}."),
    ))  # fmt: skip
