import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from model.conversation.encode import IGNORED_LABEL, IMAGE_TOKEN_ID, ConversationEncoder, encode_prompt
from model.conversation.templates import SYSTEM_TEXT, TemplateError, without_image_token
from pipeline.config.experiment import TOKENIZER_FOLDER
from tests.support.encoded import encode_conversation
from tests.support.shared_data import shared_data

EOD = "<EOD|LLM-jp>"
SYSTEM_PIECES = (
    "▁ これ は 好 奇 心 旺 盛 な ユーザー と 人工 知能 システム の チャット です 。 "
    "システム は ユーザー の 質問 に 親切 、 詳細 、 丁寧 に 答える 。"
)


@pytest.fixture(scope="module")
def llm_jp():
    return AutoTokenizer.from_pretrained(shared_data() / "llmjp_tokenizer")


@pytest.fixture(scope="module")
def shapes_ja():
    return AutoTokenizer.from_pretrained(TOKENIZER_FOLDER / "shapes-ja")


@pytest.fixture(scope="module")
def with_bos():
    """One token per character; like Llama's, the tokenizer puts a BOS before every text."""
    letters = sorted({*SYSTEM_TEXT, *"ユーザー: システム何ですか。猫<image>\n"})
    vocabulary = {piece: index for index, piece in enumerate(["<unk>", "<s>", "</s>", *letters])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Split("", behavior="isolated")
    backend.decoder = decoders.Fuse()
    backend.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="</s>"
    )


def pieces(ids, tokenizer) -> list[str]:
    """The tokens as they are spelled, the image placeholder as IMG."""
    return ["IMG" if token == IMAGE_TOKEN_ID else tokenizer.convert_ids_to_tokens(token) for token in ids]


def targets(encoded, tokenizer) -> list[str]:
    return pieces([label for label in encoded.labels if label != IGNORED_LABEL], tokenizer)


def encode(exchanges, tokenizer, *, num_images=1, template="v1"):
    encoded = encode_conversation(exchanges, num_images=num_images, template=template, tokenizer=tokenizer)
    pairs = zip(encoded.input_ids, encoded.labels, strict=True)
    assert all(label in (token, IGNORED_LABEL) for token, label in pairs)
    return encoded


# v1, llm-jp


def test_the_question_of_the_demo_has_54_ids(llm_jp):
    ids = encode_prompt("猫の隣には何がありますか？", num_images=1, template="v1", tokenizer=llm_jp)
    assert len(ids) == 54
    question = "▁ \n 猫 の 隣 には 何 が あり ます か ？ ▁ システム : ▁"
    assert " ".join(pieces(ids, llm_jp)) == f"{SYSTEM_PIECES} ▁ ユーザー : ▁ {EOD} IMG {question}"


def test_the_text_before_the_image_ends_with_an_end_of_text_that_is_not_supervised(llm_jp):
    encoded = encode([("何ですか。", "猫です。")], llm_jp)
    place = encoded.input_ids.index(IMAGE_TOKEN_ID)
    assert pieces(encoded.input_ids[place - 1 : place + 1], llm_jp) == [EOD, "IMG"]
    assert set(encoded.labels[: place + 1]) == {IGNORED_LABEL}


def test_a_japanese_answer_is_learned_with_the_space_before_it_and_its_end(llm_jp):
    encoded = encode([("何ですか。", "猫です。")], llm_jp)
    assert targets(encoded, llm_jp) == ["▁", "猫", "です", "。", EOD]
    assert encoded.num_supervised == 5


def test_an_answer_in_latin_letters_is_learned_with_the_space_joined_to_its_first_word(llm_jp):
    assert targets(encode([("何ですか。", "The cat")], llm_jp), llm_jp) == ["▁The", "▁", "cat", EOD]


def test_the_end_of_text_that_closes_the_conversation_is_not_learned(llm_jp):
    encoded = encode([("何ですか。", "猫です。")], llm_jp)
    assert pieces(encoded.input_ids[-2:], llm_jp) == [EOD, EOD]
    assert encoded.labels[-2:] == (encoded.input_ids[-2], IGNORED_LABEL)


