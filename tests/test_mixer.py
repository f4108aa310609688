"""The mixer's Python side: what it takes, what it refuses, what it tells the browser."""

import io
import json
import threading

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from mssviz.errors import AudioError, MssvizError, ParameterError
from mssviz.plots import STEM_COLORS
from mssviz.widgets.mixer import Mixer

RATE = 8000


def noise(seed, n_channels=2, peak=0.5, n_samples=RATE):
    samples = np.random.default_rng(seed).uniform(-peak, peak, (n_samples, n_channels))
    return samples.astype(np.float32)


@pytest.fixture
def tracks():
    return {"vocals": noise(0), "drums": noise(1), "true vocals": noise(2)}


@pytest.fixture
def mixer(tracks):
    return Mixer(tracks, RATE, pairs={"vocals": "true vocals"}, offset=10)


@pytest.fixture
def sent(mixer, monkeypatch):
    """Messages to the browser, as (content, buffers)."""
    messages = []
    monkeypatch.setattr(mixer, "send", lambda *message: messages.append(message))
    return messages


def ask(mixer, have=None):
    mixer._handle_custom_msg({"kind": "ask", "have": have or {}}, [])
    mixer._sender.wait()


def decode(data):
    return soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)


def test_state_at_first(mixer):
    assert (mixer.time, mixer.offset, mixer.duration) == (10, 10, 1)
    assert (mixer.playing, mixer.selection, mixer.rate, mixer.master_db) == (False, None, 1, 0)
    vocals, drums = mixer.strips
    assert vocals["choices"] == ["vocals", "true vocals"]
    assert drums["choices"] == ["drums"]
    assert [strip["shows"] for strip in mixer.strips] == ["vocals", "drums"]
    assert [vocals["color"], drums["color"]] == [STEM_COLORS["vocals"], STEM_COLORS["drums"]]


def test_more_tracks_than_colours():
    mixer = Mixer({str(i): noise(i) for i in range(9)}, RATE, colors={"8": "#123456"})
    assert len(mixer.strips) == 9
    assert mixer.strips[8]["color"] == "#123456"


def test_no_audio_is_in_the_state(mixer):
    state = mixer.get_state()
    assert not any(isinstance(value, bytes | memoryview) for value in state.values())
    own = {k: v for k, v in state.items() if k not in ("_esm", "_css", "layout", "tabbable")}
    assert len(json.dumps(own, default=str)) < 2000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("time", 9.9), ("time", 11.1), ("selection", [10.5, 10.5]), ("selection", [10.8, 10.2]),
        ("selection", 3), ("selection", [10.0]), ("selection", ["a", "b"]),
        ("selection", [9, 10.5]),
        ("rate", 0.2), ("rate", 3), ("master_db", -61), ("master_db", 20), ("strips", []),
    ],
)  # fmt: skip
def test_values_outside_their_range_are_refused(mixer, name, value):
    before = getattr(mixer, name)
    with pytest.raises(ParameterError, match=r"\(got "):
        setattr(mixer, name, value)
    assert getattr(mixer, name) == before


def test_not_a_number_is_refused(mixer):
    for name in ("time", "rate", "master_db"):
        with pytest.raises(ParameterError):
            setattr(mixer, name, float("nan"))


def test_loop_becomes_a_list_of_floats(mixer):
    mixer.selection = (10, 10.5)
    assert mixer.selection == [10.0, 10.5]
    mixer.loop = None  # the name that it had
    assert mixer.selection is mixer.loop is None


def test_times_that_differ_by_rounding_are_taken(mixer):
    mixer.time = 11.0000001
    assert mixer.time == 11


@pytest.mark.parametrize(
    "changes",
    [
        {"gain_db": 13}, {"pan": -1.1}, {"pan": True}, {"muted": 1}, {"solo": None},
        {"shows": "drums"}, {"color": "red;background:url(x)"}, {"choices": ["vocals"]},
        {"choices": None}, {"name": "x"}, {"volume": 1},
    ],
)  # fmt: skip
def test_strips_are_checked(mixer, changes):
    with pytest.raises(ParameterError):
        mixer.adjust("vocals", **changes)


