"""The libraries of the package: which they are, what is taken of them, and their licences."""

import importlib.util
import re
import subprocess
import tomllib
import zipfile
from importlib.metadata import requires
from pathlib import Path
from types import ModuleType

import pytest
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
DEB = ROOT / "packaging" / "deb"
LOCK = (ROOT / "requirements.lock").read_text()


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("deb_vendor", DEB / "vendor.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


vendor = load()


def vendored() -> set[str]:
    """By what is installed here: the closure of the project's dependencies."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found: set[str] = set()
    asked = list(project["dependencies"])
    while asked:
        for more in vendor.wanted([asked.pop()], frozenset()):
            name = canonicalize_name(more.name)
            if name not in found | vendor.DISTRIBUTION:
                found.add(name)
                asked += [str(each) for each in vendor.wanted(requires(name) or [], more.extras)]
    return found


def test_each_library_is_locked_once() -> None:
    lock = vendor.locked(LOCK)
    for name in vendored():
        line = vendor.line_of(name, lock)
        assert re.fullmatch(r"[\w.-]+==\S+( --hash=sha256:[0-9a-f]{64})+", line)


def test_each_library_has_its_licence_in_the_copyright() -> None:
    text = (DEB / "debian" / "copyright").read_text()
    named = {canonicalize_name(name) for name in re.findall(r"vendor/(\w+)-\*", text)}
    assert named == vendored()
    used = {part for line in re.findall(r"^License: (.*)", text, re.M) for part in line.split()}
    told = set(re.findall(r"^License: (\S+)\n ", text, re.M))
    assert used - {"or"} == told


def test_a_marker_is_judged_for_every_python_of_ours_and_for_linux() -> None:
    lines = [
        "a>=1",
        "b; python_version < '3.12'",
        "c; python_version >= '3.13'",
        "d; python_version < '3.11'",
        "e; sys_platform == 'win32'",
        "f; extra == 'http2'",
        "g; os_name == 'nt' and implementation_name != 'pypy'",
    ]
    assert [each.name for each in vendor.wanted(lines, frozenset())] == ["a", "b", "c"]
    assert "f" in [each.name for each in vendor.wanted(lines, frozenset({"http2"}))]


def test_a_lock_that_has_a_library_never_or_twice_is_refused() -> None:
    lock = vendor.locked(
        "a==1 ; python_full_version < '3.12' \\\n    --hash=sha256:00\n"
        "a==2 \\\n    --hash=sha256:11\n"
        "Some_Name==3 \\\n    --hash=sha256:22 \\\n    --hash=sha256:33\n    # via a\n"
    )
    assert vendor.line_of("some-name", lock) == "Some_Name==3 --hash=sha256:22 --hash=sha256:33"
    with pytest.raises(SystemExit, match="a twice"):
        vendor.line_of("a", lock)
    with pytest.raises(SystemExit, match="lacks b: run `make lock`"):
        vendor.line_of("b", lock)


def wheel(folder: Path, *members: str) -> Path:
    path = folder / "lib-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member in members:
            archive.writestr(member, "")
    return path


def unpacked(folder: Path, name: str, *members: str) -> set[str]:
    into = folder / "vendor"
    vendor.unpack(name, wheel(folder, *members), into)
    return {file.relative_to(into).as_posix() for file in into.rglob("*") if file.is_file()}


def test_of_a_wheel_the_modules_are_taken(tmp_path: Path) -> None:
    kept = {"lib/__init__.py", "lib/data.json", "lib/testing/it.py", "lib-1.dist-info/METADATA"}
    left = {"lib/tests/test_it.py", "lib/_tests/x.py", "lib/it.pyi", "lib-1.dist-info/RECORD"}
    left |= {"lib-1.dist-info/licenses/LICENSE", "tests/conftest.py"}
    assert unpacked(tmp_path, "lib", *kept, *left) == kept


def test_compiled_code_is_refused_but_where_python_is_beside_it(tmp_path: Path) -> None:
    members = ("lib/it.py", "lib/fast.cpython-311-x86_64-linux-gnu.so", "lib/fast.c")
    with pytest.raises(SystemExit, match="compiled"):
        unpacked(tmp_path, "lib", *members)
    assert unpacked(tmp_path, "markupsafe", *members) == {"lib/it.py"}


def test_a_wheel_that_installs_more_than_modules_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="more than modules"):
        unpacked(tmp_path, "lib", "lib-1.data/scripts/lib")


@pytest.mark.parametrize("name", ["postinst", "prerm", "postrm", "../build.sh"])
def test_a_script_is_one(name: str) -> None:
    shell = "bash" if name.endswith(".sh") else "sh"
    ran = subprocess.run([shell, "-n", str(DEB / "debian" / name)], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