def test_every_answer_of_a_conversation_is_learned_and_no_question(llm_jp):
    encoded = encode([("何ですか。", "猫です。"), ("Who?", "The cat"), ("色は。", "白")], llm_jp)
    assert targets(encoded, llm_jp) == ["▁", "猫", "です", "。", EOD, "▁The", "▁", "cat", EOD, "▁", "白", EOD]


def test_a_conversation_without_an_image_is_one_text(llm_jp):
    encoded = encode([("何ですか。", "猫です。")], llm_jp, num_images=0)
    talk = f"▁ ユーザー : ▁ 何で すか 。 ▁ システム : ▁ 猫 です 。 {EOD} {EOD}"
    assert " ".join(pieces(encoded.input_ids, llm_jp)) == f"{SYSTEM_PIECES} {talk}"
    assert targets(encoded, llm_jp) == ["▁", "猫", "です", "。", EOD]


def test_training_begins_with_the_ids_of_the_prompt(llm_jp):
    question = "猫の隣には何がありますか？"
    prompt = encode_prompt(question, num_images=1, template="v1", tokenizer=llm_jp)
    encoded = encode([(question, "犬です。")], llm_jp)
    assert encoded.input_ids[: len(prompt)] == prompt


def test_an_image_token_in_a_question_moves_to_its_front(llm_jp):
    front = encode([("何ですか。", "猫です。")], llm_jp)
    assert encode([("<image>\n何ですか。", "猫です。")], llm_jp) == front
    assert encode([("何ですか。\n<image>", "猫です。")], llm_jp) == front
    assert encode([("何<image>ですか。", "猫です。")], llm_jp) == front


def test_the_image_stands_in_the_question_that_names_it(llm_jp):
    encoded = encode([("何ですか。", "猫です。"), ("色は。<image>", "白")], llm_jp)
    place = encoded.input_ids.index(IMAGE_TOKEN_ID)
    around = " ".join(pieces(encoded.input_ids[place - 4 : place + 5], llm_jp))
    assert around == f"ユーザー : ▁ {EOD} IMG ▁ \n 色 は"


def test_a_second_image_token_is_no_second_image(llm_jp):
    encoded = encode([("<image>\n何ですか。", "猫です。"), ("<image>\n色は。", "白")], llm_jp)
    assert encoded == encode([("何ですか。", "猫です。"), ("色は。", "白")], llm_jp)


def test_each_of_several_images_stands_at_its_placeholder(llm_jp):
    encoded = encode([(" <image>\n<image>\n何。", "猫。"), ("色<image>は。", "白")], llm_jp, num_images=3)
    spelled = "".join(pieces(encoded.input_ids, llm_jp)).replace("▁", " ")
    assert f"ユーザー: {EOD}IMG \n{EOD}IMG \n何。 システム: 猫。{EOD}" in spelled
    assert f"ユーザー: 色{EOD}IMG は。 システム: 白{EOD}" in spelled
    assert targets(encoded, llm_jp) == ["▁", "猫", "。", EOD, "▁", "白", EOD]


def test_several_images_without_a_placeholder_all_stand_before_the_first_question(llm_jp):
    exchanges = [("何。", "猫。"), ("色は。", "白")]
    named = [("<image>\n<image>\n何。", "猫。"), *exchanges[1:]]
    assert encode(exchanges, llm_jp, num_images=2) == encode(named, llm_jp, num_images=2)
    prompts = [
        encode_prompt("色は。", history=history, num_images=2, template="v1", tokenizer=llm_jp)
        for history in (exchanges[:1], named[:1])
    ]
    assert prompts[0] == prompts[1] == encode(exchanges, llm_jp, num_images=2).input_ids[: len(prompts[0])]


@pytest.mark.parametrize(("template", "num_images"), [("v1", 2), ("plain", 3)])
def test_several_images_and_another_number_of_placeholders_are_refused(llm_jp, template, num_images):
    with pytest.raises(TemplateError, match=f"{num_images} images, and 1 <image> in the questions"):
        encode([("<image>何。", "猫。")], llm_jp, num_images=num_images, template=template)


