"""Pages of an Ogg file, which show where some are lost.

A page has a checksum, a number and the time at which its last packet ends. FFmpeg leaves out a
damaged page; but where the first or the last one is lost, what follows comes too early.
"""

import zlib
from collections.abc import Iterator
from typing import NamedTuple

from mssviz._sound.file import View

_HEAD_SIZE = 27
_LARGEST_PAGE = _HEAD_SIZE + 255 + 255 * 255
_LARGEST_PACKET = 1 << 20
_CONTINUED, _FIRST, _LAST = 1, 2, 4
_BITS_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class Page(NamedTuple):
    """Packets that end on one page.

    Attributes
    ----------
    packets : list of bytes
        Contents of the packets.
    end : int
        Time at which the last packet ends, in samples of the codec.
    is_last : bool
        Whether this page ends the stream, exactly at `end`.
    follows : bool
        False if pages before this one are lost.
    """

    packets: list[bytes]
    end: int
    is_last: bool
    follows: bool


class _RawPage(NamedTuple):
    flags: int
    granule: int
    serial: int
    number: int
    sizes: bytes
    body: bytes


class OggPages:
    """Pages of one stream.

    Parameters
    ----------
    view
        View of the file.
    index
        Number of the stream, among all streams of the file.

    Attributes
    ----------
    found : bool
        Whether the stream was found.
    is_joined : bool
        Whether the file consists of several, one after the other, each with times of its own.
    has_end : bool
        Whether the last page says that it is the last.
    """

    def __init__(self, view: View, index: int) -> None:
        self._view = view
        firsts, self.is_joined, began, self.has_end = [], False, False, False
        for page in self._raw():
            if page.flags & _FIRST:
                firsts.append(page.serial)
                self.is_joined = self.is_joined or began
            began = began or not page.flags & _FIRST
            self.has_end = bool(page.flags & _LAST)
        self.found = index < len(firsts)
        self._serial = firsts[index] if self.found else 0

    def pages(self) -> Iterator[Page]:
        """All pages on which packets end, in order and without repetition."""
        number, follows = -1, True
        packets: list[bytes] = []
        packet: bytes | None = b""  # what has come of it; None if its start is lost
        for page in self._raw():
            if page.serial != self._serial or (page.number <= number and not page.flags & _FIRST):
                continue
            if page.number != number + 1 or bool(page.flags & _CONTINUED) != bool(packet):
                follows = follows and page.number == number + 1
                packet = None if page.flags & _CONTINUED else b""
            number, at = page.number, 0
            for size in page.sizes:
                if packet is not None:
                    packet = (packet + page.body[at : at + size])[:_LARGEST_PACKET]
                at += size
                if size < 255:
                    packets += [packet] if packet else []
                    packet = b""
            if page.granule >= 0:
                yield Page(packets, page.granule, bool(page.flags & _LAST), follows)
                packets, follows = [], True

    def _raw(self) -> Iterator[_RawPage]:
        at = 0
        while at + _HEAD_SIZE <= self._view.size:
            content = self._view.read_at(at, _LARGEST_PAGE)
            page = _parse(content)
            if page is not None:
                yield page
                at += _HEAD_SIZE + len(page.sizes) + len(page.body)
            else:
                found = content.find(b"OggS", 1)
                at += found if found > 0 else max(1, len(content) - 3)


def _parse(content: bytes) -> _RawPage | None:
    if content[:5] != b"OggS\0" or len(content) < _HEAD_SIZE:
        return None
    start = _HEAD_SIZE + content[26]
    sizes = content[_HEAD_SIZE:start]
    page = content[: start + sum(sizes)]
    crc = int.from_bytes(page[22:26], "little")
    if len(page) < start + sum(sizes) or _crc(page[:22] + bytes(4) + page[26:]) != crc:
        return None
    return _RawPage(
        page[5],
        int.from_bytes(page[6:14], "little", signed=True),
        int.from_bytes(page[14:18], "little"),
        int.from_bytes(page[18:22], "little"),
        sizes,
        page[start:],
    )


def _crc(data: bytes) -> int:
    # Ogg's CRC-32 takes bits in the other order than zlib's, begins with 0 and is not inverted
    reversed_crc = zlib.crc32(data.translate(_BITS_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{reversed_crc:032b}"[::-1], 2)
