"""What a browser has to fetch before it shows anything: compressed, and each part of it."""

import gzip
import json
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.report import number, show

__all__ = ["show_size"]

_CHECKOUT = Path(__file__).parents[2]
_BUILT = _CHECKOUT / "build" / "dashboard"
_LIBRARIES = ("preact", "preact/hooks", "@preact/signals", "@noble/hashes/sha2.js")
BUDGET_BYTES = 90_000


def show_size() -> None:
    """Print it."""
    files = [_BUILT / "index.html", *sorted((_BUILT / "assets").iterdir())]
    sizes = {path.name: (path.stat().st_size, _packed(path.read_bytes())) for path in files}
    total = sum(packed for _, packed in sizes.values())
    libraries = _libraries()
    show(
        "The page, KB",
        ("file", "plain", "gzip -9", "of the budget"),
        [
            *(
                (
                    name,
                    number(plain / 1_000),
                    number(packed / 1_000),
                    f"{packed / BUDGET_BYTES:.0%}",
                )
                for name, (plain, packed) in sizes.items()
            ),
            ("all", "", number(total / 1_000), f"{total / BUDGET_BYTES:.0%}"),
            (
                "the libraries alone",
                "",
                number(libraries / 1_000),
                f"{libraries / BUDGET_BYTES:.0%}",
            ),
        ],
        (f"budget: {BUDGET_BYTES // 1_000} KB compressed, all of it.",),
    )


def _packed(data: bytes) -> int:
    return len(gzip.compress(data, 9))


def _libraries() -> int:
    """Return the compressed size of the libraries, bundled as the page is, and nothing else."""
    imports = "".join(
        f"export * as l{n} from {json.dumps(name)};" for n, name in enumerate(_LIBRARIES)
    )
    with TemporaryDirectory(dir=_CHECKOUT / "dashboard") as folder:
        entry, out = Path(folder) / "libraries.js", Path(folder) / "out.js"
        entry.write_text(imports)
        esbuild = _CHECKOUT / "dashboard" / "node_modules" / ".bin" / "esbuild"
        node = _CHECKOUT / ".venv-nodejs" / "bin" / "node"
        subprocess.run(  # noqa: S603 (our own program)
            [node, esbuild, entry, "--bundle", "--minify", "--format=esm", f"--outfile={out}"],
            check=True,
            capture_output=True,
        )
        return _packed(out.read_bytes())
