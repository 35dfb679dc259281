"""Secrets: a value that does not show itself, and the places where one is looked for."""

from collections.abc import Mapping

from attrs import field, frozen

MASK = "********"


class Secret:
    """A text that prints as asterisks; `reveal` is for the one place that sends it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


@frozen
class SecretSources:
    """Where a value comes from that the file does not give.

    `credentials` maps the names of systemd credential files to their content, `environ` is the
    process environment, `file` maps the names in `secrets.toml` to their text and where it stands.
    None of them shows in a repr.
    """

    credentials: Mapping[str, bytes] = field(factory=dict, repr=False)
    environ: Mapping[str, str] = field(factory=dict, repr=False)
    file: Mapping[str, tuple[str, str]] = field(factory=dict, repr=False)

    def find(self, path: str, variable: str) -> tuple[str, str] | None:
        """The value for the key `path` and where it was found; an empty one counts as none.

        An empty `variable` stands for no variable.

        Raises:
            UnicodeDecodeError: a credential that is not UTF-8.
        """
        if credential := self.credentials.get(path, b"").decode().strip():
            return credential, f"systemd credential {path}"
        if path in self.file:
            return self.file[path]
        if variable and (value := self.environ.get(variable, "").strip()):
            return value, f"${variable}"
        return None
