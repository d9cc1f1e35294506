"""``python -m localstack_process``: run LocalStack, and end when it says that it has stopped.

Services that were loading meanwhile leave threads behind, for which Python would wait forever.
"""

import os
import sys

from localstack.runtime.main import main

if __name__ == "__main__":
    try:
        main()  # type: ignore[no-untyped-call]
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    else:
        status = 0
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
