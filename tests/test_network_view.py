"""The picture of a network, for every architecture, and what the browser may ask of it."""

import itertools
import json
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mssviz
from mssviz import presets
from mssviz.errors import ParameterError
from mssviz.insight import Surgery
from mssviz.widgets._network_layout import DOWN, SKIPS, UP, label, layout, proportions

pytestmark = pytest.mark.slow

NAMES = [
    "spleeter:2stems", "teaching:4stems",
    *(f"{name}-tiny" for name in ("bs-roformer", "d3net", "demucs", "htdemucs", "muth", "scnet",
                                  "uhlich-blstm", "uhlich-fnn", "umx", "wave-unet", "xumx")),
]  # fmt: skip


@cache
def operated(name):
    """Surgery on a network of this architecture, without its weights."""
    from mssviz.networks import Network

    preset = presets.find(name)
    network = Network(preset.model, preset.targets, preset.input_shape)
    return Surgery(mssviz.Separator.from_network(preset, network))


@cache
def drawn(name, target=None):
    surgery = operated(name)
    return layout(surgery.sites, surgery.targets[0] if target is None else target)


def cells(found):
    return [cell for section in found.sections for cell in section.cells]


def short(name):
    return name.removeprefix("vocals_")


# --- where things stand -----------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_every_site_of_a_target_is_drawn_once(name):
    surgery = operated(name)
    for target in surgery.targets:
        shown = [site for cell in cells(drawn(name, target)) for site in cell.sites]
        wanted = [n for n, site in surgery.sites.items() if site.target in ("", target)]
        assert sorted(shown) == sorted(wanted)
        assert len(set(shown)) == len(shown)


@pytest.mark.parametrize("name", NAMES)
def test_blocks_stand_in_an_order_in_which_they_can_be_computed(name):
    sites, found = operated(name).sites, drawn(name)
    order = [n for cell in cells(found) for n in cell.sites if not sites[n].is_skip]
    for i, block in enumerate(order):
        assert not set(sites[block].reads) & set(order[i:])
    for link in found.links:
        if link.end:
            assert order.index(link.source) < order.index(link.end)


@pytest.mark.parametrize("name", NAMES)
def test_no_two_cells_share_a_place_and_the_columns_are_what_they_say(name):
    sites = operated(name).sites
    for section in drawn(name).sections:
        places = [(cell.row, cell.column) for cell in section.cells]
        assert len(set(places)) == len(places)
        for cell in section.cells:
            assert {sites[n].is_skip for n in cell.sites} == {cell.column == SKIPS}
        down, up = ([c.row for c in section.cells if c.column == k] for k in (DOWN, UP))
        assert down == sorted(down)
        assert up == sorted(up, reverse=True)
        assert bool(up) == (section.form == "u")


@pytest.mark.parametrize("name", NAMES)
def test_blocks_that_follow_each_other_are_joined_if_one_reads_the_other(name):
    sites = operated(name).sites
    for section in drawn(name).sections:
        blocks = [cell.sites for cell in section.cells if cell.column != SKIPS]
        for i, (part, other) in enumerate(itertools.pairwise(blocks)):
            reads = {n for block in other for n in sites[block].reads}
            reads |= {n for r in reads if sites[r].is_skip for n in sites[r].reads}
            assert ((i, i + 1) in section.flow) == bool(reads & set(part))


def test_the_u_net_is_a_u_with_its_skips_between_equals():
    (section,) = drawn("spleeter:2stems").sections
    assert section.form == "u"
    rows = {short(n): (cell.row, cell.column) for cell in section.cells for n in cell.sites}
    assert rows == {
        **{f"conv{i}": (i + 1, DOWN) for i in range(1, 7)},
        **{f"up{i}": (7 - i, UP) for i in range(1, 7)},
        **{f"conv{i}_skip": (i + 1, SKIPS) for i in range(1, 6)},
        "logits": (0, UP),
    }
    links = {short(link.skip): (short(link.source), short(link.end))
             for link in drawn("spleeter:2stems").links}  # fmt: skip
    assert links == {f"conv{i}_skip": (f"conv{i}", f"up{6 - i}") for i in range(1, 6)}


@pytest.mark.parametrize(
    ("name", "forms"),
    [
        ("teaching:4stems", ["u"]), ("wave-unet-tiny", ["u"]), ("demucs-tiny", ["u"]),
        ("d3net-tiny", ["u", "u", "column", "column"]), ("muth-tiny", ["column"] * 3),
        ("umx-tiny", ["column"]), ("bs-roformer-tiny", ["column"]),
    ],
)  # fmt: skip
def test_networks_have_the_form_of_what_they_compute(name, forms):
    assert [section.form for section in drawn(name).sections] == forms


