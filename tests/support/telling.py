"""An application that emits as many events as it is told, and delivers to its endpoints.

``python -m support.telling PATH``: each line of its input is a number of events, for each of which
it prints the seq when it is stored. At the end of its input it stops, with what it is doing done.
"""

import asyncio
import sys

from tocsin.embedded import EventStream


async def main(path: str) -> None:
    """Say that it runs, then do as it is told."""
    stream = EventStream(path, require_auth=False, loopback_receivers=True)
    async with stream.lifespan():
        print("runs", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            emitted = [stream.emit({"type": "audit"}) for _ in range(int(line))]
            for sealed in await asyncio.gather(*emitted):
                if sealed:
                    print(sealed.seq, flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
