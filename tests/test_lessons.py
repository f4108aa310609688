"""Demonstrations: what they show, say and play at every setting, and how they work."""

import html
import re
import threading
from pathlib import Path

import numpy as np
import pytest
from ipywidgets.widgets.widget import _instances

import mssviz
from mssviz import lessons, scores
from mssviz.errors import ParameterError
from mssviz.lessons import (
    ceilings,
    classics,
    decisions,
    ethics,
    layers,
    learning,
    listening,
    masking,
    mixing,
    painting,
    phases,
    scoring,
    systems,
    windows,
)
from mssviz.lessons.demonstration import decibels, figure, slider
from mssviz.separation.editing import Stroke
from mssviz.stft import istft, stft

pytestmark = pytest.mark.slow


@pytest.fixture
def shown():
    """Function that makes a demonstration and sets it; all are closed after the test."""
    made = []

    def show(demonstration_class, **values):
        demonstration = demonstration_class()
        made.append(demonstration)
        demonstration.set(**values)
        return demonstration

    yield show
    for demonstration in made:
        demonstration.close()


CARDS = Path(__file__).parents[1] / "pretrained"


def number(text, pattern):
    """The number that a text says where a pattern has its group."""
    return float(re.search(pattern, text)[1].replace("−", "-").replace(",", ""))


# --- What all have in common --------------------------------------------------------------------


class Doubled(lessons.Demonstration):
    """A number and its double."""

    def __init__(self):
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.begun = threading.Event()
        self.calls = []
        super().__init__(value=slider("Value", 0, 9, 1, 1, "Any number."))

    def show(self, value):
        self.calls.append(value)
        self.begun.set()
        self.may_go_on.wait(20)
        if value == 9:
            raise ParameterError("nine is <too> much")
        self.report(1, 2, "doubling")
        tone = np.full((4410, 1), value / 10, np.float32)
        return lessons.Shown(figure(1), f"Twice {value:.0f} is <{2 * value:.0f}>.", {"tone": tone})


def test_a_picture_has_the_text_that_people_read(shown):
    demonstration = shown(Doubled, value=3)
    assert demonstration.text == "Twice 3 is <6>."
    said = html.escape(demonstration.text)
    page = demonstration.children[2].value
    assert f'<img alt="{said}"' in page
    assert f"<figcaption>{said}</figcaption>" in page
    assert "base64," in page


def test_sounds_follow_the_controls_in_one_mixer(shown):
    demonstration = shown(Doubled, value=3)
    [mixer] = demonstration.children[3].children
    demonstration.set(value=4)
    assert demonstration.children[3].children == (mixer,)
    np.testing.assert_allclose(mixer.waveform("tone"), 0.4, atol=1e-6)
    assert demonstration.sounds["tone"].max() == pytest.approx(0.4)


def test_of_many_settings_only_the_last_is_drawn(shown):
    demonstration = shown(Doubled)
    demonstration.calls.clear()
    demonstration.begun.clear()
    demonstration.may_go_on.clear()
    demonstration.controls["value"].value = 2
    assert demonstration.begun.wait(20)
    for value in (3, 4, 5):
        demonstration.controls["value"].value = value
    demonstration.may_go_on.set()
    demonstration.wait()
    assert demonstration.calls == [2, 5]
    assert demonstration.text == "Twice 5 is <10>."


def test_a_calculation_reports_how_far_it_is(shown):
    demonstration = shown(Doubled)
    said = []
    demonstration.children[1].observe(lambda change: said.append(change["new"]), "value")
    demonstration.set(value=2)
    assert said == [
        '<div role="status"><progress value="1" max="2"></progress> doubling …</div>', ""
    ]  # fmt: skip


def test_what_fails_is_said_and_the_next_setting_works(shown):
    demonstration = shown(Doubled)
    with pytest.raises(ParameterError, match="nine"):
        demonstration.set(value=9)
    assert demonstration.children[1].value == '<div role="alert">nine is &lt;too&gt; much</div>'
    demonstration.set(value=2)
    assert demonstration.text == "Twice 2 is <4>."
    assert demonstration.children[1].value == ""


def test_a_control_that_does_not_exist_is_refused(shown):
    demonstration = shown(Doubled)
    with pytest.raises(ParameterError, match="no control 'volume'; choose from value"):
        demonstration.set(volume=3)


@pytest.mark.parametrize(("level", "text"), [(-3.04, "−3.0"), (-0.04, "0.0"), (12.25, "12.2")])
def test_levels_are_written_with_a_real_minus(level, text):
    assert decibels(level) == text


def test_nothing_is_left_of_a_demonstration_that_is_closed():
    before = set(_instances)
    demonstration = lessons.Bleed()
    demonstration.wait()
    demonstration.close()
    assert set(_instances) == before
    assert "clean" in demonstration.sounds


