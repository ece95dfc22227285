# SPDX-License-Identifier: GPL-3.0-or-later
"""What it costs that a tree is a Docker volume: the same files, once as a volume and once as a folder."""

from __future__ import annotations

import os
import typing as t

from comparisons import MIB, OURS, Comparison, Contender, Place, files
from measuring import Step

FOLDER = "the same as files"
_VOLUME = "fleet-backup-benchmark"


def docker_volume(place: Place) -> Comparison:
    bound = ["--opt", "type=none", "--opt", "o=bind", "--opt", "device=%s" % place.data]
    make = [Step([["docker", "volume", "rm", "--force", _VOLUME]]), Step([["docker", "volume", "create", *bound, _VOLUME]])]
    contenders = []
    for name, source, once in ((OURS, {"docker_volume": {"volumes": [_VOLUME]}}, make), (FOLDER, files(place), [])):
        folder = place.folder(name)
        config = place.config(folder, os.path.join(folder, "output"), source)
        contenders.append(Contender(name, folder, [place.call(config, "run", "bench")], once=once, needs=("docker",)))
    return Comparison(place.data, contenders, {FOLDER: 1.3}, rss=128 * MIB)


VOLUMES: t.Dict[str, t.Tuple[str, t.Callable[[Place], Comparison]]] = {"docker-volume": ("small", docker_volume)}
