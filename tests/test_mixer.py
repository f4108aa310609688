"""The mixer's Python side: what it takes, what it refuses, what it tells the browser."""

import io
import json

import numpy as np
import pytest
import soundfile

from mssviz.errors import AudioError, MssvizError, ParameterError
from mssviz.plots import PALETTE
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


def decode(data):
    return soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)


def test_state_at_first(mixer):
    assert (mixer.time, mixer.offset, mixer.duration) == (10, 10, 1)
    assert (mixer.playing, mixer.loop, mixer.rate, mixer.master_db) == (False, None, 1, 0)
    vocals, drums = mixer.strips
    assert (vocals["name"], vocals["reference"], vocals["shows"]) == ("vocals", True, "estimate")
    assert (drums["name"], drums["reference"]) == ("drums", False)
    assert [vocals["color"], drums["color"]] == list(PALETTE[:2])


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
        ("time", 9.9), ("time", 11.1), ("loop", [10.5, 10.5]), ("loop", [10.8, 10.2]),
        ("loop", 3), ("loop", [10.0]), ("loop", ["a", "b"]), ("loop", [9, 10.5]),
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
    mixer.loop = (10, 10.5)
    assert mixer.loop == [10.0, 10.5]
    mixer.loop = None
    assert mixer.loop is None


def test_times_that_differ_by_rounding_are_taken(mixer):
    mixer.time = 11.0000001
    assert mixer.time == 11


@pytest.mark.parametrize(
    "changes",
    [
        {"gain_db": 13}, {"pan": -1.1}, {"pan": True}, {"muted": 1}, {"solo": None},
        {"shows": "other"}, {"color": "red;background:url(x)"}, {"reference": False},
        {"name": "x"}, {"volume": 1},
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
    with pytest.raises(ParameterError, match="paired"):
        mixer.adjust("true vocals", solo=True)
    with pytest.raises(ParameterError, match="no track"):
        mixer.adjust("flute", solo=True)
    with pytest.raises(ParameterError, match="estimate"):
        mixer.adjust("drums", shows="reference")


@pytest.mark.parametrize(
    "options",
    [
        {"volume": 1}, {"pairs": {"vocals": "flute"}}, {"pairs": {"flute": "vocals"}},
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
        assert np.abs(decoded - tracks[content["name"]]).max() <= 2**-15
    sent.clear()
    ask(mixer, {"vocals": 1, "drums": 7})
    assert [content["name"] for content, _ in sent] == ["drums", "true vocals"]


def test_nonsense_from_the_browser_is_passed_over(mixer, sent):
    for content in ("ask", None, {"kind": "other"}, {}):
        mixer._handle_custom_msg(content, [])
    assert sent == []
    mixer._handle_custom_msg({"kind": "ask", "have": 3}, [])
    assert len(sent) == 3


def test_loud_tracks_are_lowered_alike(sent):
    mixer = Mixer({"loud": noise(0, peak=4), "soft": noise(1, 1, peak=1)}, RATE)
    assert mixer.common_gain == pytest.approx(1 / np.abs(noise(0, peak=4)).max())
    messages = []
    mixer.send = lambda *message: messages.append(message)
    ask(mixer)
    loud, soft = (decode(buffers[0])[0] for _, buffers in messages)
    assert np.abs(loud).max() == pytest.approx(1, abs=1e-3)
    assert np.abs(soft - noise(1, 1, peak=1) * mixer.common_gain).max() <= 2**-15
    assert {content["gain"] for content, _ in messages} == {mixer.common_gain}


def test_replace_sends_the_new_audio_alone(mixer, sent):
    new = noise(9, 1, peak=2)
    mixer.replace("drums", new)
    assert mixer.waveform("drums") is new
    ((content, (data,)),) = sent
    assert (content["name"], content["version"]) == ("drums", 2)
    # the others, sent at another gain, are corrected by the browser
    assert content["gain"] == mixer.common_gain == pytest.approx(1 / np.abs(new).max())
    assert np.abs(decode(data)[0] - new * mixer.common_gain).max() <= 2**-15


def test_replace_refuses_another_length_or_name(mixer):
    with pytest.raises(ParameterError, match="8000 samples"):
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
    assert {"time", "playing", "loop", "rate", "master_db", "strips"} <= set(own)
    assert all(trait.help for trait in own.values())
