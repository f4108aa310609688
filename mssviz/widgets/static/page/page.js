// A saved page: the same widgets without a kernel. Data is in the page, rounded to 8 bits.

import { link, PageModel } from "./model.js";
import { PagePicture } from "./picture.js";

/** Bytes whose differences are in gzipped base64. */
async function inflate(text) {
  const packed = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  for (let i = 1; i < bytes.length; i++) bytes[i] += bytes[i - 1]; // modulo 256, as they wrap
  return bytes;
}

/** Function that answers a mixer that asks for its sounds. */
function sounds(audio) {
  const bytesOf = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return ({ kind }) => {
    if (kind !== "ask") return [];
    return Object.entries(audio).map(([name, { gain, bytes }]) => [
      { kind: "audio", name, version: 1, gain },
      [bytesOf(bytes)],
    ]);
  };
}

/** Put the widgets into the page. */
export async function show(registry) {
  const data = JSON.parse(document.getElementById("mssviz-data").textContent);
  const layers = {};
  for (const [name, text] of Object.entries(data.layers)) layers[name] = await inflate(text);
  const picture = data.spectrogram && new PagePicture(layers, data.spectrogram, data.peakDb);
  const answers = {
    spectrogram: (message) => picture.answer(message),
    mixer: sounds(data.audio.mixer),
    parts: sounds(data.audio.parts),
  };
  const models = {};
  for (const name of ["spectrogram", "mixer", "scores", "regions", "parts", "menu"]) {
    if (data[name]) models[name] = new PageModel(data[name], answers[name] ?? (() => []));
  }
  for (const [name, model] of Object.entries(models)) {
    for (const trait of data.shared[name] ?? []) {
      if (models.spectrogram) link(models.spectrogram, model, trait);
    }
    const widget = registry[name] ?? registry.mixer; // a score's parts are in a mixer, too
    widget.render({ model, el: document.getElementById(`mssviz-${name}`) });
  }
}
