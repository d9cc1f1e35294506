"""Become AWS's Lambda runtime for Python, seeing only the function, its layers and the runtime.

A script: ``python -I -S launch.py PARENT_PID``. Isolated and without ``site``, Python ignores
``PYTHONPATH`` and knows no installed package: the folders are named here, in Lambda's order.
"""

import ctypes
import os
import runpy
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int) -> None:
    """Die with ``parent``, then run the handler that the environment variables name."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:
        sys.exit(f"the parent {parent} is gone")
    sys.path[:0] = os.environ["PYTHONPATH"].split(os.pathsep)
    sys.path.append(os.environ["LAMBDA_RUNTIME_DIR"])
    sys.argv[1:] = [os.environ["_HANDLER"]]
    runpy.run_module("awslambdaric", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