@pytest.mark.parametrize(
    ("name", "links"),
    [
        ("wave-unet-tiny", {f"down{i}_skip": (f"down{i}", f"up{6 - i}") for i in range(1, 6)}),
        ("umx-tiny", {"fc1_skip": ("fc1", "lstm1")}),
        (
            "d3net-tiny",
            {
                "low1_d2_conv1_skip": ("low1_d2_conv1", "low3_up"),
                "full1_d1_conv1_skip": ("full1_d1_conv1", "full3_up"),
                "low3_d2_conv1_skip": ("low3_d2_conv1", "final_conv1"),
                "high_widen_skip": ("high_widen", "final_conv1"),
            },
        ),
    ],
)
def test_skips_join_what_is_merged(name, links):
    found = drawn(name).links
    assert {short(k.skip): (short(k.source), short(k.end)) for k in found} == links


def test_what_has_no_gate_is_joined_as_well():
    links = [(link.source, link.end) for link in drawn("demucs-tiny").links]
    assert links == [(f"encoder{i}_rewrite", f"decoder{6 - i}_rewrite") for i in (4, 3, 2, 1)]


def test_branches_say_what_they_read():
    reads = [section.reads for section in drawn("d3net-tiny").sections]
    assert reads[:3] == [(), ("vocals_input",), ("vocals_input",)]


def test_many_blocks_fold_by_the_beginnings_of_their_names():
    from mssviz.networks.gates import Site

    names = ["split", *(f"layer{i}_{part}" for i in range(8) for part in "abcde"), "mask"]
    sites = {
        name: Site(name, "Dense", "", False, (10, 4), (before,) if before else ())
        for before, name in itertools.pairwise(["", *names])
    }
    (section,) = layout(sites, "").sections
    titles = [cell.title for cell in section.cells]
    assert titles == ["", *(f"layer{i}" for i in range(8)), ""]
    assert section.cells[1].sites == tuple(f"layer0_{part}" for part in "abcde")


def test_blocks_are_as_large_as_what_they_hand_on():
    sites = operated("spleeter:2stems").sites
    found = proportions(sites.values())
    assert found["vocals_logits"][:2] == (1, 1)
    assert found["vocals_conv6"] == pytest.approx((3 / 9, 4 / 10, 1))
    assert all(0 <= share <= 1 for shares in found.values() for share in shares)


def test_labels_leave_the_target_out():
    sites = operated("spleeter:2stems").sites
    assert label(sites["vocals_conv1_skip"]) == "conv1_skip"


# --- the widget -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(separator):
    return Surgery(separator)


@pytest.fixture
def view(whole):
    whole.reset()
    return mssviz.NetworkView(whole)


def tell(view, monkeypatch, message):
    """What a message of the browser's is answered with."""
    answers = []
    monkeypatch.setattr(view, "send", answers.append)
    view._handle_custom_msg(message, [])
    return answers


@pytest.mark.parametrize("name", NAMES)
def test_every_architecture_is_shown(name):
    view = mssviz.NetworkView(operated(name))
    assert json.dumps(view._network)
    assert view.target == view._network["targets"][0]
    assert set(view._network["sites"]) == set(operated(name).sites)


def test_targets_without_a_part_of_their_own_are_left_out():
    assert "vocals" in operated("wave-unet-tiny").targets  # what is left of the mixture
    view = mssviz.NetworkView(operated("wave-unet-tiny"))
    assert view._network["targets"] == ["bass", "drums", "other"]


def test_only_surgery_is_shown(separator):
    with pytest.raises(ParameterError, match=r"insight\.Surgery \(got Separator\)"):
        mssviz.NetworkView(separator)


def test_cuts_that_are_there_are_shown(whole, view):
    view.scale("vocals_conv1", 0, channels=[2])
    again = mssviz.NetworkView(whole)
    assert again.cuts == view.cuts == {"vocals_conv1": "channels 2: off"}
    assert again._gains["vocals_conv1"] == [1, 1, 0, *[1] * 13]


def test_changes_are_told_once_each(whole, view):
    told = []

    def call():
        told.append(dict(view.cuts))

    view.on_change(call)
    view.scale("vocals_conv1_skip")
    view.reset()
    with pytest.raises(ParameterError, match="site"):
        view.scale("conv1", 0)
    assert told == [{"vocals_conv1_skip": "off"}, {}]
    view.on_change(call, remove=True)
    view.scale("vocals_conv2")
    assert len(told) == 2
    assert whole.cuts == view.cuts == {"vocals_conv2": "off"}


