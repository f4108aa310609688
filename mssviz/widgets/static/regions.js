// The costliest regions of an error map: a click zooms in on one, and loops it.

import { make, press } from "./elements.js";
import { asWidget } from "./widget.js";

/** Two frequencies in hertz, as coarse as a glance needs them. */
function band(low, high) {
  if (high < 1000) return `${low.toFixed(0)}–${high.toFixed(0)} Hz`;
  return `${(low / 1000).toFixed(1)}–${(high / 1000).toFixed(1)} kHz`;
}

class RegionView {
  constructor(widget) {
    Object.assign(this, { widget, model: widget.model });
    this.list = make("ol", "mssviz-regions", { "aria-label": "Regions that cost most" });
    widget.el.append(this.list);
    widget.onModel("change:rows", () => this.build());
    widget.onModel("change:chosen", () => this.show());
    this.build();
  }

  build() {
    this.buttons = this.model.get("rows").map((row, index) => this.button(row, index));
    this.list.replaceChildren(...this.buttons.map((button) => make("li", "", {}, button)));
    this.show();
  }

  button({ kind, gain_db, box }, index) {
    const gain = `+${gain_db.toFixed(2)} dB`;
    const times = `${box.start.toFixed(2)}–${box.stop.toFixed(2)} s`;
    const frequencies = band(box.low, box.high);
    const help = `Look at it and loop it: repair these bins, and SDR rises by at least ${gain}`;
    const button = make(
      "button",
      "",
      { type: "button", title: `${help}. What is wrong there is ${kind}.` },
      make("b", "", {}, gain),
      make("span", "", {}, times),
      make("span", "", {}, frequencies),
      make("i", `mssviz-${kind.replace(" ", "-")}`, {}, kind),
    );
    this.widget.on(button, "click", () => this.choose(index));
    return button;
  }

  choose(index) {
    const { shows } = this.model.get("rows")[index];
    this.widget.save({ ...shows, chosen: index });
  }

  show() {
    for (const [index, button] of this.buttons.entries()) {
      press(button, index === this.model.get("chosen"));
    }
  }
}

export default asWidget("mssvizRegions", (widget) => new RegionView(widget));
