# SPDX-License-Identifier: GPL-3.0-or-later
"""Compressing and decompressing one frame: zstd (RFC 8878), gzip (RFC 1952), deflate (RFC 1951), none.

A frame that does not compress is written as raw (stored) blocks of the same format: no time lost, still standard.
"""

from __future__ import annotations

import threading
import typing as t
import zlib

from ..errors import IntegrityError, MissingDependencyError

Buffers = t.List[t.Union[bytes, memoryview]]

# A frame is probed by samples: when these do not shrink, the whole would not either.
_PROBE_FROM = 1 << 16
_PROBE_SAMPLES = 16
_PROBE_SIZE = 2048
_PROBE_GAIN = 0.97

# Reaches over the longest prefix and the frame itself.
_WINDOW_LOG = 24

_RAW_BLOCK = 1 << 17  # RFC 8878, 3.1.1.2.4: Block_Maximum_Size


def zstd_module() -> t.Any:
    """The zstd library: ``compression.zstd`` (Python 3.14), else ``backports.zstd``; None when neither is there."""
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        try:
            from backports import zstd
        except ImportError:
            return None
    return zstd


class Codec:
    """One way to compress frames. compress() may be called by several threads at once."""

    name = "none"
    #: What is appended to a volume's name.
    ending = ""

    def compress(self, view: memoryview, last: bool) -> Buffers:
        """Return the stored form of a frame. ``last``: the frame ends a member of a zip."""
        return [view]

    def decompress(self, data: t.Union[bytes, memoryview], raw: int) -> t.Union[bytes, memoryview]:
        """Return the ``raw`` bytes of a frame. Raises IntegrityError when there are not exactly that many."""
        if len(data) != raw:
            raise IntegrityError("a frame holds %d bytes instead of %d" % (len(data), raw))
        return data


class ZstdCodec(Codec):
    name = "zstd"
    ending = ".zst"

    def __init__(self, level: int) -> None:
        self._zstd = zstd_module()
        if self._zstd is None:
            raise MissingDependencyError(
                "compression.algorithm zstd needs the Python library backports.zstd (or Python 3.14); install it, or use gzip"
            )
        self._level = level
        self._local = threading.local()
        # A hostile frame could ask for more memory.
        self._limits = {self._zstd.DecompressionParameter.window_log_max: _WINDOW_LOG}

    def compress(self, view: memoryview, last: bool) -> Buffers:
        local = self._local
        if not hasattr(local, "compressor"):
            parameter = self._zstd.CompressionParameter
            local.compressor = self._zstd.ZstdCompressor(
                options={parameter.compression_level: self._level, parameter.checksum_flag: 1}
            )
            local.probe = self._zstd.ZstdCompressor(level=1)
        flush = self._zstd.ZstdCompressor.FLUSH_FRAME
        if _incompressible(view, lambda sample: len(local.probe.compress(sample, flush))):
            return _raw_zstd_frame(view)
        return [local.compressor.compress(view, flush)]

    def compress_against(self, view: memoryview, prefix: t.Any) -> bytes:
        """Return a frame that can be decoded only with the same prefix: at most 8 MiB."""
        parameter = self._zstd.CompressionParameter
        options = {
            parameter.compression_level: self._level,
            parameter.checksum_flag: 1,
            # What is alike lies megabytes before.
            parameter.window_log: _WINDOW_LOG,
            parameter.enable_long_distance_matching: 1,
        }
        return t.cast(bytes, self._zstd.compress(view, options=options, zstd_dict=prefix))

    def decompress(self, data: t.Union[bytes, memoryview], raw: int, prefix: t.Any = None) -> bytes:
        try:
            decompressor = self._zstd.ZstdDecompressor(prefix, self._limits)
            result: bytes = decompressor.decompress(data, raw + 1)
        except self._zstd.ZstdError as error:
            raise IntegrityError("a zstd frame is damaged: %s" % error) from None
        if len(result) != raw or not decompressor.eof or decompressor.unused_data:
            raise IntegrityError("a zstd frame does not hold the %d bytes it must" % raw)
        return result

    def prefix(self, raw: t.Union[bytes, memoryview]) -> t.Any:
        """What frames can be compressed against. It is a copy: best nobody else holds ``raw`` any longer."""
        return self._zstd.ZstdDict(raw, is_raw=True).as_prefix


class _ZlibCodec(Codec):
    _wbits = 31

    def __init__(self, level: int) -> None:
        self._level = level

    def compress(self, view: memoryview, last: bool) -> Buffers:
        level = self._level
        if level and _incompressible(view, lambda sample: len(zlib.compress(sample, 1))):
            level = 0
        compressor = zlib.compressobj(level, zlib.DEFLATED, self._wbits)
        return [compressor.compress(view), compressor.flush(self._flush_mode(last))]

    def _flush_mode(self, last: bool) -> int:
        return zlib.Z_FINISH

    def _ended(self, decompressor: t.Any) -> bool:
        return bool(decompressor.eof)

    def decompress(self, data: t.Union[bytes, memoryview], raw: int) -> bytes:
        try:
            decompressor = zlib.decompressobj(self._wbits)
            result = decompressor.decompress(data, raw + 1)
            # The limit can stop it just before the end mark.
            result += decompressor.decompress(decompressor.unconsumed_tail, 1) if len(result) <= raw else b""
        except zlib.error as error:
            raise IntegrityError("a %s frame is damaged: %s" % (self.name, error)) from None
        if len(result) != raw or decompressor.unused_data or not self._ended(decompressor):
            raise IntegrityError("a %s frame does not hold the %d bytes it must" % (self.name, raw))
        return result


class GzipCodec(_ZlibCodec):
    name = "gzip"
    ending = ".gz"


class DeflateCodec(_ZlibCodec):
    """Runs of a zip member: raw deflate, all but the last ended by a full flush."""

    name = "deflate"
    _wbits = -15

    def _flush_mode(self, last: bool) -> int:
        return zlib.Z_FINISH if last else zlib.Z_FULL_FLUSH

    def _ended(self, decompressor: t.Any) -> bool:
        return True  # a run ended by a full flush has no end mark


def codec(name: str, level: int = 0) -> Codec:
    """Return the codec called ``name``. Raises MissingDependencyError for zstd without its library."""
    if name == "zstd":
        return ZstdCodec(level)
    if name == "gzip":
        return GzipCodec(level)
    if name == "deflate":
        return DeflateCodec(level)
    if name == "none":
        return Codec()
    raise IntegrityError("there is no compression %r; the backup was made by a newer program" % name)


def _incompressible(view: memoryview, compressed_size: t.Callable[[bytes], int]) -> bool:
    size = len(view)
    if size < _PROBE_FROM:
        return False
    stride = size // _PROBE_SAMPLES
    sample = b"".join([view[n * stride : n * stride + _PROBE_SIZE] for n in range(_PROBE_SAMPLES)])
    return compressed_size(sample) > _PROBE_GAIN * len(sample)


def _raw_zstd_frame(view: memoryview) -> Buffers:
    """A zstd frame of raw blocks (RFC 8878, 3.1.1): single segment, 4-byte content size, no checksum."""
    size = len(view)
    buffers: Buffers = [b"\x28\xb5\x2f\xfd\xa0" + size.to_bytes(4, "little")]
    for start in range(0, size, _RAW_BLOCK):
        block = view[start : start + _RAW_BLOCK]
        last = start + _RAW_BLOCK >= size
        buffers.append((last | len(block) << 3).to_bytes(3, "little"))
        buffers.append(block)
    # One copy is cheaper than 65 writes and hashes of a run each.
    return [b"".join(buffers)]
