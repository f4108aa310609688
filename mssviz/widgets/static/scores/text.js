// Scores as text: a legend with medians, and all measures of one window.

import { make, oneLine } from "../elements.js";
import { formatScore, levelToUnit, median } from "./windows.js";

const HINT = "median of all windows; point at one to read it, click to go there";
const SILENT = "no score: in the window a reference or an estimate is silent, or a file is damaged";

/** Seconds for people, as exact as a window's edge needs. */
function formatSeconds(seconds) {
  return String(Number(seconds.toFixed(3)));
}

export class Texts {
  constructor(model, plot) {
    Object.assign(this, { model, plot });
    this.legend = make("div", "mssviz-legend");
    this.readout = make("div", "mssviz-readout", { role: "status" });
  }

  showLegend() {
    const { columns, targets, windows, range } = this.plot;
    const items = targets.map((target, k) => this.key(target, columns[k]));
    if (columns.some((values) => values.some(Number.isNaN))) {
      const why = windows.repaired.some(Boolean) ? "silent or damaged" : "silent";
      items.push(make("span", "mssviz-silent", { title: SILENT }, why));
    }
    if (columns.some((values) => values.some((value) => levelToUnit(value, range).beyond))) {
      const title = "the score lies beyond the axis";
      items.push(make("span", "", { title }, "▲▼ beyond the axis"));
    }
    this.legend.replaceChildren(...items);
  }

  /** A target's colour, name and median. */
  key({ name, color }, values) {
    const { repaired } = this.plot.windows;
    const scored = values.filter((value) => !Number.isNaN(value));
    const middle = scored.length ? `median ${formatScore(median(scored))} dB` : "no score";
    const damaged = repaired.filter(Boolean).length;
    const silent = repaired.length - damaged - scored.length;
    const left = `${silent} silent${damaged ? `, ${damaged} damaged` : ""}`;
    const title = `${name}: median of ${scored.length} of ${repaired.length} windows (${left})`;
    const text = make("span", "mssviz-median", {}, middle);
    const key = make("span", "mssviz-key", { title }, oneLine(name), text);
    key.style.setProperty("--key", color);
    return key;
  }

  /** Show all measures of a window; of -1, their medians. */
  showWindow(index) {
    const { times, window, repaired } = this.plot.windows;
    const why = repaired[index] ? "damaged" : "silent";
    const caption =
      index < 0
        ? HINT
        : `window from ${formatSeconds(times[index])} to ${formatSeconds(times[index] + window)} s`;
    const head = Object.keys(this.plot.measures).map((measure) =>
      make("th", this.drawn(measure), { scope: "col" }, measure),
    );
    const rows = this.plot.targets.map(({ name, color, values }) => {
      const label = make("th", "mssviz-key", { scope: "row" }, oneLine(name));
      label.style.setProperty("--key", color);
      const cells = Object.entries(values).map(([measure, column]) => {
        const score = index < 0 ? median(column) : column[index];
        return make("td", this.drawn(measure), {}, formatScore(score, why));
      });
      return make("tr", "", {}, label, ...cells);
    });
    const titles = make("tr", "", {}, make("th"), ...head);
    this.readout.replaceChildren(
      make("div", "mssviz-reading", {}, `Scores in dB, ${caption}`),
      make("table", "", {}, titles, ...rows),
    );
  }

  /** Class of what belongs to the drawn measure. */
  drawn(measure) {
    return measure === this.model.get("measure") ? "mssviz-drawn" : "";
  }
}
