"""A product's settings with Tocsin's hooks in them, and as they were before.

What a file was before is kept beside the keys, so that who takes the hooks out again has the very
bytes; where the file was changed since, the hooks alone are taken out.
"""

import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Any

from tocsin.cli.hooks.plans import Wanted, entries, found_in
from tocsin.cli.hooks.settings import key_file
from tocsin.cli.hooks.text import added, removed, value_of

__all__ = ["installed", "read", "undone", "write"]


def read(path: Path) -> str | None:
    """Return a file's text; None: there is none.

    Raises:
        OSError: it can't be read.
        UnicodeDecodeError: it is not text in UTF-8.
    """
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        return None


def installed(text: str | None, wanted: Wanted) -> str:
    """Return settings with Tocsin's hooks: as they are, if they have just these.

    Raises:
        NotPlain: they are no JSON, or not as the product has them.
    """
    text = text or ""
    listed = list(entries(wanted))
    found = found_in(wanted.product, value_of(text))
    hooks = [(each.event, dict(each.hook)) for each in found]
    if hooks == [(event, _hook(entry)) for event, entry in _in_order(listed, hooks)]:
        return text
    text = _without(text, wanted.product)
    if wanted.product == "cursor" and "version" not in value_of(text):
        text = _with_version(text)
    for event, entry in listed:
        text = added(text, ("hooks", event), entry)
    return text


def undone(path: Path, text: str, product: str) -> str | None:
    """Return settings without Tocsin's hooks; None: there was no such file before them.

    Raises:
        NotPlain: they are no JSON.
    """
    note = _notes().get(str(path))
    if isinstance(note, dict) and note.get("after") == _digest(text):
        before = note.get("before")
        return before if isinstance(before, str) else None
    return _without(text, product)


def write(path: Path, text: str | None, before: str | None, product: str) -> None:
    """Write a file anew, whole, as what ``before`` was made into; None: it is removed.

    Raises:
        OSError: it can't be written.
    """
    path = path.resolve()  # what a link leads to stays where it is
    notes = _notes()
    if text is None:
        path.unlink(missing_ok=True)
        notes.pop(str(path), None)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
        _replace(path, text, mode)
        if found_in(product, value_of(text)):
            was = notes.get(str(path))
            if not (isinstance(was, dict) and was.get("after") == _digest(before or "")):
                if before is not None and found_in(product, value_of(before)):
                    before = _without(before, product)
                was = {"before": before}
            notes[str(path)] = {**was, "after": _digest(text)}
        else:
            notes.pop(str(path), None)
    place = _notes_path()
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _replace(place, json.dumps(notes), 0o600)


def _in_order(
    listed: list[tuple[str, dict[str, Any]]], hooks: list[tuple[str, Any]]
) -> list[tuple[str, dict[str, Any]]]:
    """Return what is wanted in the order of what is there, if it is the same events."""
    places = {event: at for at, (event, _) in enumerate(hooks)}
    return sorted(listed, key=lambda each: places.get(each[0], -1))


def _hook(entry: dict[str, Any]) -> Any:
    return entry["hooks"][0] if "hooks" in entry else entry


def _without(text: str, product: str) -> str:
    while found := found_in(product, value_of(text)):
        text = removed(text, found[-1].path)
    return text


def _with_version(text: str) -> str:
    at = text.find("{")
    if value_of(text):
        return f'{text[: at + 1]}\n  "version": 1,{text[at + 1 :]}'
    return '{\n  "version": 1\n}\n'


def _replace(path: Path, text: str, mode: int) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        number = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with open(number, "wb") as file:
            file.write(text.encode())
        beside.chmod(mode)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _notes_path() -> Path:
    return key_file().with_name("installed.json")


def _notes() -> dict[str, Any]:
    """Return what files were before. Where that is lost, hooks are taken out one by one."""
    try:
        found = json.loads(_notes_path().read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
