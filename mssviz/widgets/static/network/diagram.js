// The picture: blocks and skip connections as buttons on a grid, and lines behind them.

import { make, press } from "../elements.js";
import { drawLines } from "./lines.js";
import { shapeText } from "./plan.js";
import { Roving } from "./roving.js";

/** Classes of a section's columns. */
const COLUMNS = ["down", "skips", "up"];
/** What the form of a block says. */
const LEGEND =
  "The more times, the higher a block; the more frequencies, the wider; the more channels, the " +
  "thicker its right edge. Each doubling adds the same.";

/** A name that can go on in the next line behind each underscore. */
function breakable(name) {
  return name.split(/(?<=_)/).flatMap((part) => [part, make("wbr")]);
}

/** All that belongs to one target. `choose(name)` is called with what is pressed. */
export class Diagram {
  constructor(widget, plan, choose) {
    Object.assign(this, { plan, choose, buttons: new Map(), cells: [] });
    this.body = make("div", "mssviz-network-body");
    this.legend = make("p", "mssviz-network-hint", {}, LEGEND);
    this.scroller = make("div", "mssviz-network-scroller", { role: "group" }, this.body);
    this.element = make("div", "mssviz-network-diagram", {}, this.scroller, this.legend);
    this.roving = new Roving(widget, this.body, ".mssviz-network-site, summary");
    this.redraw = widget.perFrame(() => drawLines(this));
    widget.onResize(this.body, this.redraw);
  }

  /** Draw the present target's part anew. */
  build() {
    const { target, layout } = this.plan;
    const hasImages = Object.values(this.plan.sites).some(({ shape }) => shape.length === 3);
    this.legend.hidden = !hasImages || layout.sections.every(({ form }) => form !== "u");
    this.scroller.ariaLabel = target ? `Layers of ${target}` : "Layers";
    this.buttons.clear();
    this.cells = layout.sections.map((section) => section.cells.map((cell) => this.cell(cell)));
    const sections = layout.sections.map((section, i) => this.section(section, this.cells[i]));
    this.body.replaceChildren(...sections);
    this.show();
    this.roving.stopAt(this.buttons.get(this.plan.model.get("selected")));
  }

  section({ form, reads }, cells) {
    const names = reads.map((name) => this.plan.sites[name].label);
    const text = `reads ${names.join(", ") || "the mixture"}`;
    const title = make("div", "mssviz-network-reads", {}, text);
    const grid = make("div", `mssviz-network-section mssviz-network-${form}`, {}, ...cells);
    return make("div", "", {}, title, grid);
  }

  cell({ row, column, title, sites }) {
    const buttons = sites.map((name) => this.site(name));
    const cell = make("div", `mssviz-network-${COLUMNS[column]}`);
    cell.style.gridRow = row + 1;
    if (title) cell.append(this.fold(title, buttons));
    else cell.append(...buttons);
    return cell;
  }

  /** Blocks that fold into one line. */
  fold(title, buttons) {
    const count = make("span", "mssviz-network-shape", {}, `${buttons.length} layers`);
    const mark = make("span", "mssviz-network-mark");
    const summary = make("summary", "", {}, make("b", "", {}, title), count, mark);
    const fold = make("details", "mssviz-network-fold", {}, summary, ...buttons);
    fold.addEventListener("toggle", () => {
      if (!fold.open) this.roving.stopAt(summary); // what it hides cannot have the focus
      this.redraw();
    });
    return fold;
  }

  site(name) {
    const { label, shape, is_skip, extents } = this.plan.sites[name];
    const button = make("button", "mssviz-network-site", { type: "button", title: name });
    const title = make("b", "", {}, ...breakable(is_skip ? "skip" : label));
    const text = is_skip ? this.arrow(name) : shapeText(shape);
    const about = make("span", "mssviz-network-shape", {}, text);
    button.append(title, about, make("span", "mssviz-network-mark"));
    if (is_skip) button.classList.add("mssviz-network-skip");
    const [tall, wide, deep] = extents;
    button.style.setProperty("--tall", `${(20 * tall).toFixed(1)}px`);
    button.style.setProperty("--wide", `${60 + 40 * wide}%`);
    button.style.setProperty("--deep", `${(2 + 6 * deep).toFixed(1)}px`);
    button.addEventListener("click", () => this.choose(name));
    this.buttons.set(name, button);
    return button;
  }

  /** Where a skip leads to, if no line can show it. */
  arrow(name) {
    const { source, end } = this.plan.linkOf(name);
    if (this.plan.sectionOf(source) === this.plan.sectionOf(end)) return "";
    return `→ ${this.plan.sites[end]?.label ?? "estimate"}`;
  }

  /** Name of a site for those who do not see where it stands. */
  nameOf(name) {
    const { label, layer, shape, is_skip } = this.plan.sites[name];
    const mark = this.plan.mark(name);
    const { source, end } = this.plan.linkOf(name) ?? {};
    const joins = end ? `, joins ${this.plan.sites[end].label}` : "";
    const what = is_skip
      ? `skip from ${this.plan.sites[source].label}${joins}`
      : `${label}, ${layer}, ${shapeText(shape)}`;
    return mark ? `${what}, ${mark}` : what;
  }

  /** Show what is chosen, and what differs. */
  show() {
    const selected = this.plan.model.get("selected");
    for (const [name, button] of this.buttons) {
      const mark = this.plan.mark(name);
      press(button, name === selected);
      button.classList.toggle("mssviz-network-changed", mark !== "");
      button.lastChild.textContent = mark;
      button.ariaLabel = this.nameOf(name);
    }
    for (const fold of this.body.querySelectorAll("details")) this.showFold(fold);
    this.redraw();
  }

  showFold(fold) {
    const changed = fold.querySelectorAll(".mssviz-network-changed").length;
    const [summary] = fold.children;
    summary.lastChild.textContent = changed ? `${changed} changed` : "";
    summary.classList.toggle("mssviz-network-changed", changed > 0);
  }

  /** Take the focus. */
  focus() {
    this.roving.all.find(({ tabIndex }) => tabIndex === 0)?.focus();
  }

  /** Unfold and scroll to what is chosen from elsewhere. */
  reveal(name) {
    const button = this.buttons.get(name);
    if (!button) return;
    const fold = button.closest("details");
    if (fold) fold.open = true;
    this.roving.stopAt(button);
    const { top, bottom } = button.getBoundingClientRect();
    const around = this.scroller.getBoundingClientRect();
    if (top < around.top) this.scroller.scrollTop -= around.top - top + 8;
    else if (bottom > around.bottom) this.scroller.scrollTop += bottom - around.bottom + 8;
  }
}
