// The tiles of what is in view: asked for when they are missing, kept, and laid out in pixels.

import { chooseLevel, pixelColumns } from "../axes.js";
import { bytesOf } from "../elements.js";
import { gatherRun, poolRows, TileCache } from "../picture.js";

const CACHE_BYTES = 96 << 20;
/** Tiles that are kept as rows of pixels, too. */
const POOLED_TILES = 160;
/** Tiles that one message asks for; the kernel refuses more than 256. */
const MESSAGE_TILES = 64;

export class Tiles {
  constructor(model, plot) {
    Object.assign(this, { model, plot, geometry: plot.geometry });
    this.cache = new TileCache(CACHE_BYTES);
    this.waiting = new Set();
    this.pooled = new Map();
    this.planes = new Map();
  }

  /** Keep a tile that has come. */
  take({ layer, channel, level, index }, buffer) {
    const key = keyOf(layer, channel, level, index);
    this.waiting.delete(key);
    this.cache.set(key, { values: bytesOf(buffer).slice(), layer, level, index });
    this.pooled.delete(key);
  }

  /** Ask again for tiles of some layers that hold frames from `start` to before `stop`. */
  forget({ layers, start, stop }) {
    const columns = this.geometry.tileColumns;
    const touched = (tile) =>
      layers.includes(tile.layer) &&
      tile.index <= ((stop - 1) >> tile.level) / columns &&
      tile.index + 1 > (start >> tile.level) / columns;
    for (const tile of this.cache.tiles.values()) {
      // keep showing the old picture until the new one has come
      if (touched(tile)) tile.stale = true;
    }
    this.waiting.clear();
  }

  clear() {
    this.cache.deleteWhere(() => true);
  }

  /** Every layer's 8-bit values at all pixels, rows first; what is missing is asked for. */
  lay(layers) {
    const { start, stop } = this.plot.axes;
    const framesPerPixel = (stop - start) / this.geometry.hop / this.plot.inner.width;
    const level = chooseLevel(framesPerPixel, this.geometry.levels);
    if (this.rows !== this.plot.rows) {
      this.rows = this.plot.rows;
      this.pooled.clear();
    }
    this.columnsAt = new Map();
    const wanted = new Map();
    const planes = layers.map((layer) => this.plane(layer, level, wanted));
    if (wanted.size) this.request(wanted);
    return planes;
  }

  /** Column of a level for every pixel of a row of what was laid out; -1 outside the song. */
  columns(level) {
    if (!this.columnsAt.has(level)) {
      const { start, stop } = this.plot.axes;
      const columns = pixelColumns(this.plot.inner.width, start, stop, this.geometry, level);
      this.columnsAt.set(level, columns);
    }
    return this.columnsAt.get(level);
  }

  plane(layer, level, wanted) {
    const { width } = this.plot.inner;
    const size = this.geometry.tileColumns;
    const plane = this.emptyPlane(layer);
    const columns = this.columns(level);
    const tileAt = (x) => (columns[x] < 0 ? -1 : Math.floor(columns[x] / size));
    let from = 0;
    while (from < width) {
      const index = tileAt(from);
      let to = from + 1;
      while (to < width && tileAt(to) === index) to++;
      const run = { plane, layer, from, to };
      if (index >= 0 && !this.gather(run, level, index, wanted)) this.gatherCoarser(run, level);
      from = to;
    }
    return plane;
  }

  emptyPlane({ name }) {
    const { width, height } = this.plot.inner;
    let plane = this.planes.get(name);
    if (plane?.length === width * height) plane.fill(0);
    else {
      plane = new Uint8Array(width * height);
      this.planes.set(name, plane);
    }
    return plane;
  }

  /** Copy a tile into a run of pixel columns; false if there is none, which `wanted` then notes. */
  gather({ plane, layer, from, to }, level, index, wanted) {
    const key = keyOf(layer.name, this.model.get("channel"), level, index);
    const tile = this.cache.get(key);
    if ((!tile || tile.stale) && wanted && !this.waiting.has(key)) {
      wanted.set(key, [layer.name, level, index]);
    }
    if (!tile) return false;
    const { width, height } = this.plot.inner;
    const columns = this.columns(level);
    const stride = tile.values.length / this.geometry.bins;
    const first = index * this.geometry.tileColumns;
    const offsets = new Int32Array(width);
    for (let x = from; x < to; x++) offsets[x] = Math.min(columns[x] - first, stride - 1);
    const pooled = this.poolTile(key, tile, layer.pool);
    gatherRun(plane, width, height, { pooled, stride, from, to, offsets });
    return true;
  }

  /** Until a tile has come, show the finest that there is of the coarser ones. */
  gatherCoarser(run, level) {
    const { tileColumns, levels } = this.geometry;
    for (let coarse = level + 1; coarse < levels; coarse++) {
      const columns = this.columns(coarse);
      const index = Math.floor(columns[run.from] / tileColumns);
      if (Math.floor(columns[run.to - 1] / tileColumns) !== index) continue;
      if (this.gather(run, coarse, index, null)) return;
    }
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
