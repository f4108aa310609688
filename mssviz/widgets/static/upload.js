// A file to the kernel: in chunks, the next when the last has been written.

import { obeyKeys } from "./commands.js";
import { button, make } from "./elements.js";
import { asWidget } from "./widget.js";

const CHUNK_BYTES = 1 << 20;
const PIECE_MS = 30_000;

/** Bytes for people: "25.0 MB". */
export function formatBytes(bytes) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit ? value.toPrecision(3) : value} ${units[unit]}`;
}

/** Sixteen random hexadecimal digits; `crypto.randomUUID` is missing on pages without TLS. */
function newId() {
  const words = crypto.getRandomValues(new Uint32Array(2));
  return Array.from(words, (word) => word.toString(16).padStart(8, "0")).join("");
}

/** One file on its way. `post(message, buffers)` sends; `onChange` hears of every step. */
export class Transfer {
  constructor(file, post, onChange) {
    Object.assign(this, { file, post, onChange, id: newId(), received: 0, over: false });
    this.tell({ kind: "begin", name: file.name, size: file.size });
  }

  /** Send, and wait for the answer. */
  tell(message, buffers) {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.lose(), PIECE_MS);
    this.post({ ...message, id: this.id }, buffers);
  }

  /** Take the kernel's answer. */
  async receive({ kind, received, text }) {
    if (this.over) return;
    if (kind === "failed") {
      this.end(text);
      return;
    }
    clearTimeout(this.waiting);
    this.received = received;
    this.onChange(this);
    let chunk;
    try {
      chunk = await this.file.slice(received, received + CHUNK_BYTES).arrayBuffer();
    } catch (error) {
      this.cancel(
        `${this.file.name} cannot be read (${error.message}); is it a folder, or has it changed?`,
      );
    }
    if (!this.over) this.tell({ kind: "chunk", offset: received }, [chunk]);
  }

  lose() {
    this.cancel(
      "The kernel has not answered for 30 seconds. Wait until it is idle, or restart it, then choose the file again.",
    );
  }

  /** Give up, and have the kernel remove what it got. */
  cancel(failure) {
    if (this.over) return;
    this.post({ kind: "cancel", id: this.id });
    this.end(failure);
  }

  /** The transfer is over, all arrived or with a reason why not. */
  end(failure) {
    clearTimeout(this.waiting);
    this.over = true;
    this.failure = failure;
    this.onChange(this);
  }
}

class UploadView {
  constructor(widget) {
    Object.assign(this, { widget, model: widget.model, el: widget.el, transfer: null });
    this.build();
    this.listen();
    widget.onEnd(() => this.cancel());
    this.showSettings();
    this.showArrived();
  }

  build() {
    this.el.classList.add("mssviz-upload");
    this.input = make("input", "", { type: "file", hidden: "" });
    this.choose = make("button", "mssviz-upload-choose", {
      type: "button",
      title: "Choose a file on this computer, and send it to the kernel.",
    });
    this.hint = make("span", "mssviz-upload-hint", {}, "or drop it here");
    this.status = make("span", "mssviz-upload-status", { role: "status" });
    this.bar = make("div", "mssviz-upload-bar", {
      role: "progressbar",
      "aria-valuemin": "0",
      "aria-valuemax": "100",
    });
    this.percent = make("span", "mssviz-upload-percent", { "aria-hidden": "true" });
    this.stop = button("mssviz-upload-cancel", "Cancel the upload", () => this.cancel(), "Cancel");
    this.progress = make("div", "mssviz-upload-progress", {}, this.bar, this.percent, this.stop);
    this.alert = make("div", "mssviz-upload-alert", { role: "alert" });
    const row = make("div", "mssviz-upload-row", {}, this.choose, this.hint, this.status);
    this.progress.hidden = true;
    this.el.append(row, this.input, this.progress, this.alert);
  }

  listen() {
    const { widget, el } = this;
    obeyKeys(widget, el);
    widget.on(this.choose, "click", () => this.input.click());
    widget.on(this.input, "change", () => {
      this.take([...this.input.files]);
      this.input.value = ""; // so that the same file can be chosen again
    });
    for (const type of ["dragenter", "dragover"]) widget.on(el, type, (event) => this.drag(event));
    widget.on(el, "dragleave", (event) => this.leave(event));
    widget.on(el, "drop", (event) => {
      this.drag(event);
      el.classList.remove("mssviz-upload-over");
      this.take([...event.dataTransfer.files]);
    });
    for (const name of ["accept", "description"]) {
      widget.onModel(`change:${name}`, () => this.showSettings());
    }
    widget.onModel("change:_arrived", () => this.showArrived());
    widget.onModel("msg:custom", (message) => {
      if (message.id === this.transfer?.id) this.transfer.receive(message);
    });
  }

  // the notebook would take a dropped file for its own
  drag(event) {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    event.stopPropagation();
    this.el.classList.add("mssviz-upload-over");
  }

  leave(event) {
    if (!this.el.contains(event.relatedTarget)) this.el.classList.remove("mssviz-upload-over");
  }

  take(files) {
    if (!files.length) return;
    const [file] = files;
    const most = this.model.get("max_bytes");
    if (files.length > 1) this.alert.textContent = "One file at a time, please.";
    else if (file.size > most) {
      this.alert.textContent =
        `${file.name} has ${formatBytes(file.size)}; at most ${formatBytes(most)} are taken. ` +
        "Choose a smaller file.";
    } else this.start(file);
  }

  start(file) {
    this.cancel();
    const post = (message, buffers) => this.model.send(message, undefined, buffers);
    this.transfer = new Transfer(file, post, (transfer) => this.show(transfer));
    this.show(this.transfer);
  }

  cancel() {
    this.transfer?.cancel();
  }

  showSettings() {
    this.input.accept = this.model.get("accept");
    this.choose.textContent = this.model.get("description");
  }

  showArrived() {
    const { id, name, size } = this.model.get("_arrived");
    if (id && id === this.transfer?.id) this.transfer.end();
    else if (id) this.status.textContent = `Uploaded: ${name}, ${formatBytes(size)}`;
  }

  show({ file, received, over, failure }) {
    const held = this.progress.contains(document.activeElement);
    this.progress.hidden = over;
    if (over && held) this.choose.focus();
    this.alert.textContent = failure ?? "";
    if (over) {
      this.status.textContent = "";
      this.transfer = null;
      this.showArrived();
      return;
    }
    this.status.textContent = `Uploading ${file.name}, ${formatBytes(file.size)}`;
    const percent = String(file.size ? Math.floor((100 * received) / file.size) : 0);
    this.bar.setAttribute("aria-label", `Upload of ${file.name}`);
    this.bar.setAttribute("aria-valuenow", percent);
    this.bar.style.setProperty("--part", `${percent}%`);
    this.percent.textContent = `${percent} %`;
  }
}

export default asWidget("mssvizUpload", (widget) => {
  new UploadView(widget);
  return widget;
});