def test_the_browser_scales_and_resets(whole, view, monkeypatch):
    message = {"kind": "scale", "site": "vocals_conv1", "gain": 0, "channels": [1, 2]}
    assert tell(view, monkeypatch, message) == []
    assert whole.cuts == {"vocals_conv1": "channels 1, 2: off"}
    tell(view, monkeypatch, {"kind": "scale", "site": "vocals_conv1", "gain": 1.5})
    assert whole.cuts == view.cuts == {"vocals_conv1": "x 1.5"}
    tell(view, monkeypatch, {"kind": "reset"})
    assert whole.cuts == view.cuts == view._gains == {}


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"site": "conv1"}, "site must be one of"),
        ({"site": None}, "site must be a name"),
        ({"site": ["vocals_conv1"]}, "site must be a name"),
        ({"gain": None}, "gain must lie between 0 and 2"),
        ({"gain": "0"}, "gain must lie"),
        ({"gain": True}, "gain must lie"),
        ({"gain": 2.1}, "gain must lie"),
        ({"gain": -0.1}, "gain must lie"),
        ({"gain": float("nan")}, "gain must lie"),
        ({"channels": []}, "channels must be a list"),
        ({"channels": 3}, "channels must be a list"),
        ({"channels": [0, True]}, "channels must be a list"),
        ({"channels": [0, 1.5]}, "channels must be a list"),
        ({"channels": [0, 16]}, "from 0 to 15"),
        ({"channels": [0, -1]}, "from 0 to 15"),
        ({"channels": [0, 10**30]}, "from 0 to 15"),
    ],
)
def test_what_is_no_change_is_answered_and_changes_nothing(
    whole, view, monkeypatch, changes, match
):
    view.scale("vocals_conv1", 0.5, [0])
    told = []
    view.on_change(lambda: told.append(1))
    message = {"kind": "scale", "site": "vocals_conv1", "gain": 0.0, "channels": [0], **changes}
    (answer,) = tell(view, monkeypatch, message)
    assert answer["kind"] == "failed"
    assert match in answer["text"]
    assert whole.cuts == view.cuts == {"vocals_conv1": "channels 0: x 0.5"}
    assert told == []


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)
messages = anything | st.fixed_dictionaries(
    {"kind": st.sampled_from(["scale", "reset", "scales"])},
    optional={
        "site": st.sampled_from(["vocals_conv1", "vocals_conv1_skip", "conv1"]) | anything,
        "gain": st.sampled_from([0, 0.5, 1]) | anything,
        "channels": st.lists(st.integers(-1, 16), max_size=3) | anything,
    },
)


@given(st.lists(messages, max_size=4))
def test_whatever_is_sent_view_and_network_stay_one(whole, sent):
    whole.reset()
    view = mssviz.NetworkView(whole)
    view.send = lambda message: None
    for message in sent:
        view._handle_custom_msg(message, [])
        assert view.cuts == whole.cuts
        assert view._gains == whole.gains
        assert all(0 <= gain <= 2 for gains in whole.gains.values() for gain in gains)


def test_what_is_chosen_and_its_target_go_together(view):
    view.selected = "accompaniment_up1"
    assert view.target == "accompaniment"
    view.target = "vocals"
    assert view.selected == "vocals_up1"


def test_what_belongs_to_all_targets_stays_chosen():
    view = mssviz.NetworkView(operated("demucs-tiny"))
    view.selected = "encoder1_conv"
    view.target = "other"
    assert view.selected == "encoder1_conv"


@pytest.mark.parametrize("trait", ["selected", "looking_at", "target"])
@pytest.mark.parametrize("value", ["conv1", "vocals_conv7", "<b>"])
def test_what_is_no_site_or_target_is_refused(view, trait, value):
    before = getattr(view, trait)
    with pytest.raises(ParameterError, match=trait):
        setattr(view, trait, value)
    assert getattr(view, trait) == before


def test_feature_maps_are_asked_for(view):
    told = []
    view.on_look(lambda: told.append(view.looking_at))
    view.looking_at = "vocals_conv2"
    view.looking_at = ""
    assert told == ["vocals_conv2", ""]


def test_networks_that_read_waveforms_have_no_maps_to_ask_for():
    view = mssviz.NetworkView(operated("demucs-tiny"))
    assert not view._network["has_maps"]
    with pytest.raises(ParameterError, match="demucs-tiny reads waveforms"):
        view.looking_at = "encoder1_conv"
