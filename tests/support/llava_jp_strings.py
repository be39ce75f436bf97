"""What LLaVA-JP's data code makes of a record, written from its description: the reference for ids and label masks.

It puts the text together, tokenises it, and then searches the answers again: it splits the text at the end tokens,
tokenises every part a second time and counts. None of this is shared with ``model.conversation.encode``.
"""

IMAGE, IGNORED = -200, -100
SYSTEM = (
    "これは好奇心旺盛なユーザーと人工知能システムのチャットです。システムはユーザーの質問に親切、詳細、丁寧に答える。"
)
MAX_LENGTH = 1532


def image_first(text: str) -> str:
    """A message that names the image begins with it."""
    if "<image>" not in text:
        return text
    return f"<image>\n{text.replace('<image>', '').strip()}".strip()


def ids_of(text: str, tokenizer) -> list[int]:
    """The chunks around the image are tokenised by themselves; a BOS is kept in the first one only."""
    chunks = [tokenizer(chunk).input_ids for chunk in text.split("<image>")]
    begins = bool(chunks[0]) and chunks[0][0] == tokenizer.bos_token_id
    ids = chunks[0]
    for chunk in chunks[1:]:
        ids = [*ids, IMAGE, *chunk[begins:]]
    return ids


def plain(caption: str, tokenizer) -> tuple[list[int], list[int]]:
    ids = ids_of(f"<image>{caption}\n", tokenizer)
    masked = len(ids_of("<image>", tokenizer))
    return ids, [IGNORED] * masked + ids[masked:]


def prompt_of(exchanges, end: str) -> str:
    text = f"{SYSTEM} "
    for question, answer in exchanges:
        text += f"ユーザー: {image_first(question)} " if question else "ユーザー: "
        text += f"システム: {answer}{end}" if answer else "システム: "
    return text


def v1(exchanges, tokenizer, *, end: str = "<EOD|LLM-jp>", first: int = 0) -> tuple[list[int], list[int]]:
    """``first`` is where counting begins: behind the BOS in ``karasu``."""
    text = prompt_of(exchanges, end)
    ids = ids_of(text, tokenizer)
    labels = list(ids)
    labels[:first] = [IGNORED] * first
    position = first
    for round_text in text.split(end):
        parts = round_text.split(" システム: ")
        if not round_text or len(parts) != 2:
            break
        round_length = len(ids_of(round_text, tokenizer))
        instruction_length = len(ids_of(f"{parts[0]} システム: ", tokenizer)) - 2
        labels[position : position + instruction_length] = [IGNORED] * instruction_length
        position += round_length
    labels[position:] = [IGNORED] * len(labels[position:])
    return ids, labels


def seen_by_the_model(ids, labels, tokenizer, *, num_vision_tokens: int) -> tuple[list[int], list[int]]:
    """The collator's cut, the tokens that its attention mask drops, the image's tokens, the model's cut."""
    kept = [
        pair for pair in zip(ids[:MAX_LENGTH], labels[:MAX_LENGTH], strict=True) if pair[0] != tokenizer.unk_token_id
    ]
    expanded = [pair for pair in kept for _ in range(num_vision_tokens if pair[0] == IMAGE else 1)]
    return [token for token, _ in expanded[:MAX_LENGTH]], [label for _, label in expanded[:MAX_LENGTH]]