def test_adjust_changes_one_strip(mixer):
    mixer.adjust("drums", gain_db=-6, solo=True)
    assert mixer.strips[1]["gain_db"] == -6
    assert mixer.strips[1]["solo"]
    assert not mixer.strips[0]["solo"]
    with pytest.raises(ParameterError, match="strip of vocals"):
        mixer.adjust("true vocals", solo=True)
    with pytest.raises(ParameterError, match="no track"):
        mixer.adjust("flute", solo=True)
    with pytest.raises(ParameterError, match="one of drums"):
        mixer.adjust("drums", shows="true vocals")


def test_compare_moves_all_strips_that_have_the_choice():
    tracks = {name: noise(i) for i, name in enumerate(("a", "b", "c", "a2", "a3", "b2"))}
    mixer = Mixer(tracks, RATE, pairs={"a": ["a2", "a3"], "b": "b2"})
    assert [strip["choices"] for strip in mixer.strips] == [["a", "a2", "a3"], ["b", "b2"], ["c"]]
    heard = {1: ["a2", "b2", "c"], 2: ["a3", "b2", "c"], 0: ["a", "b", "c"]}
    for position, names in heard.items():
        mixer.compare(position)
        assert [strip["shows"] for strip in mixer.strips] == names
    for position in (3, -1, 0.5):
        with pytest.raises(ParameterError, match=r"0 to 2 \(got"):
            mixer.compare(position)


@pytest.mark.parametrize(
    "pairs",
    [
        {"a": ["c", "c"]}, {"a": "c", "b": "c"}, {"a": "b", "b": "c"}, {"a": "a"},
        {"a": ["b", "a"]},
    ],
)  # fmt: skip
def test_a_track_is_an_alternative_of_one_strip_at_most(pairs):
    tracks = {name: noise(i) for i, name in enumerate("abc")}
    with pytest.raises(ParameterError, match=r"of one strip only.*under another name"):
        Mixer(tracks, RATE, pairs=pairs)


@pytest.mark.parametrize(
    "options",
    [
        {"volume": 1}, {"pairs": {"vocals": "flute"}}, {"pairs": {"flute": "vocals"}},
        {"pairs": {"vocals": ["drums", "flute"]}}, {"pairs": {"vocals": 3}},
        {"pairs": {"vocals": [["drums"]]}},
        {"pairs": {"vocals": "drums", "drums": "vocals"}}, {"pairs": {"vocals": "vocals"}},
        {"colors": {"flute": "red"}}, {"colors": {"vocals": "#12345"}}, {"codec": "mp3"},
        {"offset": -1}, {"offset": float("nan")}, {"sample_rate": 0},
    ],
)  # fmt: skip
def test_unfit_arguments_are_refused(tracks, options):
    options = {"sample_rate": RATE} | options
    with pytest.raises(MssvizError):
        Mixer(tracks, **options)


def test_unfit_tracks_are_refused():
    with pytest.raises(ParameterError, match="at least one"):
        Mixer({}, RATE)
    with pytest.raises(ParameterError, match="one length"):
        Mixer({"a": noise(0), "b": noise(1)[:-1]}, RATE)
    with pytest.raises(ParameterError, match="two channels"):
        Mixer({"a": noise(0, 5)}, RATE)
    with pytest.raises(AudioError, match="NaN"):
        Mixer({"a": np.full((RATE, 1), np.nan, np.float32)}, RATE)


def test_the_browser_gets_what_it_asks_for(mixer, tracks, sent):
    ask(mixer)
    assert [content["name"] for content, _ in sent] == list(tracks)
    for content, (data,) in sent:
        assert (content["kind"], content["version"], content["gain"]) == ("audio", 1, 1)
        decoded, rate = decode(data)
        assert rate == RATE
        assert np.abs(decoded - tracks[content["name"]]).max() <= 2**-24
    sent.clear()
    ask(mixer, {"vocals": 1, "drums": 7})
    assert [content["name"] for content, _ in sent] == ["drums", "true vocals"]


