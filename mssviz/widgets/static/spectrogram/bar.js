// The row above the picture: which layer is shown, and what dragging does.

import { icon, make, oneLine, press } from "../elements.js";

const TABS = {
  hues: ["Masks", "All masks as hues over the mixture"],
  mixture: ["Mixture", "Level of the mixture, in dB"],
};
/** What a stem's layers are called beside its tab. */
const OF_STEM = {
  mask: () => "mask",
  complex: () => "complex mask",
  estimate: () => "let through",
  reference: () => "true stem",
  difference: ({ other }) => `minus ${oneLine(other)}`,
  map: ({ other }) => oneLine(other),
};
const TOOLS = {
  look: {
    name: "move",
    help: "Move: dragging moves the picture in time and frequency",
    path: "M8 1l2.5 2.5H9V7h3.5V5.5L15 8l-2.5 2.5V9H9v3.5h1.5L8 15l-2.5-2.5H7V9H3.5v1.5L1 8l2.5-2.5V7H7V3.5H5.5z",
  },
  select: {
    help: "Select: dragging selects a time, which is looped and measured",
    path: "M2 2h1.5v12H2zM12.5 2H14v12h-1.5zM5 7.2h6v1.6H5z",
  },
  paint: {
    help: "Paint: dragging gives the stem more of the mixture, up to all of it",
    path: "M11.3 1.3l3.4 3.4-8.6 8.6L2 14l.7-4.1z",
  },
  erase: {
    help: "Erase: dragging takes the mixture away from the stem",
    path: "M9.3 1.8l4.9 4.9-5.8 5.8H14V14H5l-3.2-3.2zM5.2 7.3l-1.9 3.5 2.3 1.7h.8l2.7-2.7z",
  },
  lasso: {
    help: "Lasso: dragging paints all that a line encloses",
    path: "M8 2C4 2 1 4.2 1 7c0 1.6 1 3 2.6 3.9-.2.9-.8 1.7-1.6 2.2l1.4 1.1c1-.7 1.7-1.6 2-2.7.8.2 1.7.3 2.6.3 4 0 7-2.2 7-4.8S12 2 8 2zm0 1.6c3.1 0 5.4 1.6 5.4 3.4S11.1 10.3 8 10.3 2.6 8.8 2.6 7 4.9 3.6 8 3.6z",
  },
  comb: {
    help: "Comb: dragging paints a frequency and all its multiples",
    path: "M2 2h12v1.8H2zM2 5.5h12v1.8H2zM2 9h12v1.8H2zM2 12.5h12v1.8H2z",
  },
};

export class LayerBar {
  constructor(widget) {
    Object.assign(this, { widget, shown: null });
    const stems = widget.model.get("_stems");
    const whole = this.layers.filter(({ kind }) => TABS[kind]);
    this.tabs = [
      ...whole.map((layer) => this.wholeTab(layer)),
      ...stems.map((stem) => this.stemTab(stem)),
    ];
    this.kinds = make("select", "", { "aria-label": "What is shown of the stem" });
    const title = "What is shown of the stem: its mask, what that lets through, or others";
    this.choice = make("label", "mssviz-field mssviz-kinds", { title }, "Stem", this.kinds);
    widget.on(this.kinds, "change", () => this.show(this.kinds.value));
    const attributes = { role: "group", "aria-label": "What is shown" };
    const tabs = this.tabs.map(({ button }) => button);
    const group = make("div", "mssviz-tabs", attributes, ...tabs);
    this.tools = widget.model.get("_choices").tool.map(([tool]) => [tool, this.toolButton(tool)]);
    const buttons = this.tools.map(([, button]) => button);
    const toolbar = make(
      "div",
      "mssviz-tools",
      { role: "group", "aria-label": "Tools" },
      ...buttons,
    );
    this.element = make("div", "mssviz-layerbar", {}, group, ...(buttons.length ? [toolbar] : []));
  }

  get layers() {
    return this.widget.model.get("_layers");
  }

  show(name) {
    this.widget.save({ show: name });
  }

  button(className, label, help, onClick, ...children) {
    const attributes = { type: "button", "aria-label": label, title: help };
    const button = make("button", className, attributes, ...children);
    this.widget.on(button, "click", onClick);
    return button;
  }

  wholeTab({ name, kind }) {
    const [label, help = label] = TABS[kind];
    const button = this.button("mssviz-tab", label, help, () => this.show(name), label);
    return { button, shows: (layer) => layer.name === name };
  }

  stemTab({ name: stem, color }) {
    const label = make("span", "mssviz-key", {}, oneLine(stem));
    label.style.setProperty("--key", color);
    const help = `Show ${oneLine(stem)} alone`;
    const button = this.button("mssviz-tab", stem, help, () => this.showStem(stem), label);
    return { button, shows: (layer) => layer.stem === stem };
  }

  /** Show a stem as the one before it was shown, where that can be; else its mask. */
  showStem(stem) {
    const own = this.ofStem(stem);
    const { kind, other } = this.shown;
    const alike = own.find((layer) => layer.kind === kind && layer.other === other);
    this.show((alike ?? own[0]).name);
  }

  ofStem(stem) {
    return this.layers.filter((layer) => layer.stem !== null && layer.stem === stem);
  }

  toolButton(tool) {
    const { name = tool, help, path } = TOOLS[tool];
    const onClick = () => this.widget.saveSoon({ tool });
    return this.button("mssviz-tool", name, help, onClick, icon(path));
  }

  /** Show the present values; `layer` is the one that the picture shows. */
  update(layer) {
    for (const [tool, button] of this.tools) {
      press(button, tool === this.widget.model.get("tool"));
    }
    if (this.shown === layer) return;
    this.shown = layer;
    for (const { button, shows } of this.tabs) press(button, shows(layer));
    const options = this.ofStem(layer.stem).map((one) =>
      make("option", "", { value: one.name }, OF_STEM[one.kind](one)),
    );
    this.kinds.replaceChildren(...options);
    this.kinds.disabled = !options.length;
    this.kinds.value = layer.name;
  }
}
