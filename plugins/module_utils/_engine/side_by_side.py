# SPDX-License-Identifier: GPL-3.0-or-later
"""Small requests to stores, several at once: over a network each one waits, and waiting can be shared."""

from __future__ import annotations

import typing as t
from concurrent.futures import Future, ThreadPoolExecutor

from .stores import Store

T = t.TypeVar("T")


def side_by_side(tasks: t.Sequence[t.Tuple[Store, t.Callable[[], T]]]) -> t.List[T]:
    """What the tasks return, in their order; on each store at most ``Store.readers`` run at once.

    Raises what the first of them in that order raised; those that have not begun by then are left out.
    """
    if len(tasks) < 2:
        return [task() for _store, task in tasks]
    pools: t.Dict[int, ThreadPoolExecutor] = {}
    futures: t.List[Future[T]] = []
    try:
        for store, task in tasks:
            if id(store) not in pools:
                pools[id(store)] = ThreadPoolExecutor(store.readers, "store %s" % store.name)
            futures.append(pools[id(store)].submit(task))
        return [future.result() for future in futures]
    finally:
        for future in futures:
            future.cancel()
        for pool in pools.values():
            pool.shutdown()
