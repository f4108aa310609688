// A layer's channels as small toggles: a click switches one, with Shift all from the last one on.

import { button, make, press } from "../elements.js";
import { span } from "./plan.js";
import { Roving } from "./roving.js";

/** Most channels that are shown one by one. */
const MOST = 512;

/** Toggles of one site's channels. `scale(gain, numbers)` scales some, or all if none are named. */
export class Channels {
  constructor(widget, plan, scale) {
    Object.assign(this, { plan, scale, last: 0 });
    this.grid = make("div", "mssviz-network-channels", { role: "group", "aria-label": "Channels" });
    this.roving = new Roving(widget, this.grid, "button");
    const allOn = button("", "All on, as they were", () => this.scale(1), "All on");
    const allOff = button("", "All off", () => this.scale(0), "All off");
    this.title = make("span", "mssviz-network-count");
    this.hint = make("span", "mssviz-network-hint");
    this.head = make("div", "mssviz-network-controls", {}, this.title, allOn, allOff);
    this.element = make("div", "", {}, this.head, this.grid, this.hint);
  }

  /** Show the channels of another site. */
  build(name) {
    const count = this.plan.gains(name).length;
    Object.assign(this, { name, last: 0 });
    const few = count <= MOST;
    this.buttons = few ? span(0, count - 1).map((number) => this.toggle(number)) : [];
    this.grid.replaceChildren(...this.buttons);
    this.grid.hidden = !few;
    this.roving.stopAt(this.buttons[0]);
    this.hint.textContent = few
      ? "A click switches a channel, with Shift all from the last one pressed."
      : "These are too many to be shown one by one: view.scale(name, 0, channels) has them all.";
  }

  toggle(number) {
    const onClick = ({ shiftKey }) => this.switch(number, shiftKey);
    return button("", `Channel ${number}`, onClick, number);
  }

  switch(number, upTo) {
    const gain = this.plan.gains(this.name)[number] === 0 ? 1 : 0;
    this.scale(gain, upTo ? span(this.last, number) : [number]);
    this.last = number;
  }

  /** Show which are on. */
  show() {
    const gains = this.plan.gains(this.name);
    const on = gains.filter((gain) => gain !== 0).length;
    this.title.textContent = `Channels: ${on} of ${gains.length} on`;
    this.buttons.forEach((toggle, i) => {
      press(toggle, gains[i] !== 0);
      toggle.title = `Channel ${i}: ${gains[i] === 0 ? "off" : `× ${gains[i].toFixed(2)}`}`;
    });
  }
}
