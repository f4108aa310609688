// A saved page: the same widgets without a kernel. Data is in the page, rounded to 8 bits.

import { link, PageModel } from "./model.js";
import { PagePicture } from "./picture.js";

/** Bytes of gzipped base64. */
async function inflate(text) {
  const packed = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
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
  const menu = new PageModel(data.menu, () => []);
  registry.menu.render({ model: menu, el: document.getElementById("mssviz-menu") });
}
