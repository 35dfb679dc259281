"""Which configuration file, and reading it from the disk."""

import stat
from collections.abc import Mapping
from pathlib import Path

from attrs import evolve

from voiced.config import secrets_file
from voiced.config.document import read
from voiced.config.secrets import SecretSources
from voiced.config.settings import Settings
from voiced.errors import ConfigError

INSTALLED = Path("/etc/voiced/voiced.toml")
SHIPPED = Path(__file__).parent.parent / "voiced.toml"
"""The commented defaults that come with the package; a fresh install's configuration."""


def locate(option: Path | None, environ: Mapping[str, str]) -> Path:
    """The file of `--config`, else of `VOICED_CONFIG`, else the installed one."""
    return option or Path(environ.get("VOICED_CONFIG") or INSTALLED)


def load(path: Path, environ: Mapping[str, str]) -> Settings:
    """The settings in a file, with secrets from systemd's credentials, `secrets.toml` and the
    environment.

    Raises:
        ConfigError: with one sentence for each thing to mend.
    """
    try:
        content = path.read_bytes()
        public = bool(path.stat().st_mode & stat.S_IROTH)
    except FileNotFoundError as error:
        raise ConfigError(
            [f"{path}: there is no such file; copy {SHIPPED} there, or name another with --config"]
        ) from error
    except OSError as error:
        raise ConfigError(
            [f"{path}: cannot be read ({error.strerror}); it must be a file voiced may read"]
        ) from error
    credentials = _credentials(environ.get("CREDENTIALS_DIRECTORY", ""))
    secrets = secrets_file.find(path, credentials, secrets_file.names(content))
    sources = SecretSources(credentials, environ, secrets.secrets)
    try:
        reading = read(_decode(content, path), str(path), sources)
    except ConfigError as error:
        raise ConfigError([*error.problems, *secrets.problems]) from error
    if secrets.problems:
        raise ConfigError(secrets.problems)
    exposed = secrets_file.exposed(path, reading.exposed) if public else ()
    warnings = (*reading.settings.warnings, *exposed, *secrets.warnings)
    return evolve(reading.settings, warnings=warnings)


def _decode(content: bytes, path: Path) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            [f"{path}:{line}: this is not UTF-8; save the file in that encoding"]
        ) from error


def _credentials(directory: str) -> Mapping[str, bytes]:
    """systemd's credential files (systemd.exec(5), CREDENTIALS_DIRECTORY), by name."""
    if not directory:
        return {}
    try:
        return {
            file.name: file.read_bytes() for file in Path(directory).iterdir() if file.is_file()
        }
    except OSError as error:
        raise ConfigError(
            [f"{directory}: credentials cannot be read ({error.strerror}); see LoadCredential="]
        ) from error
