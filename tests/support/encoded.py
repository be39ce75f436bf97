"""One conversation encoded by itself, as the training encodes many at once."""

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from model.config import Supervision, TemplateName
from model.conversation.encode import ConversationEncoder, Encoded
from model.conversation.templates import Exchange


def encode_conversation(
    exchanges: Sequence[Exchange],
    *,
    num_images: int,
    template: TemplateName,
    tokenizer: PreTrainedTokenizerBase,
    supervision: Supervision = "answers",
) -> Encoded:
    """A whole conversation for training.

    Raises:
        TemplateError: the template cannot write this conversation, or the tokenizer does not fit it.
        ValueError: there is no exchange.
    """
    encoder = ConversationEncoder(template, tokenizer, supervision)
    (tokens,) = encoder.tokenise([encoder.write(exchanges, num_images=num_images)])
    return tokens.encoded()
