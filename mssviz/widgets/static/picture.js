// From 8-bit tiles to pixels. Pure functions on typed arrays; no canvas, no DOM.

/** Least recently used tiles, up to a number of bytes. */
export class TileCache {
  constructor(limitBytes) {
    this.limit = limitBytes;
    this.bytes = 0;
    this.tiles = new Map();
  }

  get(key) {
    const tile = this.tiles.get(key);
    if (tile) {
      this.tiles.delete(key);
      this.tiles.set(key, tile);
    }
    return tile;
  }

  set(key, tile) {
    this.delete(key);
    this.tiles.set(key, tile);
    this.bytes += tile.values.byteLength;
    for (const [oldest] of this.tiles) {
      if (this.bytes <= this.limit || oldest === key) break;
      this.delete(oldest);
    }
  }

  delete(key) {
    const tile = this.tiles.get(key);
    if (!tile) return;
    this.bytes -= tile.values.byteLength;
    this.tiles.delete(key);
  }

  /** Delete the tiles for which a test of (key, tile) is true. */
  deleteWhere(test) {
    for (const [key, tile] of [...this.tiles]) if (test(key, tile)) this.delete(key);
  }
}

/** Of two levels with a sign, the one further from 128, which stands for 0. */
export function stronger(first, second) {
  return Math.abs(second - 128) > Math.abs(first - 128) ? second : first;
}

/** Rows of pixels of a tile: bins pooled as a layer says, row-major (rows x columns). */
export function poolRows(values, bins, rows, how) {
  const columns = values.length / bins;
  const height = rows.from.length;
  const pooled = new Uint8Array(height * columns);
  for (let y = 0; y < height; y++) {
    const from = rows.from[y];
    const to = rows.to[y];
    for (let c = 0; c < columns; c++) {
      const base = c * bins;
      let result = values[base + from];
      if (to - from > 1) {
        if (how === "max") {
          for (let b = from + 1; b < to; b++) {
            if (values[base + b] > result) result = values[base + b];
          }
        } else if (how === "pick") {
          result = values[base + ((from + to) >> 1)];
        } else if (how === "strongest") {
          for (let b = from + 1; b < to; b++) result = stronger(result, values[base + b]);
        } else {
          for (let b = from + 1; b < to; b++) result += values[base + b];
          result = Math.round(result / (to - from));
        }
      }
      pooled[y * columns + c] = result;
    }
  }
  return pooled;
}

/** Brightness 0 to 1 of each 8-bit level, between floor and ceiling in dB, with gamma. */
export function brightnessTable(rangeDb, floorDb, ceilingDb, gamma) {
  const table = new Float32Array(256);
  for (let i = 0; i < 256; i++) {
    const db = (i / 255 - 1) * rangeDb;
    const unit = (db - floorDb) / Math.max(ceilingDb - floorDb, 1e-6);
    table[i] = Math.min(Math.max(unit, 0), 1) ** gamma;
  }
  return table;
}

/** Brightness of values that are shown as they are. */
export const STRAIGHT = Float32Array.from({ length: 256 }, (_, i) => i / 255);

/** Colour of each 8-bit value, packed as the canvas wants it (alpha, blue, green, red). */
export function colorTable(paletteHex, positions) {
  const table = new Uint32Array(256);
  for (let i = 0; i < 256; i++) {
    const at = 6 * Math.round(positions[i] * 255);
    const rgb = parseInt(paletteHex.slice(at, at + 6), 16);
    table[i] = pack(rgb >> 16, (rgb >> 8) & 255, rgb & 255);
  }
  return table;
}

/** Red, green, blue 0 to 255 as one pixel. */
export function pack(red, green, blue) {
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

/** Where the song is not. */
export const OUTSIDE = pack(0, 0, 0);

/** A colour times each 8-bit mask value: three 10-bit fields, so that stems can be added up. */
export function hueTable(color) {
  const rgb = parseInt(color.slice(1), 16);
  const parts = [rgb >> 16, (rgb >> 8) & 255, rgb & 255];
  const table = new Int32Array(256);
  for (let m = 0; m < 256; m++) {
    const [r, g, b] = parts.map((part) => Math.round((part * m) / 255));
    table[m] = (r << 20) | (g << 10) | b;
  }
  return table;
}

/** Copy each column of a run from its place in a tile of rows x stride: out is rows x width. */
export function gatherRun(out, width, height, run) {
  const { values, stride, from, to, offsets } = run;
  for (let y = 0; y < height; y++) {
    const row = y * width;
    const base = y * stride;
    for (let x = from; x < to; x++) out[row + x] = values[base + offsets[x]];
  }
}

/** Give the columns of a run one value. */
export function fillRun(out, width, height, { from, to, value }) {
  for (let y = 0; y < height; y++) out.fill(value, y * width + from, y * width + to);
}

/** Paint values through a colour table. */
export function paintColors(pixels, values, table) {
  for (let i = 0; i < pixels.length; i++) pixels[i] = table[values[i]];
}

/** Rows from one dark line of a hatching to the next. */
const HATCH_ROWS = 4;

/** Paint values through a colour table; those from `first` on are hatched with dark lines. */
export function paintHatched(pixels, values, table, first, rows) {
  paintColors(pixels, values, table);
  const width = pixels.length / rows;
  for (let y = 0; y < rows; y += HATCH_ROWS) {
    for (let i = y * width; i < (y + 1) * width; i++) if (values[i] >= first) pixels[i] = OUTSIDE;
  }
}

/**
 * Paint levels: grey where no stem is let through, tinted by the stems' hues where they are.
 *
 * One pass over the pixels, without floating point but for the grey; `tables` are those of
 * `hueTable`, one for each mask. What ten bits cannot hold is beyond white anyway.
 */
export function paintHues(pixels, level, masks, tables, brightness, grey) {
  const light = Int32Array.from(brightness, (unit) => Math.round(unit * 65536));
  const rest = Float64Array.from(
    { length: 1024 },
    (_, share) => grey * Math.max(0, 1 - share / 255),
  );
  for (let i = 0; i < pixels.length; i++) {
    const lit = light[level[i]];
    let sum = 0;
    let share = 0;
    for (let k = 0; k < masks.length; k++) {
      const m = masks[k][i];
      if (share + m > 1023) continue;
      sum += tables[k][m];
      share += m;
    }
    const left = rest[share];
    const red = Math.min((sum >>> 20) + left, 255) * lit;
    const green = Math.min(((sum >>> 10) & 1023) + left, 255) * lit;
    const blue = Math.min((sum & 1023) + left, 255) * lit;
    pixels[i] = 0xff000000 | ((blue >>> 16) << 16) | ((green >>> 16) << 8) | (red >>> 16);
  }
}
