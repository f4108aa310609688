"""Sound files with damage: what is left keeps its time, what is lost is silence, and said."""

import io
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from mssviz.audio import AudioReader, load_audio
from mssviz.errors import AudioError
from tests import mutated_sound
from tests.counts import SEED, count

pytestmark = pytest.mark.slow

RATE = mutated_sound.RATE
#: Kinds whose damage is found, and where sound ends at a sample.
FOUND = ("flac", "ogg", "opus", "mp3", "m4a")


@pytest.fixture(scope="module")
def healthy():
    """Kind to content."""
    return mutated_sound.sound_files()


def read(content, **options):
    """(waveform, repairs)"""
    with AudioReader(io.BytesIO(content), sample_rate=None, **options) as reader:
        return np.concatenate(list(reader.blocks())), reader.repairs


def overwrite(content, share, size, rng=None):
    start = int(share * len(content))
    junk = bytes(size) if rng is None else rng.bytes(size)
    return content[:start] + junk + content[start + size :]


def differing(a, b):
    """(first, last + 1) in seconds of what is not the same."""
    n = min(len(a), len(b))
    where = np.flatnonzero(np.abs(a[:n] - b[:n]).max(axis=1) > 1e-3)
    return where[0], where[-1] + 1


# --- Behind the end, and joined ---------------------------------------------------------------


BEHIND = {
    "zero": b"\0",
    "zeros": bytes(20_000),
    "text": b"hello world " * 200,
    "lyrics": b"LYRICSBEGIN" + b"IND00002" + b"x" * 3000 + b"003023LYRICS200",
    "id3v1": b"TAG" + bytes(125),
    "ape": b"APETAGEX" + bytes(24) + b"TAG" + bytes(125),
    "noise": np.random.default_rng(0).bytes(3000),
}


@pytest.mark.parametrize("behind", BEHIND)
@pytest.mark.parametrize("kind", ["mp3", "aac", "flac", "m4a", "wav"])
def test_bytes_behind_the_end_do_not_matter(healthy, kind, behind):
    found, repairs = read(healthy[kind] + BEHIND[behind])
    np.testing.assert_array_equal(found, read(healthy[kind])[0])
    assert repairs == []


@pytest.mark.parametrize("kind", ["mp3", "aac", "flac", "ogg", "opus"])
@pytest.mark.parametrize("between", [b"", b"ID3\3\0\0\0\0\0\7" + bytes(7)])
def test_files_joined_by_cat_are_read_whole(healthy, kind, between):
    if between and kind in ("ogg", "opus"):
        pytest.skip("no tags in Ogg")
    one, _ = read(healthy[kind])
    if kind == "flac":
        with pytest.warns(UserWarning, match="goes on behind the end"):
            both, repairs = read(healthy[kind] + between + healthy[kind])
    else:
        both, repairs = read(healthy[kind] + between + healthy[kind])
    assert repairs == []
    assert abs(len(both) - 2 * len(one)) < 0.15 * RATE
    scrap = one[20_000:22_000]
    parts = [both[len(one) + 20_000 + delay :][: len(scrap)] for delay in range(3000)]
    for part in (both[20_000:22_000], min(parts, key=lambda part: np.abs(part - scrap).mean())):
        # AAC and Opus fill in noise of their own
        assert np.abs(part - scrap).mean() < 0.02 * np.abs(one).max()


def test_a_joined_part_gets_the_first_ones_channels_and_rate(healthy, tmp_path):
    import av

    with av.open(str(tmp_path / "mono.mp3"), "w") as output:
        stream = output.add_stream("libmp3lame", rate=44100, layout="mono")
        tone = np.sin(2 * np.pi * 440 * np.arange(2 * 44100) / 44100)[None].astype(np.float32)
        frame = av.AudioFrame.from_ndarray(0.5 * tone, "flt", "mono")
        frame.sample_rate, frame.pts = 44100, 0
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    found, repairs = read(healthy["mp3"] + (tmp_path / "mono.mp3").read_bytes())
    assert found.shape[1] == 2
    assert repairs == []
    assert abs(len(found) - 4 * RATE) < 0.15 * RATE
    second = found[round(2.3 * RATE) : round(3.8 * RATE)]
    np.testing.assert_array_equal(second[:, 0], second[:, 1])
    spectrum = np.abs(np.fft.rfft(second[:, 0] * np.hanning(len(second))))
    assert np.argmax(spectrum) * RATE / len(second) == pytest.approx(440, abs=1)


