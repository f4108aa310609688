// The tour: five cards, each beside what it points at. It begins by itself once in a browser.

import { button, make } from "../elements.js";
import { asWidget } from "../widget.js";
import { beside, boundsOf } from "./placing.js";
import { STEPS } from "./steps.js";

const ROOT = ".mssviz-explorer";
const SEEN = "mssviz-tour";
/** Widths of the card, the first that fits beside what it points at, in pixels. */
const WIDTHS = [320, 172];
/** What people type in: a tour that begins by itself leaves the focus there. */
const TYPED_IN = "input, textarea, select, [contenteditable=true], .cm-editor *";

/** Whether this is the first visit; from now on it is not. Where nothing is kept, none is. */
function isFirstVisit() {
  try {
    if (localStorage.getItem(SEEN)) return false;
    localStorage.setItem(SEEN, "seen");
    return localStorage.getItem(SEEN) !== null;
  } catch {
    return false;
  }
}

let tours = 0; // so far, for the ids of their titles

class Tour {
  constructor(widget) {
    Object.assign(this, { widget, root: null, step: null, before: null, awaited: true });
    widget.el.hidden = true;
    const begin = make("button", "mssviz-does-tour", { type: "button", hidden: "" });
    widget.on(begin, "click", () => this.begin(true));
    widget.el.append(begin);
    this.build();
    this.attach();
  }

  build() {
    this.title = make("h2", "", { id: `mssviz-tour-${tours++}` });
    this.text = make("p", "", { "aria-live": "polite" });
    this.count = make("span", "mssviz-tour-count");
    this.skip = button("", "Skip the tour (Escape)", () => this.end(), "Skip");
    this.back = button("", "Go back to the step before", () => this.show(this.step - 1), "Back");
    this.next = button("mssviz-tour-next", "", () => this.show(this.step + 1));
    const buttons = make("div", "", {}, this.count, this.skip, this.back, this.next);
    // no element "dialog": that would take the focus whenever it is shown
    const named = { role: "dialog", "aria-labelledby": this.title.id, popover: "manual" };
    this.card = make("div", "mssviz-tour", named, this.title, this.text, buttons);
    this.ring = make("div", "mssviz-tour-ring", { popover: "manual", "aria-hidden": "true" });
    this.widget.on(this.card, "keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.end();
    });
  }

  /** What is around an element is known once it stands on the page; then the picture is awaited. */
  attach() {
    if (this.widget.closed) return;
    this.root = this.widget.el.closest(ROOT);
    if (!this.root) {
      requestAnimationFrame(() => this.attach());
      return;
    }
    this.root.append(this.ring, this.card);
    this.widget.onEnd(() => {
      this.card.remove();
      this.ring.remove();
    });
    const place = this.widget.perFrame(() => this.place());
    for (const type of ["resize", "scroll"]) {
      this.widget.on(window, type, place, { capture: true, passive: true });
    }
    this.widget.onResize(this.root, place);
    const observer = new MutationObserver(() => {
      this.beginOnce();
      place(); // another picture or other lanes may have come
    });
    this.widget.onEnd(() => observer.disconnect());
    observer.observe(this.root, { childList: true, subtree: true });
    this.beginOnce();
  }

  /** Begin by itself, when there is a picture to point at. */
  beginOnce() {
    if (!this.awaited || !this.root.querySelector(".mssviz-mixer-strips")) return;
    this.awaited = false;
    if (isFirstVisit()) this.begin(!document.activeElement?.matches(TYPED_IN));
  }

  /** Show the first step; `takesFocus` says whether the focus goes to the card meanwhile. */
  begin(takesFocus) {
    if (this.step === null) this.before = document.activeElement;
    this.ring.showPopover();
    this.card.showPopover();
    this.show(0);
    if (takesFocus) this.next.focus({ preventScroll: true });
  }

  show(step) {
    if (step >= STEPS.length) {
      this.end();
      return;
    }
    const { title, text } = STEPS[step];
    const last = step === STEPS.length - 1;
    this.step = step;
    this.title.textContent = title;
    this.text.textContent = text;
    this.count.textContent = `${step + 1} of ${STEPS.length}`;
    this.next.textContent = last ? "Done" : "Next";
    this.next.title = last ? "End the tour" : "Go on to the next step";
    this.next.setAttribute("aria-label", last ? "Done: end the tour" : "Next step");
    if (step === 0 && this.card.contains(document.activeElement)) this.next.focus();
    this.back.hidden = step === 0;
    this.skip.hidden = last;
    this.root.querySelector(STEPS[step].at[0])?.scrollIntoView({ block: "nearest" });
    this.place();
  }

  /** Stand beside what the step points at, as wide as there is room. */
  place() {
    if (this.step === null) return;
    const room = { width: window.innerWidth, height: window.innerHeight };
    for (const selector of STEPS[this.step].at) {
      const target = boundsOf(this.root, selector);
      for (const width of target ? WIDTHS : []) {
        this.card.style.width = `${width.toFixed(0)}px`;
        const place = beside(target, this.card.getBoundingClientRect(), room);
        if (!place) continue;
        this.card.style.left = `${place[0].toFixed(0)}px`;
        this.card.style.top = `${place[1].toFixed(0)}px`;
        this.ringAround(target);
        return;
      }
    }
  }

  ringAround({ left, top, right, bottom }) {
    const { style } = this.ring;
    style.left = `${(left - 3).toFixed(0)}px`;
    style.top = `${(top - 3).toFixed(0)}px`;
    style.width = `${(right - left + 6).toFixed(0)}px`;
    style.height = `${(bottom - top + 6).toFixed(0)}px`;
  }

  /** End it, and give the focus back where it was. */
  end() {
    const had = this.card.contains(document.activeElement);
    this.card.hidePopover();
    this.ring.hidePopover();
    this.step = null;
    if (had) this.before?.focus({ preventScroll: true });
  }
}

export default asWidget("mssvizTour", (widget) => new Tour(widget));
