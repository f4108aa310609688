// Keys among many buttons: the tab key stops at one of them, arrows go to the nearest one.

const DIRECTIONS = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

function centre(element) {
  const { left, top, width, height } = element.getBoundingClientRect();
  return [left + width / 2, top + height / 2];
}

/** The element that lies nearest in a direction, straight ahead before aside. */
function nearest(from, elements, [dx, dy]) {
  const [x, y] = centre(from);
  let found = null;
  let least = Number.POSITIVE_INFINITY;
  for (const element of elements) {
    const [ex, ey] = centre(element);
    const ahead = (ex - x) * dx + (ey - y) * dy;
    const cost = ahead + 3 * Math.abs((ex - x) * dy + (ey - y) * dx);
    if (ahead > 1 && cost < least) [found, least] = [element, cost];
  }
  return found;
}

/** Buttons within `root` that share one stop of the tab key; `selector` finds them. */
export class Roving {
  constructor(widget, root, selector) {
    Object.assign(this, { root, selector });
    widget.on(root, "keydown", (event) => this.onKey(event));
    widget.on(root, "focusin", ({ target }) => target.matches(selector) && this.stopAt(target));
  }

  get all() {
    return [...this.root.querySelectorAll(this.selector)];
  }

  /** Let the tab key stop at an element, or at the first where it is not there. */
  stopAt(element) {
    const { all } = this;
    const stop = all.includes(element) ? element : all[0];
    for (const each of all) each.tabIndex = each === stop ? 0 : -1;
  }

  onKey(event) {
    const { key, target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || !target.matches(this.selector)) return;
    const seen = this.all.filter((element) => element.checkVisibility());
    const ends = { Home: seen[0], End: seen.at(-1) };
    if (!(key in DIRECTIONS || key in ends)) return;
    event.preventDefault(); // neither scrolls the page nor moves the playhead
    (ends[key] ?? nearest(target, seen, DIRECTIONS[key]))?.focus();
  }
}
