"""The model of a stage on a DeepSpeed engine: what trains, in which number formats, sharded how."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import deepspeed
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.integrations.deepspeed import HfDeepSpeedConfig, unset_hf_deepspeed_config
from transformers.utils import is_flash_attn_2_available

from model.config import LlavaJpWeights, RandomLlm
from model.disk.checkpoint import load_projector
from model.disk.published import load_published_projector
from model.language_model import build_llm, fuse_activations, llava_jp_folder, max_sequence_length
from model.projector import Projector
from model.vlm import VisionLanguageModel
from pipeline.config.experiment import StageConfig
from pipeline.core.errors import ConfigError
from pipeline.training.distributed import Distributed
from pipeline.training.feature_source import FeatureSource
from pipeline.training.job import TrainingJob
from pipeline.training.optimizers import build_optimizer, cosine_with_warmup
from pipeline.training.sampler import num_micro_batches


def build_model(job: TrainingJob, tokenizer: PreTrainedTokenizerBase, features: FeatureSource) -> VisionLanguageModel:
    """The model a stage begins with, in the stage's number format; under ZeRO-3 the LLM's weights are sharded already.

    Raises:
        ConfigError: the LLM cannot take sequences of this length or this tokenizer, the attention is not installed, or
            no layer has a name of ``lora.targets``.
    """
    config = job.config
    if job.attention == "flash_attention_2" and not is_flash_attn_2_available():
        raise ConfigError(
            "LLAVA_JP_ATTENTION=flash_attention_2 needs the package flash-attn and a GPU; "
            "install it, or unset the variable: PyTorch's own attention (sdpa) is nearly as fast"
        )
    dtype = torch.bfloat16 if config.precision == "bfloat16" else torch.float32
    with _sharded_loading(job):
        llm = build_llm(job.llm, tokenizer, dtype=dtype, attention=job.attention)
    _check_sizes(llm, tokenizer, job)
    llm.config.use_cache = False
    fuse_activations(llm)
    if config.lora is not None and job.stage == "finetune":
        from model.lora import add_lora

        try:
            add_lora(llm, config.lora, seed=config.seed)
        except ValueError as error:
            raise ConfigError(f"finetune.lora of a {llm.config.model_type!r}: {error}") from error
    if config.gradient_checkpointing:
        llm.gradient_checkpointing_enable(gradient_checkpointing_kwargs=_checkpointing(job))
    model = VisionLanguageModel(_projector(job, features.num_channels, llm.config.hidden_size), llm)
    model.prepare_stage(job.stage, frozen_dropout=config.frozen_dropout)
    return model


def _projector(job: TrainingJob, vision_width: int, llm_width: int) -> Projector:
    """That of the stage before; in pretraining, a published one or random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(job.config.seed)
        projector = Projector(vision_width, llm_width)
    if job.start is not None:
        load_projector(projector, job.start)
    elif isinstance(job.llm.weights, LlavaJpWeights):
        published = load_published_projector(llava_jp_folder(job.llm.weights))
        if published.vision_width != vision_width:
            raise ConfigError(
                f"the projector of {job.llm.weights.source} takes {published.vision_width} channels, the features have "
                f"{vision_width}; set vision_tower and features.scales as it was trained with"
            )
        projector.load_state_dict(published.state_dict())
    return projector


@contextmanager
def _sharded_loading(job: TrainingJob) -> Iterator[None]:
    """Under ZeRO-3 Transformers gives every weight to the processes in parts as it reads it: no rank holds them all."""
    if job.zero_stage < 3 or isinstance(job.llm.weights, RandomLlm | LlavaJpWeights):
        yield
        return
    known_to_transformers = HfDeepSpeedConfig({"train_micro_batch_size_per_gpu": 1, **_sharding(job, 2048)})
    try:
        yield
    finally:
        unset_hf_deepspeed_config()
        del known_to_transformers  # Transformers has a weak reference to it


