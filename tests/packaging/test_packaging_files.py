"""The units, the examples and debian/ agree with voiced, and with one another."""

import re
import shutil
import subprocess
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import fields_dict
from manual_pages import PACKAGING, commands

from voiced import __version__, cli
from voiced.config import HttpTool, MoshiStt, MoshiTts, PreCall, Server
from voiced.config.embeddings import EMBEDDINGS
from voiced.config.engines import ENGINES
from voiced.config.settings import SECTIONS, Webhook
from voiced.daemon import life
from voiced.web.hooks import VOICE

ROOT = PACKAGING.parent
DEBIAN = PACKAGING / "deb" / "debian"
SYSTEMD = PACKAGING / "systemd"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ADDRESS = f"{Server().host}:{Server().port}"
SANDBOX = ("NoNewPrivileges", "PrivateUsers", "MemoryDenyWriteExecute", "PrivateDevices")

Unit = Mapping[str, Mapping[str, list[str]]]


def unit(name: str) -> Unit:
    """Section -> key -> its values, in order."""
    found: dict[str, dict[str, list[str]]] = {}
    for line in (SYSTEMD / name).read_text().splitlines():
        if header := re.fullmatch(r"\[(\w+)\]", line):
            section = found.setdefault(header[1], defaultdict(list))
        elif line and not line.startswith("#"):
            pair = re.fullmatch(r"(\w+)=(.*)", line)
            assert pair, f"{name}: {line}"
            section[pair[1]].append(pair[2])
    return found


SERVICE = unit("voiced.service")["Service"]


def seconds(key: str) -> int:
    return int(SERVICE[key][0])


def test_the_port_is_the_one_of_the_defaults() -> None:
    assert unit("voiced.socket")["Socket"]["ListenStream"] == [ADDRESS]
    assert unit("voiced.socket")["Socket"]["Service"] == ["voiced.service"]


def test_the_service_runs_the_daemon_and_knows_its_exit_code() -> None:
    program, command = SERVICE["ExecStart"][0].split()[:2]
    assert program == "/usr/bin/voiced"
    assert command in commands()
    assert SERVICE["RestartPreventExitStatus"] == [str(cli.EXIT_CONFIG)]


def test_systemd_waits_for_longer_than_voiced_takes() -> None:
    ends = Server().drain_s + life.GOODBYE_S + life.ANSWERS_S + life.ERRANDS_S
    assert seconds("TimeoutStopSec") > ends


def test_the_service_notifies_and_shares_its_port() -> None:
    assert SERVICE["Type"] == ["notify"]
    assert seconds("WatchdogSec") > 0
    assert SERVICE["Sockets"] == ["voiced.socket"]
    assert SERVICE["NonBlocking"] == ["yes"]  # else a version that drains stands still


def test_a_configuration_that_is_mended_can_be_started_at_once() -> None:
    # What waits at the port may start voiced again and again, and systemd must not give it up.
    assert unit("voiced.service")["Unit"]["StartLimitIntervalSec"] == ["0"]


def test_a_daemon_that_is_killed_leaves_the_next_one_who_waits() -> None:
    assert "FlushPending" not in unit("voiced.socket")["Socket"]


def test_a_missing_file_of_secrets_is_an_empty_one() -> None:
    name, path = SERVICE["LoadCredential"][0].split(":")
    assert path == f"/etc/voiced/{name}"
    given, default = SERVICE["SetCredential"][0].split(":")
    assert given == name
    assert tomllib.loads(default) == {}


def test_the_service_is_shut_in() -> None:
    assert all(SERVICE[key] == ["yes"] for key in SANDBOX)
    assert SERVICE["ProtectSystem"] == ["strict"]
    assert SERVICE["User"] == ["voiced"]
    assert (SYSTEMD / "voiced.sysusers").read_text().startswith("u voiced ")


def test_the_stand_in_is_the_service_but_for_its_life() -> None:
    stand_in, service = unit("voiced-handover.service"), unit("voiced.service")
    assert stand_in.keys() == service.keys() - {"Install"}
    apart = {"Unit": {"Description"}, "Service": {"ExecStartPost", "Restart"}}
    apart["Service"] |= {"RestartSec", "RestartPreventExitStatus"}
    for section, keys in stand_in.items():
        differing = keys.keys() | service[section].keys()
        assert {k for k in differing if keys.get(k) != service[section].get(k)} == apart[section]
    assert stand_in["Service"]["Restart"] == ["no"]  # else it outlives what it stands in for


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd")
def test_systemd_understands_the_units(tmp_path: Path) -> None:
    names = ["voiced.socket", "voiced.service", "voiced-handover.service", "moshi-server@.service"]
    program = shutil.which("true")
    for name in names:
        text = (SYSTEMD / name).read_text()
        text = re.sub(r"/usr(/local)?/bin/(voiced|moshi-server)\b", str(program), text)
        (tmp_path / name).write_text(re.sub(r"^Documentation=.*\n", "", text, flags=re.M))
    (tmp_path / "moshi-server@.service").rename(tmp_path / "moshi-server@stt.service")
    names[-1] = "moshi-server@stt.service"
    verify = ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / name) for name in names)]
    ran = subprocess.run(verify, capture_output=True, text=True)
    ours = [line for line in ran.stderr.splitlines() if re.search("voiced|moshi", line)]
    assert ours == []