def test_closing_does_not_wait_for_what_nobody_wants_any_more(shown):
    demonstration = shown(Doubled)
    demonstration.may_go_on.clear()
    demonstration.controls["value"].value = 5
    threading.Timer(0.1, demonstration.may_go_on.set).start()
    demonstration.close()
    assert demonstration.text == "Twice 1 is <2>."


def test_a_slider_over_given_values_shows_and_gives_them(shown):
    demonstration = shown(lessons.Frame, n_fft=4096)
    control = demonstration.controls["n_fft"]
    assert control.labels[int(control.value)] == "4,096"
    assert control.chosen == 4096


@pytest.mark.parametrize(
    "values", [{"n_fft": 5000}, {"time": 9}, {"time": "soon"}, {"window": "bay"}]
)
def test_a_control_refuses_what_it_cannot_show(shown, values):
    demonstration = shown(lessons.Frame)
    before = demonstration.text
    [[name, value]] = values.items()
    with pytest.raises(ParameterError, match=f"{name} cannot be {value!r}"):
        demonstration.set(**values)
    demonstration.wait()
    assert demonstration.text == before


# --- Lesson 1 -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("stem", "bleed_db"), [("vocals", -20), ("drums", 0)])
def test_bleed_is_the_rest_of_the_song(shown, stem, bleed_db):
    demonstration = shown(lessons.Bleed, stem=stem, bleed_db=bleed_db)
    song = lessons.excerpt()
    leak = demonstration.sounds["with bleed"] - song.stems[stem]
    rest = song.mixture - song.stems[stem]
    np.testing.assert_allclose(leak, 10 ** (bleed_db / 20) * rest, atol=1e-6)
    np.testing.assert_array_equal(demonstration.sounds["clean"], song.stems[stem])
    distance = mixing.level_db(song.stems[stem]) - mixing.level_db(leak)
    assert number(demonstration.text, r"lies (\S+) dB") == pytest.approx(abs(distance), abs=0.06)
    assert ("below" if distance > 0 else "above") in demonstration.text
    assert listening.leak_db(stem, bleed_db) == pytest.approx(distance, abs=0.01)


# --- Lesson 2 -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ("another stem", "3.0 dB louder"),
        ("the same sound", "6.0 dB louder"),
        ("the same, upside down", "silence"),
    ],
)
def test_coherent_sounds_add_amplitudes_and_others_powers(shown, other, said):
    demonstration = shown(lessons.Sum, other=other)
    sounds = demonstration.sounds
    np.testing.assert_array_equal(sounds["sum"], sounds["first"] + sounds["second"])
    assert said in demonstration.text
    assert mixing.level_db(sounds["first"]) == pytest.approx(mixing.level_db(sounds["second"]))


def test_a_delay_is_as_long_as_it_says():
    sounds = mixing.summed("the same sound", -6, 2)
    np.testing.assert_allclose(
        sounds["second"][88:], sounds["first"][:-88] * 10 ** (-6 / 20), atol=1e-6
    )
    assert not sounds["second"][:88].any()


def test_the_residual_is_what_no_stem_has(shown):
    demonstration = shown(lessons.Residual)
    made = lessons.songs.separated("spleeter:2stems")
    left = made.mixture - sum(made.estimates[target] for target in made.targets)
    np.testing.assert_allclose(demonstration.sounds["residual"], left, atol=1e-6)
    below = number(demonstration.text, r"lies (\S+) dB below")
    assert below == pytest.approx(mixing.level_db(made.mixture) - mixing.level_db(left), abs=0.06)
    demonstration.set(extension="the frame's mean mask")
    assert number(demonstration.text, r"lies (\S+) dB below") > 100


# --- Lesson 3 -----------------------------------------------------------------------------------


def test_a_frame_tells_its_length_its_bins_and_its_peak(shown):
    demonstration = shown(lessons.Frame, n_fft=1024)
    text = demonstration.text
    assert number(text, r"samples, (\S+) ms") == pytest.approx(1000 * 1024 / 44100, abs=0.06)
    assert number(text, r"Bins are (\S+) Hz") == pytest.approx(44100 / 1024, abs=0.06)
    assert number(text, r"loudest lies at (\S+) Hz") == round(10 * 44100 / 1024)
    demonstration.set(n_fft=16384, window="boxcar")
    assert "rectangular" in demonstration.text
    assert number(demonstration.text, r"loudest lies at (\S+) Hz") == pytest.approx(440, abs=2.7)


def test_all_bins_give_the_sound_back_and_few_bins_do_not(shown):
    demonstration = shown(lessons.WindowExplorer, sound="vocals", n_fft=1024, overlap=8)
    vocals = lessons.excerpt().stems["vocals"]
    np.testing.assert_allclose(demonstration.sounds["kept bins"], vocals, atol=1e-5)
    demonstration.set(keep=2)
    heard = demonstration.sounds["kept bins"]
    said = number(demonstration.text, r"SDR of (\S+) dB")
    assert said == pytest.approx(scores.usdr(vocals, heard), abs=0.06)
    assert 3 < said < 20


