"""What was wrongly found in real translations stays unfound, and what was missed is found.

``false_alarms.jsonl`` and ``missed.jsonl`` are short texts like those in which it happened; the id names the kind.
"""

from pathlib import Path

import pytest

from pipeline.data.samples import Sample, Turn
from tests.benchmarks.bench_checks import by_check, human_pairs
from tests.benchmarks.planted_in_real import PLANTERS, QUESTION, planted
from tests.benchmarks.real_texts import Found, files_of, found_in, half_of, read
from tests.support.shared_data import shared_data

FOLDER = Path(__file__).parent
FALSE_ALARMS, MISSED = (
    {sample.sample_id: sample for sample in read(FOLDER / name)} for name in ("false_alarms.jsonl", "missed.jsonl")
)

MORE_FALSE_ALARMS = {
    "a price in thousands": ("The flat costs $450k.", "そのアパートは45万ドルします。"),
    "a time with a point": ("We meet at 9.15am.", "午前9時15分に会います。"),
    "billions with a sign": ("The deal is worth €2.5bn.", "取引額は25億ユーロです。"),
    "three decades": ("He has worked here for three decades.", "彼はここで30年働いています。"),
    "around the clock": ("They work around the clock.", "彼らは24時間体制で働いています。"),
    "a month at the start": ("March the 3rd is her birthday.", "3月3日は彼女の誕生日です。"),
    "a place with a numeral": ("I live in Shikoku.", "私は四国に住んでいます。"),
    "a digit in a name": ("The F-16 took off.", "戦闘機が離陸しました。"),
    "must not in the past": ("She had to go home.", "彼女は帰らなくてはならなかった。"),
    "a negative invitation": ("Shall we go for a walk?", "散歩に行きませんか。"),
    "a prohibition": ("Never open that door.", "あのドアは決して開けるな。"),
    "a name in katakana": ("Samantha works for Panasonic in Osaka.", "サマンサは大阪のパナソニックで働いています。"),
    "a nation": ("The Brazilian team won the Cup.", "ブラジルのチームが優勝しました。"),
    "a number in brackets": ("The second group (12,450) is larger.", "二番目のグループ（12,450人）の方が大きいです。"),
    "words that repeat": ("No, no, no, that is wrong.", "いや、いや、いや、それは違います。"),
    "an open quotation": ('"We are ready to go.', "「私たちは出発の準備ができています。"),
    "a number with a fraction": ("I give it 3 1/2 stars.", "星3.5個です。"),
    "hundreds of millions": ("It cost 286 million pounds.", "286百万ポンドかかりました。"),
    "blanks in an amount": ("It happened 450 million years ago.", "それは4億 5000万年前に起きました。"),
    "a window where tickets are sold": ("You have to buy one at the office.", "切符売り場で買わなければなりません。"),
    "not a few": ("Quite a few people went to the concert.", "たくさんの人がそのコンサートに行きました。"),
    "an opposite with a negation": ("The test was not easy.", "テストは難しかったです。"),
    "a word inside of another": ("The hall is in the donbas region.", "会場はドンバスにあります。"),
    "half a minute": ("It was online for half a minute.", "30秒ほどオンラインでした。"),
    "seven days": ("We stayed there for a week.", "私たちはそこに7日間滞在しました。"),
    "cannot": ("Sellers are not responsible for delays.", "出品者は遅延の責任を負いかねます。"),
    "bad for good": ("It is bad to hurt others.", "他人を傷つけることはよくない。"),
    "never forget": ("I'll never forget seeing her.", "彼女に会ったことを決して忘れないでしょう。"),
    "a request": ("Could you send up some aspirin?", "アスピリンを持ってきてください。"),
    "a country by another name": ("The British Museum is old.", "イギリスの博物館は古いです。"),
    "loanwords of another sound": ("The laptop is next to a mug.", "パソコンがカップの横にあります。"),
    "one spelling": ("A sofa and a table stand there.", "ソファーとテーブルがあります。"),
    "open English": ("So, what I wanted to say,", "それで、私が言いたかったのは、"),
}


def findings(samples) -> dict[str, list[Found]]:
    found: dict[str, list[Found]] = {sample.sample_id: [] for sample in samples}
    for one in found_in(samples):
        if one.check not in ("duplicate_conversation", "near_duplicate_conversation"):
            found[one.sample_id].append(one)
    return found


@pytest.fixture(scope="module")
def found():
    return findings(list(FALSE_ALARMS.values())) | findings(list(MISSED.values()))


@pytest.mark.parametrize("name", FALSE_ALARMS)
def test_a_good_translation_is_left_alone(found, name):
    assert found[name] == []


@pytest.mark.parametrize("name", MISSED)
def test_a_defect_that_was_missed_is_found(found, name):
    assert found[name]


def test_other_texts_of_the_same_kinds_are_left_alone():
    samples = [
        Sample(name, 0, "text-only", None, None, (QUESTION, Turn("assistant", text, original)))
        for name, (original, text) in MORE_FALSE_ALARMS.items()
    ]
    assert {name: by_check(found) for name, found in findings(samples).items() if found} == {}


def test_a_japanese_compound_without_kana_is_no_chinese():
    words = ("非在来型資源", "有限変形理論", "有効化", "存在証明書", "月面着陸時刻", "在宅勤務制度")
    samples = [Sample(word, 0, "text-only", None, None, (QUESTION, Turn("assistant", word))) for word in words]
    assert {name: by_check(found) for name, found in findings(samples).items() if found} == {}


MORE_MISSED = {
    "another unit": ("The meeting lasted for several hours.", "会議は数分間続きました。"),
    "another currency": ("The club signed him for £5 million.", "クラブは500万ユーロで彼を獲得しました。"),
    "right for left": ("Two cups stand on the left.", "二つのカップが右側にあります。"),
    "sold for bought": ("She bought a new desk last week.", "彼女は先週新しい机を売りました。"),
    "woman for man": ("One man is chopping a log with an axe.", "一人の女性が斧で丸太を切っています。"),
    "a broken phrase": ("It may be the best umbrella.", "一番いい傘かもしれます。"),
    "no question": ("Did you pay for those shoes?", "その靴の代金を払いました。"),
    "another person": ("Mandela was freed in 1990.", "ゴンザレス氏は1990年に釈放されました。"),
    "a sentence without its verb": ("There is a box of strawberries.", "イチゴの入った箱が。"),
    "two animals for one": ("The duck is white. The duck walks.", "アヒルは白いです。カモは歩いています。"),
    "bold inside of brackets": ("It is **Passengers**.", "それは『パッセンジャーズ**』です。"),
}


def test_more_defects_are_found():
    samples = [
        Sample(name, 0, "text-only", None, None, (QUESTION, Turn("assistant", text, original)))
        for name, (original, text) in MORE_MISSED.items()
    ]
    assert [name for name, found in findings(samples).items() if not found] == []


def test_there_are_34_kinds_of_planted_defects():
    assert len(PLANTERS) == 34


def test_half_of_the_records_is_unseen():
    halves = [half_of(str(number)) for number in range(1000)]
    assert 450 < halves.count("unseen") < 550


def test_every_kind_has_a_place_in_real_translations():
    folder = shared_data() / "real_ja"
    assert next(path.name for path in files_of(folder)) == "human_captions_jglue.jsonl.gz"
    kinds = {row.kind for row in planted(human_pairs(folder, "all"), per_kind=2, seed=0)}
    assert kinds == set(PLANTERS)
