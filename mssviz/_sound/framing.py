"""Frames of sound in files without an index: MP3, AAC (ADTS) and FLAC.

Such a file is one frame after the other, each with a header of its own. FFmpeg's parsers lose up to
nine frames around a damaged one, or the time of those after it, and take a tag for a frame. Here a
frame is what has a sound header and, where the header states the frame's size, ends where another
frame begins. What lies between frames is damage, or no sound at all.
"""

import math
from collections.abc import Callable, Iterator
from itertools import chain, pairwise
from typing import NamedTuple

from mssviz._sound.file import View, id3_size

_WINDOW = 1 << 16
_LARGEST_FLAC_FRAME = 1 << 22
# Samples that encoders of MP3 put in front or behind are at most two frames.
_MOST_ADDED = 2304
# Bytes of a frame of MP3 whose checksum LAME and FFmpeg note.
_SUMMED_UP = 190
_MPEG_RATES = (44100, 48000, 32000)
_ADTS_RATES = (
    96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350,
)  # fmt: skip
# Bit rates in kbit/s by their index, for MPEG 1 layers I, II, III, and MPEG 2 layers I, II and III
_KBPS = {
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


class Frame(NamedTuple):
    """Bytes of a frame, index of its first sample and number of samples, at the file's rate."""

    data: bytes
    at: int
    n_samples: int


class _Header(NamedTuple):
    size: int  # of the frame, in bytes
    n_samples: int
    rate: int  # in hertz
    family: int  # bits that frames of one encoding share


_Parse = Callable[[bytes], _Header | None]


class MpegFrames:
    """Frames of an MP3 (any MPEG audio) or an AAC file.

    Parameters
    ----------
    view
        View of the file.
    rate
        Sample rate of the decoded sound, in hertz.
    adts
        Whether the file is AAC.

    Attributes
    ----------
    found : bool
        Whether there are any frames.
    stated : int or None
        Number of samples that the encoder stated in front; None if it did not, or if more follow.
    n_samples : int
        Number of samples of all frames found.
    is_cut : bool
        Whether the last frame goes on after the file's end.
    noticed : list of str
        What is damaged in front of the sound.
    """

    def __init__(self, view: View, rate: int, adts: bool) -> None:
        self._bytes, self._rate = _Bytes(view), rate
        self._parse = _parse_adts if adts else _parse_mpeg
        self.stated: int | None = None
        self._delay = self._missing = self.n_samples = n_found = n_infos = 0
        info, self.is_cut = None, False
        self.noticed: list[str] = []
        for at, header in self._headers():
            if n_infos == n_found == 0:
                self._look_before(at)
            if self._is_info(at, header):
                info = info or _parse_info(self._bytes.get(at, header.size), header)
                n_infos += 1
                continue
            n_found += 1
            self.n_samples += header.n_samples * rate // header.rate
        self.found = n_found > 0
        if info is not None:
            self._delay, self._missing = info.delay, max(0, info.n_frames - n_found)
            self.stated = info.n_samples if n_infos == 1 else None
            if info.noticed:
                self.noticed.append(f"{info.noticed}, so silence that its encoder added may stay")

    def frames(self) -> Iterator[Frame]:
        """All frames in order; if bytes between two are damaged, the second one comes later."""
        at_sample, n_bytes, n_frames = -float(self._delay), 0, 0
        left = math.inf if self.stated is None else self._missing
        for here, following in pairwise(chain(self._headers(), (None,))):
            assert here is not None
            at, header = here
            is_sound = not self._is_info(at, header)
            if is_sound:
                n_bytes, n_frames = n_bytes + header.size, n_frames + 1
            n_damaged = 0 if following is None else self._damaged(at + header.size, following[0])
            length = header.n_samples * self._rate / header.rate
            if is_sound and not n_damaged:
                data = self._bytes.get(at, header.size)
                yield Frame(data, round(at_sample), math.ceil(length))
            # if bytes after this frame belong to none, they may be damage within this frame
            mean_size = n_bytes / n_frames if n_frames or following is None else following[1].size
            lost = min(round(n_damaged / mean_size), left)
            left -= lost
            at_sample += (is_sound + lost) * length

    def _is_info(self, at: int, header: _Header) -> bool:
        return self._parse is _parse_mpeg and _info_place(self._bytes.get(at, 40)) > 0

    def _look_before(self, first: int) -> None:
        # of what is in front of the first frame, tags and zeros are no damage
        n_damaged = self._damaged(0, first)
        if self._bytes.get(first - n_damaged, n_damaged).strip(b"\0"):
            self.noticed.append(
                f"of the {n_damaged} bytes in front of its first whole frame no sound could be read"
            )

    def _headers(self) -> Iterator[tuple[int, _Header]]:
        at, family = 0, None
        while at < self._bytes.size:
            header = self._parse(self._bytes.get(at, 8))
            if header is not None and self._is_frame(at, header, family):
                yield at, header
                at += header.size
                family = header.family
            else:
                if header is not None and header.family == family:
                    self.is_cut = at + header.size > self._bytes.size
                at = self._bytes.find(b"\xff", at + 1)
                family = None

    def _is_frame(self, at: int, header: _Header, family: int | None) -> bool:
        # `family` is the family of the frame that ends here, None if no frame does
        end = at + header.size
        if end > self._bytes.size:
            return False
        if self._begins(end, header.family) or (end == self._bytes.size and family is not None):
            return True
        if at > 0 and header.family != family:
            return False
        # no frame follows: perhaps the size of this one is wrong
        inner = at + 4
        while (inner := self._bytes.find(b"\xff", inner)) < end:
            inside = self._parse(self._bytes.get(inner, 8))
            if inside is not None and self._begins(inner + inside.size, inside.family):
                return False
            inner += 1
        return True

    def _begins(self, at: int, family: int) -> bool:
        header = self._parse(self._bytes.get(at, 8))
        return header is not None and header.family == family

    def _damaged(self, start: int, stop: int) -> int:
        # number of bytes in between that belong to no tag
        while start < stop:
            head = self._bytes.get(start, 32)
            size = id3_size(head) or (128 if head[:3] == b"TAG" else 0)
            if head[:8] == b"APETAGEX":
                size = 32 + int.from_bytes(head[12:16], "little")
            if not size:
                return stop - start
            start += size
        return 0


class FlacFrames:
    """Frames of a FLAC file.

    Parameters
    ----------
    view
        View of the file.
    stream_info
        The file's STREAMINFO block.

    Attributes
    ----------
    found : bool
        Whether there are any frames.
    """

    def __init__(self, view: View, stream_info: bytes) -> None:
        self._bytes = _Bytes(view)
        self._block = int.from_bytes(stream_info[2:4], "big")
        self._largest = int.from_bytes(stream_info[7:10], "big") or 1 << 18
        self._total = int.from_bytes(stream_info[13:18], "big") & (1 << 36) - 1
        self.found = next(self._headers(), None) is not None

    def frames(self, first: int = 0) -> Iterator[Frame]:
        """Frames from the last one that begins at or before sample `first`.

        A frame's bytes reach to the next frame, so other bytes can follow it; see `shortened`.
        """
        for here, following in pairwise(chain(self._in_order(), (None,))):
            assert here is not None
            if following is None or following.sample > first:
                stop = self._bytes.size if following is None else following.at
                stop = min(stop, here.at + _LARGEST_FLAC_FRAME)
                data = self._bytes.get(here.at, stop - here.at)
                yield Frame(data, here.sample, here.n_samples)

    def shortened(self, data: bytes) -> Iterator[bytes]:
        """What the frame can be without the bytes after it: each beginning whose checksum holds."""
        crc = 0
        for index, byte in enumerate(data[: self._largest + 1]):
            crc = (crc << 8 & 0xFFFF) ^ _CRC16[crc >> 8 ^ byte]
            if not crc and index >= 8:
                yield data[: index + 1]

    def _in_order(self) -> Iterator["_FlacHeader"]:
        # headers without those that are there by chance or repeated
        end, offset, before = 0, 0, 0
        for here, following in pairwise(chain(self._headers(), (None,))):
            assert here is not None
            if here.sample == 0 and end > 0 and self._bytes.find(b"fLaC", before) < here.at:
                offset += self._total or end  # another file was appended
                end = 0
            leads = following is None or following.sample == here.sample + here.n_samples
            near = here.sample < end + 64 * self._block
            if here.sample == end or (here.sample > end and (leads or near)):
                yield here._replace(sample=here.sample + offset)
                end, before = here.sample + here.n_samples, here.at

    def _headers(self) -> Iterator["_FlacHeader"]:
        at, common = 0, None
        while (at := self._bytes.find(b"\xff", at)) < self._bytes.size:
            head = self._bytes.get(at, 16)
            header = _parse_flac(head, at, self._block)
            if header is not None and common in (None, _common(head)):
                common = _common(head)
                yield header
            at += 1


class _Bytes:
    """Random access to a file that is mostly read forwards."""

    def __init__(self, view: View) -> None:
        self._view, self.size = view, view.size
        self._start, self._content = 0, b""

    def get(self, at: int, size: int) -> bytes:
        if not self._start <= at <= at + size <= self._start + len(self._content):
            self._start, self._content = at, self._view.read_at(at, max(size, _WINDOW))
        return self._content[at - self._start : at - self._start + size]

    def find(self, wanted: bytes, at: int) -> int:
        # the file's size if it is not found
        while at < self.size:
            self.get(at, len(wanted))
            found = self._content.find(wanted, at - self._start)
            if found >= 0:
                return self._start + found
            at = max(at + 1, self._start + len(self._content) - len(wanted) + 1)
        return self.size


def _parse_mpeg(head: bytes) -> _Header | None:
    bits = int.from_bytes(head[:4], "big")
    version, layer = bits >> 19 & 3, 4 - (bits >> 17 & 3)
    kbps_index, rate_index, padding = bits >> 12 & 15, bits >> 10 & 3, bits >> 9 & 1
    free = kbps_index in (0, 15)  # free format, or not allowed
    if (
        len(head) < 4
        or bits >> 21 != 0x7FF
        or version == 1
        or layer == 4
        or free
        or rate_index == 3
    ):
        return None
    first = version == 3
    rate = _MPEG_RATES[rate_index] >> {3: 0, 2: 1, 0: 2}[version]
    bits_per_second = 1000 * _KBPS[first, layer if first else min(layer, 2)][kbps_index - 1]
    family = bits & 0xFFFE0C00
    if layer == 1:
        return _Header((12 * bits_per_second // rate + padding) * 4, 384, rate, family)
    n_samples = 1152 if first or layer == 2 else 576
    return _Header(n_samples // 8 * bits_per_second // rate + padding, n_samples, rate, family)


def _parse_adts(head: bytes) -> _Header | None:
    if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
        return None
    rate_index = head[2] >> 2 & 15
    size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    if rate_index >= len(_ADTS_RATES) or size <= 7:
        return None
    n_samples = 1024 * ((head[6] & 3) + 1)
    return _Header(size, n_samples, _ADTS_RATES[rate_index], head[1] << 8 | head[2] & 0xFC)


class _Info(NamedTuple):
    n_frames: int
    delay: int  # samples that encoder and decoder put in front
    n_samples: int
    noticed: str = ""  # why samples that encoder and decoder add are left


def _info_place(head: bytes) -> int:
    # place of what encoders write into the first frame; 0 if they wrote nothing
    for place in (36, 21, 13, 38, 23, 15):
        if head[place : place + 4] in (b"Xing", b"Info"):
            return place
    return 36 if head[36:40] == b"VBRI" else 0


def _parse_info(frame: bytes, header: _Header) -> _Info | None:
    place = _info_place(frame)
    if not place:
        return None
    if frame[place : place + 4] == b"VBRI":
        n_frames = int.from_bytes(frame[place + 14 : place + 18], "big")
        return _Info(n_frames, 0, n_frames * header.n_samples) if n_frames else None
    flags = frame[place + 7] if len(frame) > place + 7 else 0
    n_frames = int.from_bytes(frame[place + 8 : place + 12], "big") if flags & 1 else 0
    if not n_frames:
        return None
    lame = place + 8 + sum(size for bit, size in ((1, 4), (2, 4), (4, 100), (8, 4)) if flags & bit)
    n_samples, delay = n_frames * header.n_samples, 0
    if frame[lame : lame + 4] in (b"LAME", b"Lavf", b"Lavc"):
        both = int.from_bytes(frame[lame + 21 : lame + 24], "big")
        front, behind = both >> 12, both & 0xFFF
        if not _holds_checksum(frame, lame + 34):
            return _Info(n_frames, 0, n_samples, "what its encoder noted in front is damaged")
        if max(front, behind) > _MOST_ADDED:
            return _Info(n_frames, 0, n_samples, "it notes more added silence than encoders add")
        if front + behind < n_samples:
            delay = front + 529  # a decoder adds 529 samples, as the tag defines
            n_samples -= front + behind
    return _Info(n_frames, delay, n_samples)


def _holds_checksum(frame: bytes, place: int) -> bool:
    # of the bytes in front of it; where they are not 190, as in stereo of MPEG 1, encoders do not
    # agree on what is summed up, and some leave it 0
    stated = int.from_bytes(frame[place : place + 2], "big")
    return place != _SUMMED_UP or stated in (0, _crc16_reflected(frame[:place]))


class _FlacHeader(NamedTuple):
    at: int  # in the file, in bytes
    sample: int  # index of the frame's first sample
    n_samples: int


def _common(head: bytes) -> tuple[int, int, int]:
    # code of the block size and sample rate, and sample size: the same in all frames of a file
    return head[1], head[2] & 15, head[3] & 15


def _parse_flac(head: bytes, at: int, block: int) -> _FlacHeader | None:
    if len(head) < 6 or head[0] != 0xFF or head[1] & 0xFE != 0xF8 or head[3] & 1:
        return None
    size_code, rate_code = head[2] >> 4, head[2] & 15
    n_ones = 8 - (head[4] ^ 0xFF).bit_length()
    if size_code == 0 or rate_code == 15 or head[3] >> 4 > 10 or n_ones in (1, 8):
        return None
    number, end = head[4] & 0x7F >> n_ones, 5 + max(0, n_ones - 1)
    for byte in head[5:end]:
        number = number << 6 | byte & 0x3F
    start, end = end, end + {6: 1, 7: 2}.get(size_code, 0)
    if size_code in (6, 7):
        n_samples = 1 + int.from_bytes(head[start:end], "big")
    else:
        n_samples = (
            192 if size_code == 1 else 576 << size_code - 2 if size_code < 6 else 1 << size_code
        )
    end += {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    if end >= len(head) or _crc8(head[:end]) != head[end]:
        return None
    return _FlacHeader(at, number if head[1] & 1 else number * block, n_samples)


def _crc8(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc = _CRC8[crc ^ byte]
    return crc


def _crc16_reflected(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


def _crc_table(polynomial: int, n_bits: int) -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte << n_bits - 8
        for _ in range(8):
            crc = crc << 1 ^ (polynomial if crc >> n_bits - 1 & 1 else 0)
        table.append(crc & (1 << n_bits) - 1)
    return tuple(table)


_CRC8, _CRC16 = _crc_table(0x07, 8), _crc_table(0x8005, 16)
