"""Clean exchanges, a question and its answer in both languages, of the kinds that LLaVA's instructions consist of."""

# ruff: noqa: E501  (tables of sentences and words, one entry a line)

from random import Random
from typing import NamedTuple

from tests.planted_defects.sentences import (
    MONTHS,
    Text,
    article,
    capital,
    counted,
    name,
    ordinal,
    paragraph,
    plain_caption,
)  # fmt: skip
from tests.planted_defects.words import (
    ADVICE,
    ANIMALS,
    CLOTHES,
    CODE_SNIPPETS,
    COLOUR_NAMES,
    COLOURS,
    COUNTRIES,
    FOODS,
    GENRES,
    HUMAN_ACTIONS,
    LIBRARIES,
    PEOPLE,
    PLACES,
    REASONS,
    SIGN_TEXTS,
    SITES,
    THINGS,
    TITLE_HEADS,
    TITLE_TAILS,
    Noun,
)  # fmt: skip

PHRASE = ("単語または短いフレーズを使って質問に答えてください。", "Answer the question using a single word or phrase.")
LETTER = (
    "与えられた選択肢の文字で直接答えてください。",
    "Answer with the option's letter from the given choices directly.",
)
REGION = ("この領域の短い説明を提供してください。", "Please provide a short description for this region.")
BOX = (
    "この文が説明する領域のバウンディングボックスの座標を提供してください。",
    "Please provide the bounding box coordinate of the region this sentence describes.",
)


class Exchange(NamedTuple):
    """A user's message and its answer; an empty answer is filled with sentences when a conversation is made."""

    question: str
    question_en: str
    answer: str
    answer_en: str


def _exchange(question: Text, answer: Text) -> Exchange:
    return Exchange(*question, *answer)


def _with(question: Text, instruction: Text) -> Text:
    return f"{question[0]}\n{instruction[0]}", f"{question[1]}\n{instruction[1]}"


def _yes_no(rng: Random) -> tuple[bool, Text]:
    return (True, ("はい", "Yes")) if rng.random() < 0.5 else (False, ("いいえ", "No"))


def short_caption(rng: Random) -> Exchange:
    question = rng.choice((
        ("画像を簡潔に説明してください。", "Give a brief description of the image."),
        ("この写真には何が写っていますか？", "What is in the photo?"),
        ("画像の内容を短くまとめてください。", "Summarize the visual content of the image."),
    ))  # fmt: skip
    return _exchange(question, plain_caption(rng))


def long_description(rng: Random) -> Exchange:
    question = rng.choice((
        ("この画像について詳しく説明してください。", "Can you describe this image in detail?"),
        ("次の画像の内容を詳細に説明してください。", "Describe the following image in detail."),
        ("写真に写っているものを詳しく教えてください。", "Tell me in detail what the photo shows."),
        ("この場面で起きていることを分析してください。", "Analyze what is happening in this scene."),
    ))  # fmt: skip
    return _exchange(question, ("", ""))


def talk(rng: Random) -> Exchange:
    person, thing, (place, where) = rng.choice(PEOPLE), rng.choice(THINGS), rng.choice(PLACES)
    question = rng.choice((
        (f"{person.ja}は{place}で何をしていますか？", f"What is the {person.en} doing {where}?"),
        (f"{place}の様子を教えてください。", f"What is it like {where}?"),
        (f"{thing.ja}の周りには何がありますか？", f"What is around the {thing.en}?"),
        (f"{thing.ja}について何か特徴的な点はありますか？", f"Is there anything notable about the {thing.en}?"),
        (f"なぜ{person.ja}は{place}にいるのでしょうか？", f"Why might the {person.en} be {where}?"),
        (f"{person.ja}が注意すべきことは何ですか？", f"What should the {person.en} be careful about?"),
        (f"{place}で{thing.ja}はどのように使われていますか？", f"How is the {thing.en} being used {where}?"),
    ))  # fmt: skip
    return _exchange(question, ("", ""))