# --- Within -----------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*damaged, silence")
@pytest.mark.parametrize("kind", FOUND)
def test_what_is_lost_is_silent_and_all_else_keeps_its_time(healthy, kind):
    rng = np.random.default_rng(1)
    true, _ = read(healthy[kind])
    for share in (0.4, 0.55):
        found, repairs = read(overwrite(healthy[kind], share, 700, rng))
        assert found.shape == true.shape
        (start, stop), *others = repairs
        assert not others
        rate = len(true) / mutated_sound.SECONDS
        silent = found[round(start * rate) : round(stop * rate)]
        assert not silent.any()
        # lossy codecs need some frames after a gap until all is as before
        first, last = differing(found, true)
        slack = 0 if kind == "flac" else 0.25
        assert start * rate - slack * rate <= first
        assert last <= stop * rate + slack * rate + 1


@pytest.mark.parametrize("kind", FOUND)
def test_one_warning_names_the_seconds(healthy, kind):
    with pytest.warns(UserWarning, match=r"silence replaces .* \d\.\d\d s \(.* s in all\)") as told:
        _, repairs = read(overwrite(healthy[kind], 0.6, 300))
    assert len(told) == 1
    assert f"{repairs[0][0]:.2f} to {repairs[0][1]:.2f} s" in str(told[0].message)


@pytest.mark.filterwarnings("ignore:.*damaged, silence")
def test_every_flipped_bit_of_flac_is_found(healthy):
    content, true = healthy["flac"], read(healthy["flac"])[0]
    for at in np.linspace(200, len(content) - 1, 25).astype(int):
        changed = bytearray(content)
        changed[at] ^= 4
        found, repairs = read(bytes(changed))
        assert found.shape == true.shape
        first, last = differing(found, true)
        assert repairs[0][0] * RATE <= first + 0.5
        assert repairs[-1][1] * RATE >= last - 0.5


@pytest.mark.filterwarnings("ignore:.*damaged, silence")
def test_pages_of_ogg_that_are_lost_damaged_or_doubled(healthy):
    for kind in ("ogg", "opus"):
        content, true = healthy[kind], read(healthy[kind])[0]
        starts = [i for i in range(len(content)) if content.startswith(b"OggS", i)]
        assert len(starts) > 4
        for page, following in pairwise(starts[2:]):
            for changed in (
                content[:page] + content[following:],
                overwrite(content, (page + 40) / len(content), 1, np.random.default_rng(0)),
            ):
                found, repairs = read(changed)
                assert abs(len(found) - len(true)) < 0.025 * len(true)
                assert len(repairs) == 1
            doubled, repairs = read(content[:following] + content[page:])
            np.testing.assert_array_equal(doubled, true)
            assert repairs == []


def test_an_ogg_without_its_end_is_told(healthy):
    for kind in ("ogg", "opus"):
        content = healthy[kind]
        with pytest.warns(UserWarning, match="has no end mark after its"):
            read(content[: content.rindex(b"OggS")])


@pytest.mark.filterwarnings("ignore:.*damaged, silence")
def test_repairs_are_those_of_the_part_that_is_read(healthy):
    content = overwrite(healthy["flac"], 0.5, 300)
    true, _ = read(healthy["flac"])
    _, ((start, stop),) = read(content)
    late, repairs = read(content, offset=stop + 0.01)
    assert repairs == []
    np.testing.assert_array_equal(late, true[round((stop + 0.01) * RATE) :])
    middle = (start + stop) / 2
    _, repairs = read(content, offset=middle, duration=1.0)
    assert repairs == [pytest.approx((middle, stop), abs=1e-4)]


def test_a_file_of_which_little_decodes_is_refused(healthy):
    with pytest.raises(AudioError, match=r"damaged, of its first .* s cannot be decoded"):
        read(overwrite(healthy["flac"], 0.1, int(0.7 * len(healthy["flac"]))))


# --- Headers that state less, or nonsense -------------------------------------------------------


def with_field(content, place, value):
    return content[:place] + value + content[place + len(value) :]


def test_a_flac_that_states_a_little_too_little_is_read_whole(healthy):
    fewer = with_field(healthy["flac"], 22, (44100 - 67).to_bytes(4, "big"))
    with pytest.warns(UserWarning, match="goes on behind the end"):
        found, _ = read(fewer)
    np.testing.assert_array_equal(found, read(healthy["flac"])[0])


def test_an_edit_list_that_leaves_sound_out_is_told(healthy):
    content, true = healthy["m4a"], read(healthy["m4a"])[0]
    duration = content.index(b"elst") + 12
    assert content[duration : duration + 4] == (2000).to_bytes(4, "big")  # milliseconds
    with pytest.warns(UserWarning, match=r"edit list leaves 0\.25 s of its sound out"):
        found, _ = read(with_field(content, duration, (1800).to_bytes(4, "big")))
    np.testing.assert_array_equal(found, true[: round(1.8 * RATE)])


