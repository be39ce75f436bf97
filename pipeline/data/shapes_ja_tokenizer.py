"""Makes ``shapes-ja/``: a tokenizer of characters, and of the words and phrases that shapes-ja repeats.

Run it again after a change of the generator's texts: ``python -m pipeline.data.shapes_ja_tokenizer``.
A Unigram model with byte fallback: every text can be encoded and comes back unchanged.
"""

import json
import re
import string
from importlib.resources import files
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

from model.conversation.templates import SYSTEM_TEXT
from pipeline.data.shapes_ja import COLOURS, COUNTS, INSTRUCTIONS, KINDS, PATTERNS, POSITIONS, QUESTIONS

DIRECTORY = Path(str(files("pipeline.config") / "tokenizers" / "shapes-ja"))
SPECIAL_TOKENS = ("<unk>", "<s>", "</s>", "<pad>")
ROLES = ("ユーザー: ", "システム: ")
PHRASES = (
    SYSTEM_TEXT,  # one token, so that a tiny model need not look past fifty
    "は何色ですか。",
    "の色を教えてください。",
    "はどこにありますか。",
    "の位置を教えてください。",
    "図形",
    "いくつ",
    "の数",
    "全部で",
    "小さな",
    "札の模様",
    "は何ですか。",
    "に付いた",
    "を教えてください。",
    "画像を説明してください。",
    "何が描かれていますか。",
    "があります。",
    "です。",
)
KANA = tuple(map(chr, (*range(0x3041, 0x3097), *range(0x3099, 0x309F), *range(0x30A0, 0x3100))))
PUNCTUATION = tuple("、。・「」『』（）［］【】〜…！？：；％＋－×÷＝々〆　")


def make_tokenizer() -> Tokenizer:
    """Few tokens win: each token costs the same, and a longer one a little less."""
    adjectives = tuple(adjective for adjective, _ in COLOURS.values())
    words = (*ROLES, *PHRASES, *COLOURS, *adjectives, *POSITIONS, *COUNTS, *KINDS, *PATTERNS)
    texts = (*INSTRUCTIONS, *(text for texts in QUESTIONS.values() for text in texts), *words)
    letters = sorted({*"".join(texts), *string.printable, *KANA, *PUNCTUATION})
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    pieces = dict.fromkeys([*letters, *sorted(words)])
    vocabulary = [(token, 0.0) for token in (*SPECIAL_TOKENS, *bytes_)]
    vocabulary += [(piece, len(piece) / 100 - 10) for piece in pieces]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=0, byte_fallback=True))
    # A character without a token, and the "<" of a text that looks like a byte token, must stand alone: otherwise a run
    # of unknown characters shares one offset, and "<0x41>" comes back as "A".
    alone = Regex(f"<|[^{re.escape(''.join(letters))}]")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(alone, behavior="isolated")
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS])
    return tokenizer


def main() -> None:
    """Write the two files that ``AutoTokenizer`` reads."""
    DIRECTORY.mkdir(exist_ok=True)
    make_tokenizer().save(str(DIRECTORY / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": "<unk>",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "pad_token": "<pad>",
        "clean_up_tokenization_spaces": False,
    }
    (DIRECTORY / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")


if __name__ == "__main__":
    main()