def test_only_the_loudest_bins_stay():
    spectrum = np.arange(1, 101).reshape(10, 10, 1) * 1j
    kept = windows.loudest(spectrum, 10)
    assert (kept != 0).sum() == 10
    assert np.abs(kept[kept != 0]).min() == 91


def test_two_notes_come_apart_as_the_window_grows():
    depths = [windows.dip_db(n_fft) for n_fft in (1024, 8192, 16384, 32768)]
    assert depths == sorted(depths)
    assert depths[1] < 0.1
    assert depths[2] > 3


# --- Lesson 4 -----------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", ["vocals", "drums", "mixture", phases.ZERO, phases.RANDOM])
def test_a_swap_keeps_magnitudes_and_takes_the_phase(shown, phase):
    demonstration = shown(lessons.PhaseSwap, magnitude="vocals", phase=phase)
    vocals = lessons.excerpt().stems["vocals"]
    heard = demonstration.sounds["swapped"]
    said = number(demonstration.text, r"SDR is (\S+) dB")
    assert said == pytest.approx(phases.swap_sdr("vocals", phase), abs=0.06)
    if phase == "vocals":
        np.testing.assert_allclose(heard, vocals, atol=1e-5)
    else:
        assert scores.usdr(vocals, heard) < 12


# --- Lesson 5 -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", masking.KINDS)
def test_the_mask_of_a_bin_is_what_its_kind_says(kind):
    first, other, mask = masking.bin_of_two(-6, 60, kind)
    size = 10 ** (-6 / 20)
    wanted = {
        "binary": 1,
        "ratio of magnitudes": 1 / (1 + size),
        "ratio of powers (Wiener)": 1 / (1 + size**2),
        "phase-sensitive": (first / (first + other)).real,
        "complex": first / (first + other),
    }
    assert mask == pytest.approx(wanted[kind], abs=1e-5)


def test_a_complex_mask_hits_where_others_miss(shown):
    demonstration = shown(lessons.TwoOwners, kind="complex")
    assert "error is nothing" in demonstration.text
    for kind in [*masking.KINDS][:-1]:
        demonstration.set(kind=kind)
        assert number(demonstration.text, r"error is (\S+) dB") < 0


@pytest.mark.parametrize("kind", masking.KINDS)
def test_a_mask_lets_through_what_is_heard(shown, kind):
    demonstration = shown(lessons.MaskKinds, stem="vocals", kind=kind)
    song = lessons.excerpt()
    true = {name: stft(stem, lessons.PARAMS) for name, stem in song.stems.items()}
    mixture = stft(song.mixture, lessons.PARAMS)
    mask = masking.KINDS[kind](true, mixture)["vocals"]
    heard = istft(mask * mixture, lessons.PARAMS, len(song.mixture))
    np.testing.assert_allclose(demonstration.sounds["estimate"], heard, atol=1e-6)
    share = number(demonstration.text, r"up to 1 in (\S+) %")
    assert (share > 99) == (kind in ("complex", "ratio of magnitudes", "ratio of powers (Wiener)"))


@pytest.fixture
def goal():
    goal = lessons.MaskGoal()
    yield goal
    goal.close()


VOICE = Stroke("vocals", "paint", [(0.1, 850), (1.3, 850)], 0.08, 100.0)


def test_a_stroke_is_seen_heard_and_scored(goal):
    before, sound = goal.sdr, goal.mixer.waveform("vocals").copy()
    assert before == goal.network_sdr
    sent = []
    goal.picture.send = lambda message, buffers=None: sent.append(message)
    goal.paint(VOICE)
    true = lessons.excerpt("lithium", painting.BAR_SECONDS).two["vocals"]
    assert goal.sdr == scores.usdr(true, goal.laboratory.estimates["vocals"]) > before + 1
    assert [message["kind"] for message in sent] == ["changed"]
    np.testing.assert_array_equal(
        goal.mixer.waveform("vocals"), goal.laboratory.estimates["vocals"]
    )
    assert np.abs(goal.mixer.waveform("vocals") - sound).max() > 0.01
    assert goal.text.startswith(f"Your vocals: SDR {goal.sdr:.1f} dB. The network's: {before:.1f}")
    assert goal.text in html.unescape(goal.children[0].children[1].value)


def test_a_stroke_can_be_taken_back(goal):
    undo = goal.children[0].children[0]
    assert undo.disabled
    goal.paint(VOICE)
    assert not undo.disabled
    undo.click()
    assert undo.disabled
    assert goal.sdr == pytest.approx(goal.network_sdr, abs=1e-4)


def test_nothing_is_left_of_a_goal_that_is_closed():
    lessons.songs.separated(painting.MODEL, "lithium", painting.BAR_SECONDS)  # without a bar
    before = set(_instances)
    goal = lessons.MaskGoal()
    goal.close()
    assert set(_instances) == before