def long_yes_no(rng: Random) -> Exchange:
    person, (cloth, clothing), (colour, color) = rng.choice(PEOPLE), rng.choice(CLOTHES), rng.choice(COLOURS)
    question = (
        f"{person.ja}は{colour}{cloth}を着ていますか？",
        f"Is the {person.en} wearing {article(color)} {clothing}?",
    )
    answer = rng.choice((
        (f"はい、{person.ja}は{colour}{cloth}を着ています。", f"Yes, the {person.en} is wearing {article(color)} {clothing}."),
        (f"ええ、{colour}{cloth}を着ています。", f"Yes, the {person.en} is wearing {article(color)} {clothing}."),
        (f"いいえ、{person.ja}は{colour}{cloth}を着ていません。", f"No, the {person.en} is not wearing {article(color)} {clothing}."),
        (f"いいえ、{person.ja}が着ているのは別の{cloth}です。", f"No, the {person.en} is wearing a different {clothing}."),
    ))  # fmt: skip
    return _exchange(question, answer)


def yes_no(rng: Random) -> Exchange:
    noun, (place, where), (action, acting) = rng.choice(THINGS + ANIMALS), rng.choice(PLACES), rng.choice(HUMAN_ACTIONS)
    person = rng.choice(PEOPLE)
    verb = "います" if noun.is_alive else "あります"
    question = rng.choice((
        (f"{place}に{noun.ja}は{verb}か？", f"Is there {article(noun.en)} {where}?"),
        (f"{person.ja}は{action}いますか？", f"Is the {person.en} {acting}?"),
        (f"{noun.ja}は{person.ja}の後ろに{verb}か？", f"Is the {noun.en} behind the {person.en}?"),
    ))  # fmt: skip
    return _exchange(_with(question, PHRASE), _yes_no(rng)[1])


def short_fact(rng: Random) -> Exchange:
    """A question that a word answers: a colour, a person, a place or a direction."""
    thing, other, person = rng.choice(THINGS), rng.choice(THINGS), rng.choice(PEOPLE)
    colour, (place, where), (action, acting) = rng.choice(COLOUR_NAMES), rng.choice(PLACES), rng.choice(HUMAN_ACTIONS)
    side = rng.choice((("左", "Left"), ("右", "Right")))
    question, (answer, english) = rng.choice((
        ((f"{place}にある{thing.ja}は何色ですか？", f"What color is the {thing.en} {where}?"), colour),
        ((f"{action}いるのは誰ですか？", f"Who is {acting}?"), (person.ja, person.en)),
        ((f"{thing.ja}は{other.ja}のどちら側にありますか？", f"On which side of the {other.en} is the {thing.en}?"), side),
        ((f"{person.ja}の隣にあるものは何ですか？", f"What is next to the {person.en}?"), (thing.ja, thing.en)),
        ((f"{thing.ja}と{other.ja}のうち、大きいのはどちらですか？", f"Which is bigger, the {thing.en} or the {other.en}?"), (thing.ja, thing.en)),
    ))  # fmt: skip
    return _exchange(_with(question, PHRASE), (answer, capital(english)))


def counting(rng: Random) -> Exchange:
    noun, number, (place, where) = rng.choice(PEOPLE + ANIMALS + THINGS), rng.randint(1, 12), rng.choice(PLACES)
    question = f"{place}に{noun.ja}は何{noun.counter}{noun.there_is}か？", f"How many {noun.plural} are there {where}?"
    form = rng.random()
    if form < 0.6:
        return _exchange(_with(question, PHRASE), (str(number), str(number)))
    japanese, english = counted(noun, number, rng)
    if form < 0.8:
        return _exchange(
            _with(question, PHRASE), (japanese.removesuffix(f"の{noun.ja}"), english.split()[0].capitalize())
        )
    are = "is" if number == 1 else "are"
    return _exchange(question, (f"{place}には{japanese}が{noun.there_is}。", f"There {are} {english} {where}."))


def choice(rng: Random) -> Exchange:
    person, (place, where) = rng.choice(PEOPLE), rng.choice(PLACES)
    asked = rng.choice((
        (f"{place}にいる{person.ja}が使うものはどれですか？", f"Which of these does the {person.en} {where} use?", THINGS),
        (f"{place}で飼われている動物はどれですか？", f"Which animal is kept {where}?", ANIMALS),
        (f"{place}で売られている食べ物はどれですか？", f"Which food is sold {where}?", FOODS),
    ))  # fmt: skip
    options: list[Noun] = rng.sample(asked[2], 4)
    letter = rng.choice("ABCD")
    listed = (
        "".join(f"\n{mark}. {noun.ja}" for mark, noun in zip("ABCD", options, strict=True)),
        "".join(f"\n{mark}. {noun.en}" for mark, noun in zip("ABCD", options, strict=True)),
    )
    return _exchange(_with((asked[0] + listed[0], asked[1] + listed[1]), LETTER), (letter, letter))


