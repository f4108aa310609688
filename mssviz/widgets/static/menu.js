// Buttons that open and close parts of the page around them: what is open stands in attributes of
// the element of class mssviz-explorer, data-popover and data-drawer.

import { obeyKeys } from "./commands.js";
import { make, oneLine } from "./elements.js";
import { asWidget } from "./widget.js";

const ROOT = ".mssviz-explorer";
const FOCUSABLE = "select, input, button:not(:disabled), textarea, a[href]";

class MenuView {
  constructor(widget) {
    Object.assign(this, { widget, model: widget.model, root: null });
    this.group = make("div", "mssviz-menu", {
      role: "group",
      "aria-label": this.model.get("label"),
    });
    widget.el.append(this.group);
    widget.onModel("change:buttons", () => this.build());
    obeyKeys(widget, widget.el);
    this.build();
    this.attach();
  }

  /** What is around an element is known once it stands on the page. */
  attach() {
    this.root = this.widget.el.closest(ROOT);
    if (!this.root) {
      if (!this.widget.closed) requestAnimationFrame(() => this.attach());
      return;
    }
    const observer = new MutationObserver(() => this.show());
    observer.observe(this.root, { attributeFilter: ["data-popover", "data-drawer"] });
    this.widget.onEnd(() => observer.disconnect());
    // before the picture takes it for what lies over it
    this.widget.on(this.root, "keydown", (event) => this.onKey(event), { capture: true });
    this.widget.on(document, "pointerdown", (event) => this.onPointer(event));
    this.show();
  }

  build() {
    const focused = this.buttons?.findIndex(({ element }) => element === document.activeElement);
    this.buttons = this.model.get("buttons").map((button) => this.button(button));
    this.group.replaceChildren(...this.buttons.map(({ element }) => element));
    this.buttons[focused]?.element.focus();
    this.show();
  }

  button({ name, label, detail = "", help, opens }) {
    const element = make(
      "button",
      "",
      { type: "button", title: help },
      make("b", "", {}, oneLine(label, 40)),
    );
    element.dataset.name = name;
    if (detail) element.append(make("span", "", {}, detail));
    if (opens === "popover") element.append(make("i", "", { "aria-hidden": "true" }, "▾"));
    this.widget.on(element, "click", () => this.toggle(name, opens, element));
    return { name, opens, element };
  }

  /** Say of every button whether what it opens is open. */
  show() {
    for (const { name, opens, element } of this.buttons) {
      element.setAttribute("aria-expanded", String(this.root?.dataset[opens] === name));
    }
  }

  panel(name) {
    return this.root.querySelector(`.mssviz-panel-${name}, .mssviz-drawer-page.mssviz-${name}`);
  }

  toggle(name, opens, element) {
    const open = this.root.dataset[opens] !== name;
    delete this.root.dataset.popover;
    if (!open) {
      delete this.root.dataset[opens];
      return;
    }
    this.root.dataset[opens] = name;
    const panel = this.panel(name);
    if (opens !== "popover") {
      panel?.scrollIntoView({ block: "nearest" }); // in narrow windows it is a sheet further down
      return;
    }
    const [button, root] = [element, this.root].map((each) => each.getBoundingClientRect());
    const place = { left: button.left - root.left, top: button.bottom - root.top + 2 };
    for (const [side, at] of Object.entries(place)) {
      this.root.style.setProperty(`--popover-${side}`, `${at.toFixed(0)}px`);
    }
    panel?.querySelector(FOCUSABLE)?.focus();
  }

  /** The button whose popover or drawer is open, if it is one of these. */
  opener(what) {
    return this.buttons.find(
      ({ name, opens }) => opens === what && name === this.root.dataset[what],
    );
  }

  /** Escape closes the popover, or the drawer that it is pressed in, or on whose button. */
  onKey(event) {
    if (event.key !== "Escape") return;
    const drawer = this.opener("drawer");
    const isMeant = event.target.closest(".mssviz-drawer-page") || event.target === drawer?.element;
    const opener = this.opener("popover") ?? (isMeant && drawer);
    if (!opener) return;
    delete this.root.dataset[opener.opens];
    opener.element.focus();
    event.stopPropagation();
  }

  onPointer({ target }) {
    const opener = this.opener("popover");
    if (!opener || opener.element.contains(target)) return;
    if (!this.panel(opener.name)?.contains(target)) delete this.root.dataset.popover;
  }
}

export default asWidget("mssvizMenu", (widget) => new MenuView(widget));