def test_the_conffile_is_what_voiced_ships() -> None:
    build = (PACKAGING / "deb" / "build.sh").read_text()
    assert re.search(r"^cp voiced/voiced\.toml .*\$tree/etc", build, re.M)
    assert "etc/voiced.toml etc/voiced\n" in (DEBIAN / "install").read_text()


def leaves(table: Mapping[str, Any], path: str = "") -> Iterator[str]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{path}{name}.")
        else:
            yield f"{path}{name}"


def test_the_secrets_are_none_until_some_are_filled_in() -> None:
    text = (PACKAGING / "deb" / "secrets.toml").read_text()
    assert tomllib.loads(text) == {}
    kinds = {name: [kind] for name, kind in SECTIONS.items()}
    kinds |= {role: list(types.values()) for role, types in ENGINES.items()}
    kinds |= {"webhook": [Webhook], "embeddings": [*EMBEDDINGS.values()]}
    kinds |= {"agent.tool": [HttpTool], "agent.pre_call": [PreCall]}
    named = list(leaves(tomllib.loads(re.sub(r"^#(?=\S)", "", text, flags=re.M))))
    assert len(named) > 5
    for path in named:
        section, *inner, key = path.split(".")
        if section == "agent":  # agent.NAME.pre_call, agent.NAME.tool.NAME
            section = f"agent.{inner[1]}"
        fields = [fields_dict(kind).get(key) for kind in kinds[section]]
        assert any(field and "Secret" in str(field.type) for field in fields), path


def test_the_launcher_calls_what_the_project_names() -> None:
    module, function = PROJECT["scripts"]["voiced"].split(":")
    launcher = (PACKAGING / "deb" / "voiced").read_text()
    assert f"from {module} import {function}\n" in launcher
    assert launcher.startswith("#!/usr/bin/python3 -I\n")


def test_the_package_demands_what_the_project_does() -> None:
    control = (DEBIAN / "control").read_text()
    floor, ceiling = re.fullmatch(r">=(.*),<(.*)", PROJECT["requires-python"]).groups()  # type: ignore[union-attr]
    assert f"python3 (>= {floor})" in control
    assert f"python3 (<< {ceiling})" in control
    for name, epoch in (("numpy", "1:"), ("msgpack", "")):
        least = next(d for d in PROJECT["dependencies"] if d.startswith(name)).split(">=")[1]
        assert f"python3-{name} (>= {epoch}{least})" in control
    assert PROJECT["version"] == __version__


@pytest.mark.parametrize(("role", "kind"), [("stt", MoshiStt), ("tts", MoshiTts)])
def test_the_example_of_moshi_server_is_where_voiced_looks(role: str, kind: Any) -> None:
    config = tomllib.loads((PACKAGING / "moshi" / f"{role}.toml").read_text())
    assert {"static_dir", "log_dir", "instance_name", "authorized_ids"} <= config.keys()
    (module,) = config["modules"].values()
    (port,) = re.findall(r"^PORT=(\d+)$", (PACKAGING / "moshi" / f"{role}.env").read_text(), re.M)
    ours = fields_dict(kind)
    assert ours["url"].default == f"ws://127.0.0.1:{port}{module['path']}"
    assert ours["api_key"].default.reveal() in config["authorized_ids"]


@pytest.mark.parametrize("name", ["Caddyfile", "nginx.conf"])
def test_a_proxy_passes_twilios_paths_on_and_no_others(name: str) -> None:
    text = (PACKAGING / "proxy" / name).read_text()
    assert ADDRESS in text
    if name == "Caddyfile":
        (line,) = re.findall(r"@twilio path (.*)", text)
        pattern = "|".join(each.replace("*", ".*") for each in line.split())
    else:
        (pattern,) = re.findall(r"location ~ (\S+.*) \{", text)
        pattern += ".*"
    assert all(re.fullmatch(pattern, path) for path in (*VOICE, "/twilio/media/token"))
    assert not any(re.fullmatch(pattern, path) for path in ("/v1/calls", "/metrics", "/console"))
