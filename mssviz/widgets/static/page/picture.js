// What a kernel would answer to a spectrogram view, from values that are rounded to 8 bits.

import { stronger } from "../picture.js";

const POOLED = {
  max: Math.max,
  mean: (x, y) => (x + y + 1) >> 1,
  strongest: stronger,
  pick: (x) => x,
};

/** Half as many columns: two become one as a layer says. */
function halve(values, bins, how) {
  const columns = values.length / bins;
  const half = new Uint8Array(Math.ceil(columns / 2) * bins);
  for (let c = 0; c < columns; c += 2) {
    const next = Math.min(c + 1, columns - 1);
    for (let b = 0; b < bins; b++) {
      const [x, y] = [values[c * bins + b], values[next * bins + b]];
      half[(c >> 1) * bins + b] = POOLED[how](x, y);
    }
  }
  return half;
}

/** Answers a spectrogram view, from the layers whose values the page has. */
export class PagePicture {
  constructor(stored, { _layers, _geometry }, peakDb) {
    this.layers = _layers;
    this.geometry = _geometry;
    this.peakDb = peakDb;
    this.values = new Map(Object.entries(stored));
    this.levels = new Map();
  }

  /** The layer of a kind, of a stem if it is of one. */
  find(kind, stem = null) {
    return this.layers.find((layer) => layer.kind === kind && layer.stem === stem);
  }

  /** All values of a layer; an estimate's are made of the mask's and the mixture's. */
  base({ name, kind, stem }) {
    if (!this.values.has(name) && kind === "estimate") {
      const mask = this.base(this.find("mask", stem));
      // what a mask lets through: levels in decibels add up
      const loss = Float32Array.from({ length: 256 }, (_, m) => this.lossOf(m));
      const mixture = this.base(this.find("mixture"));
      const levels = mixture.map((v, i) => Math.max(0, Math.round(v + loss[mask[i]])));
      this.values.set(name, levels);
    }
    return this.values.get(name);
  }

  lossOf(mask) {
    return mask ? ((20 * Math.log10(mask / 255)) / this.geometry.rangeDb) * 255 : -255;
  }

  at(layer, level) {
    const key = `${layer.name}|${level}`;
    if (!this.levels.has(key)) {
      const values = level
        ? halve(this.at(layer, level - 1), this.geometry.bins, layer.pool)
        : this.base(layer);
      this.levels.set(key, values);
    }
    return this.levels.get(key);
  }

  answer(message) {
    if (message.kind === "tiles")
      return message.tiles.map((tile) => this.tile(tile, message.channel));
    if (message.kind === "read")
      return [[{ ...message, kind: "reading", reading: this.read(message) }, []]];
    if (message.kind === "slices") return [this.slices(message)];
    return [];
  }

  tile([name, level, index], channel) {
    const size = this.geometry.tileColumns * this.geometry.bins;
    const layer = this.layers.find((one) => one.name === name);
    const values = this.at(layer, level).slice(index * size, (index + 1) * size);
    return [{ kind: "tile", layer: name, level, index, channel }, [values]];
  }

  place({ seconds, hertz }) {
    const { first, hop, frames, hertzPerBin, bins } = this.geometry;
    const limit = (value, n) => Math.min(Math.max(Math.round(value), 0), n - 1);
    return [limit((seconds - first) / hop, frames), limit(hertz / hertzPerBin, bins)];
  }

  db(value) {
    return value > 0 ? (value / 255 - 1) * this.geometry.rangeDb + this.peakDb : -160;
  }

  read(message) {
    const [frame, bin] = this.place(message);
    const value = (layer) => this.base(layer)[frame * this.geometry.bins + bin];
    const level_db = (layer) => this.db(value(layer));
    const mixture = value(this.find("mixture"));
    const stems = {};
    for (const mask of this.layers.filter(({ kind }) => kind === "mask")) {
      const { stem } = mask;
      const through = this.db(mixture + this.lossOf(value(mask)));
      stems[stem] = { mask: value(mask) / 255, level_db: through };
      const reference = this.find("reference", stem);
      if (reference) stems[stem].reference_db = level_db(reference);
      const complex = this.find("complex", stem);
      if (complex) stems[stem].complex_mask = this.readComplex(value(complex));
    }
    return {
      frame,
      bin,
      time: this.geometry.first + frame * this.geometry.hop,
      frequency: bin * this.geometry.hertzPerBin,
      level_db: this.db(mixture),
      note: "",
      stems,
      maps: this.readMaps(value),
      rounded: true,
    };
  }

  /** Level and turn that the number of a complex mask's colour stands for: the middle of both. */
  readComplex(code) {
    const { turns, turnStepDb, turnLowestDb, turnSilent } = this.geometry;
    if (code === turnSilent) return null;
    if (code < turns) return { factor: 0, level_db: -160, turn: null };
    const level_db = turnLowestDb + (Math.floor(code / turns) - 0.5) * turnStepDb;
    return { factor: 10 ** (level_db / 20), level_db, turn: ((code % turns) / turns - 0.5) * 360 };
  }

  /** Level and side of a bin in every map; `value` gives a layer's 8-bit value there. */
  readMaps(value) {
    const maps = {};
    for (const layer of this.layers.filter(({ kind }) => kind === "map")) {
      const signed = value(layer) - 128;
      const { below, above, peak_db } = layer.signs;
      const range = this.geometry.signedRangeDb;
      const level_db = signed ? (Math.abs(signed) / 127 - 1) * range + peak_db : -160;
      maps[layer.name] = { level_db, side: signed > 0 ? above : below };
    }
    return maps;
  }

  slices(message) {
    const [frame, bin] = this.place(message);
    const { bins, frames, first, hop } = this.geometry;
    const layers = [this.find("mixture"), ...this.layers.filter(({ kind }) => kind === "estimate")];
    const across = layers.map((layer) =>
      Float32Array.from(this.base(layer).subarray(frame * bins, (frame + 1) * bins), (v) =>
        this.db(v),
      ),
    );
    const along = layers.map((layer) =>
      Float32Array.from({ length: frames }, (_, t) => this.db(this.base(layer)[t * bins + bin])),
    );
    const content = {
      kind: "slices",
      id: message.id,
      names: layers.map(({ stem }) => stem ?? "mixture"),
      start: first,
      stop: first + (frames - 1) * hop,
    };
    return [content, [...across, ...along]];
  }
}