def test_nonsense_from_the_browser_is_passed_over(mixer, sent):
    for content in ("ask", None, {"kind": "other"}, {}):
        mixer._handle_custom_msg(content, [])
    assert sent == []
    mixer._handle_custom_msg({"kind": "ask", "have": 3}, [])
    mixer._sender.wait()
    assert len(sent) == 3


def test_loud_tracks_are_lowered_alike(sent):
    mixer = Mixer({"loud": noise(0, peak=4), "soft": noise(1, 1, peak=1)}, RATE)
    assert mixer.common_gain == pytest.approx(1 / np.abs(noise(0, peak=4)).max())
    messages = []
    mixer.send = lambda *message: messages.append(message)
    ask(mixer)
    loud, soft = (decode(buffers[0])[0] for _, buffers in messages)
    assert np.abs(loud).max() == pytest.approx(1, abs=1e-3)
    assert np.abs(soft - noise(1, 1, peak=1) * mixer.common_gain).max() <= 2**-24
    assert {content["gain"] for content, _ in messages} == {mixer.common_gain}


def test_replace_sends_the_new_audio_alone(mixer, sent):
    new = noise(9, 1, peak=2)
    mixer.replace("drums", new)
    assert mixer.waveform("drums") is new
    ((content, (data,)),) = sent
    assert (content["name"], content["version"]) == ("drums", 2)
    # the others, sent at another gain, are corrected by the browser
    assert content["gain"] == mixer.common_gain == pytest.approx(1 / np.abs(new).max())
    # full scale is one step less than 1
    assert np.abs(decode(data)[0] - new * mixer.common_gain).max() <= 2**-23


def test_a_piece_travels_alone_and_leaves_the_given_array(mixer, tracks, sent):
    given = tracks["drums"].copy()
    expected = given.copy()
    for first, n in ((0, 100), (7900, 100), (50, 8), (0, RATE)):
        piece = noise(first + n, n_samples=n)
        expected[first : first + n] = piece
        mixer.replace("drums", piece, start=10 + first / RATE)
        content, (data,) = sent[-1]
        label = {"kind": "piece", "name": "drums", "version": len(sent) + 1, "gain": 1}
        assert content == label | {"first": first}
        assert np.abs(decode(data)[0] - piece).max() <= 2**-24
        assert np.array_equal(mixer.waveform("drums"), expected)
    assert np.array_equal(tracks["drums"], given)
    sent.clear()
    ask(mixer, {"vocals": 1, "true vocals": 1, "drums": 4})
    ((content, (data,)),) = sent
    assert (content["kind"], content["version"]) == ("audio", 5)
    assert np.abs(decode(data)[0] - expected).max() <= 2**-24


def test_a_piece_after_a_whole_track_leaves_that_one_too(mixer):
    mixer.replace("drums", noise(3, n_samples=10), start=10)
    new = noise(9)
    mixer.replace("drums", new)
    mixer.replace("drums", noise(4, n_samples=10), start=10)
    assert np.array_equal(new, noise(9))
    assert np.array_equal(mixer.waveform("drums")[10:], new[10:])


def test_a_piece_of_a_vorbis_track_is_lossless(tracks):
    mixer = Mixer(tracks, 44100, codec="ogg")
    messages = []
    mixer.send = lambda *message: messages.append(message)
    mixer.replace("drums", noise(1, n_samples=500), start=0.05)
    assert np.abs(decode(messages[0][1][0])[0] - noise(1, n_samples=500)).max() <= 2**-24


