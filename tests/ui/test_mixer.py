"""The mixer in a real JupyterLab: what it plays, what its controls do, what it leaves behind."""

import itertools
import json

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.ui import lab as jupyter

pytestmark = pytest.mark.ui

WAIT_MS = 20_000
# The same signals in the kernel and here.
SIGNALS = """
import numpy as np
from mssviz import datasets
RATE, SECONDS = 44100, 6
def example():
    _, stems = next(iter(datasets.examples().values())).load(0, SECONDS)
    # its own 16 bits would hide what is rounded
    return {name: np.float32(0.7) * stem for name, stem in stems.items()}
def signals():
    noise = np.random.default_rng(7)
    t = np.arange(RATE * SECONDS)[:, None] / RATE
    voice = np.sin(2 * np.pi * 220 * t + 3 * np.sin(2 * np.pi * 5 * t)) * np.sin(np.pi * t / 2)
    beat = noise.uniform(-1, 1, (len(t), 2)) * np.exp(-12 * (t % 0.5))
    tracks = {
        "vocals": 0.5 * voice * [1, 0.7],
        "drums": 0.7 * beat,
        "bass": 0.3 * np.sin(2 * np.pi * 55 * t),
        "true vocals": 0.4 * voice * [0.7, 1],
    }
    return {name: track.astype("f4") for name, track in tracks.items()}
"""
# What the kernel has is shown as text; what is typed into the field runs in the kernel.
CELL = """
import json, ipywidgets
from mssviz.widgets.mixer import Mixer
mixer = Mixer(TRACKS)
state = ipywidgets.HTML()
state.add_class("state")
names = ["time", "playing", "selection", "rate", "master_db", "strips"]
def show(_=None):
    state.value = json.dumps({name: getattr(mixer, name) for name in names})
mixer.observe(show, names)
show()
command = ipywidgets.Text(continuous_update=False)
command.add_class("command")
ran = ipywidgets.Text(disabled=True)
ran.add_class("ran")
def run(change):
    exec(change.new, globals())
    ran.value = change.new
command.observe(run, "value")
box = ipywidgets.VBox([mixer])
ipywidgets.VBox([box, state, command, ran])
"""
PAIRED = 'signals(), RATE, pairs={"vocals": "true vocals"}'
MODELS = """
    {"vocals": (s := signals())["vocals"], "drums": s["drums"], "bass": s["bass"],
     "vocals 2": s["true vocals"], "vocals 3": s["bass"], "drums 2": -0.5 * s["drums"]},
    RATE, pairs={"vocals": ["vocals 2", "vocals 3"], "drums": "drums 2"}
"""


def _open(run_cell, arguments=PAIRED, **options):
    page = run_cell(SIGNALS + CELL.replace("TRACKS", arguments), **options)
    page.wait_for_selector(".mssviz-mixer", timeout=WAIT_MS)
    _wait(page, "mixer.ready")
    return page


def _mixer(page, expression):
    """Value of a JavaScript expression of `mixer`, what the widget shows to tests."""
    script = f"""async () => {{
        const mixer = document.querySelector(".mssviz-mixer").parentElement.mssvizMixer;
        return await ({expression});
    }}"""
    return page.evaluate(script)


def _wait(page, expression):
    page.wait_for_function(
        f"""() => {{
            const mixer = document.querySelector(".mssviz-mixer")?.parentElement.mssvizMixer;
            return mixer && ({expression});
        }}""",
        timeout=WAIT_MS,
    )


def _in_kernel(page, code):
    """Run code in the kernel, which may still run it when this returns."""
    # of what is typed while the kernel is busy, ipywidgets sends the last only
    page.wait_for_function(
        """() => {
            const [command, ran] = document.querySelectorAll(":is(.command, .ran) input");
            return command.value === ran.value;
        }""",
        timeout=WAIT_MS,
    )
    field = page.locator(".command input")
    field.fill(code)
    field.press("Enter")


def _state(page):
    return json.loads(page.locator(".state .widget-html-content").inner_text())


