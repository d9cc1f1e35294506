"""What destroys: tools by their names, and commands and statements by what they do.

The patterns need no backtracking: what they look at may be hostile, and long.
"""

import re
from collections.abc import Iterable
from typing import Final

__all__ = ["destructive"]

_VERBS: Final = frozenset(
    {"delete", "drop", "truncate", "destroy", "purge", "wipe", "erase", "shred", "terminate"}
)
_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")

_STATEMENTS: Final = {
    "sql drop": r"\bdrop\s+(?:table|database|schema|view|index|user|role|collection)\b",
    "sql truncate": r"\btruncate\s+(?:table\s+)?[\w\"`\[]",
    "sql delete": r"\bdelete\s+from\s",
    "rm": r"\brm\s+(?:-\S+\s+){0,8}-(?:\w{0,8}r\w{0,8}|-recursive)\b",
    "mkfs": r"\bmkfs(?:\.\w+)?\s",
    "dd": r"\bdd\s[^\n|;]{0,200}\bof=/dev/",
    "overwritten disk": r">\s?/dev/(?:sd|nvme|vd|xvd|disk)",
    "shred": r"\bshred\s",
    "find delete": r"\bfind\s[^\n|;]{0,400}\s-delete\b",
    "git force": r"\bgit\s+push\s[^\n|;]{0,200}(?:--force|-f)\b(?!-with-lease)",
    "git clean": r"\bgit\s+(?:clean\s+-\w{0,8}f|reset\s+--hard)",
    "kubectl delete": r"\bkubectl\s[^\n|;]{0,200}\bdelete\b",
    "terraform destroy": r"\b(?:terraform|tofu|pulumi|cdk)\s[^\n|;]{0,200}\bdestroy\b",
    "aws delete": r"\baws\s+[\w-]{1,40}\s+(?:delete|terminate|rb|rm|purge|deregister)\b",
    "docker prune": r"\bdocker\s+(?:system|volume|image|container)\s+prune\b",
    "powershell remove": r"\bremove-item\s[^\n|;]{0,200}-recurse\b",
    "windows delete": r"\b(?:del|erase|rd|rmdir)\s+/[sq]\b|\bformat\s+[a-z]:",
}
_PATTERNS: Final = {name: re.compile(each, re.IGNORECASE) for name, each in _STATEMENTS.items()}
_ANY: Final = re.compile(
    r"drop|truncate|delete|\brm\b|mkfs|\bdd\b|/dev/|shred|push|clean|reset|destroy|aws"
    r"|prune|remove-item|\bdel\b|erase|\brd\b|rmdir|format",
    re.IGNORECASE,
)


def destructive(tool: str, texts: Iterable[str]) -> str | None:
    """Return what a call of a tool with these texts would destroy by, in a few words; or None.

    It need not be what was meant: a text that speaks of a command is taken for one.
    """
    for word in _WORD.findall(tool):
        if word.lower() in _VERBS:
            return f"tool {word.lower()}"
    for text in texts:
        if _ANY.search(text) is None:
            continue
        for name, pattern in _PATTERNS.items():
            if pattern.search(text):
                return name
    return None
