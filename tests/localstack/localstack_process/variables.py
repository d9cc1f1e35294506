"""The environment variables of a function's process.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
"""

from collections.abc import Mapping
from pathlib import Path

__all__ = ["variables"]

# What LocalStack adds for its own helper within a container.
_FOREIGN = ("LOCALSTACK_", "_AWS_XRAY_")


def variables(
    given: Mapping[str, object], *, python: str, code: Path, opt: Path, runtime: Path
) -> dict[str, str]:
    """Return LocalStack's variables (the function's own among them) with these folders in them.

    Args:
        given: what LocalStack would give to a container; values can be numbers.
        python: the version, such as ``3.13``.
        code: the function's unzipped archive, ``/var/task`` on AWS.
        opt: the merged layers, ``/opt`` on AWS.
        runtime: the packages of the runtime itself, ``/var/runtime`` on AWS.
    """
    env = {name: str(value) for name, value in given.items() if not name.startswith(_FOREIGN)}
    search = [code, opt / "python" / "lib" / f"python{python}" / "site-packages", opt / "python"]
    return {
        "PATH": f"/usr/local/bin:/usr/bin:/bin:{opt / 'bin'}",
        "LD_LIBRARY_PATH": f"{code}:{code / 'lib'}:{opt / 'lib'}",
        "LANG": "C.UTF-8",
        **env,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{python}",
        "LAMBDA_TASK_ROOT": str(code),
        "LAMBDA_RUNTIME_DIR": str(runtime),
        "PYTHONPATH": ":".join([*map(str, search), *filter(None, [env.get("PYTHONPATH")])]),
    }
