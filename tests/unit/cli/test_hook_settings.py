"""Products' settings with Tocsin's hooks: all else stays, byte for byte, and all goes out again."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.cli.hook import Product
from tocsin.cli.hooks import files
from tocsin.cli.hooks.plans import FAILS_CLOSED, Wanted, entries, found_in
from tocsin.cli.hooks.programs import is_fleeting, tocsin_program
from tocsin.cli.hooks.settings import BadSettings, find, keep, kept, key_file
from tocsin.cli.hooks.shim import Options, asked_for
from tocsin.cli.hooks.text import NotPlain, added, removed, value_of
from tocsin.wire.intake.hooks.asking import ASKING, asks

URL = "https://tocsin.example.com"
HAND_WRITTEN = """{
    "model":   "opus",
  "permissions": {"allow": ["Bash(ls:*)"], "deny": []},
\t"hooks": {
    "PreToolUse": [ {"matcher": "Bash", "hooks": [{"type":"command","command":"./mine.sh"}]} ],
    "Stop": []
  },
  "ünïcode": "é \\u00e9 \\/ 1.0e5", "n": 1.50
}
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TOCSIN_HOME", str(tmp_path / "tocsin"))
    for name in ("XDG_CONFIG_HOME", "TOCSIN_URL", "TOCSIN_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def wanted(product: str, **more: Any) -> Wanted:
    return Wanted(product=product, url=URL, program="/bin/tocsin", **more)


def test_the_commands_products_are_those_that_are_known() -> None:
    assert {each.value for each in Product} == ASKING.keys()


@pytest.mark.parametrize("product", ASKING)
@pytest.mark.parametrize(
    "before",
    [
        "",
        "{}",
        "{}\n",
        '{"a": 1}',
        '{\r\n\t"a": [1,\r\n2]\r\n}\r\n',
        HAND_WRITTEN,
        '{"hooks": {}}',
        '{"version": 1, "hooks": {"Stop": [ ]}}',
    ],
)
def test_installing_changes_nothing_else_twice_is_once_and_removing_is_exact(
    home: Path, product: str, before: str
) -> None:
    path = home / "settings.json"
    if before:
        path.write_bytes(before.encode())
        path.chmod(0o640)
    text = files.read(path)
    after = files.installed(text, wanted(product))
    files.write(path, after, text, product)
    said = value_of(after)
    for name, value in value_of(before).items():
        if name != "hooks":
            assert said[name] == value
    assert {each.event for each in found_in(product, said)} == {
        event for event, _ in entries(wanted(product))
    }
    kept_lines = [line for line in before.splitlines() if '"hooks"' not in line and len(line) > 3]
    assert all(line.strip("{}], ") in after for line in kept_lines)
    assert files.installed(after, wanted(product)) == after
    files.write(path, files.undone(path, after, product), after, product)
    assert files.read(path) == (before or None)
    if before:
        assert path.stat().st_mode & 0o777 == 0o640


def test_what_was_changed_since_stays_when_the_hooks_go(home: Path) -> None:
    path = home / "settings.json"
    path.write_text(HAND_WRITTEN)
    after = files.installed(HAND_WRITTEN, wanted("claude-code"))
    files.write(path, after, HAND_WRITTEN, "claude-code")
    changed = after.replace('"opus"', '"haiku"')
    path.write_text(changed)
    undone = files.undone(path, changed, "claude-code")
    assert undone is not None
    assert value_of(undone)["model"] == "haiku"
    hooks = value_of(undone)["hooks"]
    assert hooks["PreToolUse"] == value_of(HAND_WRITTEN)["hooks"]["PreToolUse"]
    assert found_in("claude-code", value_of(undone)) == []


def test_a_hook_that_the_user_put_beside_ours_stays(home: Path) -> None:
    after = json.loads(files.installed("", wanted("claude-code")))
    mine = {"type": "command", "command": "./mine.sh"}
    after["hooks"]["PreToolUse"][0]["hooks"].append(mine)
    undone = files.undone(home / "x", json.dumps(after), "claude-code")
    assert undone is not None
    assert value_of(undone) == {"hooks": {"PreToolUse": [{"hooks": [mine]}]}}


def test_another_address_takes_the_place_of_the_one_before() -> None:
    first = files.installed(HAND_WRITTEN, wanted("claude-code"))
    elsewhere = Wanted(product="claude-code", url="https://b.example", program="tocsin")
    second = files.installed(first, elsewhere)
    assert URL not in second
    found = found_in("claude-code", value_of(second))
    assert len(found) == len(list(entries(elsewhere)))


@pytest.mark.parametrize(
    "text",
    [
        '{\n  // mine\n  "a": 1\n}',
        '{"a": 1,}',
        "[]",
        "nonsense",
        '{"hooks": []}',
        '{"hooks": {"PreToolUse": {}}}',
        "\ufeff{}",
    ],
)
def test_what_is_not_plain_is_left_alone(text: str) -> None:
    with pytest.raises(NotPlain):
        files.installed(text, wanted("claude-code"))


def test_older_versions_get_a_command_and_no_hooks_that_they_do_not_know() -> None:
    old = dict(entries(wanted("claude-code", version=(2, 1, 284), http=False)))
    assert {each["hooks"][0]["type"] for each in old.values()} == {"command"}
    assert "TaskCreated" not in old
    new = dict(entries(wanted("claude-code", version=FAILS_CLOSED, http=True)))
    assert new["PreToolUse"]["hooks"][0]["type"] == "http"
    assert new["SessionStart"]["hooks"][0]["type"] == "command"  # it takes no other
    assert "WorktreeCreate" not in new  # a hook would have to make the worktree
    assert "beforeShellExecution" in dict(entries(wanted("cursor", version=(1, 7, 2))))
    assert "preToolUse" in dict(entries(wanted("cursor", version=(2, 4, 0))))


@pytest.mark.parametrize("product", ASKING)
def test_whoever_asks_fails_closed_and_no_key_is_in_any_file(product: str) -> None:
    for http in (False, True):
        for event, entry in entries(wanted(product, http=http)):
            hook = entry.get("hooks", [entry])[0]
            closed = {"onFailure": "block"}.items() <= hook.items() or hook.get("failClosed")
            if asks(product, event):
                assert closed or "exit 2" in hook["command"]
            else:
                assert not closed and "exit 2" not in hook.get("command", "")
            assert "tocsin_" not in json.dumps(entry)


def test_what_is_installed_is_what_the_command_takes() -> None:
    for product in ASKING:
        for event, entry in entries(wanted(product, agent="a b", grant=True)):
            hook = entry.get("hooks", [entry])[0]
            import shlex

            line = shlex.split(hook["command"].partition(" || ")[0])
            options = asked_for(line[2:])
            assert options is not None
            assert (options.product, options.url, options.agent) == (product, URL, "a b")
            assert options.grant == asks(product, event)


def test_arguments_that_only_typer_knows_are_left_to_it() -> None:
    assert asked_for(["claude-code"]) == Options(product="claude-code")
    for args in ([], ["--help"], ["nobody"], ["codex", "--url"], ["codex", "--seconds", "x"]):
        assert asked_for(args) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    st.dictionaries(st.text(max_size=3), json_values, max_size=4),
    st.sampled_from([None, 1, 4, "\t"]),
    st.lists(st.text(max_size=3), min_size=1, max_size=3),
)
def test_adding_and_removing_in_whatever_stands_there(
    before: dict[str, Any], indent: Any, path: list[str]
) -> None:
    text = json.dumps(before, indent=indent)
    try:
        after = added(text, path, {"x": 1})
    except NotPlain:
        return
    found: Any = value_of(after)
    for name in path:
        found = found[name]
    assert found[-1] == {"x": 1}
    again = value_of(removed(after, (*path, len(found) - 1)))
    had: Any = before
    for name in path:
        had = had.get(name) if isinstance(had, dict) else None
    if had:
        assert again == before


