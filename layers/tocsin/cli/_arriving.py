"""Items of a slow source in groups: nothing waits for a group to fill."""

from collections.abc import Iterable, Iterator
from queue import Empty, Queue
from threading import Thread

__all__ = ["arriving"]


class _End:
    """The end of the items, and the reason if it is an error."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def arriving[T](items: Iterable[T], limit: int) -> Iterator[list[T]]:
    """Yield lists of 1 to ``limit`` items, read ahead by a thread while the caller is busy.

    An error of ``items`` is raised after everything before it was yielded.
    """
    queue: Queue[T | _End] = Queue(maxsize=4 * limit)

    def read() -> None:
        try:
            for item in items:
                queue.put(item)
        except BaseException as error:  # the caller raises it
            queue.put(_End(error))
        else:
            queue.put(_End())

    Thread(target=read, daemon=True).start()
    while True:
        group: list[T] = []
        item = queue.get()
        try:
            while not isinstance(item, _End):
                group.append(item)
                if len(group) == limit:
                    break
                item = queue.get_nowait()
        except Empty:
            pass
        if group:
            yield group
        if isinstance(item, _End):
            if item.error is not None:
                raise item.error
            return