def test_the_goal_says_of_which_kind_the_error_is(goal):
    assert "voice that it cuts off" in goal.text
    everything = [(-1, 0), (3, 0), (3, 20000), (-1, 20000)]
    goal.paint(Stroke("vocals", "lasso", everything))
    assert "other sound that the mask lets through" in goal.text


def test_a_stroke_that_cannot_be_is_refused_on_the_page(goal):
    goal.paint(Stroke("<drums>", "paint", [(1, 100)]))
    said = goal.children[0].children[1].value
    assert said.startswith('<div role="alert">no stem')
    assert "<drums>" not in said


# --- Lesson 6 -----------------------------------------------------------------------------------


def test_a_network_lies_between_the_mixture_and_the_oracles(shown):
    demonstration = shown(lessons.Ceilings, song="francium", stem="accompaniment")
    levels = [number(demonstration.text, rf"{re.escape(t)} (−?\d+\.\d)") for t in ceilings.MODELS]
    assert levels[0] < levels[1] < min(levels[2:])
    made = mssviz.Separator("spleeter:2stems", progress=False).separate(
        lessons.excerpt("francium").mixture, 44100, progress=False
    )
    true = lessons.excerpt("francium").two["accompaniment"]
    assert levels[1] == pytest.approx(scores.usdr(true, made.estimates["accompaniment"]), abs=0.06)
    np.testing.assert_allclose(
        demonstration.sounds["estimate"], made.estimates["accompaniment"], atol=1e-6
    )


def test_songs_that_do_not_come_along_are_refused():
    with pytest.raises(ParameterError, match="song must be one of lithium, francium"):
        lessons.excerpt("helium")


# --- Lesson 7 -----------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [7, 31])
def test_both_halves_add_up_and_shapes_decide_where_a_stem_goes(shown, length):
    demonstration = shown(lessons.MedianFilters, song="lithium", length=length)
    halves = [demonstration.sounds[name] for name in classics.HALVES]
    song = lessons.excerpt()
    np.testing.assert_allclose(sum(halves), song.mixture, atol=1e-5)
    shares = {name: number(demonstration.text, rf"{name} (\d+) %") for name in song.stems}
    assert shares["drums"] > 50 > shares["vocals"] > shares["bass"]
    said = number(demonstration.text, r"SDR of (\S+) dB")
    assert said == pytest.approx(scores.usdr(song.stems["drums"], halves[0]), abs=0.06)


def test_median_filters_are_those_of_the_model_that_can_be_chosen():
    made = mssviz.separators.find("hpss").separate(lessons.excerpt().mixture, 44100, progress=False)
    np.testing.assert_array_equal(
        made.masks["drums"], classics.median_masks("lithium", 31)["percussive"]
    )


def test_frames_are_most_like_themselves_and_like_what_comes_again():
    alike = classics.similarity("lithium")
    np.testing.assert_allclose(alike, alike.T)
    np.testing.assert_allclose(np.diag(alike)[1:], 1, atol=1e-4)  # the first frame is silent
    bar = round(painting.BAR_SECONDS * 44100 / lessons.PARAMS.hop_length)
    lags = range(bar - 20, bar + 21)
    assert max(lags, key=lambda lag: np.diag(alike, lag).mean()) == pytest.approx(bar, abs=1)


def test_repetition_helps_the_voice_but_not_the_band(shown):
    demonstration = shown(lessons.Repetition, song="lithium", stem="accompaniment")
    said = [r"SDR: (\S+) dB", r"the mixture itself has (\S+) dB"]
    found, floor = (number(demonstration.text, pattern) for pattern in said)
    assert found < floor
    true = lessons.excerpt("lithium", 10).two["accompaniment"]
    assert found == pytest.approx(scores.usdr(true, demonstration.sounds["estimate"]), abs=0.06)
    demonstration.set(stem="vocals")
    found, floor = (number(demonstration.text, pattern) for pattern in said)
    assert found > floor + 5


def test_components_add_up_to_the_mixture_and_one_is_heard(shown):
    demonstration = shown(lessons.Components, number=9)
    sounds = lessons.components()
    np.testing.assert_allclose(sum(sounds), lessons.excerpt().mixture, atol=1e-4)
    np.testing.assert_array_equal(demonstration.sounds["component"], sounds[8])
    assert "Component 9 of 10: its spectrum is loudest at 883 Hz" in demonstration.text
    assert number(demonstration.text, r"vocals (\d+) %") > 80
    demonstration.set(n_components=4)
    assert "Component 4 of 4" in demonstration.text


def test_no_other_group_of_components_is_as_good():
    groups = [[n + 1 for n in range(10) if 1 << n & bits] for bits in range(1, 1 << 10)]
    sounds = np.stack([sound.ravel() for sound in lessons.components()]).astype(np.float64)
    true = lessons.excerpt().stems["vocals"].ravel().astype(np.float64)
    gram, with_true = sounds @ sounds.T, sounds @ true
    error = {tuple(g): gram[np.ix_(i, i)].sum() - 2 * with_true[i].sum()
             for g in groups for i in [np.array(g) - 1]}  # fmt: skip
    first, second = sorted(error, key=error.get)[:2]
    assert first == (5, 9, 10)
    assert classics.grouped_sdr(second) < classics.grouped_sdr(first) - 0.5


