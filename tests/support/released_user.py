"""What a user of a released folder does, without this project: ``released_user.py IMAGE_FOLDER RELEASED...``.

Prints one line of JSON for every released folder: token ids, logits, answers.
"""

import json
import sys
from pathlib import Path

import torch
from PIL import Image
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor

QUESTIONS = ("左上の図形は何色ですか。", "いくつありますか。")


def conversation(question, *images):
    blocks = [{"type": "image", "image": image} for image in images]
    return [{"role": "user", "content": [*blocks, {"type": "text", "text": question}]}]


def main(images, folder):
    config = AutoConfig.from_pretrained(folder, trust_remote_code=True)
    processor = AutoProcessor.from_pretrained(folder, trust_remote_code=True)
    model = AutoModelForImageTextToText.from_pretrained(folder, trust_remote_code=True)
    grey, noisy = (Image.open(images / name) for name in ("grey.png", "noisy.png"))
    prompt = processor.apply_chat_template(conversation(QUESTIONS[0], grey), add_generation_prompt=True)
    one = processor(images=noisy, text=prompt, return_tensors="pt")
    with torch.no_grad():
        logits = model(**one).logits
    batch = processor.apply_chat_template(
        [
            conversation(QUESTIONS[0], grey),
            conversation(QUESTIONS[1], noisy),
            conversation(QUESTIONS[0]),
            conversation(QUESTIONS[1], noisy, grey),
        ],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )
    answers = model.generate(**batch, max_new_tokens=6, repetition_penalty=1.2)
    print(
        json.dumps(
            {
                "type": type(config).__name__,
                "dtype": str(model.dtype),
                "ours": sorted({"flows", "pipeline", "mlflow", "pydantic"} & set(sys.modules)),
                "prompt": prompt,
                "ids": one["input_ids"][0].tolist(),
                "logits": logits[0].tolist(),
                "answers": answers[:, batch["input_ids"].shape[1] :].tolist(),
                "texts": processor.batch_decode(answers, skip_special_tokens=True),
                "eos": model.generation_config.eos_token_id,
            }
        )
    )


if __name__ == "__main__":
    for name in sys.argv[2:]:
        main(Path(sys.argv[1]), name)
