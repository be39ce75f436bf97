"""What a model thinks before it speaks is neither an answer nor a score: reasoning inside of a text is taken out."""

import re

MARK = re.compile(
    r"(?P<open><(?:\w+:)?(?:think|thinking|thought|reasoning)>|\[THINK\]|◁think▷|<\|channel\|>analysis<\|message\|>)"
    r"|(?P<close></(?:\w+:)?(?:think|thinking|thought|reasoning)>|\[/THINK\]|◁/think▷"
    r"|(?:<\|end\|>)?(?:<\|start\|>assistant)?<\|channel\|>final<\|message\|>)",
    re.IGNORECASE,
)
"""As Qwen, DeepSeek, GLM, Seed, Magistral, Kimi-VL and gpt-oss write it."""


def without_reasoning(text: str) -> str:
    """The text as it is if nothing in it is marked as reasoning; else what is said beside that, stripped.

    An end without a beginning ends reasoning that began in the prompt. Reasoning without an end was cut off, so that
    nothing was said after it.
    """
    said: list[str] = []
    place, is_reasoning, has_mark = 0, False, False
    for mark in MARK.finditer(text):
        has_mark = True
        if mark["close"]:
            said = said if is_reasoning else []
        elif not is_reasoning:
            said.append(text[place : mark.start()])
        is_reasoning = mark["close"] is None
        place = mark.end()
    if not has_mark:
        return text
    return "".join(said if is_reasoning else [*said, text[place:]]).strip()