def _expect_state(page, condition):
    """Wait until the kernel's state, `s`, fulfils a JavaScript condition."""
    page.wait_for_function(
        f"""() => {{
            const s = JSON.parse(document.querySelector(".state .widget-html-content").innerText);
            return {condition};
        }}""",
        timeout=WAIT_MS,
    )
    return _state(page)


def _render(page, seconds=6, start="undefined", loop="false"):
    script = f"""() => document.querySelector(".mssviz-mixer").parentElement.mssvizMixer
        .render({seconds}, {start}, {loop})"""
    return np.stack(jupyter.arrays(page, script), axis=1)


def _call(function):
    names = {}
    exec(SIGNALS, names)
    return names[function]()


def _signals():
    return {k: np.broadcast_to(v, (len(v), 2)) for k, v in _call("signals").items()}


def _pan(waveform, pan):
    left, right = waveform.astype(float).T
    angle = (pan + (pan <= 0)) * np.pi / 2
    if pan <= 0:
        return np.stack([left + right * np.cos(angle), right * np.sin(angle)], axis=1)
    return np.stack([left * np.cos(angle), right + left * np.sin(angle)], axis=1)


def _error_db(found, expected):
    return 10 * np.log10(np.mean((found - expected) ** 2) / np.mean(expected**2))


