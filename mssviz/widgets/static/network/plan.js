// What Python tells of the network, and what is said of its parts.

/** The network that is drawn: its sites, its layouts, and what differs in it. */
export class Plan {
  constructor(model) {
    Object.assign(this, { model, ...model.get("_network") });
  }

  get target() {
    return this.model.get("target");
  }

  get layout() {
    return this.layouts[this.target];
  }

  /** The chosen site, or undefined. */
  get selected() {
    return this.sites[this.model.get("selected")];
  }

  /** The branch in which a site stands; undefined if it is shown nowhere. */
  sectionOf(name) {
    return this.layout.sections.find(({ cells }) =>
      cells.some(({ sites }) => sites.includes(name)),
    );
  }

  /** The line of a skip connection. */
  linkOf(skip) {
    return this.layout.links.find((link) => link.skip === skip);
  }

  /** Gains of a site's channels. */
  gains(name) {
    return this.model.get("_gains")[name] ?? Array(this.sites[name].shape.at(-1)).fill(1);
  }

  /** What is done to a site in a word or two; empty if nothing is. */
  mark(name) {
    return markOf(this.model.get("cuts")[name]);
  }
}

/** What fits on a block of what is done to a site. */
export function markOf(words) {
  if (!words) return "";
  return words.startsWith("channels") ? "partly" : words.replace("x ", "× ");
}

/** Shape of what passes, without the number of patches. */
export function shapeText(shape) {
  return shape.join(" × ");
}

/** Gain that all channels have, or their largest one, and whether they differ. */
export function commonGain(gains) {
  const gain = Math.max(...gains);
  return { gain, differ: gains.some((other) => other !== gain) };
}

/** Numbers from one to another, both included, whichever is larger. */
export function span(from, to) {
  const first = Math.min(from, to);
  return Array.from({ length: Math.abs(to - from) + 1 }, (_, i) => first + i);
}
