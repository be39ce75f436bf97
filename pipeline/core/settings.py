"""This machine: where things are and how many devices there are. From the environment, never fingerprinted."""

import os
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from model.config import AttentionName
from pipeline.core.errors import ConfigError, explain
from pipeline.core.wording import encodable

Offload = Literal["none", "optimizer", "all"]


class Settings(BaseSettings):
    """Each field is read from ``LLAVA_JP_<FIELD>``."""

    model_config = SettingsConfigDict(env_prefix="LLAVA_JP_", frozen=True, populate_by_name=True)

    store: Path = Field(Path("store"), description="folder of all artifacts")
    tracking_uri: str = Field("", description="MLflow server or database; empty: SQLite in the store")
    num_processes: int = Field(
        1, gt=0, description="processes that train, encode and answer on this machine, one per device"
    )
    zero_stage: int | None = Field(None, ge=0, le=3, description="DeepSpeed ZeRO; default 0 on one device, 2 on more")
    offload: Offload = Field(
        "none",
        description="what lies in the host's memory in place of the device's: the optimizer's states (ZeRO 1 to 3), "
        "or all trained and frozen weights as well (ZeRO 3)",
    )
    attention: AttentionName = Field(
        "sdpa", description="attention of the LLM while training; flash_attention_2 needs flash-attn and a GPU"
    )
    host_file: Path | None = Field(
        None, description="DeepSpeed host file with lines `host slots=N`: the machines that train; default: this one"
    )
    checkpoint_every: int = Field(500, gt=0, description="optimizer steps between two training checkpoints")
    keep_checkpoints: int = Field(
        2, gt=0, description="whole checkpoints that are kept while a stage trains; older ones are deleted"
    )
    seconds_to_stop: float = Field(
        120, ge=0, description="time that a stopped training has to save; then its processes are killed"
    )
    num_decoders: int | None = Field(
        None,
        ge=0,
        description="processes that decode images, for each encoding process; default: its share of the cores, "
        "and none where a single process encodes on a CPU",
    )
    check_features: Literal["first", "always", "never"] = Field(
        "first", description="when the checksum of cached features is compared: at the first reading, always, never"
    )
    num_readers: int = Field(4, gt=0, description="threads of a training process that read cached features")
    ray_address: str = Field(
        "",
        description="Ray cluster that encodes and answers: auto, ray://host:10001; empty: processes of this machine",
    )
    language_model: Path | None = Field(
        None, description="fastText's lid.176.ftz for rougeL_ja; default: the one that was fetched into the store"
    )
    master_port: int | None = Field(None, gt=0, lt=65536, description="port of the training group; default: a free one")
    judge_base_url: str = Field(
        "",
        validation_alias=AliasChoices("LLAVA_JP_JUDGE_BASE_URL", "OPENAI_BASE_URL"),
        description="where the judge is, as https://host/v1; empty: OpenAI",
    )
    judge_api_key: SecretStr = Field(
        SecretStr(""),
        validation_alias=AliasChoices("LLAVA_JP_JUDGE_API_KEY", "OPENAI_API_KEY"),
        description="the judge's key; without key and place judged benchmarks are skipped",
    )
    judge_concurrency: int = Field(8, gt=0, le=256, description="requests to the judge at once, at most")
    judge_timeout: float = Field(120.0, gt=0, description="seconds that one reply of the judge may take")
    judge_token_ceiling: int | None = Field(
        None, gt=0, description="tokens that judging may cost in one run, prompts and replies; default: no ceiling"
    )

    model_base_url: str = Field(
        "",
        validation_alias=AliasChoices("LLAVA_JP_MODEL_BASE_URL", "OPENAI_BASE_URL"),
        description="where a measured model is that is behind an endpoint, as https://host/v1; empty: OpenAI",
    )
    model_api_key: SecretStr = Field(
        SecretStr(""),
        validation_alias=AliasChoices("LLAVA_JP_MODEL_API_KEY", "OPENAI_API_KEY"),
        description="its key",
    )
    model_concurrency: int = Field(64, gt=0, le=256, description="requests to such a model at once, at most")
    model_timeout: float = Field(300.0, gt=0, description="seconds that one answer of such a model may take")

    @cached_property
    def store_root(self) -> Path:
        return self.store.expanduser().resolve()

    @property
    def mlflow_uri(self) -> str:
        return self.tracking_uri or sqlite_uri(self.store_root / "mlflow.db")

    @property
    def effective_num_decoders(self) -> int:
        return (
            self.num_decoders if self.num_decoders is not None else max(1, (os.cpu_count() or 1) // self.num_processes)
        )

    @field_validator("store")
    @classmethod
    def _can_be_named(cls, store: Path) -> Path:
        """DuckDB takes a backslash for the end of a folder's name, wherever it stands, and would find nothing."""
        place = str(store.expanduser().resolve())
        if encodable(place) != place or "\\" in place:
            raise ValueError(
                f"{encodable(place)!r} has a backslash or bytes that are no text in UTF-8; choose another folder"
            )
        return store

    @model_validator(mode="after")
    def _offload_fits(self) -> "Settings":
        least = {"none": 0, "optimizer": 1, "all": 3}[self.offload]
        if self.zero_stage is not None and self.zero_stage < least:
            raise ValueError(
                f"LLAVA_JP_OFFLOAD={self.offload} needs LLAVA_JP_ZERO_STAGE={least} or more, not {self.zero_stage}"
            )
        return self


def sqlite_uri(path: Path) -> str:
    """The address of a SQLite database, whatever signs its path has.

    MLflow makes the folder of what follows ``sqlite:///`` as it stands there, so a path with ``%20`` or ``?``, which
    has to be quoted, names the driver as well.
    """
    from sqlalchemy import URL, make_url  # the commands that need no MLflow start without it

    joined = f"sqlite:///{path}"
    if make_url(joined).render_as_string() == URL.create("sqlite", database=str(path)).render_as_string():
        return joined
    return URL.create("sqlite+pysqlite", database=str(path)).render_as_string()


def load_settings() -> Settings:
    """The settings of this process's environment.

    Raises:
        ConfigError: a variable has a value out of range.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise ConfigError(explain(error, "the environment (LLAVA_JP_*)")) from error
