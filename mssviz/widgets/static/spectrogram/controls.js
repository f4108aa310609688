// Menus, sliders and buttons around the picture.

import { make, oneLine } from "../elements.js";
import { termsButton } from "../help.js";

const MENUS = { show: "Show", channel: "Channels", colormap: "Colours" };
const GESTURES = [
  "Ctrl+wheel zooms",
  "Shift+drag selects",
  "Alt+click pins",
  "double click shows all",
];
/** What a control does, by its label. */
const CONTROL_HELP = {
  Show: "What the picture shows: masks, levels in dB, or differences",
  Frequency: "Frequency axis, in hertz: logarithmic, mel or linear",
  Channels: "Which channels of the sound are shown",
  Colours: "Colours of levels",
  Floor: "Level that is darkest, in dB below the loudest bin",
  Gamma: "Above 1 darkens middle levels, below 1 lightens them",
  "Brush on": "Stem whose mask the brush changes",
  "Width ±": "How far the brush reaches to either side, in seconds",
  "Height ±": "How far the brush reaches up and down, in hertz",
  Soft: "Share of the brush over which it fades out, 0 to 1",
};

export class Controls {
  constructor(widget) {
    Object.assign(this, { widget, model: widget.model });
    const { model } = this;
    const menus = Object.keys(MENUS).map((trait) => [trait, this.menu(trait)]);
    const scale = this.menu("scale");
    this.menus = [...menus, ["scale", scale]];
    this.toolbar = make(
      "div",
      "mssviz-toolbar mssviz-drawer-page mssviz-display",
      { role: "toolbar", "aria-label": "Picture" },
      ...menus.map(([trait, menu]) => field(MENUS[trait], menu)),
      this.traitSlider("Floor", "floor_db", [-120, -20, 5], (v) => `${v} dB`),
      this.traitSlider("Gamma", "gamma", [0.4, 3, 0.1], (v) => v.toFixed(1)),
      termsButton(),
    );
    const hints = GESTURES.map((gesture) => make("div", "", {}, gesture));
    this.gutter = make(
      "div",
      "mssviz-gutter",
      {},
      field("Frequency", scale),
      make("div", "mssviz-hints", {}, ...hints),
    );
    this.brushbar = this.choices("tool").length ? this.brush() : null;
    const keys = model.get("_stems").map(({ name, color }) => {
      const key = make("span", "mssviz-key", { title: name }, oneLine(name));
      key.style.setProperty("--key", color);
      return key;
    });
    this.legend = make("div", "mssviz-legend", {}, ...keys);
  }

  /** Show the present values; `layer` is the one that the picture shows. */
  update(layer) {
    for (const [trait, menu] of this.menus) menu.value = this.model.get(trait);
    this.legend.hidden = layer.kind !== "hues";
  }

  /** What a trait can be: [value, label] pairs. */
  choices(trait) {
    return this.model.get("_choices")[trait];
  }

  menu(trait) {
    const select = make("select");
    const fill = () => {
      const options = this.choices(trait).map(([value, label]) => option(value, label, 80));
      select.replaceChildren(...options);
      select.value = this.model.get(trait);
    };
    fill();
    this.widget.onModel("change:_choices", fill);
    this.widget.on(select, "change", () => this.widget.saveSoon({ [trait]: select.value }));
    return select;
  }

  traitSlider(label, trait, range, format) {
    const change = (value) => this.widget.saveSoon({ [trait]: value });
    return this.slider(label, this.model.get(trait), range, format, change);
  }

  brush() {
    const save = (values) =>
      this.widget.saveSoon({ brush: { ...this.model.get("brush"), ...values } });
    const stems = this.model.get("_stems").map(({ name }) => option(name, name));
    const target = make("select", "", {}, ...stems);
    target.value = this.model.get("brush").target;
    this.widget.on(target, "change", () => save({ target: target.value }));
    const slider = (label, property, range, format) => {
      const change = (value) => save({ [property]: value });
      return this.slider(label, this.model.get("brush")[property], range, format, change);
    };
    return make(
      "div",
      "mssviz-toolbar mssviz-drawer-page mssviz-brush",
      { role: "toolbar", "aria-label": "Brush" },
      field("Brush on", target),
      slider("Width ±", "radius_seconds", [0.02, 0.5, 0.01], (v) => `${v.toFixed(2)} s`),
      slider("Height ±", "radius_hertz", [20, 2000, 10], (v) => `${v} Hz`),
      slider("Soft", "softness", [0, 1, 0.1], (v) => v.toFixed(1)),
      termsButton(),
    );
  }

  /** Slider with its label and its value as text; `change` hears of new values. */
  slider(label, value, [min, max, step], format, change) {
    const input = make("input", "mssviz-slider", { type: "range", min, max, step });
    const output = make("output");
    const show = () => {
      const text = format(Number(input.value));
      output.textContent = text;
      input.style.setProperty("--fill", `${(100 * (input.value - min)) / (max - min)}%`);
      input.setAttribute("aria-valuetext", text);
    };
    input.value = value;
    show();
    this.widget.on(input, "input", () => {
      show();
      change(Number(input.value));
    });
    return field(label, input, output);
  }
}

/** Label with what it names. */
function field(label, ...controls) {
  return make("label", "mssviz-field", { title: CONTROL_HELP[label] }, label, ...controls);
}

function option(value, label, most) {
  return make("option", "", { value }, oneLine(label, most));
}
