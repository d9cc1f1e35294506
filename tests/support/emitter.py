"""Emits to a SQLite log without end, printing each seq once it is said to be stored.

``python -m support.emitter PATH NAME``: a process that a test kills.
"""

import asyncio
import sys

from tocsin.embedded import EventStream


async def main(path: str, name: str) -> None:
    """Keep a few events on their way all the time."""
    stream, number = EventStream(path, require_auth=False), 0
    while True:
        events = [{"type": "audit", "id": f"{name}-{number + n}"} for n in range(7)]
        number += len(events)
        for sealed in await asyncio.gather(*map(stream.emit, events)):
            if sealed:
                print(sealed.seq, sealed.id, flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
