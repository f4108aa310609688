// The tiles of what is in view: asked for when they are missing, kept, and laid out in pixels.

import { chooseLevel, pixelColumns } from "../axes.js";
import { bytesOf } from "../elements.js";
import { fillRun, gatherRun, OUTSIDE, poolRows, TileCache } from "../picture.js";

const CACHE_BYTES = 96 << 20;
/** Tiles of the picture as it is painted: more than any screen is wide. */
const PAINTED_BYTES = 48 << 20;
/** Tiles that are kept as rows of pixels, too. */
const POOLED_TILES = 160;
/** Tiles that one message asks for; the kernel refuses more than 256. */
const MESSAGE_TILES = 64;
/** How long a frame may paint tiles while others can be shown in their place, in milliseconds. */
const PAINTING_MS = 8;
/** Tiles at the edges of the view that are painted so that a level can be shown in another's place. */
const EDGE_TILES = 2;

export class Tiles {
  constructor(model, plot) {
    Object.assign(this, { model, plot, geometry: plot.geometry });
    this.cache = new TileCache(CACHE_BYTES);
    this.version = 0;
    this.waiting = new Set();
    this.pooled = new Map();
    this.painted = new TileCache(PAINTED_BYTES);
  }

  /** Keep a tile that has come. */
  take({ layer, channel, level, index, version }, buffer) {
    const key = keyOf(layer, channel, level, index);
    this.waiting.delete(key);
    const stale = version < this.version; // it was made while the picture changed
    this.cache.set(key, { values: bytesOf(buffer).slice(), layer, level, index, stale });
    this.pooled.delete(key);
    // also finer ones, which may show this one until theirs have come
    const shows = (p) => p.level <= level && p.index >> (level - p.level) === index;
    this.painted.deleteWhere((_, painted) => !painted.final && shows(painted));
  }

  /** Ask again for tiles of some layers that hold frames from `start` to before `stop`. */
  forget({ layers, start, stop, version }) {
    this.version = version;
    const columns = this.geometry.tileColumns;
    const touches = ({ index, level }) =>
      index <= ((stop - 1) >> level) / columns && index + 1 > (start >> level) / columns;
    for (const tile of this.cache.tiles.values()) {
      // keep showing the old picture until the new one has come
      if (layers.includes(tile.layer) && touches(tile)) tile.stale = true;
    }
    this.painted.deleteWhere((_, painted) => touches(painted));
    this.waiting.clear();
  }

  clear() {
    this.cache.deleteWhere(() => true);
    this.painted.deleteWhere(() => true);
  }

  /**
   * Fill a picture's pixels, rows first; what is missing is asked for.
   *
   * Tiles are kept as they are painted, so that moving along the song copies pixels alone. `look`
   * has `key`, which is another one whenever the same values get other colours, and
   * `paint(pixels, planes)`, which gets every layer's 8-bit values. After zooming to another level,
   * those of the level before are shown, if all in view are there, until its own have come and are
   * painted, over some frames. Returns whether there was no time, and another frame is needed.
   */
  fill(pixels, layers, look) {
    const { start, stop } = this.plot.axes;
    const { width } = this.plot.inner;
    const level = chooseLevel((stop - start) / this.geometry.hop / width, this.geometry.levels);
    this.renew(look);
    const wanted = new Map();
    const view = this.viewOf(level);
    const before = (this.level ?? level) === level ? null : this.viewOf(this.level);
    const canWait = before !== null && this.complete(before, layers, look);
    const ends = canWait ? performance.now() + PAINTING_MS : Infinity;
    this.findPainted(view);
    let late = false;
    for (const run of view.runs) {
      const fresh = layers
        .map((layer) => this.look(layer, level, run.index, wanted))
        .every(Boolean);
      if (run.tile || (canWait && !fresh)) continue;
      if (performance.now() >= ends) late = true;
      else run.tile = this.paintTile(layers, look, level, run.index, fresh);
    }
    const unfinished = !view.runs.every(({ tile }) => tile);
    this.copy(pixels, unfinished ? before : view);
    if (!unfinished) this.level = level;
    if (wanted.size) this.request(wanted);
    return late;
  }

  /** Forget what is painted if it would be painted in another way. */
  renew(look) {
    const { rows, rowsKey } = this.plot;
    if (this.rows !== rows) this.pooled.clear();
    this.rows = rows;
    const key = `${rowsKey}|${this.model.get("channel")}|${look.key}`;
    if (this.paintedKey !== key) this.painted.deleteWhere(() => true);
    this.paintedKey = key;
  }