def _expect_sound(page, expected, what=None):
    """Wait until this is what the mixer renders, within -80 dB."""

    def check():
        error = _error_db(_render(page, len(expected) // 44100), expected)
        assert error < -80
        if what:
            _report(what, error)

    jupyter.eventually(page, check)


def _report(what, error):
    print(f"\n{what}: {error:.1f} dB below the signal")


def test_what_it_renders_is_what_numpy_mixes(run_cell):
    page = _open(run_cell)
    tracks = _signals()
    plain = sum(tracks[name].astype(float) for name in ("vocals", "drums", "bass"))
    error = _error_db(_render(page), plain)
    _report("plain sum, flac", error)
    assert error < -80
    _in_kernel(
        page,
        "mixer.adjust('vocals', gain_db=-6, pan=-0.4, shows='true vocals'); "
        "mixer.adjust('drums', muted=True); mixer.adjust('bass', gain_db=3, pan=0.75); "
        "mixer.master_db = -2",
    )
    expect(page.get_by_role("button", name="Mute drums")).to_have_attribute("aria-pressed", "true")
    mixed = _pan(tracks["true vocals"], -0.4) * 10 ** (-6 / 20)
    mixed += _pan(tracks["bass"], 0.75) * 10 ** (3 / 20)
    mixed *= 10 ** (-2 / 20)
    _expect_sound(page, mixed, "levels, pans, mute, B, flac")
    later = _render(page, 1, 2.5)
    assert _error_db(later, mixed[int(2.5 * 44100) :][:44100]) < -80
    _in_kernel(page, "mixer.adjust('drums', muted=False, solo=True); mixer.master_db = 0")
    expect(page.get_by_role("button", name="Solo drums")).to_have_attribute("aria-pressed", "true")
    _expect_sound(page, tracks["drums"])


def test_a_stem_sounds_as_python_holds_it(run_cell):
    page = _open(run_cell, "example(), RATE")
    page.get_by_role("button", name="Solo vocals").click()
    _expect_state(page, "s.strips.some((strip) => strip.solo)")
    error = _error_db(_render(page), _call("example")["vocals"].astype(float))
    _report("one stem of the example, flac", error)
    assert error < -80


def test_tracks_above_full_scale_keep_their_relative_levels(run_cell):
    arguments = "{k: 3 * v for k, v in signals().items()}, RATE, codec='ogg', offset=10.0"
    page = _open(run_cell, arguments)
    tracks = _signals()
    gain = 1 / max(np.abs(3 * track).max() for track in tracks.values())
    expected = sum(3 * gain * track.astype(float) for track in tracks.values())
    expect(page.get_by_role("status")).to_contain_text("All tracks −")
    rendered = _render(page, start="10")
    error = _error_db(rendered, expected)
    _report("plain sum, ogg", error)
    # lossy, but neither shifted nor scaled
    assert error < -8
    assert np.vdot(rendered, expected) / np.vdot(expected, expected) == pytest.approx(1, abs=0.05)


def test_a_loops_seam_fades_over_without_a_click(run_cell):
    page = _open(run_cell, "{'tone': signals()['bass']}, RATE")
    # a bare jump from 0 to the crest of the wave would be 0.3 high
    start, stop = 1 + 0.25 / 55, 2.0
    _in_kernel(page, f"mixer.selection = [{start}, {stop}]")
    _expect_state(page, "s.selection")
    page.wait_for_timeout(300)
    looped = _render(page, 3, 1.5, "true")
    step = 0.3 * 2 * np.pi * 55 / 44100
    assert np.abs(np.diff(looped, axis=0)).max() < 3 * step
    # the period is exact: past the seam it is what stands at the loop's start
    tone, fade = _signals()["bass"], int(0.02 * 44100)
    seam, first = round(0.5 * 44100), round(start * 44100)
    n = round((stop - start) * 44100) - 2 * fade
    assert _error_db(looped[seam + fade :][:n], tone[first + fade :][:n]) < -80
    # nor where there is nothing left to fade out over
    _in_kernel(page, f"mixer.selection = [{start}, 6.0]")
    _expect_state(page, "s.selection[1] === 6")
    page.wait_for_timeout(300)
    assert np.abs(np.diff(_render(page, 2, 5.5, "true"), axis=0)).max() < 3 * step


def test_buttons_and_sliders_reach_python(run_cell):
    page = _open(run_cell)
    page.get_by_role("button", name="Mute vocals").click()
    page.get_by_role("button", name="Solo bass").click()
    page.get_by_role("button", name="B: true vocals").click()
    page.get_by_role("slider", name="Level of drums").fill("-12.5")
    page.get_by_role("slider", name="Pan of drums").fill("0.5")
    page.get_by_role("slider", name="Master level").fill("-3")
    page.get_by_role("combobox", name="Speed").select_option("0.5")
    state = _expect_state(page, "s.rate === 0.5 && s.master_db === -3")
    vocals, drums, bass = state["strips"]
    assert vocals["muted"]
    assert vocals["shows"] == "true vocals"
    assert bass["solo"]
    assert (drums["gain_db"], drums["pan"]) == (-12.5, 0.5)
    level = page.get_by_role("slider", name="Level of drums")
    expect(level).to_have_attribute("aria-valuetext", "−12.5 dB")


def test_models_are_compared_on_one_strip_and_on_all(run_cell):
    page = _open(run_cell, MODELS)
    s = _signals()
    shown = "JSON.stringify(s.strips.map((strip) => strip.shows)) === "

    def expect_mix(names, *waveforms):
        _expect_state(page, shown + f"'{json.dumps(names, separators=(',', ':'))}'")
        _expect_sound(page, sum(w[: 2 * 44100] for w in waveforms))

    strip = page.get_by_role("group", name="vocals", exact=True)
    strip.get_by_role("button", name="C: vocals 3").click()
    expect_mix(["vocals 3", "drums", "bass"], s["bass"], s["drums"], s["bass"])
    expect(strip).to_contain_text("vocals → vocals 3")
    pressed = strip.locator(".mssviz-mixer-compare button[aria-pressed=true]")
    expect(pressed).to_have_text("C")
    assert page.get_by_role("button", name="B: ").count() == 2
    strip.focus()
    page.keyboard.press("b")
    expect_mix(["vocals", "drums", "bass"], s["vocals"], s["drums"], s["bass"])
    page.keyboard.press("Shift+B")
    two = s["true vocals"], -0.5 * s["drums"], s["bass"]
    expect_mix(["vocals 2", "drums 2", "bass"], *two)
    page.keyboard.press("Shift+B")
    expect_mix(["vocals 3", "drums 2", "bass"], s["bass"], -0.5 * s["drums"], s["bass"])
    page.keyboard.press("Shift+B")
    expect_mix(["vocals", "drums", "bass"], s["vocals"], s["drums"], s["bass"])
    _in_kernel(page, "mixer.compare(1)")
    expect_mix(["vocals 2", "drums 2", "bass"], *two)
    expect(pressed).to_have_text("B")


def test_click_seeks_drag_loops_and_playing_stays_inside(run_cell):
    page = _open(run_cell)
    lane = page.locator(".mssviz-mixer-strip .mssviz-mixer-lane").nth(1)
    box = lane.bounding_box()
    lane.click(position={"x": box["width"] / 2, "y": 20})
    assert _expect_state(page, "s.time > 2")["time"] == pytest.approx(3, abs=0.05)
    places = page.locator(".mssviz-mixer-playhead").evaluate_all(
        "heads => heads.map(h => h.getBoundingClientRect().x)"
    )
    assert len(places) == 4
    assert max(places) - min(places) < 1
    assert places[0] == pytest.approx(box["x"] + box["width"] / 2, abs=2)
    page.mouse.move(box["x"] + box["width"] / 6, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 20, steps=4)
    page.mouse.up()
    start, stop = _expect_state(page, "s.selection && s.selection[1] > 1.4")["selection"]
    assert (start, stop) == (pytest.approx(1, abs=0.05), pytest.approx(1.5, abs=0.05))
    page.get_by_role("button", name="Play").click()
    _wait(page, f"mixer.position < {stop}")
    positions = []
    for _ in range(20):
        page.wait_for_timeout(100)
        positions.append(_mixer(page, "mixer.position"))
    assert start - 1e-3 <= min(positions)
    assert max(positions) <= stop + 1e-3
    assert sum(b < a for a, b in itertools.pairwise(positions)) >= 2
    assert _state(page)["playing"]


def test_tracks_stay_on_the_same_sample_whatever_happens(run_cell):
    arguments = """
        dict(a=(d := signals()['drums']), b=-d, a2=d, a3=d), RATE, pairs={"a": ["a2", "a3"]}
    """
    page = _open(run_cell, arguments)
    page.get_by_role("button", name="Play").click()
    actions = [
        "",
        "mixer.seek(2.123456)",
        "mixer.rate = 0.8",
        "mixer.selection = [1.0, 1.3]",
        "mixer.replace('a', mixer.waveform('a').copy())",
        "mixer.replace('a', mixer.waveform('a')[22050:66150].copy(), start=0.5)",
        "mixer.adjust('a', shows='a2')",
        "mixer.compare(2)",
        "mixer.compare(0)",
        "mixer.rate = 1.0; mixer.selection = None",
    ]
    for action in actions:
        _in_kernel(page, action)
        for _ in range(4):
            page.wait_for_timeout(120)
            *strips, total = _mixer(page, "mixer.peaks")
            assert min(strips) > 0.01, action
            assert total < 1e-4, action


def test_replace_while_playing_goes_on(run_cell):
    page = _open(run_cell)
    page.get_by_role("button", name="Play").click()
    _wait(page, "mixer.position > 0.3")
    before = _mixer(page, "[mixer.position, mixer.context.currentTime]")
    _in_kernel(page, "mixer.replace('drums', mixer.waveform('drums') * 0)")
    page.wait_for_timeout(700)
    after = _mixer(page, "[mixer.position, mixer.context.currentTime, mixer.context.state]")
    assert after[2] == "running"
    assert after[0] - before[0] == pytest.approx(after[1] - before[1], abs=0.03)
    assert _state(page)["playing"]
    assert _mixer(page, "mixer.peaks")[1] == 0
    tracks = _signals()
    _expect_sound(page, tracks["vocals"] + tracks["bass"])


PIECES = """
kinds, send = [], mixer.send
def spy(content, *buffers):
    kinds.append(content["kind"])
    send(content, *buffers)
mixer.send = spy
new = np.random.default_rng(1).uniform(-0.5, 0.5, (RATE * 6, 2)).astype("f4")
def piece(start, stop):
    mixer.replace("drums", new[int(start * RATE) : int(stop * RATE)] * (start + 1) / 6, start)
for start, stop in ((0, 5), (2, 2.5), (2.25, 2.3), (1, 1.01), (5, 6)):
    piece(start, stop)
"""


def _with_pieces(*more):
    drums = _signals()["drums"].copy()
    new = np.random.default_rng(1).uniform(-0.5, 0.5, (44100 * 6, 2)).astype("f4")
    for start, stop in ((0, 5), (2, 2.5), (2.25, 2.3), (1, 1.01), (5, 6), *more):
        part = slice(int(start * 44100), int(stop * 44100))
        drums[part] = new[part] * (start + 1) / 6
    return drums


def _pictures(page):
    script = "canvases => canvases.map((canvas) => canvas.toDataURL())"
    return page.locator(".mssviz-mixer-strip canvas").evaluate_all(script)


def test_pieces_take_effect_in_their_order_while_playing(run_cell):
    page = _open(run_cell)
    # short pieces are decoded sooner than long ones that came before
    page.evaluate(
        """() => {
            const { prototype } = OfflineAudioContext;
            const decode = prototype.decodeAudioData;
            prototype.decodeAudioData = async function (bytes) {
                const buffer = await decode.call(this, bytes);
                await new Promise((done) => setTimeout(done, 100 * buffer.duration));
                return buffer;
            };
        }"""
    )
    page.get_by_role("button", name="Play").click()
    _wait(page, "mixer.position > 0.3")
    before = _mixer(page, "[mixer.position, mixer.context.currentTime]")
    _in_kernel(page, f"exec({PIECES!r}, globals())")
    page.wait_for_timeout(1500)
    after = _mixer(page, "[mixer.position, mixer.context.currentTime, mixer.context.state]")
    assert after[2] == "running"
    assert after[0] - before[0] == pytest.approx(after[1] - before[1], abs=0.03)
    tracks = _signals()
    mixed = tracks["vocals"] + _with_pieces() + tracks["bass"]
    _expect_sound(page, mixed, "sum with pieces")
    _in_kernel(page, "mixer.unobserve(show, names); state.value = json.dumps({'kinds': kinds})")
    assert _expect_state(page, "s.kinds")["kinds"] == ["piece"] * 5
    # when nothing sounds, two buffers take turns, and what one of them lacks is made up for
    _in_kernel(page, "mixer.pause()")
    _in_kernel(page, "piece(3, 3.5); piece(4, 4.2); piece(3.25, 3.3)")
    mixed = tracks["vocals"] + _with_pieces((3, 3.5), (4, 4.2), (3.25, 3.3)) + tracks["bass"]
    _expect_sound(page, mixed, "sum with later pieces")
    # a view that is opened late gets, and draws, the same
    _in_kernel(page, "mixer.pause(); box.children = [mixer, mixer]")
    page.wait_for_function(
        """() => [...document.querySelectorAll(".mssviz-mixer")]
            .filter((m) => m.parentElement.mssvizMixer?.ready).length === 2""",
        timeout=WAIT_MS,
    )
    page.wait_for_timeout(300)
    pictures = _pictures(page)
    assert len(pictures) == 6
    assert pictures[:3] == pictures[3:]


def test_a_piece_louder_than_full_scale_lowers_all(run_cell):
    page = _open(run_cell)
    _in_kernel(page, "mixer.replace('drums', 4 * mixer.waveform('drums')[:RATE], start=0)")
    expect(page.get_by_role("status")).to_contain_text("All tracks −")
    tracks = _signals()
    tracks["drums"] = tracks["drums"].copy()
    tracks["drums"][:44100] *= 4
    gain = 1 / np.abs(tracks["drums"]).max()
    _expect_sound(page, gain * (tracks["vocals"] + tracks["drums"] + tracks["bass"]))


def test_a_lost_piece_makes_the_track_come_whole(run_cell):
    page = _open(run_cell)
    _in_kernel(page, "mixer.send = lambda *message: None; silence = np.zeros((RATE, 2), 'f4')")
    _in_kernel(page, "mixer.replace('drums', silence, start=0)")
    _in_kernel(page, "del mixer.send; mixer.replace('drums', silence, start=3)")
    tracks = _signals()
    drums = tracks["drums"].copy()
    drums[:44100] = drums[3 * 44100 : 4 * 44100] = 0
    _expect_sound(page, tracks["vocals"] + drums + tracks["bass"])


def test_python_seeks_plays_and_follows(run_cell):
    page = _open(run_cell)
    _in_kernel(page, "mixer.time = 4.0")
    _wait(page, "Math.abs(mixer.position - 4) < 0.01")
    _in_kernel(page, "mixer.play()")
    _expect_state(page, "s.playing && s.time > 4.3")
    _in_kernel(page, "mixer.time = 1.0")
    _wait(page, "mixer.position < 2")
    state = _expect_state(page, "s.time > 1.2 && s.time < 3")
    assert abs(_mixer(page, "mixer.position") - state["time"]) < 0.5
    # a busy kernel answers late: nothing jumps back
    _in_kernel(page, "import time; time.sleep(1.5)")
    page.wait_for_timeout(500)
    before = _mixer(page, "mixer.position")
    page.wait_for_timeout(1500)
    assert _mixer(page, "mixer.position") - before == pytest.approx(1.5, abs=0.3)
    # the end is the end
    state = _expect_state(page, "!s.playing")
    assert state["time"] == 6
    expect(page.get_by_role("button", name="Play")).to_be_visible()


def test_keyboard(run_cell):
    page = _open(run_cell)
    root = page.locator(".mssviz-mixer")
    root.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("ArrowLeft")
    _expect_state(page, "s.time === 5")
    page.keyboard.press("Home")
    _expect_state(page, "s.time === 0")
    page.keyboard.press("2")
    _expect_state(page, "s.strips[1].solo")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("group", name="drums", exact=True)).to_be_focused()
    page.keyboard.press("m")
    _expect_state(page, "s.strips[1].muted")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("b")
    _expect_state(page, "s.strips[0].shows === 'true vocals'")
    page.keyboard.press("b")
    _expect_state(page, "s.strips[0].shows === 'vocals'")
    page.keyboard.press("l")
    assert _expect_state(page, "s.selection")["selection"] == [0, 4]
    page.keyboard.press("l")
    _expect_state(page, "s.selection === null")
    page.keyboard.press("Space")
    _expect_state(page, "s.playing && s.time > 0.2")
    page.keyboard.press("Space")
    _expect_state(page, "!s.playing")
    page.keyboard.press("End")
    _expect_state(page, "s.time === 6")
    # the notebook's own keys did nothing
    assert page.locator(".jp-Cell").count() == 1
    assert page.locator(".jp-CodeCell").count() == 1


def test_clipping_is_told(run_cell):
    page = _open(run_cell)
    expect(page.get_by_role("button", name="no clipping")).to_be_visible()
    _in_kernel(page, "mixer.master_db = 12")
    page.get_by_role("button", name="Play").click()
    clip = page.get_by_role("button", name="clips")
    expect(clip).to_be_visible()
    page.wait_for_timeout(500)
    tracks = _signals()
    peak = np.abs(sum(tracks[k] for k in ("vocals", "drums", "bass"))[:40000]).max()
    over = float(clip.inner_text().split()[1].removeprefix("+"))
    assert over == pytest.approx(20 * np.log10(peak) + 12, abs=1.5)


def test_twenty_closed_views_leave_nothing_running(run_cell):
    page = _open(run_cell)
    page.evaluate(
        """() => {
            window.contexts = [];
            const Original = window.AudioContext;
            window.AudioContext = class extends Original {
                constructor(...options) { super(...options); window.contexts.push(this); }
            };
        }"""
    )
    _in_kernel(page, "box.children = [mixer] * 20")
    expect(page.locator(".mssviz-mixer")).to_have_count(20)
    page.wait_for_function(
        """() => [...document.querySelectorAll(".mssviz-mixer")].every(
            (m) => m.parentElement.mssvizMixer?.ready)""",
        timeout=WAIT_MS,
    )
    page.get_by_role("button", name="Play", exact=True).first.click()
    # the view that is used takes over what plays: pause and play there
    page.evaluate(
        """async () => {
            for (const button of [...document.querySelectorAll(".mssviz-mixer-play")].slice(1)) {
                for (const _ of [1, 2]) {
                    button.click();
                    await new Promise((done) => setTimeout(done, 50));
                }
            }
        }"""
    )

    def one_plays():
        states = page.evaluate("contexts.map((c) => c.state)")
        assert len(states) == 20
        assert states.count("running") == 1

    jupyter.eventually(page, one_plays)
    _in_kernel(page, "box.children = []")
    expect(page.locator(".mssviz-mixer")).to_have_count(0)
    page.wait_for_function("contexts.every((c) => c.state === 'closed')", timeout=WAIT_MS)
    _expect_state(page, "!s.playing")
    # and a view made afterwards plays again
    _in_kernel(page, "box.children = [mixer]; mixer.time = 0")
    _wait(page, "mixer.ready")
    page.get_by_role("button", name="Play").click()
    _wait(page, "mixer.position > 0.2")


def test_a_restarted_kernel_shows_a_mixer_that_works(run_cell):
    page = _open(run_cell)
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.get_by_role("button", name="Play").click()
    _wait(page, "mixer.position > 0.2")
    page.evaluate("document.querySelector('.mssviz-mixer').dataset.old = ''")
    jupyter.restart_and_run_all(page)
    page.wait_for_selector(".mssviz-mixer:not([data-old])", timeout=WAIT_MS)
    expect(page.locator(".mssviz-mixer")).to_have_count(1)
    _wait(page, "mixer.ready")
    tracks = _signals()
    _expect_sound(page, tracks["vocals"] + tracks["drums"] + tracks["bass"])
    page.get_by_role("button", name="Play").click()
    _expect_state(page, "s.playing && s.time > 0.2")
    assert errors == []


def test_without_a_kernel_what_is_on_the_page_goes_on(run_cell):
    page = _open(run_cell)
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.get_by_role("button", name="Play").click()
    _wait(page, "mixer.position > 0.2")
    jupyter.shut_down(page)
    page.get_by_role("button", name="Mute drums").click()
    page.get_by_role("slider", name="Level of bass").fill("-6")
    page.get_by_role("button", name="B: true vocals").click()
    page.locator(".mssviz-mixer-lane").nth(1).click()
    _wait(page, "mixer.position > 3.1")
    page.get_by_role("button", name="Pause").click()
    tracks = _signals()
    _expect_sound(page, tracks["true vocals"] + 10 ** (-6 / 20) * tracks["bass"])
    assert errors == []


def test_looks(run_cell):
    page = _open(run_cell, MODELS)
    _in_kernel(
        page, "mixer.selection = [1.0, 3.0]; mixer.time = 1.5; mixer.adjust('bass', muted=True)"
    )
    _in_kernel(page, "mixer.adjust('vocals', shows='vocals 3', pan=-0.5, gain_db=-3)")
    _expect_state(page, "s.selection")
    page.get_by_role("button", name="Play").click()
    for theme in jupyter.both_themes(page):
        page.wait_for_timeout(500)
        jupyter.screenshot(page.locator(".mssviz-mixer"), f"mixer-{theme}")


def test_fits_from_500_to_1600_pixels(run_cell):
    page = _open(run_cell, MODELS, width=1700)
    mixer = page.locator(".mssviz-mixer")
    for width in (500, 760, 1000, 1600):
        page.evaluate("w => document.querySelector('.mssviz-mixer').style.width = w + 'px'", width)
        page.wait_for_timeout(200)
        assert mixer.evaluate("m => m.scrollWidth <= m.clientWidth"), width
        outside = mixer.evaluate(
            """m => [...m.querySelectorAll('button, input, select, canvas')].filter((e) =>
                e.getBoundingClientRect().right > m.getBoundingClientRect().right).length"""
        )
        assert outside == 0, width
        lane = page.locator(".mssviz-mixer-strip .mssviz-mixer-lane").first
        assert lane.bounding_box()["width"] > 300, width
        if width == 500:
            jupyter.screenshot(mixer, "mixer-narrow")
