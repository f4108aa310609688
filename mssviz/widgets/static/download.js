// A link to a file whose bytes Python has sent: it is clicked once, and stays for a second time.

import { bytesOf, make, oneLine } from "./elements.js";
import { asWidget } from "./widget.js";

export default asWidget("mssvizDownload", (widget) => {
  const { model, el } = widget;
  const link = make("a", "mssviz-download");
  link.style.textDecoration = "underline"; // pages of notebooks take it away
  let url = null;
  const forget = () => {
    if (url) URL.revokeObjectURL(url);
    url = null;
  };
  const show = () => {
    const name = model.get("name");
    link.hidden = !name || !url;
    link.textContent = `Download ${oneLine(name)} again`;
  };
  widget.onModel("msg:custom", ({ kind, name }, buffers) => {
    if (kind !== "file") return;
    forget();
    const bytes = bytesOf(buffers[0]);
    url = URL.createObjectURL(new Blob([bytes], { type: "application/octet-stream" }));
    Object.assign(link, { href: url, download: name });
    show();
    link.click();
  });
  widget.onModel("change:name", show);
  widget.onEnd(forget);
  el.append(link);
  show();
  return { link };
});