# --- Lesson 8 -----------------------------------------------------------------------------------


def test_a_bin_sees_more_with_every_level_and_as_much_as_spleeters(shown):
    demonstration = shown(lessons.ReceptiveField)
    seen = []
    for n_levels in range(1, 7):
        demonstration.set(n_levels=n_levels)
        seen.append(number(demonstration.text, r"sees (\d+) of 512 frames"))
    assert seen == sorted(set(seen))
    frames, bins = layers.field(6, 5.0, 1000.0)
    separator = mssviz.Separator("spleeter:2stems", progress=False)
    network = mssviz.networks.receptive_field
    assert (frames, bins) == network.receptive_field(separator.network.model, 217, 93)
    assert f"{bins.stop - bins.start} of 1,024 bins" in demonstration.text


@pytest.mark.parametrize("depth", range(1, 7))
def test_layers_on_the_way_down_see_what_the_exercise_says(depth):
    import keras

    from mssviz.networks.receptive_field import receptive_field

    model = layers.surgery().whole.network.model
    layer = model.get_layer(f"vocals_conv{depth}")
    frames, _ = receptive_field(keras.Model(model.input, layer.output), 4 << (6 - depth), 4)
    assert frames.stop - frames.start == layers.sizes()[depth - 1]


def test_what_is_switched_off_is_seen_heard_and_scored(shown):
    demonstration = shown(lessons.Skips, song="francium", cut="skip of level 3")
    assert layers.surgery().cuts == {}
    assert "Right: skip of level 3 switched off, SDR 3.2 dB" in demonstration.text
    true = lessons.excerpt("francium").two["vocals"]
    assert scores.usdr(true, demonstration.sounds["cut"]) == pytest.approx(3.2, abs=0.1)
    assert scores.usdr(true, demonstration.sounds["whole"]) == pytest.approx(8.4, abs=0.1)
    demonstration.set(cut="nothing")
    assert "changed by 0.00" in demonstration.text
    np.testing.assert_array_equal(demonstration.sounds["cut"], demonstration.sounds["whole"])


def test_feature_maps_are_those_of_the_network(shown):
    demonstration = shown(lessons.FeatureMaps, layer="conv2", channel=2)
    assert "channel 2 of 32 of conv2, which has 128 times and 256 bands" in demonstration.text
    maps = layers.feature_maps("conv2")
    assert (np.diff(maps.std(axis=(0, 1))) <= 0).all()
    found, _ = layers.surgery().feature_maps(
        "vocals_conv2", lessons.songs.separated("spleeter:2stems"), 0.0
    )
    assert sorted(maps[3, 5]) == sorted(found[3, 5])
    least = number(demonstration.text, r"go from (\S+) to")
    assert least == pytest.approx(maps[:, :, 1].min(), abs=0.06)
    demonstration.set(layer="up6")
    assert "channel 1 of 1 of up6" in demonstration.text


# --- Lesson 9 -----------------------------------------------------------------------------------


def test_a_border_between_patches_changes_the_mask_and_is_heard(shown):
    demonstration = shown(lessons.PatchBorder, border=2.5)
    song = lessons.excerpt()
    cut = demonstration.sounds["with border"]
    assert cut.shape == song.mixture.shape
    said = number(demonstration.text, r"at 2\.50 s, SDR (\S+) dB")
    assert said == pytest.approx(scores.usdr(song.two["vocals"], cut), abs=0.06)
    assert said > 1
    assert number(demonstration.text, r"changes by (\S+) in") > 0.05
    # what the silence before the song has moved is the border alone
    separation, first = decisions.across(2.5)
    found = np.asarray(separation.mixture_stft)[first + 4 :]
    np.testing.assert_allclose(
        found, np.asarray(lessons.songs.separated("spleeter:2stems").mixture_stft)[4:], atol=1e-4
    )


@pytest.mark.parametrize("above", decisions.ABOVE)
def test_the_treble_is_what_the_control_says(shown, above):
    demonstration = shown(lessons.Edge, stem="vocals", above=above)
    heard = demonstration.sounds["estimate"]
    level = number(demonstration.text, r"is at (\S+) dB of the whole estimate")
    assert level == pytest.approx(decisions.treble_db(heard), abs=0.06)
    assert (level > -40) == (above == "the frame's mean mask")
    true = lessons.excerpt().two["vocals"]
    said = number(demonstration.text, r"SDR: (\S+) dB")
    assert said == pytest.approx(scores.usdr(true, heard), abs=0.06)