  /** Runs of pixels that lie within one tile of a level, and the column of it that each shows. */
  viewOf(level) {
    const { start, stop } = this.plot.axes;
    const { width } = this.plot.inner;
    const columns = pixelColumns(width, start, stop, this.geometry, level);
    const size = this.geometry.tileColumns;
    const tileAt = (x) => (columns[x] < 0 ? -1 : Math.floor(columns[x] / size));
    const [runs, outside] = [[], []];
    for (let from = 0, to; from < width; from = to) {
      const index = tileAt(from);
      for (to = from + 1; to < width && tileAt(to) === index; ) to++;
      (index < 0 ? outside : runs).push({ from, to, index });
    }
    return { level, runs, outside, offsets: columns.map((column) => column % size) };
  }

  /** Give a view's runs the tiles that are painted. */
  findPainted({ level, runs }) {
    for (const run of runs) run.tile = this.painted.get(`${level}|${run.index}`);
  }

  /** Give all of a view's runs their tiles, if few are to be painted; whether that is so. */
  complete(view, layers, look) {
    this.findPainted(view);
    const missing = view.runs.filter(({ tile }) => !tile);
    if (missing.length > EDGE_TILES) return false;
    for (const run of missing) {
      run.tile = this.paintTile(layers, look, view.level, run.index, false);
    }
    return true;
  }

  copy(pixels, { runs, outside, offsets }) {
    const { width, height } = this.plot.inner;
    for (const run of outside) fillRun(pixels, width, height, { ...run, value: OUTSIDE });
    for (const { from, to, tile } of runs) {
      gatherRun(pixels, width, height, { ...tile, from, to, offsets });
    }
  }

  /** A tile in its colours; `final` says whether every layer's values are here and right. */
  paintTile(layers, look, level, index, final) {
    const first = index * this.geometry.tileColumns;
    const end = Math.ceil(this.geometry.frames / 2 ** level);
    const stride = Math.min(this.geometry.tileColumns, end - first);
    const values = new Uint32Array(this.rows.from.length * stride);
    const planes = layers.map((layer) => this.plane(layer, level, index, stride));
    look.paint(values, planes);
    const tile = { values, stride, final, level, index };
    this.painted.set(`${level}|${index}`, tile);
    return tile;
  }

  /** Whether a layer's tile is here and still right; otherwise it is noted in `wanted`. */
  look({ name }, level, index, wanted) {
    const key = keyOf(name, this.model.get("channel"), level, index);
    const tile = this.cache.get(key);
    if (tile && !tile.stale) return true;
    if (!this.waiting.has(key)) wanted.set(key, [name, level, index]);
    return false;
  }

  /** A layer's values at a tile's rows of pixels and columns, from the finest tile that there is. */
  plane(layer, level, index, stride) {
    const { tileColumns, levels } = this.geometry;
    for (let coarse = level; coarse < levels; coarse++) {
      const shift = coarse - level;
      const key = keyOf(layer.name, this.model.get("channel"), coarse, index >> shift);
      const tile = this.cache.get(key);
      if (!tile) continue;
      const pooled = this.poolTile(key, tile, layer.pool);
      if (shift === 0) return pooled;
      const first = index * tileColumns;
      const start = (index >> shift) * tileColumns;
      const offsets = Int32Array.from({ length: stride }, (_, c) => ((first + c) >> shift) - start);
      const rows = this.rows.from.length;
      const out = new Uint8Array(rows * stride);
      const from = { values: pooled, stride: tile.values.length / this.geometry.bins };
      gatherRun(out, stride, rows, { ...from, from: 0, to: stride, offsets });
      return out;
    }
    return new Uint8Array(this.rows.from.length * stride);
  }

  poolTile(key, tile, pool) {
    if (!this.pooled.has(key)) {
      this.pooled.set(key, poolRows(tile.values, this.geometry.bins, this.rows, pool));
      if (this.pooled.size > POOLED_TILES) this.pooled.delete(this.pooled.keys().next().value);
    }
    return this.pooled.get(key);
  }

  request(wanted) {
    for (const key of wanted.keys()) this.waiting.add(key);
    const channel = this.model.get("channel");
    const tiles = [...wanted.values()];
    for (let i = 0; i < tiles.length; i += MESSAGE_TILES) {
      this.model.send({ kind: "tiles", channel, tiles: tiles.slice(i, i + MESSAGE_TILES) });
    }
  }
}

/** Under which a tile is kept. */
function keyOf(layer, channel, level, index) {
  return `${level}|${index}|${channel}|${layer}`;
}
