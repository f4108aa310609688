// Axes: time and frequency to pixels and back. Pure functions, seconds and hertz outside.

/** Beside every picture over time, CSS pixels, so that those of one song lie under each other. */
export const TIME_MARGIN = { left: 54, right: 8 };

const MEL_BREAK = 1000;
const MEL_PER_HERTZ = 3 / 200;
const MEL_LOG_STEP = Math.log(6.4) / 27;

/** Slaney's mel scale, as librosa has it. */
export function hertzToMel(hertz) {
  if (hertz < MEL_BREAK) return hertz * MEL_PER_HERTZ;
  return MEL_BREAK * MEL_PER_HERTZ + Math.log(hertz / MEL_BREAK) / MEL_LOG_STEP;
}

/** Inverse of hertzToMel. */
export function melToHertz(mel) {
  const bend = MEL_BREAK * MEL_PER_HERTZ;
  return mel < bend ? mel / MEL_PER_HERTZ : MEL_BREAK * Math.exp((mel - bend) * MEL_LOG_STEP);
}

const WARPS = {
  linear: [(f) => f, (u) => u],
  log: [(f) => Math.log(Math.max(f, 1)), Math.exp],
  mel: [hertzToMel, melToHertz],
};

/** Position of a frequency between low (0) and high (1) on a scale. */
export function frequencyToUnit(hertz, { scale, low, high }) {
  const [warp] = WARPS[scale];
  return (warp(hertz) - warp(low)) / (warp(high) - warp(low));
}

/** Inverse of frequencyToUnit. */
export function unitToFrequency(unit, { scale, low, high }) {
  const [warp, unwarp] = WARPS[scale];
  return unwarp(warp(low) + unit * (warp(high) - warp(low)));
}

/** First and last bin of every pixel row, top row first: {from, to} with to > from. */
export function binRows(height, view, bins, hertzPerBin) {
  const from = new Int32Array(height);
  const to = new Int32Array(height);
  const binAt = (row) => unitToFrequency(1 - row / height, view) / hertzPerBin + 0.5;
  for (let y = 0; y < height; y++) {
    const last = y ? Math.floor(binAt(y)) : Math.ceil(binAt(y));
    const first = Math.floor(binAt(y + 1));
    from[y] = Math.min(Math.max(first, 0), bins - 1);
    to[y] = Math.min(Math.max(last, from[y] + 1), bins);
  }
  return { from, to };
}

/** Coarsest level of tiles that still has a column for every pixel. */
export function chooseLevel(framesPerPixel, levels) {
  const level = Math.floor(Math.log2(Math.max(framesPerPixel, 1)) + 1e-6);
  return Math.min(Math.max(level, 0), levels - 1);
}

/** Column of a level for every pixel of a row; -1 outside the song. */
export function pixelColumns(width, start, stop, geometry, level) {
  const columns = new Int32Array(width);
  for (let x = 0; x < width; x++) {
    const seconds = start + ((x + 0.5) / width) * (stop - start);
    const frame = Math.round((seconds - geometry.first) / geometry.hop);
    columns[x] = frame < 0 || frame >= geometry.frames ? -1 : frame >> level;
  }
  return columns;
}

/** Round values between low and high, about `count` of them: [value, …]. */
export function niceTicks(low, high, count) {
  const rough = (high - low) / Math.max(count, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough * 0.999);
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) {
    ticks.push(Number((i * step).toPrecision(12)));
  }
  return ticks;
}

/** Frequencies to label on a scale. */
export function frequencyTicks({ scale, low, high }, count) {
  if (scale === "linear") return niceTicks(low, high, count);
  const all = [20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000].filter(
    (f) => f >= low && f <= high,
  );
  return all.length >= 3 ? all : niceTicks(low, high, count);
}

/** 1500 as "1.5 k", 50 as "50 ": the unit is put behind. */
export function formatHertz(hertz) {
  return hertz >= 1000
    ? `${Number((hertz / 1000).toPrecision(4))} k`
    : `${Number(hertz.toPrecision(4))} `;
}

/** Zoom [start, stop] by a factor around a fixed value, kept within limits and above `least`. */
export function zoomRange([start, stop], factor, around, [low, high], least) {
  const width = Math.min(Math.max((stop - start) * factor, least), high - low);
  const share = (around - start) / (stop - start);
  const from = Math.min(Math.max(around - share * width, low), high - width);
  return [from, from + width];
}

/** Move [start, stop] by a distance, kept within limits. */
export function panRange([start, stop], distance, [low, high]) {
  const width = stop - start;
  const from = Math.min(Math.max(start + distance, low), Math.max(low, high - width));
  return [from, from + width];
}