def test_an_mpeg4_that_does_not_state_its_length_is_told(healthy):
    place = healthy["alac"].index(b"mdhd") + 16  # version and flags, two dates, units in a second
    content = with_field(healthy["alac"], place, (1 << 31).to_bytes(4, "big") + bytes(4))
    with pytest.warns(UserWarning, match="does not state how long its sound is"):
        read(content)


@pytest.mark.parametrize(
    ("rate", "changed", "said"),
    [
        # 44.1 kHz in stereo is MPEG 1, whose notes have a checksum that encoders agree on
        (44100, b"\x24\x04\x4d", "what its encoder noted in front is damaged"),
        (RATE, b"\xff\xf3\x3c", "it notes more added silence than encoders add"),
    ],
)
def test_mp3_whose_notes_are_wrong_is_read_with_all_that_its_encoder_added(rate, changed, said):
    content = mutated_sound.through_av("mp3", "libmp3lame", rate)
    true, _ = read(content)
    place = content.index(b"Lavf", 60) + 21
    assert content[place : place + 3] != changed
    with pytest.warns(UserWarning, match=said):
        found, _ = read(with_field(content, place, changed))
    assert len(found) > len(true)
    late = [found[added : added + len(true)] for added in range(len(found) - len(true) + 1)]
    assert any(np.array_equal(part, true) for part in late)


def test_a_beginning_of_mp3_that_is_lost_is_told(healthy):
    content = healthy["mp3"]
    with pytest.warns(UserWarning, match=r"of the 107 bytes in front of its first whole frame"):
        read(content[:111] + content[3111:])


@pytest.mark.filterwarnings("ignore:.*damaged, silence")
def test_sound_behind_a_first_frame_that_is_lost_keeps_its_time(healthy):
    content, true = healthy["mp3"], read(healthy["mp3"])[0]
    first = content.index(b"\xff\xf3", content.index(b"Lavf", 60))
    found, repairs = read(overwrite(content, first / len(content), 1200))
    assert found.shape == true.shape
    assert repairs[0][0] == 0
    np.testing.assert_array_equal(found[RATE // 2 :], true[RATE // 2 :])


def test_pcm_that_would_be_silent_for_days_is_refused(healthy):
    place = healthy["caf"].index(b"lpcm") + 12
    assert healthy["caf"][place : place + 4] == (1).to_bytes(4, "big")  # frames in a packet
    with pytest.raises(AudioError, match="damaged, of its first"):
        read(with_field(healthy["caf"], place, (7 << 16).to_bytes(4, "big")))


def test_alac_in_caf_whose_last_frame_counts_as_whole_is_not_damaged():
    content = mutated_sound.through_av("caf", "alac")
    place = content.index(b"pakt") + 12
    n_packets = int.from_bytes(content[place : place + 8], "big")
    # as FFmpeg 5 states it: whole packets, and nothing that the last one lacks
    stated = (n_packets * 4096).to_bytes(8, "big") + bytes(8)
    found, repairs = read(with_field(content, place + 8, stated))
    assert repairs == []
    np.testing.assert_allclose(found, mutated_sound.song(), atol=2**-15)


def test_aac_of_a_low_rate_ends_where_it_is_stated(monkeypatch):
    n_samples = 16 * 1024 + 100  # so that the last frame is nearly empty, for 0.115 s
    monkeypatch.setattr(mutated_sound, "SECONDS", n_samples / 8000)
    found, _ = read(mutated_sound.through_av("ipod", "aac", 8000))
    assert abs(len(found) - n_samples) <= 16


def test_alac_in_caf_is_read_to_its_last_sample():
    found, repairs = read(mutated_sound.through_av("caf", "alac"))
    assert repairs == []
    np.testing.assert_allclose(found, mutated_sound.song(), atol=2**-15)


@pytest.mark.parametrize("seed", [347, 3609])
def test_webm_without_a_unit_of_time_is_read(healthy, seed):
    _, content = mutated_sound.mutated(healthy["webm"], seed)
    outcome = mutated_sound.read(content)
    assert not outcome.is_foreign, outcome.error


# --- Of every kind ----------------------------------------------------------------------------


def test_mutated_files_neither_crash_nor_pass_in_silence():
    n_each = count("damaged sound files") // len(mutated_sound.sound_files())
    first, stop = str(SEED * n_each), str((SEED + 1) * n_each)
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-m", "tests.mutated_sound", first, stop],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("FAULT")] == []
    assert lines[-1] == "done", f"{lines[-1]}: {done.returncode} {done.stderr[-2000:]}"
    assert len(lines) > 500


def test_load_audio_warns_of_repairs(healthy):
    with pytest.warns(UserWarning, match="silence replaces"):
        load_audio(io.BytesIO(overwrite(healthy["flac"], 0.5, 300)))