@given(st.lists(st.tuples(st.integers(0, 90), st.integers(1, 10), st.floats(0, 3)), max_size=8))
def test_common_gain_follows_the_peaks_of_pieces(pieces):
    tracks = {"a": noise(0, n_samples=100), "b": noise(1, 1, n_samples=100)}
    mixer = Mixer(tracks, RATE)
    for first, n, peak in pieces:
        mixer.replace("a", noise(first, peak=peak, n_samples=n), start=first / RATE)
        highest = max(np.abs(mixer.waveform(name)).max() for name in tracks)
        assert mixer.common_gain == pytest.approx(min(1, 1 / highest), rel=1e-12)


@pytest.mark.parametrize("start", [9.99, 10.91, 12, "10", True, float("nan"), float("inf")])
def test_a_piece_outside_the_track_is_refused(mixer, start):
    with pytest.raises(ParameterError, match=r"between 10 and 11 s .*for 0.1 s"):
        mixer.replace("drums", noise(0, n_samples=800), start=start)


def test_unfit_pieces_are_refused_and_change_nothing(mixer, tracks, sent):
    with pytest.raises(ParameterError, match="its 2 channels"):
        mixer.replace("drums", noise(0, 1, n_samples=8), start=10)
    with pytest.raises(ParameterError, match="between 10 and 11 s"):
        mixer.replace("drums", noise(0, n_samples=RATE + 1), start=10)
    with pytest.raises(AudioError, match="NaN"):
        mixer.replace("drums", np.full((9, 2), np.nan, np.float32), start=10)
    assert mixer.waveform("drums") is tracks["drums"]
    assert sent == []


def test_replace_refuses_another_length_or_name(mixer):
    with pytest.raises(ParameterError, match=r"8000 samples.*start"):
        mixer.replace("drums", noise(0)[:-1])
    with pytest.raises(ParameterError, match="no track"):
        mixer.replace("flute", noise(0))
    with pytest.raises(ParameterError, match="no track"):
        mixer.waveform("flute")


def test_seek_tells_the_browser_even_if_the_trait_holds_that_time(mixer, sent):
    mixer.seek(10.5)
    mixer.seek(10.5)
    assert [content for (content,) in sent] == [{"kind": "seek", "time": 10.5}] * 2
    with pytest.raises(ParameterError):
        mixer.seek(12)


def test_play_and_pause(mixer):
    mixer.play()
    assert mixer.playing
    mixer.pause()
    assert not mixer.playing


def test_vorbis_keeps_length_and_place(tracks):
    mixer = Mixer({"tone": np.sin(np.arange(44100) / 20).astype("f4") / 2}, 44100, codec="ogg")
    messages = []
    mixer.send = lambda *message: messages.append(message)
    ask(mixer)
    decoded, _ = decode(messages[0][1][0])
    assert decoded.shape == (44100, 1)
    assert np.abs(decoded - mixer.waveform("tone")).max() < 0.05


def test_every_trait_has_help():
    own = Mixer.class_own_traits()
    assert {"time", "playing", "selection", "rate", "master_db", "strips"} <= set(own)
    assert all(trait.help for trait in own.values())


@pytest.mark.parametrize("rate", [655_351, 768_000, 100_001])
def test_rates_that_flac_cannot_state_are_refused(rate):
    with pytest.raises(ParameterError, match=rf"up to 655350 Hz.*got {rate}"):
        Mixer({"a": np.zeros((100, 1), np.float32)}, rate)


def test_the_highest_rate_of_flac_is_played():
    assert Mixer({"a": np.zeros((100, 1), np.float32)}, 655_350).encoded()["a"]


def test_other_messages_do_not_wait_for_tracks(mixer, monkeypatch):
    begun, done = threading.Event(), threading.Event()

    def slow(name):
        begun.set()
        done.wait(20)
        return 1, 1.0, b""

    monkeypatch.setattr(mixer._tracks, "file", slow)
    mixer._handle_custom_msg({"kind": "ask", "have": {}}, [])
    assert begun.wait(20)
    mixer.set_state({"playing": True})  # nothing of this would come while the handler encodes
    assert mixer.playing
    done.set()
    mixer._sender.wait()
