"""The settings of embeddings: what turns a sentence into numbers, for the intents."""

from collections.abc import Mapping
from typing import Any, ClassVar

from attrs import field, frozen

from voiced.config.declare import TEXT, between, key, url
from voiced.config.llms import AtBaseUrl, openai_variable
from voiced.config.secrets import Secret


@frozen(kw_only=True)
class OpenAiEmbeddings(AtBaseUrl):
    """Any server of OpenAI's embeddings. An agent's `embeddings` names one."""

    type: ClassVar[str] = "openai"
    base_url: str = field(
        default="http://127.0.0.1:11434/v1",
        metadata=key("The server's address up to and with `/v1`.", url("http", "https")),
    )
    api_key: Secret | None = field(
        default=None,
        metadata=key(
            "The server's key, where it asks for one. `GROQ_API_KEY` is looked up where "
            "`base_url` is at groq.com, else `OPENAI_API_KEY`.",
            variable=openai_variable,
        ),
    )
    model: str = field(metadata=key("The model's name there.", TEXT))
    timeout_ms: int = field(
        default=80,
        metadata=key(
            "How long a caller's sentence may take; after that it is compared by its letters.",
            between(10, 1000, "ms"),
        ),
    )


EMBEDDINGS: Mapping[str, type[Any]] = {OpenAiEmbeddings.type: OpenAiEmbeddings}
"""The value of `type` -> the class."""
