import gc
import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import mssviz
from mssviz import audio, masks
from mssviz.errors import AudioError, Cancelled, FileError, ParameterError
from mssviz.networks import Network
from mssviz.separation import MAGNITUDE, MaskOptions, make_masker, synthesise, with_margins
from mssviz.separation import song as song_module
from mssviz.stft import istft, stft

TARGETS = ("vocals", "accompaniment")


def noise(n_samples, n_channels=2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(-0.5, 0.5, (n_samples, n_channels)).astype(np.float32)


@pytest.fixture(scope="module")
def short(separator, example):
    """Two seconds of the example, separated."""
    return separator.separate(example[0][200_000:288_200], 44100, progress=False)


# --- What a separation holds ------------------------------------------------------------------


def test_a_separation_keeps_every_intermediate(separation, example):
    mixture = example[0]
    shape = (650, 2049, 2)
    assert separation.sample_rate == 44100
    assert separation.targets == TARGETS
    assert np.array_equal(separation.mixture, mixture)
    assert separation.mixture_stft.shape == shape
    assert separation.mixture_stft.dtype == np.complex64
    for mapping in (separation.magnitudes, separation.masks, separation.estimates):
        assert tuple(mapping) == TARGETS
        assert len(mapping) == 2
    for target in TARGETS:
        assert separation.magnitudes[target].shape == (650, 1024, 2)
        assert separation.masks[target].shape == shape
        assert separation.masks[target].dtype == np.float32
        assert separation.estimates[target].shape == mixture.shape
        assert separation.estimates[target].dtype == np.float32
        assert separation.estimates[target] is separation.estimates[target]  # made once
    with pytest.raises(KeyError):
        separation.estimates["drums"]


def test_masks_and_stems_follow_from_the_stored_arrays(separation):
    params = separation.preset.stft
    spectrum = stft(separation.mixture, params)
    assert np.array_equal(np.asarray(separation.mixture_stft), spectrum)
    total = 0
    for target in TARGETS:
        mask = np.asarray(separation.masks[target])
        assert mask.min() >= 0
        assert mask.max() <= 1 + 1e-6
        expected = istft(mask * spectrum, params, len(separation.mixture))
        assert np.abs(separation.estimates[target] - expected).max() < 1e-6
        total = total + mask
    assert np.allclose(total[:, :1024], 1, atol=1e-6)
    assert not total[:, 1024:].any()


INDICES = [
    0,
    -1,
    100,
    np.int64(5),
    slice(None),
    slice(100, 400),
    slice(127, 130),
    slice(-20, None),
    slice(3, 300, 7),
    slice(640, 9999),
    slice(20, 10),
    (5, 7),
    (-3, slice(10, 20), 1),
    (slice(10, 200, 50), 7, 0),
    (slice(10, 10), 7),
    (slice(100, 200), slice(None, 1024), slice(None)),
]


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_lazy_frames_are_indexed_like_an_array(separation, index):
    for frames in (separation.masks["vocals"], separation.mixture_stft):
        whole = np.asarray(frames)
        found = frames[index]
        assert np.shape(found) == whole[index].shape
        assert found.dtype == whole.dtype
        assert np.allclose(found, whole[index], atol=1e-5)


def test_lazy_frames_refuse_what_they_do_not_have(separation):
    frames = separation.masks["vocals"]
    assert len(frames) == frames.shape[0] == 650
    assert np.asarray(frames, dtype=np.float64).dtype == np.float64
    for index in (650, -651):
        with pytest.raises(IndexError):
            frames[index]
    with pytest.raises(ParameterError, match="forwards"):
        frames[::-1]
    for index in ([3, 4], np.array([3, 4]), ...):
        with pytest.raises(ParameterError, match="asarray"):
            frames[index]


def test_stems_are_made_in_one_pass_when_one_is_asked_for(short, monkeypatch):
    made = []

    def spy(segments, masker, params, targets):
        made.append(list(targets))
        return synthesise(segments, masker, params, targets)

    monkeypatch.setattr(song_module, "synthesise", spy)
    fresh = short.with_options()
    assert made == []
    assert fresh.estimates["accompaniment"].any()
    assert fresh.estimates["vocals"].any()
    assert made == [["vocals", "accompaniment"]]


def test_save_writes_a_file_for_each_stem(short, tmp_path):
    paths = short.save(tmp_path / "new" / "song", codec="flac")
    assert [path.name for path in paths] == ["vocals.flac", "accompaniment.flac"]
    for path in paths:
        found, sample_rate = mssviz.load_audio(path)
        assert sample_rate == 44100
        assert np.abs(found - short.estimates[path.stem]).max() < 2 / 32768


# --- Length, channels, rates ------------------------------------------------------------------


def test_save_refuses_a_file_in_the_folders_place(short, tmp_path):
    (tmp_path / "taken").touch()
    with pytest.raises(FileError, match=r"taken is a file; choose another folder"):
        short.save(tmp_path / "taken")
    assert (tmp_path / "taken").read_bytes() == b""


@pytest.mark.parametrize("n_samples", [1, 1023, 44101, 512 * 1024 - 4096 + 1])
def test_stems_are_as_long_as_the_song(separator, n_samples):
    found = separator.separate(noise(n_samples), 44100, progress=False)
    for stem in found.estimates.values():
        assert stem.shape == (n_samples, 2)
        assert np.isfinite(stem).all()


def test_patches_do_not_know_of_each_other(separator, example):
    """So a stream, cut anywhere, gives what the whole song gives."""
    song = np.concatenate([example[0], example[0][::-1]])  # 30 s, three patches
    whole = separator.separate(song, 44100, progress=False)
    blocks = np.split(song, [1, 5000, 700_000, 700_001])
    done = 0
    segments = []
    for segment in separator.segments(blocks, lambda *_: None):
        stop = done + len(segment.mixture)
        for target in TARGETS:
            expected = whole.magnitudes[target][done:stop]
            assert np.allclose(segment.values[target], expected, atol=1e-4, rtol=1e-5)
        segments.append(segment)
        done = stop
    assert len(segments) == 3
    assert done == len(whole.mixture_stft)
    params = whole.preset.stft
    stream = synthesise(segments, make_masker(MAGNITUDE, MaskOptions(), params), params, TARGETS)
    for target, stem in zip(TARGETS, zip(*(b.values() for b in stream), strict=True), strict=True):
        stem = np.concatenate(stem)[: len(song)]
        assert np.abs(stem - whole.estimates[target]).max() < 1e-6


@pytest.mark.parametrize("shape", [(40_000,), (40_000, 1)])
def test_mono_is_separated_as_stereo(separator, shape):
    mono = noise(40_000, 1)
    found = separator.separate(mono.reshape(shape), 44100, progress=False)
    expected = separator.separate(np.repeat(mono, 2, axis=1), 44100, progress=False)
    for target in TARGETS:
        assert found.estimates[target].shape == (40_000, 2)
        assert np.array_equal(found.estimates[target], expected.estimates[target])


def test_six_channels_are_mixed_down_and_four_cut(separator):
    six, four = noise(40_000, 6), noise(40_000, 4)
    with pytest.warns(UserWarning, match="6 channels; .* mixed down"):
        found = separator.separate(six, 44100, progress=False)
    assert np.array_equal(found.mixture, audio.mix_down(six))
    with pytest.warns(UserWarning, match="4 channels; only the first 2"):
        found = separator.separate(four, 44100, progress=False)
    assert np.array_equal(found.mixture, four[:, :2])


@pytest.mark.parametrize("sample_rate", [22050, 48000])
@pytest.mark.parametrize("seconds", [1 / 22050, 2.0])
def test_other_sample_rates_are_converted(separator, short, sample_rate, seconds):
    song = audio.resample(short.mixture, 44100, sample_rate)[: max(1, int(seconds * sample_rate))]
    found = separator.separate(song, sample_rate, progress=False)
    assert found.sample_rate == 44100
    n_samples = len(song) * 44100 / sample_rate
    assert abs(len(found.mixture) - n_samples) <= 1
    for target, stem in found.estimates.items():
        assert stem.shape == found.mixture.shape
        if seconds > 1:
            n = min(len(stem), len(short.mixture))
            assert mssviz.si_sdr(short.estimates[target][:n], stem[:n]) > 10


def test_waveforms_that_are_none_are_refused(separator):
    for waveform in (np.zeros((0, 2), np.float32), np.full((9, 2), np.nan, np.float32)):
        with pytest.raises(AudioError):
            separator.separate(waveform, 44100, progress=False)
    with pytest.raises(AudioError, match="shorter than one sample"):
        separator.separate(noise(1), 96000, progress=False)
    with pytest.raises(AudioError, match="sample rate"):
        separator.separate(noise(100), 0, progress=False)


RATE = 44100
SOUND = np.zeros((RATE, 2), np.float32)
MISTAKES = {
    "swapped": (
        RATE,
        SOUND,
        "must be a number .* second: separate.waveform, sample_rate",
    ),
    "with rate": ((SOUND, RATE), RATE, "got tuple.*waveform, sample_rate = mssviz.load_audio"),
    "path": ("song.mp3", RATE, "'song.mp3'.*load_audio.*separate_files"),
    "path object": (Path("song.mp3"), RATE, "'song.mp3'.*load_audio"),
    "none": (None, RATE, "got NoneType.*load_audio"),
    "unequal rows": ([[0.0, 0.1], [0.0]], RATE, "got list.*load_audio"),
    "rate as text": (SOUND, "44100", "sample_rate must be a number of hertz .got str"),
    "no rate": (SOUND, None, "sample_rate must be a number of hertz .got NoneType"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("method", ["separate", "begin"])
def test_mistaken_arguments_are_answered_with_what_to_give(separator, method, mistake):
    waveform, sample_rate, remedy = MISTAKES[mistake]
    with pytest.raises(ParameterError, match=remedy):
        getattr(separator, method)(waveform, sample_rate)


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ({"stft_backend": "librosa"}, "'stft_backend': leave it out"),
        ({"MWF": True}, "'MWF': write mwf=1"),
        ({"multiprocess": False}, "'multiprocess': leave it out"),
        ({"params_descriptor": "spleeter:2stems"}, "the model is the first argument"),
        ({"pwer": 1.0}, "did you mean power"),
        ({"colour": "red"}, "choose among power, hardness, threshold"),
    ],
)
def test_options_that_there_are_not_are_answered_with_those_there_are(short, options, remedy):
    with pytest.raises(ParameterError, match=remedy):
        mssviz.Separator("spleeter:2stems", progress=False, **options)
    with pytest.raises(ParameterError, match=remedy):
        short.with_options(**options)


def test_spleeters_methods_are_answered_with_ours(separator):
    with pytest.raises(AttributeError, match=r"'separate_to_file': call mssviz\.separate_files"):
        separator.separate_to_file("song.mp3", "stems")
    with pytest.raises(AttributeError, match="'join': leave it out"):
        separator.join()
    assert not hasattr(separator, "nothing")


def test_the_input_is_not_changed(separator):
    waveform = noise(5000)
    kept = waveform.copy()
    found = separator.separate(waveform, 44100, progress=False)
    assert found.residual_db() < 0
    assert np.array_equal(waveform, kept)


# --- Options ----------------------------------------------------------------------------------


@pytest.fixture
def no_network(monkeypatch):
    def run(*_):
        raise AssertionError("the network runs again")

    monkeypatch.setattr(Network, "__call__", run)


@pytest.mark.usefixtures("no_network")
def test_other_masks_need_no_other_run_of_the_network(short):
    for options in (
        {"power": 1.0},
        {"extension": "average"},
        {"hardness": 1.0, "threshold": 0.4},
        {"smoothing": 0.1},
        {"bandwidth": 4000.0},
        {"mwf": 1},
    ):
        other = short.with_options(**options)
        assert vars(other.options) == {**vars(short.options), **options}
        assert not np.array_equal(other.estimates["vocals"], short.estimates["vocals"])
        back = other.with_options(
            power=2.0,
            extension="zeros",
            hardness=0.0,
            smoothing=0.0,
            bandwidth=np.inf,
            mwf=0,
        )
        assert np.array_equal(back.estimates["vocals"], short.estimates["vocals"])
    with pytest.raises(ParameterError):
        short.with_options(power=0)


def test_averaged_masks_leave_nothing_of_the_mixture(separation):
    assert separation.with_options(extension="average").residual_db() < -125
    assert -60 < separation.residual_db() < -10


def test_binary_masks_hold_zeros_and_ones(short):
    found = short.with_options(hardness=1.0).masks
    assert set(np.unique(found["vocals"][:])) == {0, 1}
    assert ((found["vocals"][:] + found["accompaniment"][:])[:, :1024] <= 1).all()


def test_smoothed_masks_do_not_depend_on_where_blocks_begin(short):
    smoothed = short.with_options(smoothing=0.2)
    whole = smoothed.masks["vocals"][:]
    ratio = short.masks["vocals"][:]
    expected = masks.smooth(ratio, round(0.2 * 44100 / 1024))
    assert np.allclose(whole, expected, atol=1e-6)
    for start, stop in ((0, 1), (100, 140), (127, 129), (len(whole) - 3, len(whole))):
        assert np.allclose(smoothed.masks["vocals"][start:stop], expected[start:stop], atol=1e-6)


def test_a_stream_of_segments_gets_the_margins_that_a_song_has(short):
    smoothed = short.with_options(smoothing=0.1)
    margin = smoothed.options.margin(smoothed.preset.stft)
    found = [smoothed.masker.masks(s)["vocals"] for s in with_margins(short.segments(), margin)]
    assert np.allclose(np.concatenate(found), smoothed.masks["vocals"][:], atol=1e-6)


def test_bandwidth_silences_or_extends_what_lies_above(short):
    narrow = short.with_options(bandwidth=4000.0)
    assert not narrow.masks["vocals"][:, 372:].any()  # 4000 Hz is bin 371.5
    assert np.array_equal(narrow.masks["vocals"][:, :372], short.masks["vocals"][:, :372])
    average = narrow.with_options(extension="average").masks["vocals"][:]
    assert np.allclose(average[:, 372:], average[:, :372].mean(axis=1, keepdims=True), atol=1e-6)


def test_a_notebook_shows_a_small_picture(short, separation):
    assert repr(separation) == "Separation(15.0 s into vocals, accompaniment, spleeter:2stems)"
    for found in (short, separation):
        picture = found._repr_jpeg_()
        assert picture.startswith(b"\xff\xd8")
        assert 5_000 < len(picture) < 150_000


def test_the_wiener_filter_shows_an_effective_mask(short):
    filtered = short.with_options(mwf_iterations=1)
    mask = filtered.masks["vocals"][:]
    assert mask.min() >= 0
    assert mask.max() <= 1
    assert not mask[:, 1024:].any()
    assert filtered.residual_db() < -25  # the treble, and what its regularisation takes


@pytest.mark.parametrize(
    "options",
    [
        {"power": -1}, {"extension": "mirror"}, {"mwf": -1}, {"power": 100},
        {"hardness": 1.1}, {"threshold": 1.0}, {"smoothing": -0.1}, {"smoothing": 60.0},
        {"bandwidth": 0.0},
    ],
)  # fmt: skip
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ParameterError):
        MaskOptions(**options)
    with pytest.raises(ParameterError):
        mssviz.Separator("spleeter:2stems", fetch=False, **options)


