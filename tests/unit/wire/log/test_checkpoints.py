"""Checkpoints, as https://c2sp.org/tlog-checkpoint has them."""

from base64 import b64decode, b64encode

import pytest

from tocsin.wire.log.checkpoints import Checkpoint
from tocsin.wire.log.faults import BadFormat

ROOT = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
SOFA = f"example.com/behind-the-sofa\n20852163\n{ROOT}\n"


def test_the_specification_s_example_is_read_and_written() -> None:
    checkpoint = Checkpoint.read(SOFA)
    assert checkpoint == Checkpoint("example.com/behind-the-sofa", 20_852_163, b64decode(ROOT))
    assert checkpoint.text == SOFA


@pytest.mark.parametrize(
    "text",
    [
        f"a\n0\n{ROOT}\n",
        f"a\n{2**63 - 1}\n{ROOT}\n",
        f"go.sum database tree\n1\n{ROOT}\n",
        f"a\n1\n{ROOT}\none\ntwo\u2028three\n",
    ],
)
def test_what_is_unusual_is_read_and_written(text: str) -> None:
    assert Checkpoint.read(text).text == text


@pytest.mark.parametrize(
    "size",
    [
        *("", " 1", "1 ", "-1", "+1", "-0", "01", "00", "1.0", "1e3", "0x10", "1_000", "1,000"),
        *("\u0661", "\uff11", "²", f"{2**63}", f"{2**64}", "9" * 5_000),
    ],
)
def test_a_size_is_a_plain_number(size: str) -> None:
    with pytest.raises(BadFormat, match="size"):
        Checkpoint.read(f"a\n{size}\n{ROOT}\n")


@pytest.mark.parametrize(
    "root",
    [
        "",
        ROOT[:-1],
        ROOT + "=",
        ROOT.replace("2I=", "2J="),  # the same bytes to a lenient reader
        ROOT.replace("+", "-").replace("/", "_"),
        ROOT.replace("CsUY", "Cs UY"),
        f" {ROOT}",
        "é" + ROOT[1:],
        b64encode(bytes(31)).decode(),
        b64encode(bytes(33)).decode(),
    ],
)
def test_a_root_is_32_bytes_in_base64(root: str) -> None:
    with pytest.raises(BadFormat):
        Checkpoint.read(f"a\n1\n{root}\n")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "\n\n\n",
        f"a\n1\n{ROOT}",
        f"a\n1\n{ROOT}\n\n",
        f"a\n1\n{ROOT}\nb\n\n",
        f"a\n1\n{ROOT}\n\nb\n",
        f"a\n1\n{ROOT}\nb",
        f"\n1\n{ROOT}\n",
        f"\na\n1\n{ROOT}\n",
        f"a\n1\r\n{ROOT}\r\n",
        f"a\r\n1\n{ROOT}\n",
        f"a\tb\n1\n{ROOT}\n",
        f"a\n1\n{ROOT}\nb\0\n",
        "a\n1\n",
    ],
)
def test_what_is_no_checkpoint_is_not_read(text: str) -> None:
    with pytest.raises(BadFormat):
        Checkpoint.read(text)


@pytest.mark.parametrize(
    ("origin", "size", "root", "extensions"),
    [
        ("", 1, bytes(32), ()),
        ("a\n2", 1, bytes(32), ()),
        ("\ud800", 1, bytes(32), ()),
        ("a", -1, bytes(32), ()),
        ("a", 2**63, bytes(32), ()),
        ("a", 1, bytes(31), ()),
        ("a", 1, bytes(32), ("",)),
        ("a", 1, bytes(32), ("b\nc",)),
    ],
)
def test_what_could_not_be_read_again_is_never_made(
    origin: str, size: int, root: bytes, extensions: tuple[str, ...]
) -> None:
    with pytest.raises(BadFormat):
        Checkpoint(origin, size, root, extensions)
