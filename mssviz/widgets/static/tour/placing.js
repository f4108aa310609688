// Where the tour's card stands: beside what it points at, and never over it.

/** Distance between the card and what it points at, and from the window's edges, in pixels. */
const GAP = 10;

/** The smallest rectangle around all visible elements of a selector; null if there is none. */
export function boundsOf(root, selector) {
  const boxes = [...root.querySelectorAll(selector)]
    .filter((element) => element.checkVisibility())
    .map((element) => element.getBoundingClientRect());
  if (!boxes.length) return null;
  const [left, top] = ["left", "top"].map((edge) => Math.min(...boxes.map((box) => box[edge])));
  const [right, bottom] = ["right", "bottom"].map((edge) =>
    Math.max(...boxes.map((box) => box[edge])),
  );
  return { left, top, right, bottom };
}

/** Left and top of a card below, above, right or left of a rectangle: where it fits, or null. */
export function beside(target, { width, height }, room) {
  const within = (start, size, most) => Math.min(Math.max(start, GAP), most - size - GAP);
  const x = within(target.left, width, room.width);
  const y = within(target.top, height, room.height);
  const places = [
    [x, target.bottom + GAP],
    [x, target.top - GAP - height],
    [target.right + GAP, y],
    [target.left - GAP - width, y],
  ];
  const fits = ([left, top]) =>
    left >= 0 && top >= 0 && left + width <= room.width && top + height <= room.height;
  return places.find(fits) ?? null;
}