def test_a_key_is_kept_for_its_url_and_its_user_alone(home: Path) -> None:
    keep(URL, "tocsin_a_b_c")
    assert key_file().stat().st_mode & 0o777 == 0o600
    assert find(URL) == (URL, "tocsin_a_b_c")
    assert find("") == (URL, "tocsin_a_b_c")
    with pytest.raises(BadSettings):
        find("https://evil.example")
    key_file().chmod(0o644)
    with pytest.raises(BadSettings, match="chmod 600"):
        find(URL)
    key_file().chmod(0o600)
    keep(URL, "")
    assert kept() == {}


def test_a_link_in_place_of_the_keys_is_not_followed(home: Path) -> None:
    keep(URL, "tocsin_a_b_c")
    real = home / "elsewhere"
    os.rename(key_file(), real)
    key_file().symlink_to(real)
    with pytest.raises(BadSettings):
        find(URL)


def test_settings_behind_a_link_stay_there(home: Path) -> None:
    real, link = home / "dotfiles.json", home / "settings.json"
    real.write_text("{}")
    link.symlink_to(real)
    files.write(link, files.installed("{}", wanted("codex")), "{}", "codex")
    assert link.is_symlink()
    assert found_in("codex", value_of(real.read_text()))


def program(folder: Path) -> Path:
    folder.mkdir(parents=True)
    path = folder / "tocsin"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_a_program_that_stays_is_preferred_to_one_of_uvx(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleeting = program(tmp_path / "cache" / "uv" / "archive-v0" / "Xy" / "bin")
    monkeypatch.setenv("PATH", os.pathsep.join((str(fleeting.parent), str(tmp_path / "bin"))))
    assert tocsin_program(shared=False) == str(fleeting)
    assert is_fleeting(str(fleeting))
    staying = program(tmp_path / "bin")
    assert tocsin_program(shared=False) == str(staying)
    assert not is_fleeting(str(staying))
