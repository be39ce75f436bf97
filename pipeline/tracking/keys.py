"""Keys of metrics, parameters and tags as MLflow takes them."""

import hashlib

MAX_KEY_CHARACTERS = 250
DIGITS = 8
"""Of the hash behind a key that had to be changed."""


def mlflow_key(name: str) -> str:
    """The name itself if MLflow takes it; else one that resembles it and is no other name's.

    MLflow takes letters and digits of any script, ``_-./`` and spaces, and a path that no other text could mean.
    """
    key = "".join(character if character.isalnum() or character in "_-./ " else "_" for character in name)
    key = "/".join("_" if part in ("", ".", "..") else part for part in key.split("/"))
    key = f"_{key}" if key.startswith("..") else key
    if key == name and len(key) <= MAX_KEY_CHARACTERS:
        return key
    digits = hashlib.sha256(name.encode("utf-8", errors="surrogatepass")).hexdigest()[:DIGITS]
    return f"{key[: MAX_KEY_CHARACTERS - DIGITS - 1]}-{digits}"
