"""`secrets.toml`: the secrets of a configuration in a file of their own, for fewer eyes.

Its tables mirror those of the configuration: `[stt.deepgram] api_key = "..."`, or in one line
`stt.deepgram.api_key = "..."`.
"""

import re
import stat
import tomllib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, get_type_hints

from attrs import evolve, field, fields, frozen, has

from voiced.config.agent import Agent
from voiced.config.declare import key_of, nearest
from voiced.config.embeddings import EMBEDDINGS
from voiced.config.engines import ENGINES
from voiced.config.lines import Path as KeyPath
from voiced.config.lines import line_numbers
from voiced.config.raw import entries, tables_in, text_in
from voiced.config.reader import SHOWN_NAME, dotted, listed, plain
from voiced.config.settings import SECTIONS, Webhook

NAME: Final = "secrets.toml"
"""Of the systemd credential, and of the file beside the configuration."""

NAMED: Final[Mapping[str, tuple[type[Any], ...]]] = {
    **{role: tuple(types.values()) for role, types in ENGINES.items()},
    "embeddings": tuple(EMBEDDINGS.values()),
    "agent": (Agent,),
    "webhook": (Webhook,),
}
"""The groups of tables that the owner of the configuration names, and what they may be."""


@frozen
class SecretsFile:
    """What the file gives: name -> the text and where it stands; and what is wrong with it."""

    secrets: Mapping[str, tuple[str, str]] = field(factory=dict, repr=False)
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def names(content: bytes) -> frozenset[str] | None:
    """What a configuration of this content also looks for elsewhere, each by its whole name; None
    where it cannot be read.
    """
    try:
        document = tomllib.loads(content.decode("utf-8-sig"))
    except ValueError:  # neither UTF-8 nor TOML: whoever reads it tells
        return None
    return frozenset(_names(document))


def _names(document: Mapping[str, Any]) -> Iterator[str]:
    for section, kind in SECTIONS.items():
        yield from _keys(section, kind, entries(document, section))
    for group, kinds in NAMED.items():
        for name, table in entries(document, group).items():
            for kind in kinds:
                yield from _keys(f"{group}.{name}", kind, table if isinstance(table, dict) else {})


def _keys(path: str, kind: type[Any], table: Mapping[str, Any]) -> Iterator[str]:
    hints = get_type_hints(kind)
    for attribute in fields(kind):
        here, inner = f"{path}.{attribute.name}", plain(hints[attribute.name])
        if key_of(attribute).variable is not None:
            yield here
        elif has(inner) and isinstance(table.get(attribute.name), dict):
            yield from _keys(here, inner, table[attribute.name])
        elif one := listed(inner):
            for _, each in tables_in(table, attribute.name):
                if name := text_in(each, "name"):
                    yield from _keys(f"{here}.{name}", one, each)


def find(
    configuration: Path, credentials: Mapping[str, bytes], known: Collection[str] | None
) -> SecretsFile:
    """The systemd credential `secrets.toml`, else the file of that name beside the configuration.

    That there is none is no problem; neither is a file that we may not read, because the daemon
    has the credential, but it is a warning. `known` is what `names` told.
    """
    if NAME in credentials:
        return parse(credentials[NAME], f"systemd credential {NAME}", known)
    path = configuration.with_name(NAME)
    try:
        content = path.read_bytes()
        public = path.stat().st_mode & stat.S_IROTH
    except FileNotFoundError:
        return SecretsFile()
    except OSError as error:
        what = f"{path} cannot be read ({error.strerror}), so its secrets count as not set here"
        return SecretsFile(warnings=(f"{what}; use sudo, or LoadCredential={NAME}:{path}",))
    found = parse(content, str(path), known)
    return evolve(found, warnings=exposed(path, found.secrets) if public else ())


def exposed(path: Path, held: Collection[str]) -> tuple[str, ...]:
    """The warning about a file that everybody can read, if it holds secrets."""
    warning = f"{path} can be read by everybody and holds {', '.join(held)}; chmod o-r {path}"
    return (warning,) if held else ()


def parse(content: bytes, file: str, known: Collection[str] | None) -> SecretsFile:
    """The secrets in a TOML text; problems call it `file`, and never quote a value."""
    try:
        text = content.decode("utf-8-sig")
        document = tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return SecretsFile(problems=(f"{file}:{line}: this is not UTF-8; store it as plain text",))
    except ValueError as error:  # TOMLDecodeError, and numbers beyond Python's own limit
        found = re.search(r"\(at line (\d+),", str(error))
        where = f"{file}:{found[1]}" if found else file
        use = 'write each secret once and in quotes, as in twilio.auth_token = "TEXT"'
        return SecretsFile(problems=(f"{where}: this is not TOML; {use}",))
    return _sorted_out(document, line_numbers(text), file, known)


def _sorted_out(
    document: Mapping[str, Any],
    lines: Mapping[KeyPath, int],
    file: str,
    known: Collection[str] | None,
) -> SecretsFile:
    secrets: dict[str, tuple[str, str]] = {}
    problems: list[str] = []
    for path, value in _entries(document, ()):
        name = dotted(path)
        # What stands in an inline table has no line of its own.
        line = next(lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in lines)
        if fault := _fault(name, value, known):
            problems.append(f"{file}:{line}: {name[:SHOWN_NAME]}: {fault}")
        elif name in secrets:  # once dotted and once in quotes, which TOML takes for two
            problems.append(f"{file}:{line}: {name[:SHOWN_NAME]}: stands there twice; delete one")
        else:
            secrets[name] = (value.strip(), f"{file}:{line}")
    return SecretsFile(secrets, tuple(problems))


def _entries(table: Mapping[str, Any], path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _entries(value, (*path, name))
        else:
            yield (*path, name), value


def _fault(name: str, value: Any, known: Collection[str] | None) -> str:
    if known is not None and name not in known:
        return f"is no secret of this configuration{nearest(name, known)}"
    if not isinstance(value, str):
        return "has a value of the wrong kind; use text in quotes"
    return "" if value.strip() else "is empty; give the secret, or delete the line"