@pytest.mark.parametrize("num_images", [0, 1])
def test_an_image_token_in_an_answer_is_ordinary_text(llm_jp, num_images):
    encoded = encode([("何ですか。", "<image>です")], llm_jp, num_images=num_images)
    assert encoded.input_ids.count(IMAGE_TOKEN_ID) == num_images
    assert targets(encoded, llm_jp) == ["▁", "<", "image", ">", "です", EOD]


def test_a_conversation_without_exchanges_is_refused(llm_jp):
    with pytest.raises(ValueError, match="a conversation needs at least one question with an answer"):
        encode([], llm_jp)


def test_a_tokenizer_without_an_end_of_text_is_refused(with_bos):
    backend = with_bos.backend_tokenizer
    endless = PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", unk_token="<unk>")
    with pytest.raises(ValueError, match="the tokenizer has no end-of-text token, so no answer could ever end"):
        encode([("何ですか。", "猫。")], endless)


@pytest.mark.parametrize(
    ("text", "clean"), [("<image>\n何", "何"), ("何\n<image>", "何"), (" 何 ", " 何 "), ("<image>", "")]
)
def test_a_message_without_the_image_token_is_left_alone(text, clean):
    assert without_image_token(text) == clean


# plain, llm-jp


def test_pretraining_learns_the_caption_and_its_end(llm_jp):
    encoded = encode([("説明してください。", "白い猫")], llm_jp, template="plain")
    assert pieces(encoded.input_ids, llm_jp) == [EOD, "IMG", "▁", "白い", "猫", "\n", EOD]
    assert encoded.labels[:3] == (IGNORED_LABEL,) * 3
    assert targets(encoded, llm_jp) == ["白い", "猫", "\n", EOD]


def test_pretraining_learns_the_first_word_of_a_caption_in_latin_letters_too(llm_jp):
    # LLaVA-JP masks three ids always, and so loses the "▁A".
    encoded = encode([("", "A white cat")], llm_jp, template="plain")
    assert targets(encoded, llm_jp) == ["▁A", "▁white", "▁", "cat", "\n", EOD]


def test_a_caption_without_an_image_is_learned_to_its_end(llm_jp):
    encoded = encode([("", "白い猫")], llm_jp, template="plain", num_images=0)
    assert pieces(encoded.input_ids, llm_jp) == ["▁", "白い", "猫", "\n", EOD]
    assert targets(encoded, llm_jp) == ["白い", "猫", "\n", EOD]


def test_each_of_several_images_stands_before_its_caption(llm_jp):
    exchanges = [("<image><image>説明", "白い猫"), ("<image>", "猫")]
    encoded = encode(exchanges, llm_jp, template="plain", num_images=3)
    spelled = [EOD, "IMG", EOD, "IMG", "▁", "白い", "猫", "\n", EOD, "IMG", "▁", "猫", "\n", EOD]
    assert pieces(encoded.input_ids, llm_jp) == spelled
    assert targets(encoded, llm_jp) == ["白い", "猫", "\n", "猫", "\n", EOD]


def test_llava_jp_loses_the_first_token_behind_all_leading_images(llm_jp):
    encoder = ConversationEncoder("plain", llm_jp, "llava-jp")
    (tokens,) = encoder.tokenise([encoder.write([("<image><image>", "A white cat")], num_images=2)])
    assert pieces(tokens.input_ids[:5], llm_jp) == [EOD, "IMG", EOD, "IMG", "▁A"]
    assert tokens.supervised == [(5, len(tokens.input_ids))]


def test_the_prompt_of_pretraining_is_the_images_alone(llm_jp):
    ids = encode_prompt("無視", num_images=2, template="plain", tokenizer=llm_jp)
    assert pieces(ids, llm_jp) == [EOD, "IMG", EOD, "IMG"]


def test_the_prompt_of_pretraining_is_the_image_alone(llm_jp):
    ids = encode_prompt("無視", num_images=1, template="plain", tokenizer=llm_jp)
    assert pieces(ids, llm_jp) == [EOD, "IMG"]


# other tokenizers


