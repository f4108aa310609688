// What is chosen: its switch, its gain and its channels.

import { button, make, press } from "../elements.js";
import { range } from "../range.js";
import { Channels } from "./channels.js";
import { commonGain, shapeText } from "./plan.js";

/** Lowest and highest gain, and step. */
const GAINS = [0, 2, 0.05];
/** A gain is sent when the slider rests: each one that is sent can start a separation. */
const REST_MS = 200;

/** The part below the picture. `scale(site, gain, channels)` asks Python to change the network. */
export class Panel {
  constructor(widget, plan, scale) {
    Object.assign(this, { widget, plan, scale });
    const attributes = { role: "group", "aria-label": "Chosen part" };
    this.element = make("div", "mssviz-network-panel", attributes);
    const toText = (gain) => gain.toFixed(2);
    this.gain = range("", "Gain", GAINS, toText, (gain) => this.onGain(gain), 1);
    this.resting = widget.later(() => this.scale(this.name, this.wanted));
    this.value = make("span", "mssviz-network-value");
    this.power = button("", "", () => this.scale(this.name, this.isOff ? 1 : 0));
    this.power.setAttribute("role", "switch");
    const look = "Show its feature maps";
    this.look = button("", look, () => this.toggleLook(), look);
    this.channels = new Channels(widget, plan, (gain, numbers) =>
      this.scale(this.name, gain, numbers),
    );
  }

  get name() {
    return this.plan.model.get("selected");
  }

  get isOff() {
    return this.plan.gains(this.name).every((gain) => gain === 0);
  }

  /** Show another part. */
  build() {
    this.resting.drop();
    const site = this.plan.selected;
    if (!site) {
      const text = "Choose a layer or a skip connection to switch it off or to scale it.";
      this.element.replaceChildren(make("p", "mssviz-network-hint", {}, text));
      return;
    }
    const { layer, shape, axes, is_skip } = site;
    const kind = is_skip ? `skip connection, output of ${layer}` : layer;
    const name = make("b", "mssviz-network-name", {}, this.name);
    const about = make("span", "", {}, `${kind}: ${shapeText(shape)} (${axes})`);
    const gain = make("span", "mssviz-network-gain", {}, "Gain", this.gain.input, this.value);
    const controls = make("div", "mssviz-network-controls", {}, this.power, gain);
    if (this.plan.has_maps) controls.append(this.look);
    this.channels.build(this.name);
    this.element.replaceChildren(name, about, controls, this.channels.element);
    this.show();
  }

  /** Show what is set. */
  show() {
    if (!this.plan.selected) return;
    const { gain, differ } = commonGain(this.plan.gains(this.name));
    const { isOff } = this;
    this.power.textContent = isOff ? "Off" : "On";
    this.power.ariaChecked = String(!isOff);
    this.power.ariaLabel = this.power.title = `${isOff ? "Off" : "On"}: ${this.name}`;
    this.gain.show(Math.min(gain, GAINS[1]));
    this.value.textContent = differ ? "differs" : gain.toFixed(2);
    press(this.look, this.plan.model.get("looking_at") === this.name);
    this.channels.show();
  }

  onGain(gain) {
    this.wanted = gain;
    this.gain.show(gain);
    this.value.textContent = gain.toFixed(2);
    this.resting.after(REST_MS);
  }

  toggleLook() {
    const { model } = this.plan;
    this.widget.save({ looking_at: model.get("looking_at") === this.name ? "" : this.name });
  }
}
