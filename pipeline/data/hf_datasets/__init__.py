"""Datasets that Hugging Face Datasets can read, as records: start at ``parts.py``."""