def test_a_repaired_place_is_heard_and_gains_what_is_said(shown):
    demonstration = shown(lessons.Mistakes, place=2)
    true = lessons.excerpt().two["vocals"]
    sounds = demonstration.sounds
    said = re.search(r"rises from (\S+) to (\S+) dB", demonstration.text)
    for text, name in zip(said.groups(), ("estimate", "repaired"), strict=True):
        assert float(text) == pytest.approx(scores.usdr(true, sounds[name]), abs=0.06)
    errors, regions = decisions.mistakes()
    np.testing.assert_array_equal(sounds["repaired"], scores.repaired(errors, regions[1:2]))
    assert float(said[2]) - float(said[1]) > regions[1].gain_db - 0.1
    demonstration.set(song="francium", place=1)
    assert "Place 1: too much" in demonstration.text


def test_a_bin_has_its_mask_its_true_share_and_its_evidence(shown):
    demonstration = shown(lessons.WhyBin, time=1.7, frequency=3000)
    separation = lessons.songs.separated("spleeter:2stems")
    pointed = mssviz.insight.MaskBin(decisions.surgery().whole, separation, "vocals", 1.7, 3000.0)
    frame, frequency_bin = pointed.index
    mask = separation.masks["vocals"][frame : frame + 1][0, frequency_bin].mean()
    assert number(demonstration.text, r"mask is (\S+);") == pytest.approx(mask, abs=0.006)
    assert number(demonstration.text, r"should be (\S+)\. ") > 0.9
    heard = demonstration.sounds["evidence"]
    assert heard.shape == lessons.excerpt().mixture.shape
    assert 0 < np.square(heard).sum() < np.square(lessons.excerpt().mixture).sum()


# --- Lesson 10 ----------------------------------------------------------------------------------


@pytest.mark.parametrize("model", scoring.MODELS)
def test_the_parts_of_a_score_add_up_to_what_is_scored(shown, model):
    demonstration = shown(lessons.HearScores, model=model)
    estimate = lessons.songs.separated(scoring.MODELS[model]).estimates["vocals"]
    *parts, together = demonstration.sounds.values()
    np.testing.assert_allclose(sum(parts), together, atol=1e-6)
    np.testing.assert_allclose(together[: len(estimate)], estimate, atol=1e-5)
    true = lessons.excerpt().stems["vocals"]
    assert number(demonstration.text, r"SDR (\S+),") == pytest.approx(
        scores.usdr(true, estimate), abs=0.06
    )
    interference = mixing.level_db(demonstration.sounds["interference"])
    assert number(demonstration.text, r"interference (\S+),") == pytest.approx(
        interference, abs=0.06
    )


@pytest.mark.parametrize("answer", scoring.ANSWERS)
def test_what_is_given_as_the_vocals_is_heard_and_scored(shown, answer):
    demonstration = shown(lessons.FoolScores, answer=answer)
    given, true = demonstration.sounds["given"], lessons.excerpt().stems["vocals"]
    np.testing.assert_array_equal(demonstration.sounds["true stem"], true)
    said = number(demonstration.text, r"uSDR (\S+),")
    assert said == pytest.approx(scores.usdr(true, given), abs=0.06)
    said = number(demonstration.text, r"fullness (\S+)\.$")
    assert said == pytest.approx(scores.fullness(true, given, 44100), abs=0.06)


def test_every_score_is_fooled_by_something():
    own, ideal = scoring.marks("Spleeter's"), scoring.marks("an ideal mask's")
    hard = scoring.marks("Spleeter's, through hard masks")
    assert hard["SIR"] > ideal["SIR"]
    assert hard["uSDR"] < own["uSDR"]
    mixture = scoring.marks("the mixture itself")
    assert mixture["SAR"] > scoring.TOP_DB
    assert mixture["fullness"] > ideal["fullness"]
    assert scoring.marks("the true stem, upside down")["uSDR"] == pytest.approx(-6.02, abs=0.01)
    assert scoring.marks("the true stem, 1 ms late")["uSDR"] < own["uSDR"]
    assert scoring.marks("the true stem, without second 2")["cSDR"] > scoring.TOP_DB
    assert scoring.marks("the true stem, with soft hiss")["bleedless"] < ideal["bleedless"]


def test_windows_of_cSDR_are_those_of_evaluate():
    true = lessons.excerpt().two
    estimate = scoring.ANSWERS["Spleeter's"]("lithium")
    table = mssviz.evaluate(true, {**true, "vocals": estimate}, 44100)
    found = table[table["target"] == "vocals"]["SDR"].median()
    assert scoring.marks("Spleeter's")["cSDR"] == pytest.approx(found, abs=0.01)


def test_ratings_stand_beside_the_scores_of_what_was_heard():
    test = lessons.blind_test()
    table = lessons.beside(test)
    assert list(table.index) == scoring.HEARD
    assert table["rating"].isna().all()
    ids = test.state["ids"]
    for ident in ids:
        test._receive(
            test, {"kind": "heard", "trial": 0, "id": ident, "times": 1, "seconds": 1}, []
        )
        test._receive(test, {"kind": "rate", "trial": 0, "id": ident, "rating": 70}, [])
    table = lessons.beside(test)
    assert (table["rating"] == 70).all()
    assert table.loc["Spleeter's", "uSDR"] == pytest.approx(
        scoring.marks("Spleeter's")["uSDR"], abs=0.06
    )


