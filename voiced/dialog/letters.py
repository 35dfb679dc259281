"""Words compared by what is spoken of them."""


def letters(text: str) -> str:
    """The letters and digits of a text, in lower case: what is left where two spellings or two
    punctuations of the same words are the same."""
    return "".join(filter(str.isalnum, text.casefold()))
