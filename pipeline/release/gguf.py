"""Why a model cannot become GGUF: what llama.cpp's own converter takes, and what its engine computes.

Seen with the converter in the source package of llama-cpp-python 0.3.36 (``vendor/llama.cpp/convert_hf_to_gguf.py``) on
folders of ``--form transformers``. There is no converter here: a file made otherwise would be one that nobody tests.
"""

from model.disk.checkpoint import LoadedModel


def why_no_gguf(model: LoadedModel) -> str:
    """The reason, and what to do instead."""
    scales, tower = model.config.images.scales, model.vision_tower.vit.config.model_type
    if len(scales) > 1:
        return (
            f"GGUF cannot hold a model with S2: llama.cpp shows its image encoder every image once, at one scale, and "
            f"this model joins the features of tiles at the scales {list(scales)}. Serve it with vLLM or `transformers "
            "serve` from --form llava-jp"
        )
    return (
        f"llama.cpp's converter takes a LLaVA with Pixtral's image encoder alone and refuses this one ({tower}: "
        "`Unsupported model type`). Serve the model with vLLM or `transformers serve` from --form llava-jp"
    )
