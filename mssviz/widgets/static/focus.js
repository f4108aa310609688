// The focus: a control that is locked, hidden or gone hands it on, so that keys always do something.

const FOCUSABLE = "button, select, input, textarea, a[href], [tabindex='0']";

/** Whether an element can have the focus now. */
function usable(element) {
  const seen = { visibilityProperty: true };
  return element.isConnected && !element.matches(":disabled") && element.checkVisibility(seen);
}

/** Whether a control is one that is gone, made anew. */
function alike(one, gone) {
  return ["tagName", "className", "ariaLabel", "title"].every((name) => one[name] === gone[name]);
}

class Focus {
  constructor(widget, root) {
    Object.assign(this, { root, around: [], lost: null });
    const check = widget.perFrame(() => this.check());
    const observer = new MutationObserver(check);
    const attributeFilter = ["disabled", "hidden", "data-popover", "data-drawer"];
    observer.observe(root, { subtree: true, childList: true, attributeFilter });
    widget.onEnd(() => observer.disconnect());
    widget.on(root, "focusin", ({ target }) => this.come(target));
    widget.on(root, "focusout", (event) => this.leave(event));
    for (const type of ["keydown", "pointerdown"]) {
      widget.on(root, type, (event) => this.act(event), { capture: true });
    }
  }

  /** Remember where the focus is, with all that is around it. */
  come(target) {
    this.around = [];
    for (let e = target; e && e !== this.root; e = e.parentElement) this.around.push(e);
    this.around.push(this.root);
  }

  /** Forget it once people have gone elsewhere. */
  leave({ target, relatedTarget }) {
    if (!relatedTarget && usable(target)) this.around = [];
  }

  /** What people do on the stand-in is meant for it. A key that is held down presses once. */
  act(event) {
    this.lost = null;
    if (event.repeat && event.key === "Enter" && event.target.matches("button")) {
      event.preventDefault();
    }
  }

  check() {
    const [last] = this.around;
    const active = document.activeElement;
    if (!last || (active !== last && active !== document.body)) return;
    if (!usable(last)) this.handOn(last);
    else if (this.lost) this.giveBack();
  }

  /** Give the focus to the nearest control, until the one that had it can have it again. */
  handOn(last) {
    const lost = this.lost ?? last;
    const near = this.around.find((element) => element.isConnected && this.within(element));
    (near ? this.within(near) : this.root).focus({ preventScroll: true });
    this.lost = lost;
    this.giveBack();
  }

  giveBack() {
    const same = (element) => alike(element, this.lost) && usable(element);
    const own = this.lost.isConnected
      ? usable(this.lost) && this.lost
      : [...this.root.querySelectorAll(FOCUSABLE)].find(same);
    if (!own) return;
    this.lost = null;
    own.focus({ preventScroll: true });
  }

  /** First control within an element that can have the focus. */
  within(element) {
    return [...element.querySelectorAll(FOCUSABLE)].find(usable);
  }
}

/** Keep the focus within an element as long as people do not take it elsewhere. */
export function keepFocus(widget, root) {
  return new Focus(widget, root);
}
