"""Fills a folder with the libraries of the package: what voiced needs at run time, and its
distribution does not give. Run by build.sh: `vendor.py WHEELS FOLDER`.

The versions are those of requirements.lock, and every download must have one of its hashes. Which
of them it takes is told by the wheels: from the dependencies in pyproject.toml, along what each
wheel requires on any Python that the package runs on. All are pure Python, so that one package fits
every machine.
"""

import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from email import message_from_bytes
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PYTHONS = ("3.11", "3.12", "3.13")
DISTRIBUTION = frozenset({"numpy", "msgpack"})
"""Compiled: python3-numpy and python3-msgpack of the distribution."""
HALF = frozenset({"markupsafe"})
"""Compiled, with a twin in Python for where that is missing; the twin is what is taken."""
COMPILED = (".so", ".pyd", ".c")
LEFT_OUT = re.compile(
    r"\.dist-info/(?!METADATA$)"  # licences: debian/copyright holds them
    r"|(^|/)_?tests/|\.pyi$"
    r"|^werkzeug/debug/shared/"  # the pictures of a debugger that voiced never shows
    r"|^certifi/cacert\.pem$"  # the machine's own are linked in its place
)


def locked(lock: str) -> Mapping[str, list[str]]:
    """Name -> its lines for pip, with hashes and without a marker: pip would judge that by the
    Python that it runs on."""
    found: dict[str, list[str]] = {}
    for line in lock.replace("\\\n", " ").splitlines():
        if at := re.match(r"([\w.-]+)==(\S+)", line):
            hashes = " ".join(re.findall(r"--hash=\S+", line))
            found.setdefault(canonicalize_name(at[1]), []).append(f"{at[1]}=={at[2]} {hashes}")
    return found


def line_of(name: str, lock: Mapping[str, list[str]]) -> str:
    match lock.get(name, []):
        case [line]:
            return line
        case []:
            raise SystemExit(f"vendor: requirements.lock lacks {name}: run `make lock`")
    raise SystemExit(f"vendor: requirements.lock has {name} twice; one must fit {PYTHONS}")


def wanted(requires: Iterable[str], extras: frozenset[str]) -> Iterator[Requirement]:
    """Those of a wheel's requirements that count on Linux, on one of the Pythons at least."""
    for requirement in map(Requirement, requires):
        marker = requirement.marker
        places = (
            {"python_version": python, "python_full_version": f"{python}.0", "extra": extra}
            | {"sys_platform": "linux", "os_name": "posix", "platform_system": "Linux"}
            | {"implementation_name": "cpython", "platform_python_implementation": "CPython"}
            for python in PYTHONS
            for extra in ("", *extras)
        )
        if marker is None or any(marker.evaluate(place) for place in places):
            yield requirement


def download(lines: Iterable[str], wheels: Path, *fits: str) -> None:
    file = wheels / "wanted.txt"
    file.write_text("\n".join(lines))
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "download"]
    how = ["--no-deps", "--require-hashes", "--only-binary=:all:", *fits]
    what = [f"--python-version={PYTHONS[0]}", f"--dest={wheels}", f"--requirement={file}"]
    subprocess.run([*pip, *how, *what], check=True)


def wheel_of(name: str, wheels: Path) -> Path:
    return next(
        each
        for each in sorted(wheels.glob("*.whl"))
        if canonicalize_name(each.name.split("-")[0]) == name
    )


def requires(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        metadata = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return message_from_bytes(archive.read(metadata)).get_all("Requires-Dist") or []


def gather(roots: Iterable[str], lock: Mapping[str, list[str]], wheels: Path) -> dict[str, Path]:
    """The wheels of the roots and of all that they require, by name."""
    found: dict[str, Path] = {}
    asked = {(canonicalize_name(r.name), frozenset(r.extras)) for r in map(Requirement, roots)}
    while asked := {each for each in asked if each[0] not in DISTRIBUTION | found.keys()}:
        names = sorted({name for name, _ in asked})
        lines = {name: line_of(name, lock) for name in names}
        if pure := [line for name, line in lines.items() if name not in HALF]:
            download(pure, wheels, "--platform=any", "--implementation=py", "--abi=none")
        if half := [line for name, line in lines.items() if name in HALF]:
            machine = ("--platform=manylinux2014_x86_64", "--implementation=cp", "--abi=cp311")
            download(half, wheels, *machine)
        found |= {name: wheel_of(name, wheels) for name in names}
        asked = {
            (canonicalize_name(more.name), frozenset(more.extras))
            for name, extras in asked
            for more in wanted(requires(found[name]), extras)
        }
    return found


def unpack(name: str, wheel: Path, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.namelist():
            if re.search(r"^[^/]+\.data/", member):
                raise SystemExit(f"vendor: {wheel.name} installs more than modules: {member}")
            compiled = member.endswith(COMPILED)
            if compiled and name not in HALF:
                raise SystemExit(f"vendor: {wheel.name} holds compiled code: {member}")
            if not compiled and not member.endswith("/") and not LEFT_OUT.search(member):
                archive.extract(member, folder)


def main() -> None:
    wheels, folder = map(Path, sys.argv[1:])
    wheels.mkdir(parents=True, exist_ok=True)
    for old in wheels.glob("*.whl"):
        old.unlink()  # pip keeps its own; an older version would be taken for the wanted one
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lock = locked((ROOT / "requirements.lock").read_text())
    for name, wheel in sorted(gather(project["dependencies"], lock, wheels).items()):
        unpack(name, wheel, folder)


if __name__ == "__main__":
    main()