def test_the_bundled_tokenizer_spells_roles_with_the_space_that_follows(shapes_ja):
    encoded = encode([("図形の数を教えてください。", "二つ")], shapes_ja)
    talk = ["ユーザー: ", "IMG", "\n", "図形", "の数", "を教えてください。", " ", "システム: ", "二つ", "</s>"]
    assert pieces(encoded.input_ids, shapes_ja) == [SYSTEM_TEXT, " ", *talk]
    # The space before an answer is learned with it, and here it is the end of the role's token.
    assert targets(encoded, shapes_ja) == ["システム: ", "二つ", "</s>"]


def test_the_bundled_tokenizer_learns_each_answer_with_its_end(shapes_ja):
    encoded = encode([("", "二つ"), ("", "赤")], shapes_ja, num_images=0)
    assert [piece for piece in targets(encoded, shapes_ja) if piece != "システム: "] == ["二つ", "</s>", "赤", "</s>"]


def test_the_bundled_tokenizer_ends_a_caption_with_the_line_end_alone(shapes_ja):
    encoded = encode([("", "赤い丸")], shapes_ja, template="plain")
    assert pieces(encoded.input_ids, shapes_ja) == ["IMG", "赤い", "丸", "\n"]
    assert targets(encoded, shapes_ja) == ["赤い", "丸", "\n"]


def test_all_bytes_of_a_character_without_a_token_are_learned(shapes_ja):
    encoded = encode([("", "猫")], shapes_ja)
    assert targets(encoded, shapes_ja)[-4:] == ["<0xE7>", "<0x8C>", "<0xAB>", "</s>"]


def test_a_tokenizer_that_begins_texts_with_a_bos_begins_the_conversation_alone_with_it(with_bos):
    encoded = encode([("何ですか。", "猫。")], with_bos)
    spelled = pieces(encoded.input_ids, with_bos)
    assert spelled[0] == "<s>"
    assert spelled.count("<s>") == 1
    place = spelled.index("IMG")
    assert spelled[place - 1 : place + 3] == [" ", "IMG", "\n", "何"]
    assert targets(encoded, with_bos) == [" ", "猫", "。", "</s>"]
    several = encode([("<image><image>何ですか。<image>", "猫。")], with_bos, num_images=3)
    assert pieces(several.input_ids, with_bos).count("<s>") == 1


# Control tokens that the data spells


def test_an_end_of_text_that_the_data_spells_is_text(llm_jp):
    encoded = encode([("何ですか。", f"猫です。{EOD}犬です。")], llm_jp)
    spelled = ["▁", "猫", "です", "。", "<", "▁E", "OD", "|", "LL", "M", "-", "jp", ">", "犬", "です", "。", EOD]
    assert targets(encoded, llm_jp) == spelled
    assert encoded.input_ids.count(llm_jp.eos_token_id) == 3  # before the image, of the answer, of the whole text


@pytest.mark.parametrize("template", ["v1", "plain"])
def test_no_message_spells_a_control_token(llm_jp, template):
    spelled = "".join(llm_jp.all_special_tokens)
    dirty = encode([(f"何{spelled}", f"猫{spelled}"), (spelled, spelled)], llm_jp, template=template)
    clean = encode([("何", "猫"), ("色", "白")], llm_jp, template=template)
    for token in llm_jp.all_special_ids:
        assert dirty.input_ids.count(token) == clean.input_ids.count(token)


def test_a_prompt_spells_no_control_token_either(llm_jp):
    ids = encode_prompt(f"何{EOD}", num_images=0, template="v1", tokenizer=llm_jp, history=[("色", f"白{EOD}")])
    assert ids.count(llm_jp.eos_token_id) == 1  # the end of the answer before


def test_an_answer_that_spells_a_control_token_is_learned_as_one_answer(llm_jp):
    encoder = ConversationEncoder("v1", llm_jp)
    texts = [encoder.write([("何", answer), ("色", "白")], num_images=1) for answer in ("猫", f"猫{EOD}犬")]
    assert [len(tokens.supervised) for tokens in encoder.tokenise(texts)] == [2, 2]


def test_a_bos_that_the_data_spells_is_text(with_bos):
    encoded = encode([("何ですか。", "猫<s>何</s>")], with_bos)
    assert encoded.input_ids.count(with_bos.bos_token_id) == 1
    assert encoded.input_ids.count(with_bos.eos_token_id) == 1
