// The list of what differs from the whole network, each of which can be taken back.

import { button, make } from "../elements.js";

/**
 * What is cut. `scale` and `reset` ask Python to take it back, `choose(name)` shows it, `leave()`
 * takes the focus when the last cut is gone.
 */
export class Cuts {
  constructor(plan, { scale, reset, choose, leave }) {
    Object.assign(this, { plan, scale, choose, leave });
    this.reset = button("", "Reset: make the network whole again", reset, "Reset");
    this.title = make("span", "mssviz-network-count", { role: "status" });
    this.list = make("ul");
    const head = make("div", "mssviz-network-controls", {}, this.title, this.reset);
    this.element = make("div", "mssviz-network-cuts", {}, head, this.list);
  }

  show() {
    const cuts = Object.entries(this.plan.model.get("cuts"));
    this.reset.disabled = cuts.length === 0;
    this.title.textContent = cuts.length
      ? `Changed: ${cuts.length}`
      : "Nothing is changed: the network is whole.";
    const focused = [...this.list.children].findIndex((e) => e.contains(document.activeElement));
    this.list.replaceChildren(...cuts.map(([name, words]) => this.item(name, words)));
    if (focused < 0) return;
    const next = this.list.children[Math.min(focused, cuts.length - 1)];
    if (next) next.lastChild.focus();
    else this.leave();
  }

  item(name, words) {
    const said = `${name}: ${words}`;
    const text = button("", said, () => this.choose(name), said);
    const undo = button("", `Put ${name} back`, () => this.scale(name, 1), "✕");
    return make("li", "", {}, text, undo);
  }
}
