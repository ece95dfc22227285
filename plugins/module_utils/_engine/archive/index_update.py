# SPDX-License-Identifier: GPL-3.0-or-later
"""The index of an increment, written from the one before: what is still so goes over as text, whole frames as they are stored."""

from __future__ import annotations

import collections
import json
import typing as t
from concurrent.futures import ThreadPoolExecutor

from ..errors import FleetBackupError
from .codec import Codec
from .frames import Output
from .index import IndexFrame, IndexReader, IndexWriter, entry_path, sort_key
from .scout import AHEAD, Proof, Scout

_PATH = '{"path":"'
_AFTER_PATH = '","type":"'
_NONE = IndexFrame(b"", None)


class IndexUpdate(IndexWriter):
    """``before`` is met in the same order, so nothing of it is kept in memory.

    Paths must be asked for, and added, in the order of the index. What is never asked for is not taken over.
    """

    def __init__(self, header: t.Dict[str, t.Any], codec: Codec, output: Output, before: IndexReader) -> None:
        super().__init__(header, codec, output)
        self._frames = before.frames()
        # Read and decompressed beside the one who is busy with files, and not in turn with what is compressed.
        self._reader = ThreadPoolExecutor(1, "index-before")
        self._ahead = self._reader.submit(next, self._frames, _NONE)
        # Frames that were read ahead, their text, and whether the scout has them.
        self._coming: t.Deque[t.Tuple[IndexFrame, str, bool]] = collections.deque()
        #: What looks at files ahead, and what it found of those whose lines are at hand.
        self.scout: t.Optional[Scout] = None
        self.proof: t.Optional[Proof] = None
        #: Whether its proof will do; and told of the bytes of files whose lines it proved, once they are taken over.
        self.trusts: t.Callable[[Proof], bool] = lambda _proof: False
        self.settle: t.Callable[[Proof], None] = lambda _proof: None
        self._same_codec = before.codec == codec.name
        self._frame = _NONE
        #: Why the rest of ``before`` could not be read. It is then as if there were no more entries.
        self.trouble: t.Optional[Exception] = None
        #: The lines at hand, and where the first one of them begins that nobody has decided on. Whoever keeps it counts it and
        #: moves on.
        self.text = ""
        self.at = 0
        # Where those begin that are kept, but not yet in the new index.
        self._kept = 0

    def more(self) -> bool:
        """Whether a line is at hand. Goes on to the next frame, where one ends."""
        while self.at == len(self.text):
            if self._kept or not self._same_codec:
                self._frame = IndexFrame(self.text[self._kept :].encode("utf-8"), None)
            if self.text:
                self.add_frame(self._frame)
            self._read_on()
            if not self.text:
                return False
        return True

    def _read_on(self) -> None:
        """Take the next frame; an empty one at the end, and where nothing more can be read."""
        self._settle()
        self.at = self._kept = 0
        while len(self._coming) < (1 if self.scout is None else AHEAD):
            frame, text = self._next_frame()
            is_asked = self.scout is not None and text != "" and self.scout.offer(frame.lines)
            self._coming.append((frame, text, is_asked))
        self._frame, self.text, is_asked = self._coming.popleft()
        proof = self.scout.answer() if self.scout is not None and is_asked else None
        self.proof = proof if proof is not None and self.trusts(proof) else None

    def _next_frame(self) -> t.Tuple[IndexFrame, str]:
        try:
            frame = self._ahead.result()
            text = frame.lines.decode("utf-8")
        except (FleetBackupError, OSError, UnicodeDecodeError) as error:
            self.trouble, frame, text = error, _NONE, ""
            self._frames = iter(())
        self._ahead = self._reader.submit(next, self._frames, _NONE)
        return frame, text

    def _settle(self) -> None:
        """Done with the lines at hand: what is left of them is dropped."""
        if self.proof is not None:
            while self.at < len(self.text):
                self._drop()
            self.settle(self.proof)
            self.proof = None

    def find(self, path: bytes) -> t.Optional[bytes]:
        """The line of the entry ``path``, without its end, or None. It stays at hand; those before it are dropped."""
        beginning = _plain_beginning(path)
        while self.more():
            line = self.text[self.at : self._next()]
            # Nearly always the very next, and so no key is needed.
            if beginning is not None and line.startswith(beginning):
                return line[:-1].encode("utf-8")
            here, wanted = sort_key(_line_path(line)), sort_key(path)
            if here >= wanted:
                return line[:-1].encode("utf-8") if here == wanted else None
            self._drop()
        return None

    def keep(self) -> None:
        """Take over the line at hand."""
        self.count += 1
        self._decide()

    def add(self, path: bytes, line: bytes) -> None:
        """Append an entry, in the place of the one with the same path if there is one."""
        before = self.find(path)
        if before == line[:-1]:
            self.keep()
            return
        if before is not None:
            self._drop()
        self._take_over()
        super().add(path, line)

    def close(self) -> t.List[int]:
        self.more()  # the last frame, if it is kept whole
        self._take_over()
        self._settle()
        return super().close()

    def abort(self) -> None:
        super().abort()
        self._reader.shutdown()
        if self.scout is not None:
            self.scout.close()

    def _next(self) -> int:
        return self.text.index("\n", self.at) + 1

    def _drop(self) -> None:
        self._take_over()
        self._decide()
        self._kept = self.at

    def _decide(self) -> None:
        """Go on to the next line; what becomes of this one is the caller's to say."""
        if self.proof is not None:
            self.proof.take_back(self.text, self.at)
        self.at = self._next()

    def _take_over(self) -> None:
        if self._kept < self.at:
            self.add_lines(self.text[self._kept : self.at].encode("utf-8"))
            self._kept = self.at


def _plain_beginning(path: bytes) -> t.Optional[str]:
    """What the line of an entry begins with, where its path stands in it as it is; else None."""
    if b'"' in path or b"\\" in path:
        return None
    try:
        return _PATH + path.decode("utf-8") + _AFTER_PATH
    except UnicodeDecodeError:
        return None


def _line_path(line: str) -> bytes:
    if line.startswith(_PATH):
        path = line[len(_PATH) : line.index(_AFTER_PATH)]
        if "\\" not in path:
            return path.encode("utf-8")
    return entry_path(json.loads(line))