# --- Lesson 11 ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("percent", "absolute"), [(0, 0), (30, 0), (70, 1), (100, 1)])
def test_the_best_answer_is_the_median_by_one_loss_and_the_mean_by_the_other(
    shown, percent, absolute
):
    demonstration = shown(lessons.LossOfABin, percent=percent)
    assert number(demonstration.text, r"\(L1\) it is (\S+),") == absolute
    assert number(demonstration.text, r"\(MSE\) it is (\S+)\.$") == percent / 100


def alike(first, second):
    """Whether two sounds are the same but for half precision."""
    return scores.usdr(first, second) > 50


@pytest.mark.parametrize("augment", learning.AUGMENTATIONS)
def test_the_mixture_of_an_example_is_the_sum_of_its_stems(shown, augment):
    demonstration = shown(lessons.Augmented, augment=augment, number=3)
    mixture, *stems = demonstration.sounds.values()
    assert alike(sum(stems), mixture)
    assert number(demonstration.text, r"mixture (\S+),") == pytest.approx(
        mixing.level_db(mixture), abs=0.06
    )


def test_augmentation_changes_levels_channels_and_company():
    plain, louder, turned, mixed = (
        learning.example(1, augment) for augment in ((), ("gain",), ("swap",), ("remix",))
    )
    gains = {name: louder[name].std() / plain[name].std() for name in ("vocals", "drums", "other")}
    assert len({round(float(gain), 2) for gain in gains.values()}) == 3
    assert all(alike(gain * plain[name], louder[name]) for name, gain in gains.items())
    assert any(
        alike(turned[name], plain[name][:, ::-1]) and not alike(turned[name], plain[name])
        for name in gains
    )
    assert any(not alike(mixed[name], plain[name]) for name in gains)


def test_a_network_is_trained_in_class_and_nothing_is_left_of_it():
    view = lessons.ClassTraining(seconds=3, augment=["gain"], steps=2)
    folder = Path(view._folder.name)
    view.wait()
    assert "done" in view.children[0].children[1].value
    assert list(view.history["step"]) == [1, 2]
    assert len(view.sdr["vocals"]) == 2
    assert np.isfinite(view.history["validation_loss"]).all()
    assert (folder / "network").is_dir()
    view.close()
    del view._folder
    assert not folder.exists()


def test_a_song_that_is_learnt_by_heart_helps_no_other():
    view = lessons.ClassTraining()
    view.wait()
    history = view.history
    assert history["loss"].iloc[-1] < 0.85 * history["loss"].iloc[0]
    assert history["validation_loss"].iloc[-1] > 1.05 * history["validation_loss"].min()
    view.close()


# --- Lesson 12 ----------------------------------------------------------------------------------


@pytest.mark.parametrize("output", systems.OUTPUTS)
def test_errors_of_an_output_are_heard_as_far_as_its_kind_lets_them(shown, output):
    demonstration = shown(lessons.Outputs, output=output)
    vocals = lessons.excerpt().stems["vocals"]
    has_phase = output in ("complex mask", "waveform")
    assert ("Nothing is wrong" in demonstration.text) == has_phase
    without = scores.usdr(vocals, demonstration.sounds["given"])
    demonstration.set(error_db=-20)
    heard = demonstration.sounds["given"]
    said = number(demonstration.text, r"SDR: (\S+) dB")
    assert said == pytest.approx(scores.usdr(vocals, heard), abs=0.06)
    assert said < without
    assert ("above it" in demonstration.text) == (output == "waveform")


def test_only_masks_are_silent_where_the_mixture_is():
    song = lessons.excerpt()
    for output in systems.OUTPUTS:
        error = systems.given(output, -10) - systems.given(output, -60)
        level = systems.soft_error_db(song.stems["vocals"] + error)
        assert (level < -5) == ("mask" in output), (output, level)


@pytest.mark.parametrize(
    ("split", "n_bands", "n_here"), zip(systems.SPLITS, (1025, 62, 60), (1, 1, 2), strict=True)
)
def test_bands_hold_every_bin_and_are_told(shown, split, n_bands, n_here):
    demonstration = shown(lessons.Bands, split=split, hertz=1000)
    found = systems.bands(split)
    assert {bin_ for low, width in found for bin_ in range(low, low + width)} == set(range(1025))
    assert number(demonstration.text, r": (\S+) in a frame") == len(found) == n_bands
    assert number(demonstration.text, r"1,000 Hz lies in (\d)") == n_here
    assert number(demonstration.text, r"compares (\S+) pairs") == n_bands**2
    for low, width in systems.bands_at(split, 1000):
        assert low * 44100 / 2048 < 1011
        assert (low + width) * 44100 / 2048 > 989