def _checkpointing(job: TrainingJob) -> dict[str, Any]:
    """Under ZeRO-3 a weight is empty until it is gathered, which PyTorch's comparison takes for a difference."""
    return {"use_reentrant": False, **({"determinism_check": "none"} if job.zero_stage == 3 else {})}


def _check_sizes(llm: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, job: TrainingJob) -> None:
    """What would be an index out of range in the middle of a GPU kernel.

    The vocabulary may be larger than the tokenizer: it is padded to a round number in most models.
    """
    longest = max_sequence_length(llm.config)
    if longest is not None and job.config.max_length > longest:
        raise ConfigError(
            f"{job.stage}.max_length={job.config.max_length} is more than the LLM's max_position_embeddings={longest}"
        )
    if len(tokenizer) > llm.config.vocab_size:
        raise ConfigError(
            f"the tokenizer has {len(tokenizer)} tokens and the LLM's vocabulary {llm.config.vocab_size}; "
            "llm.tokenizer must be the LLM's own"
        )


def start_engine(
    job: TrainingJob, model: VisionLanguageModel, distributed: Distributed, *, num_optimizer_steps: int
) -> Any:
    """The model with its optimizer and schedule on a DeepSpeed engine.

    Raises:
        ConfigError: the optimizer is not installed.
    """
    config = job.config
    on_gpu = distributed.device.type == "cuda"
    optimizer = build_optimizer(config, model, is_fused=on_gpu or job.offload != "none")
    schedule = cosine_with_warmup(num_optimizer_steps, warmup_fraction=config.warmup_fraction)
    count = micro_batches_per_step(config, distributed)
    engine, *_ = deepspeed.initialize(
        model=model,
        optimizer=optimizer,
        lr_scheduler=torch.optim.lr_scheduler.LambdaLR(optimizer, schedule),
        config={
            "train_batch_size": config.micro_batch_size * count * distributed.num_processes,
            "train_micro_batch_size_per_gpu": config.micro_batch_size,
            "gradient_accumulation_steps": count,
            "gradient_clipping": config.max_gradient_norm,
            **_sharding(job, model.llm.config.hidden_size),
            "zero_allow_untested_optimizer": True,
            "zero_force_ds_cpu_optimizer": False,  # PyTorch's fused AdamW is as fast there, and needs no compiler
            "steps_per_print": sys.maxsize,
            "checkpoint": {"load_universal": job.universal is not None and job.zero_stage > 0},
        },
    )
    model.prepare_stage(job.stage, frozen_dropout=config.frozen_dropout)  # the engine puts all in training mode
    return engine


def _sharding(job: TrainingJob, width: int) -> dict[str, Any]:
    """DeepSpeed's settings for number format, ZeRO stage and what lies in the host's memory."""
    zero: dict[str, Any] = {"stage": job.zero_stage}
    in_host_memory = {"device": "cpu", "pin_memory": torch.cuda.is_available()}
    if job.offload != "none":
        zero["offload_optimizer"] = in_host_memory
    if job.zero_stage == 3:
        zero["stage3_param_persistence_threshold"] = 10 * width  # norms and biases stay on every rank
        if job.offload == "all":
            zero["offload_param"] = in_host_memory
    number_formats: dict[str, Any] = {}
    if job.config.precision == "bfloat16":
        # Gradients of many forward passes are added in float32, and so are the updates; each as soon as it is made,
        # so that a second copy of them all in bfloat16 is never there (ZeRO 1).
        number_formats = {
            "bf16": {"enabled": True, "immediate_grad_update": True},
            "data_types": {"grad_accum_dtype": "fp32"},
        }
    return {**number_formats, "zero_optimization": zero}


def micro_batches_per_step(config: StageConfig, distributed: Distributed) -> int:
    """Forward passes of each rank per optimizer step."""
    return num_micro_batches(
        global_batch_size=config.global_batch_size,
        micro_batch_size=config.micro_batch_size,
        num_processes=distributed.num_processes,
    )
