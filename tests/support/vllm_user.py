"""What a user of vLLM does with a released folder: ``vllm_user.py FOLDER IMAGE QUESTION...``.

Prints the token ids of the greedy answer to every question, one line of JSON each.
"""

import json
import sys
from importlib import import_module

from PIL import Image

NEW_TOKENS = 12


def main(folder: str, image: str, questions: list[str]) -> None:
    vllm = import_module("vllm")  # not in this project's environment, whose tests read NEW_TOKENS
    options = {"enforce_eager": True, "max_model_len": 128, "max_num_seqs": 4, "limit_mm_per_prompt": {"image": 1}}
    model = vllm.LLM(folder, trust_remote_code=True, dtype="float32", **options)
    greedy = vllm.SamplingParams(temperature=0, max_tokens=NEW_TOKENS)
    for question in questions:
        content = [{"type": "image_pil", "image_pil": Image.open(image)}, {"type": "text", "text": question}]
        (answer,) = model.chat([{"role": "user", "content": content}], greedy)
        print(json.dumps(list(answer.outputs[0].token_ids)))


if __name__ == "__main__":  # vLLM starts processes that import this file
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