def test_the_best_quality_is_a_wider_network_with_an_extended_band(example):
    best = mssviz.Separator("spleeter:2stems", quality="best", progress=False)
    assert best.preset.name == "spleeter:2stems-16kHz"
    assert (best.options.power, best.options.extension) == (2.0, "average")
    own = mssviz.Separator("spleeter:2stems", quality="best", power=3.0, progress=False)
    assert (own.options.power, own.options.extension) == (3.0, "average")
    found = best.separate(example[0][:88200], 44100, progress=False)
    assert found.residual_db() < -120
    with pytest.raises(ParameterError, match=r"fast, best \(got 'ultra'\)"):
        mssviz.Separator("spleeter:2stems", quality="ultra", fetch=False)


def test_an_unknown_model_is_refused_with_the_names_of_all():
    with pytest.raises(ParameterError, match="spleeter:2stems, spleeter:2stems-16kHz"):
        mssviz.Separator("spleeter:3stems")


# --- Progress and memory ----------------------------------------------------------------------


def test_progress_is_told_in_seconds_and_only_grows(separator):
    calls = []
    separator.separate(noise(600_000), 44100, progress=lambda *call: calls.append(call))
    done, totals, what = zip(*calls, strict=True)
    assert len(calls) == 2
    assert 0 < done[0] < done[1] == pytest.approx(600_000 / 44100)
    assert set(totals) == {600_000 / 44100}
    assert set(what) == {"separate"}