def test_systems_whose_weights_are_there_stand_side_by_side(shown):
    demonstration = shown(lessons.SideBySide, heard="teaching:4stems")
    true = lessons.excerpt("francium").stems["vocals"]
    heard = demonstration.sounds["estimate"]
    said = number(demonstration.text, r"teaching:4stems (\S+),")
    assert said == pytest.approx(scores.usdr(true, heard), abs=0.06)
    assert said < number(demonstration.text, r"Spleeter (\d+\.\d)")
    assert "Open-Unmix" not in demonstration.text


def test_a_system_is_offered_when_its_weights_are_there(monkeypatch):
    table = mssviz.models()
    table.loc["umx", "state"] = "ready"
    monkeypatch.setattr(systems.separators, "models", lambda: table)
    assert systems.systems_here()["Open-Unmix"] == "umx"
    assert "Demucs" not in systems.systems_here()


# --- Lesson 13 ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("song", "weights", "plan", "verdict"),
    [
        ("CC0", "MIT", "sell a remix", "yes"),
        ("CC BY", "MIT", "sell a remix", "with conditions"),
        ("CC BY-NC-SA", "MIT", "sell a remix", "ask first"),
        ("CC0", "for scientific purposes", "put it on a free page", "ask first"),
        ("my own", "CC BY-NC-SA", "show it in a paper", "with conditions"),
        ("all rights reserved", "MIT", "listen at home", "depends on the country"),
        ("CC0", "not stated", "listen at home", "ask first"),
    ],
)
def test_the_stricter_licence_decides(shown, song, weights, plan, verdict):
    demonstration = shown(lessons.MayIPublish, song=song, weights=weights, plan=plan)
    assert f"May I {plan}? {verdict.capitalize()}. " in demonstration.text
    assert ethics.SONG_LICENCES[song][1] in demonstration.text
    assert ethics.WEIGHT_LICENCES[weights][1] in demonstration.text


def test_a_licence_names_the_models_whose_cards_state_it(shown):
    demonstration = shown(lessons.MayIPublish, weights="for scientific purposes")
    assert demonstration.text.endswith(
        "Cards of models that say so: demucs, htdemucs, htdemucs:6s, htdemucs:ft."
    )
    assert "Cards" not in shown(lessons.MayIPublish, weights="CC BY-NC-SA").text
    found = {licence: ethics.models_under(licence) for licence in ethics.WEIGHT_LICENCES}
    assert {"spleeter:2stems", "umx", "teaching:4stems"} <= set(found["MIT"])
    assert "bs-roformer:sw" in found["not stated"]
    assert "umx-tiny" not in found["MIT"]


def test_licences_are_never_freer_for_a_bolder_plan():
    for plan in ethics.PLANS:
        assert ethics.verdict("CC0", "MIT", plan) == "yes"
    for song in ethics.SONG_LICENCES:
        words = [ethics.VERDICTS.index(word) for word in ethics.SONG_LICENCES[song][0]]
        assert words == sorted(words)


def test_a_network_is_better_only_where_it_has_learnt(shown):
    demonstration = shown(lessons.Contaminated, song="francium")
    said = [
        [number(demonstration.text, rf"{song}: .*?{model} (\d+\.\d)") for model in ethics_models()]
        for song in ("lithium", "francium")
    ]
    assert said[0][0] > said[0][1]
    assert said[1][0] < said[1][1]
    true = lessons.excerpt("francium").stems["vocals"]
    for model, level in zip(ethics_models(), said[1], strict=True):
        assert level == pytest.approx(scores.usdr(true, demonstration.sounds[model]), abs=0.06)


def ethics_models():
    card = (CARDS / "teaching-4stems" / "README.md").read_text("utf-8")
    assert "Lithium, Rubidium (trained on), Francium" in card
    return "teaching:4stems", "spleeter:2stems"


def test_a_shifted_voice_is_harder_for_the_network_alone(shown):
    demonstration = shown(lessons.OtherVoices, semitones=12)
    true = demonstration.sounds["true stem"]
    assert len(true) == 8 * 44100
    assert not true[2 * 44100 :].any()
    said = number(demonstration.text, r"Spleeter (\S+),")
    assert said == pytest.approx(scores.usdr(true, demonstration.sounds["Spleeter's"]), abs=0.06)
    ideal = number(demonstration.text, r"ideal mask (\S+)\.$")
    demonstration.set(semitones=0)
    assert said < number(demonstration.text, r"Spleeter (\S+),") - 3
    assert ideal == pytest.approx(number(demonstration.text, r"mask (\S+)\.$"), abs=2)


def test_likeness_finds_a_part_at_any_level_and_nothing_in_noise():
    song = lessons.excerpt().mixture
    part = -0.1 * song[50_000:90_000, ::-1]
    assert ethics.likeness(song, part) == pytest.approx(1, abs=1e-3)
    noise = np.random.default_rng(0).normal(size=part.shape)
    assert ethics.likeness(song, noise) < 0.1
    assert ethics.likeness(song, 0 * part) < 1e-3
