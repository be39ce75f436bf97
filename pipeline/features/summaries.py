"""What the feature steps say of their results. Read without torch."""

from pipeline.store.manifest import Summary


class ShardCounts(Summary):
    """What is counted while a shard is written."""

    num_images: int
    num_failed: int
    num_not_finite: int
    payload_bytes: int


class ShardSummary(ShardCounts):
    """What is in a shard, and what its payloads hold."""

    sides: tuple[int, ...]
    num_tokens: int
    width: int
    dtype: str
    form: str
    dataset: str
    """Fingerprint of the dataset whose images were encoded."""


class CalibrationSummary(Summary):
    """From how much the RMS of the channels was measured; ``num_channels`` are those of all scales."""

    num_images: int
    num_channels: int


class FeaturesSummary(Summary):
    """What the features of a dataset are, and in which shards."""

    form: str
    encoder: str
    """Its short name; see ``encoder_fingerprint``."""
    num_images: int
    num_failed: int
    num_not_finite: int
    num_shards: int
    payload_bytes: int
    parts: tuple[str, ...]
    """The shards, as ``step/fingerprint``."""