def test_cancelling_leaves_a_separator_that_works(separator):
    def cancel(done, total, what):
        raise Cancelled("enough")

    threads = threading.active_count()
    with pytest.raises(Cancelled, match="enough"):
        separator.separate(noise(1_200_000), 44100, progress=cancel)
    assert threading.active_count() <= threads
    assert separator.separate(noise(5000), 44100, progress=False).estimates["vocals"].any()


def test_large_arrays_live_in_files_with_the_same_result(separator, short, monkeypatch):
    monkeypatch.setattr(song_module, "SPILL_BYTES", 1 << 10)
    spilled = separator.separate(short.mixture, 44100, progress=False)
    assert all(isinstance(m, np.memmap) for m in spilled.magnitudes.values())
    other = spilled.with_options(power=1.0)
    for target in TARGETS:
        assert isinstance(spilled.estimates[target], np.memmap)
        assert np.array_equal(spilled.estimates[target], short.estimates[target])
    del spilled  # the other one reads from its files
    gc.collect()
    assert np.array_equal(
        other.estimates["vocals"], short.with_options(power=1.0).estimates["vocals"]
    )


# --- Import -----------------------------------------------------------------------------------

PROBE = """
import json, sys, time
start = time.perf_counter()
import mssviz
seconds = time.perf_counter() - start
heavy = [m for m in ("tensorflow", "keras", "matplotlib", "pandas", "librosa") if m in sys.modules]
print(json.dumps([seconds, heavy]))
"""


def test_importing_mssviz_is_quick_and_light():
    runs = []
    for _ in range(3):
        run = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, check=True)
        runs.append(json.loads(run.stdout))
    assert min(seconds for seconds, _ in runs) < 0.5
    assert runs[0][1] == []
