// A saved page: the same widgets without a kernel. Data is in the page, rounded to 8 bits.

/** Bytes of gzipped base64. */
async function inflate(text) {
  const packed = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** What a widget's view needs of a model: state, events, and somebody who answers messages. */
class PageModel {
  constructor(state, answer) {
    this.state = state;
    this.answer = answer;
    this.listeners = new Map();
  }

  get(name) {
    return this.state[name];
  }

  set(name, value) {
    if (JSON.stringify(this.state[name]) === JSON.stringify(value)) return;
    this.state[name] = value;
    this.fire(`change:${name}`);
  }

  on(event, callback) {
    this.listeners.set(event, [...(this.listeners.get(event) ?? []), callback]);
  }

  off(event, callback) {
    const left = (this.listeners.get(event) ?? []).filter((one) => callback && one !== callback);
    this.listeners.set(event, left);
  }

  fire(event, ...values) {
    for (const callback of this.listeners.get(event) ?? []) callback(...values);
  }

  save_changes() {}

  send(message) {
    Promise.resolve(this.answer(message)).then((answers) => {
      for (const [content, buffers] of answers ?? []) this.fire("msg:custom", content, buffers);
    });
  }
}

/** Keep a trait of two models the same. */
function link(first, second, trait) {
  first.on(`change:${trait}`, () => second.set(trait, first.get(trait)));
  second.on(`change:${trait}`, () => first.set(trait, second.get(trait)));
}

/** Half as many columns: the larger of two, or their mean. */
function halve(values, bins, how) {
  const columns = values.length / bins;
  const half = new Uint8Array(Math.ceil(columns / 2) * bins);
  for (let c = 0; c < columns; c += 2) {
    const next = Math.min(c + 1, columns - 1);
    for (let b = 0; b < bins; b++) {
      const [x, y] = [values[c * bins + b], values[next * bins + b]];
      half[(c >> 1) * bins + b] = how === "max" ? Math.max(x, y) : (x + y + 1) >> 1;
    }
  }
  return half;
}

/** Answers a spectrogram view, from the layers whose values the page has. */
class PagePicture {
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
      const levels = this.base(this.find("mixture")).map((v, i) => Math.max(0, v + loss[mask[i]]));
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
    const stems = {};
    for (const mask of this.layers.filter(({ kind }) => kind === "mask")) {
      const { stem } = mask;
      stems[stem] = { mask: value(mask) / 255, level_db: level_db(this.find("estimate", stem)) };
      const reference = this.find("reference", stem);
      if (reference) stems[stem].reference_db = level_db(reference);
    }
    return {
      frame,
      bin,
      time: this.geometry.first + frame * this.geometry.hop,
      frequency: bin * this.geometry.hertzPerBin,
      level_db: level_db(this.find("mixture")),
      note: "",
      stems,
      rounded: true,
    };
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

/** Put the widgets into the page. */
export async function show(registry) {
  const data = JSON.parse(document.getElementById("mssviz-data").textContent);
  const layers = {};
  for (const [name, text] of Object.entries(data.layers)) layers[name] = await inflate(text);
  const picture = new PagePicture(layers, data.spectrogram, data.peakDb);
  const view = new PageModel(data.spectrogram, (message) => picture.answer(message));
  const mixer = new PageModel(data.mixer, (message) => {
    if (message.kind !== "ask") return [];
    return Object.entries(data.audio).map(([name, { gain, bytes }]) => [
      { kind: "audio", name, version: 1, gain },
      [Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0))],
    ]);
  });
  const models = { spectrogram: view, mixer };
  if (data.scores) models.scores = new PageModel(data.scores, () => []);
  for (const [name, model] of Object.entries(models)) {
    for (const trait of data.shared[name] ?? []) link(view, model, trait);
    registry[name].render({ model, el: document.getElementById(`mssviz-${name}`) });
  }
}
