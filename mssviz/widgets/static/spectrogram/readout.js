// The values of one bin as text.

import { make, oneLine } from "../elements.js";

/** Decibels for people; silence is a dash. */
function formatDb(db) {
  return db <= -159.9 ? "–" : `${db.toFixed(1)} dB`;
}

/** Level of a complex mask, as a factor and in dB. */
function formatFactor(mask) {
  return mask ? `× ${mask.factor.toFixed(3)} (${formatDb(mask.level_db)})` : "no sound";
}

/** Turn of a complex mask; a mask of 0 has none. */
function formatTurn(mask) {
  return mask && mask.turn !== null ? `${mask.turn.toFixed(1)}°` : "–";
}

export class Readout {
  constructor(widget) {
    this.model = widget.model;
    this.element = make("div", "mssviz-readout", { role: "status" });
    this.element.hidden = true;
    this.reading = null;
    this.pointed = false;
    this.asked = 0;
    /** Place whose answer is on its way, and the latest one that is asked for meanwhile. */
    this.awaited = null;
    this.next = null;
    this.insist = widget.insist(
      () => this.awaited !== null,
      () => this.send(this.next ?? this.awaited),
    );
  }

  /** Read the bin at a place; while an answer is on its way, only the latest place waits. */
  ask({ seconds, hertz }) {
    if (this.awaited) this.next = { seconds, hertz };
    else this.send({ seconds, hertz });
  }

  /** Ask for a place. The channels that are shown can reach Python later than a message does. */
  send(place) {
    this.awaited = place;
    this.next = null;
    const channel = this.model.get("channel");
    this.model.send({ kind: "read", id: ++this.asked, channel, ...place });
    this.insist();
  }

  /** Take an answer; one to an older question is passed over. */
  take({ id, reading }) {
    if (id !== this.asked) return;
    this.awaited = null;
    this.show(reading);
    if (this.next) this.send(this.next);
  }

  /** Show a sentence in place of values. */
  say(text) {
    this.element.textContent = text;
    this.update();
  }

  /** Stand where the pointer is not; be gone with it, unless a bin is pinned. */
  place(pointer) {
    this.pointed = Boolean(pointer);
    this.update();
    if (!pointer) return;
    const right = pointer.seconds > (this.model.get("start") + this.model.get("stop")) / 2;
    this.element.classList.toggle("mssviz-at-left", right);
  }

  update() {
    const wanted = this.pointed || this.model.get("pinned");
    // a bin that keys have pinned is read out; a pointer on its way would never be done
    this.element.ariaLive = this.pointed ? "off" : "polite";
    this.element.hidden = !wanted || !this.element.hasChildNodes();
  }

  show(reading) {
    this.reading = reading;
    const note = reading.note ? ` (${reading.note})` : "";
    const head = [
      `${reading.time.toFixed(3)} s`,
      `${reading.frequency.toFixed(1)} Hz${note}`,
      `mixture ${formatDb(reading.level_db)}`,
      ...this.ofMap(reading),
      ...(reading.rounded ? ["rounded to 8 bits"] : []),
    ];
    const stems = this.model.get("_stems").filter(({ name }) => name in reading.stems);
    this.element.replaceChildren(
      make("div", "mssviz-reading", {}, head.join(" · ")),
      ...(stems.length ? [this.table(stems, reading)] : []),
    );
    this.update();
  }

  /** Whether the layer that is shown is a complex mask. */
  get showsComplex() {
    const show = this.model.get("show");
    return this.model.get("_layers").some(({ name, kind }) => name === show && kind === "complex");
  }

  /** What the bin has in the map that is shown, if one is. */
  ofMap({ maps = {} }) {
    const show = this.model.get("show");
    if (!(show in maps)) return [];
    const { level_db, side } = maps[show];
    const { other } = this.model.get("_layers").find(({ name }) => name === show);
    return [`${oneLine(other)}: ${side}, ${formatDb(level_db)}`];
  }

  /** A row for each stem; values that are rounded have no phases. */
  table(stems, reading) {
    const phases = !reading.rounded;
    const known = Object.values(reading.stems).some((values) => "reference_db" in values);
    const columns = [
      ["mask", ({ mask }) => mask.toFixed(phases ? 4 : 2)],
      ["level", ({ level_db }) => formatDb(level_db)],
    ];
    if (phases) columns.push(["phase", ({ phase }) => `${phase.toFixed(2)} rad`]);
    if (this.showsComplex) {
      columns.push(
        ["complex mask", ({ complex_mask }) => formatFactor(complex_mask)],
        ["turn", ({ complex_mask }) => formatTurn(complex_mask)],
      );
    }
    if (known) columns.push(["true level", ({ reference_db }) => formatDb(reference_db)]);
    if (known && phases) {
      columns.push(["true phase", ({ reference_phase }) => `${reference_phase.toFixed(2)} rad`]);
    }
    const titles = ["", ...columns.map(([title]) => title)].map((title) =>
      make("th", "", {}, title),
    );
    const rows = stems.map(({ name, color }) => {
      const label = make("th", "mssviz-key", {}, oneLine(name));
      label.style.setProperty("--key", color);
      const values = reading.stems[name];
      const shown = columns.filter(
        ([title]) => "reference_db" in values || !title.startsWith("true"),
      );
      return make(
        "tr",
        "",
        {},
        label,
        ...shown.map(([, text]) => make("td", "", {}, text(values))),
      );
    });
    return make("table", "", {}, make("tr", "", {}, ...titles), ...rows);
  }
}