def _box(rng: Random) -> str:
    left, top = rng.uniform(0, 0.6), rng.uniform(0, 0.6)
    right, bottom = left + rng.uniform(0.05, 0.39), top + rng.uniform(0.05, 0.39)
    return f"[{left:.2f}, {top:.2f}, {right:.2f}, {bottom:.2f}]"


def region(rng: Random) -> Exchange:
    """RefCOCO and Visual Genome: a box is described, or a description is located."""
    person, thing, (colour, color) = rng.choice(PEOPLE), rng.choice(THINGS), rng.choice(COLOURS)
    side, english = rng.choice((("左の", "left"), ("右の", "right"), ("中央の", "middle")))
    (cloth, clothing), number = rng.choice(CLOTHES), rng.randint(1, 4)
    phrase = rng.choice((
        (f"{side}{person.ja}", f"{english} {person.en}"),
        (f"{colour}{cloth}の{person.ja}", f"{person.en} in {color} {clothing}"),
        (f"{side}{colour}{thing.ja}", f"{english} {color} {thing.en}"),
        (f"左から{number}番目の{thing.ja}", f"{ordinal(number)} {thing.en} from left"),
    ))  # fmt: skip
    box = _box(rng)
    if rng.random() < 0.5:
        return _exchange((f"{REGION[0]}{box}", f"{REGION[1]} {box}"), phrase)
    return _exchange((f"{BOX[0]}{phrase[0]}", f"{BOX[1]} {phrase[1]}"), (box, box))


def book(rng: Random) -> Exchange:
    author, genre, other = name(rng), rng.choice(GENRES), rng.choice(GENRES)
    title = f"{rng.choice(TITLE_HEADS)} {rng.choice(TITLE_TAILS)}"
    question, answer = rng.choice((
        (("この本の著者は誰ですか？", "Who wrote this book?"), (author, author)),
        (("この本のタイトルは何ですか？", "What is the title of this book?"), (title, title)),
        (("この本のジャンルは何ですか？", "What is the genre of this book?"), genre),
        ((f"これは{other[0]}に関連した本ですか？", f"Is this book related to {other[1]}?"), _yes_no(rng)[1]),
        ((f"『{title}』は{author}によって書かれましたか？", f'Was "{title}" written by {author}?'), _yes_no(rng)[1]),
    ))  # fmt: skip
    return _exchange(_with(question, PHRASE), answer)


def scene_text(rng: Random) -> Exchange:
    thing, tokens = rng.choice(THINGS), rng.sample(SIGN_TEXTS, 4)
    number, year = rng.randint(1, 99), rng.randint(1890, 2023)
    question, answer = rng.choice((
        ((f"{thing.ja}には何と書かれていますか？", f"What is written on the {thing.en}?"), tokens[0]),
        ((f"{thing.ja}の上に見えるブランド名は何ですか？", f"What brand name can be seen on the {thing.en}?"), tokens[1]),
        ((f"{thing.ja}の番号は何番ですか？", f"What is the number on the {thing.en}?"), str(number)),
        ((f"{thing.ja}に記されている年は何年ですか？", f"What year is written on the {thing.en}?"), str(year)),
    ))  # fmt: skip
    if rng.random() < 0.5:
        shown = ", ".join((*tokens, str(number), str(year)))
        question = question[0] + f"\n参照OCRトークン：{shown}", question[1] + f"\nReference OCR token: {shown}"
    return _exchange(_with(question, PHRASE), (answer, answer))


def text_caption(rng: Random) -> Exchange:
    text, thing, (colour, color) = rng.choice(SIGN_TEXTS), rng.choice(THINGS), rng.choice(COLOURS)
    question = (
        "提供された画像に一文のキャプションを付けてください。",
        "Provide a one-sentence caption for the provided image.",
    )
    return _exchange(question, rng.choice((
        (f"「{text}」と書かれた{colour}{thing.ja}。", f'{capital(article(color))} {thing.en} that says "{text}".'),
        (f"{colour}{thing.ja}には「{text}」という文字があります。", f'There are the words "{text}" on {article(color)} {thing.en}.'),
    )))  # fmt: skip


