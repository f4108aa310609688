// Scores of windows as numbers and texts: which window is where, ranges, medians. No DOM.

const DEFAULT_RANGE = [0, 10]; // dB
const GRID_DB = 5;
const WHISKER = 1.5; // interquartile ranges

/** One measure of one target: null is NaN, texts are infinities. */
export function scoreValues(raw) {
  return Float64Array.from(raw, (value) => (value === null ? NaN : Number(value)));
}

/** Value below which a share of sorted values lies, between neighbours in proportion. */
function quantile(sorted, share) {
  const at = share * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
  return low === high ? low : low + (at - Math.floor(at)) * (high - low);
}

/** Median of all values but NaN; NaN if there is none. */
export function median(values) {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort();
  return sorted.length ? quantile(sorted, 0.5) : NaN;
}

/** How far a box plot's whiskers reach: [low, high], or null if no value is finite. */
export function whiskers(values) {
  const sorted = values.filter(Number.isFinite).sort();
  if (!sorted.length) return null;
  const [first, third] = [quantile(sorted, 0.25), quantile(sorted, 0.75)];
  const reach = WHISKER * (third - first);
  return [
    sorted.find((value) => value >= first - reach),
    sorted.findLast((value) => value <= third + reach),
  ];
}

/** Range of an axis in dB that has room for several targets' values, outliers left out, and 0. */
export function levelRange(columns) {
  const found = columns.map(whiskers).filter(Boolean);
  if (!found.length) return DEFAULT_RANGE;
  const low = Math.min(0, ...found.map((ends) => ends[0]));
  const high = Math.max(0, ...found.map((ends) => ends[1]));
  const from = GRID_DB * Math.floor(low / GRID_DB);
  return [from, Math.max(GRID_DB * Math.ceil(high / GRID_DB), from + 2 * GRID_DB)];
}

/** Share of the height, from the top, at which a value lies, and whether it is beyond: -1, 0, 1. */
export function levelToUnit(db, [low, high]) {
  const beyond = db > high ? 1 : db < low ? -1 : 0;
  const unit = beyond ? (1 - beyond) / 2 : (high - db) / (high - low);
  return { unit, beyond };
}

/** Stretch of time [from, to] that a window is drawn over: around its middle. */
export function windowSpan(index, { times, window, step }) {
  const middle = times[index] + window / 2;
  return [middle - step / 2, middle + step / 2];
}

/** Index of the window that is drawn at a time; -1 if none is. */
export function windowAt(seconds, table) {
  return table.times.findIndex((_, i) => {
    const [from, to] = windowSpan(i, table);
    return from <= seconds && seconds < to;
  });
}

/** Runs of windows that have a score and touch each other: [[index, …], …]. */
export function scoredRuns(values, table) {
  const runs = [];
  let end = -Infinity;
  values.forEach((value, i) => {
    if (Number.isNaN(value)) return;
    const [from, to] = windowSpan(i, table);
    if (from - end < 0.01 * table.step) runs.at(-1).push(i);
    else runs.push([i]);
    end = to;
  });
  return runs;
}

/** Score as people read it: "−1.23", "∞"; where there is none, "silent", or why else. */
export function formatScore(db, why = "silent") {
  if (Number.isNaN(db)) return why;
  const size = Number.isFinite(db) ? Math.abs(db).toFixed(2) : "∞";
  return db < 0 && size !== "0.00" ? `−${size}` : size;
}
