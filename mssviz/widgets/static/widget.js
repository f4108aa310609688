// What every widget's view does with its model and its page, and how all of that ends.

/** Python need not hear of every pixel of a movement. */
const SAVE_MS = 150;
/** How long one waits for an answer before one asks again, and twice as long each time after. */
const ANSWER_MS = 4000;

/** A call that is put off: one waits at most, and none outlives the view. */
class Later {
  constructor(call, signal) {
    Object.assign(this, { call, signal, timer: null });
    signal.addEventListener("abort", () => this.drop());
  }

  /** Call in so many milliseconds at the latest: a call that waits already is not put off. */
  within(ms) {
    if (this.timer === null) this.after(ms);
  }

  /** Call in so many milliseconds, counted from now. */
  after(ms) {
    this.drop();
    if (!this.signal.aborted) this.timer = setTimeout(() => this.now(), ms);
  }

  /** Call at once; nothing waits any more. */
  now() {
    this.drop();
    this.call();
  }

  /** Do not call. */
  drop() {
    clearTimeout(this.timer);
    this.timer = null;
  }
}

/**
 * One view's link to its model and to the element that it fills. Whatever is begun through it
 * (listeners, timers, frames) ends with the view, when `signal` aborts.
 */
export class Widget {
  constructor(model, el) {
    const ending = new AbortController();
    Object.assign(this, { model, el, ending, signal: ending.signal });
    this.saving = this.later(() => model.save_changes());
  }

  get closed() {
    return this.signal.aborted;
  }

  /** Listen to an element; `options` are those of `addEventListener`. */
  on(target, type, listener, options = {}) {
    target.addEventListener(type, listener, { ...options, signal: this.signal });
  }

  /** Listen to the model: "change:time", or "msg:custom" for messages. */
  onModel(event, listener) {
    this.model.on(event, listener);
    this.onEnd(() => this.model.off(event, listener));
  }

  /** Hear of an element's new sizes, and of its first one. */
  onResize(element, listener) {
    const observer = new ResizeObserver(() => listener());
    observer.observe(element);
    this.onEnd(() => observer.disconnect());
  }

  /** Do something when the view ends; its elements are still there then. */
  onEnd(listener) {
    this.signal.addEventListener("abort", () => listener());
  }

  /** A call that can be put off, see `Later`. */
  later(call) {
    return new Later(call, this.signal);
  }

  /**
   * Function to call when something is asked for: as long as it is `wanted()`, `again()` asks for it
   * anew. A notebook that is opened again at the same kernel can lose its first messages.
   */
  insist(wanted, again) {
    let patience = ANSWER_MS;
    const later = this.later(() => {
      if (!wanted()) {
        patience = ANSWER_MS;
        return;
      }
      patience *= 2;
      again();
      later.after(patience);
    });
    return () => later.within(patience);
  }

  /** Function that asks for `paint` in the next frame: once, however often it is asked for. */
  perFrame(paint) {
    let frame = null;
    this.onEnd(() => cancelAnimationFrame(frame));
    return () => {
      if (this.closed) return;
      frame ??= requestAnimationFrame(() => {
        frame = null;
        paint();
      });
    };
  }

  /** Set traits, and tell Python at once. */
  save(values) {
    this.set(values);
    this.saving.now();
  }

  /** Set traits, and tell Python a little later, together with what else changes until then. */
  saveSoon(values) {
    this.set(values);
    this.saving.within(SAVE_MS);
  }

  set(values) {
    for (const [name, value] of Object.entries(values)) this.model.set(name, value);
  }

  /** End what was begun, and empty the element. */
  close() {
    this.ending.abort();
    this.el.replaceChildren();
  }
}

/**
 * A widget's module: `open(widget)` builds the view in `widget.el` and returns what tests look at,
 * which they find as the element's property `hook`.
 */
export function asWidget(hook, open) {
  return {
    render({ model, el }) {
      const widget = new Widget(model, el);
      el[hook] = open(widget);
      widget.onEnd(() => delete el[hook]);
      return () => widget.close();
    },
  };
}