def knowledge(rng: Random) -> Exchange:
    country, english, city, capital_city = rng.choice(COUNTRIES)
    year, month, day, people = rng.randint(1900, 2023), rng.randint(1, 12), rng.randint(1, 28), rng.randint(2, 99)
    author = name(rng)
    return _exchange(*rng.choice((
        ((f"{country}の首都はどこですか？", f"What is the capital of {english}?"),
         (f"{country}の首都は{city}です。歴史のある都市として知られています。", f"The capital of {english} is {capital_city}. It is known as a city with a long history.")),
        ((f"{author}はいつ{country}を訪れましたか？", f"When did {author} visit {english}?"),
         (f"{author}は{year}年{month}月{day}日に{country}の{city}を訪れました。", f"{author} visited {capital_city}, {english}, on {MONTHS[month - 1]} {day}, {year}.")),
        ((f"{city}の人口はどれくらいですか？", f"What is the population of {capital_city}?"),
         (f"{year}年の推定では、およそ{people}0万人です。", f"It was estimated at about {people * 100_000:,} people in {year}.")),
        ((f"{people}に{day}を足すといくつになりますか？", f"What is {people} plus {day}?"),
         (f"{people}に{day}を足すと{people + day}になります。", f"{people} plus {day} equals {people + day}.")),
    )))  # fmt: skip


def advice(rng: Random) -> Exchange:
    (goal, english, *tips), person = rng.choice(ADVICE), rng.choice(PEOPLE)
    order = rng.sample(tips, 3)
    listed = "\n".join(f"{index}. {tip[0]}。" for index, tip in enumerate(order, 1))
    listed_en = "\n".join(f"{index}. {tip[1]}." for index, tip in enumerate(order, 1))
    why, because = rng.choice(REASONS)
    return _exchange(
        (f"{goal}方法を3つ、{person.ja}に教えてください。", f"Tell the {person.en} three ways to {english}."),
        (
            f"{goal}には、次の方法があります。\n{listed}\nこれらは{why}ことにも役立ちます。",
            f"Here are some ways to {english}.\n{listed_en}\nThey also help to {because}.",
        ),
    )


def code(rng: Random) -> Exchange:
    task, english, snippet = rng.choice(CODE_SNIPPETS)
    library, site, number = rng.choice(LIBRARIES), rng.choice(SITES), rng.randint(100, 9999)
    url = f"https://{site}/{library.lower()}-{number}"
    return _exchange(*rng.choice((
        ((f"Pythonで{task}にはどうすればよいですか？", f"How do I {english} in Python?"),
         (f"次のコードを使ってください。\n```python\n{snippet}\n```\n詳しくは {url} を参照してください。",
          f"Use the following code.\n```python\n{snippet}\n```\nSee {url} for details.")),
        ((f"{library}について詳しく知るにはどこを見ればよいですか？", f"Where can I learn more about {library}?"),
         (f"{library}の公式ドキュメントは {url} にあります。`pip install {library.lower()}` で導入できます。",
          f"The official documentation of {library} is at {url}. You can install it with `pip install {library.lower()}`.")),
        ((f"{url} の内容を要約してください。", f"Summarize the content of {url}."),
         ("申し訳ありませんが、そのページを開くことはできません。内容を貼り付けていただければ要約します。",
          "I am sorry, but I cannot open that page. If you paste its content, I will summarize it.")),
    )))  # fmt: skip


def letter(rng: Random) -> Exchange:
    writer, reader, (place, where) = name(rng), name(rng), rng.choice(PLACES)
    body, english = paragraph(rng, num_sentences=rng.randint(3, 6))
    return _exchange(
        (f"{writer}から{reader}への、{place}での出来事を伝える手紙を書いてください。", f"Write a letter from {writer} to {reader} about an event {where}."),
        (f"{reader}様\n\nお元気ですか。{body}\nまたお便りします。\n\n{writer}", f"Dear {reader},\n\nHow are you? {english}\nI will write again.\n\n{writer}"),
    )  # fmt: skip
