// A network drawn as it is. Python holds it and what is cut; the browser asks for changes.

import { obeyKeys } from "../commands.js";
import { button, make, press } from "../elements.js";
import { keepFocus } from "../focus.js";
import { asWidget } from "../widget.js";
import { Cuts } from "./cuts.js";
import { Diagram } from "./diagram.js";
import { Panel } from "./panel.js";
import { Plan } from "./plan.js";

class NetworkView {
  constructor(widget) {
    Object.assign(this, { widget, plan: new Plan(widget.model) });
    const scale = (site, gain, channels) => this.ask({ kind: "scale", site, gain, channels });
    const choose = (name) => this.choose(name);
    const reset = () => this.ask({ kind: "reset" });
    this.diagram = new Diagram(widget, this.plan, choose);
    this.panel = new Panel(widget, this.plan, scale);
    this.cuts = new Cuts(this.plan, { scale, reset, choose, leave: () => this.diagram.focus() });
    this.build(widget.el);
    this.listen(widget);
    this.showTarget();
    this.diagram.build();
    this.panel.build();
    this.cuts.show();
    this.diagram.reveal(widget.model.get("selected"));
  }

  build(el) {
    const { targets } = this.plan;
    this.targets = targets.map((name) =>
      button("", name, () => this.widget.save({ target: name }), name),
    );
    const tabs = make("div", "mssviz-network-targets", { role: "group", "aria-label": "Target" });
    tabs.append(...this.targets);
    tabs.hidden = targets.length < 2;
    this.alert = make("div", "mssviz-network-alert", { role: "alert" });
    const side = make("div", "mssviz-network-side", {}, this.panel.element, this.cuts.element);
    const main = make("div", "mssviz-network-main", {}, this.diagram.element, side);
    this.root = make("div", "mssviz-network", { role: "region", "aria-label": "Network" });
    this.root.append(tabs, this.alert, main);
    el.classList.add("mssviz-network-view");
    el.append(this.root);
  }

  listen(widget) {
    obeyKeys(widget, this.root);
    keepFocus(widget, this.root);
    widget.onModel("change:target", () => {
      this.showTarget();
      this.diagram.build();
    });
    widget.onModel("change:selected", () => {
      this.diagram.show();
      this.diagram.reveal(widget.model.get("selected"));
      this.panel.build();
    });
    widget.onModel("change:looking_at", () => this.panel.show());
    widget.onModel("change:_gains", () => this.panel.show());
    widget.onModel("change:cuts", () => {
      this.diagram.show();
      this.cuts.show();
    });
    widget.onModel("msg:custom", ({ text }) => {
      this.alert.textContent = text;
    });
  }

  /** Ask Python to change the network. */
  ask(message) {
    this.alert.textContent = "";
    this.widget.model.send(message);
  }

  /** Show a part, with the target that it belongs to. */
  choose(name) {
    const { target } = this.plan.sites[name];
    this.widget.save(target ? { target, selected: name } : { selected: name });
    this.diagram.reveal(name);
  }

  showTarget() {
    this.plan.targets.forEach((name, i) => press(this.targets[i], name === this.plan.target));
  }
}

export default asWidget("mssvizNetwork", (widget) => new NetworkView(widget));
