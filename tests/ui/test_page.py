"""A saved page works in a browser without kernel and without network."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

import mssviz
from tests.ui.lab import SETTLED, arrays, open_panel, plot_area, screenshot

pytestmark = pytest.mark.ui


@pytest.fixture(scope="module")
def explorer():
    explorer = mssviz.explore()
    explorer.separate()
    return explorer


@pytest.fixture(scope="module")
def page_file(explorer, tmp_path_factory):
    return explorer.save_html(tmp_path_factory.mktemp("page") / "page.html")


@pytest.fixture
def page(browser, page_file):
    context = browser.new_context(viewport={"width": 1200, "height": 1300}, offline=True)
    page = context.new_page()
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(page_file.as_uri())
    page.wait_for_function(SETTLED)
    yield page
    assert page.errors == []
    assert all(re.match("file:|blob:|data:", url) for url in requests)
    context.close()


def test_no_other_script_runs_and_nothing_is_loaded(browser, page_file, tmp_path):
    attack = (
        "<script>window.attacked = 1</script><img src=x onerror='window.attacked = 2'>"
        "<img src='http://127.0.0.1:9/picture.png'><script src='http://127.0.0.1:9/a.js'></script>"
        "<a href='javascript:window.attacked = 3' id=link>link</a>"
    )
    changed = tmp_path / "changed.html"
    content = page_file.read_text(encoding="utf-8")
    changed.write_text(content.replace('<div class="mssviz-explorer">', attack, 1), "utf-8")
    page = browser.new_page()
    blocked, failed = [], []
    page.on("console", lambda message: blocked.append(message.text))
    page.on("requestfailed", lambda request: failed.append((request.url, request.failure)))
    page.on("dialog", lambda dialog: dialog.dismiss())
    page.goto(changed.as_uri())
    page.wait_for_function(SETTLED)  # our own script does run
    page.evaluate("() => document.querySelector('#link').click()")
    assert page.evaluate("() => window.attacked") is None
    assert len([text for text in blocked if "Content Security Policy" in text]) >= 4
    addresses = ("http://127.0.0.1:9/picture.png", "http://127.0.0.1:9/a.js")
    assert {(url, "csp") for url in addresses} <= set(failed)
    page.close()


@pytest.fixture
def page_with_reasons(browser, explorer, tmp_path):
    """A page that has an error map and the parts of a score, too, with no network to ask."""
    file = explorer.save("page with reasons", tmp_path / "why.html")
    context = browser.new_context(viewport={"width": 1400, "height": 1000}, offline=True)
    page = context.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(file.as_uri())
    page.wait_for_function(SETTLED)
    yield page
    assert errors == []
    context.close()


def test_reasons_can_be_looked_at_and_heard_without_a_kernel(page_with_reasons, explorer):
    page = page_with_reasons
    open_panel(page, "Why?")
    rows = page.locator(".mssviz-regions button")
    expect(rows).to_have_count(len(explorer.why.errors.regions.rows))
    expect(page.locator(".mssviz-panel-why")).to_contain_text("vocals: SDR")
    rows.first.click()
    shows = explorer.why.errors.regions.rows[0]["shows"]
    script = """(name) =>
        document.querySelector(".mssviz-spectrogram").mssvizSpectrogram.model.get(name)"""
    assert page.evaluate(script, "start") == pytest.approx(shows["start"])
    assert page.evaluate(script, "selection") == pytest.approx(shows["selection"])
    page.get_by_role("button", name="Show vocals alone").or_(
        page.get_by_role("button", name="vocals", exact=True)
    ).first.click()
    page.get_by_label("What is shown of the stem").select_option(label="error")
    page.wait_for_function(SETTLED)
    screenshot(page, "page-with-reasons")
    parts = """([seconds, start]) =>
        document.querySelector("#mssviz-parts").mssvizMixer.render(seconds, start)"""
    page.wait_for_function("() => document.querySelector('#mssviz-parts').mssvizMixer.ready")
    heard = np.stack(arrays(page, parts, [3.0, 0.0]), axis=1)
    estimate = explorer.estimates["vocals"][: len(heard)]
    error = np.square(heard - estimate).sum() / np.square(estimate).sum()
    assert 10 * np.log10(error) < -20  # what Ogg Vorbis leaves


def test_is_one_small_file(page_file):
    assert page_file.stat().st_size < 7.5e6  # 15 s; 15 MB are promised for 30 s
    assert [p.name for p in page_file.parent.iterdir()] == ["page.html"]


def test_reads_what_python_holds_to_8_bits(page, explorer):
    box = page.locator(".mssviz-spectrogram .mssviz-picture").bounding_box()
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.6 * box["height"])
    readout = page.locator(".mssviz-spectrogram .mssviz-readout")
    expect(readout).to_contain_text("rounded to 8 bits")
    reading = page.evaluate(
        "() => document.querySelector('.mssviz-spectrogram').mssvizSpectrogram.readout.reading"
    )
    exact = explorer.view.read(reading["time"], reading["frequency"])
    assert (reading["frame"], reading["bin"]) == (exact["frame"], exact["bin"])
    assert reading["level_db"] == pytest.approx(exact["level_db"], abs=0.25)
    for name, stem in reading["stems"].items():
        assert stem["mask"] == pytest.approx(exact["stems"][name]["mask"], abs=0.002)
        if stem["mask"] > 0.1:
            assert stem["level_db"] == pytest.approx(exact["stems"][name]["level_db"], abs=1.5)


def test_zooms_and_shows_other_pictures(page):
    box = page.locator(".mssviz-spectrogram .mssviz-picture").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.keyboard.down("Control")
    for _ in range(5):
        page.mouse.wheel(0, -100)
    page.keyboard.up("Control")
    span = page.evaluate(
        """() => {
            const view = document.querySelector(".mssviz-spectrogram").mssvizSpectrogram;
            return view.plot.axes.stop - view.plot.axes.start;
        }"""
    )
    assert span < 8
    open_panel(page, "Display")
    page.get_by_role("combobox", name="Show").select_option("estimate/vocals")
    page.wait_for_timeout(400)
    colors = page.evaluate(
        """() => {
            const view = document.querySelector(".mssviz-spectrogram").mssvizSpectrogram;
            return new Set(view.painter.words).size;
        }"""
    )
    assert colors > 50


def test_plays_the_stems(page, explorer):
    page.wait_for_timeout(1500)
    page.get_by_role("group", name="vocals").first.get_by_role("button", name="Solo").click()
    script = """() =>
        document.querySelector(".mssviz-mixer").parentElement.mssvizMixer.render(3, 0)"""
    heard = np.stack(arrays(page, script), axis=1)
    vocals = explorer.mixer.waveform("vocals")[: len(heard)]
    error_db = 10 * np.log10(np.square(heard - vocals).sum() / np.square(vocals).sum())
    print(f"Vorbis: {error_db:.1f} dB")
    assert error_db < -15


def test_shows_scores_and_looks_well(page, explorer):
    open_panel(page, "Scores")
    expect(page.locator("table.mssviz-scores")).to_be_visible()
    left, top, width, height = plot_area(page.locator(".mssviz-scoreview canvas").first)
    page.mouse.move(left + width / 30, top + height / 2)  # the first of 15 windows
    first = explorer.scores[explorer.scores["time"] == 0].set_index("target")
    readout = page.locator(".mssviz-scoreview").get_by_role("status")
    for target in first.index:
        expect(readout).to_contain_text(f"{first.loc[target, 'SAR']:.2f}")
    page.wait_for_timeout(800)
    screenshot(page, "page", full_page=True)


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 720), (2000, 1100)])
def test_fits_a_phone_and_a_wall(browser, page_file, width, height):
    context = browser.new_context(viewport={"width": width, "height": height}, offline=True)
    page = context.new_page()
    page.goto(page_file.as_uri())
    page.wait_for_function(SETTLED)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    picture = page.locator(".mssviz-spectrogram .mssviz-picture").bounding_box()
    lane = page.locator(".mssviz-mixer-strips .mssviz-mixer-lane").first.bounding_box()
    assert lane["x"] == pytest.approx(picture["x"] + 54, abs=1)
    assert lane["x"] + lane["width"] == pytest.approx(picture["x"] + picture["width"] - 8, abs=1)
    assert picture["height"] >= 260
    if width > 900:
        deck = page.locator(".mssviz-deck").bounding_box()
        assert deck["y"] + deck["height"] <= height
    screenshot(page, f"page-{width}", full_page=True)
    context.close()


def test_sounds_alone_make_a_page(browser, tmp_path):
    from mssviz.widgets.mixer import Mixer
    from mssviz.widgets.page import save_page

    noise = np.random.default_rng(0).normal(0, 0.1, (44100, 2)).astype(np.float32)
    page = browser.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(
        save_page(tmp_path / "x.html", "Sounds", None, Mixer({"noise": noise}, 44100)).as_uri()
    )
    mixer = "document.getElementById('mssviz-mixer').mssvizMixer"
    page.wait_for_function(f"() => {mixer}?.ready")
    assert page.get_by_role("button", name="Scores").count() == 0
    assert errors == []
    page.close()


def test_a_picture_alone_makes_a_page(browser, tmp_path):
    from mssviz.stft import StftParams, stft
    from mssviz.widgets.page import save_page
    from mssviz.widgets.spectrogram import SpectrogramView

    spectrum = stft(np.ones((44100, 2), np.float32), StftParams())
    view = SpectrogramView(spectrum, StftParams(), {"all": np.ones(spectrum.shape, np.float32)})
    page = browser.new_page()
    page.goto(save_page(tmp_path / "x.html", "Picture", view, None).as_uri())
    page.wait_for_function(SETTLED)
    assert page.locator(".mssviz-mixer").count() == 0
    page.close()


def test_names_are_text(browser, tmp_path):
    from mssviz.stft import StftParams, stft
    from mssviz.widgets.mixer import Mixer
    from mssviz.widgets.page import save_page
    from mssviz.widgets.spectrogram import SpectrogramView

    hostile = "</script><img src=x onerror=document.title='hacked'>"
    noise = np.random.default_rng(0).normal(0, 0.1, (44100, 2)).astype(np.float32)
    params = StftParams()
    spectrum = stft(noise, params)
    ones = np.ones(spectrum.shape, np.float32)
    view = SpectrogramView(spectrum, params, {hostile: ones})
    path = save_page(tmp_path / "x.html", hostile, view, Mixer({hostile: noise}, 44100))
    page = browser.new_page()
    page.goto(path.as_uri())
    expect(page.get_by_role("heading")).to_have_text(hostile)
    page.wait_for_function(SETTLED)
    assert page.title() == hostile
    open_panel(page, "Display")
    page.get_by_role("combobox", name="Show").select_option(f"estimate/{hostile}")
    page.wait_for_function(SETTLED)
    colors = page.evaluate(
        """() => {
            const view = document.querySelector(".mssviz-spectrogram").mssvizSpectrogram;
            return new Set(view.painter.words).size;
        }"""
    )
    assert colors > 10
    assert page.locator("img").count() == 0
    page.close()
