"""Completion, as shells ask for it: bash itself, and what the scripts for zsh and fish ask."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.commands import TOCSIN
from support.waiting import HANG_SECONDS
from unit.cli.test_commands import environment, run

IN_BASH = """
{script}
COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_tocsin_completion tocsin
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def shown(shell: str, home: Path) -> str:
    """Return the script that a user of this shell is given."""
    return run("--show-completion", shell, env=asking(home)).stdout


def asking(home: Path, **variables: str) -> dict[str, str]:
    """Return an environment in which the shell is named, not looked for."""
    return environment(home, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1", **variables)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("tocsin se", ["send", "sessions", "set-aside"]),
        ("tocsin webhooks re", ["remove", "replay", "resume"]),
        ("tocsin send --t", ["--text", "--timestamp", "--tool", "--type"]),
        ("tocsin install c", ["claude-code", "codex", "cursor"]),
    ],
)
def test_bash_completes(tmp_path: Path, words: str, expected: list[str]) -> None:
    program = IN_BASH.format(script=shown("bash", tmp_path), words=words)
    path = os.pathsep.join((str(Path(sys.executable).parent), os.defpath))
    done = subprocess.run(  # noqa: S603
        ["/bin/bash", "-c", program],
        env=environment(tmp_path, PATH=path),
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )
    assert (sorted(done.stdout.split()), done.stderr) == (expected, "")


@pytest.mark.parametrize(
    ("shell", "variables"),
    [
        ("zsh", {"_TYPER_COMPLETE_ARGS": "tocsin install c"}),
        (
            "fish",
            {"_TYPER_COMPLETE_ARGS": "tocsin install c", "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
        ),
    ],
)
def test_zsh_and_fish_are_answered(tmp_path: Path, shell: str, variables: dict[str, str]) -> None:
    script = shown(shell, tmp_path)
    assert all(name in script for name in (f"complete_{shell}", *variables))
    done = run(env=asking(tmp_path, _TOCSIN_COMPLETE=f"complete_{shell}", **variables))
    assert all(name in done.stdout for name in ("claude-code", "codex", "cursor"))
    assert "gemini-cli" not in done.stdout


def test_installed_it_is_in_the_shell_s_start(tmp_path: Path) -> None:
    env = asking(tmp_path, HOME=str(tmp_path))
    assert run("--install-completion", "bash", env=env).returncode == 0
    assert "tocsin" in (tmp_path / ".bashrc").read_text()


def test_what_can_not_be_completed_says_nothing_in_the_middle_of_a_line(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "class Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'tocsin.cli.report':\n"
        "            raise ModuleNotFoundError('No module', name='backports')\n"
        "sys.meta_path.insert(0, Missing())\n"
        "from tocsin.cli import main\n"
        "main()\n"
    )
    env = asking(tmp_path, _TOCSIN_COMPLETE="complete_bash")
    env |= {"COMP_WORDS": "tocsin report --", "COMP_CWORD": "2"}
    done = run(env=env, program=[TOCSIN[0], "-c", script])
    assert (done.stdout, done.stderr) == ("", "")
