// Lines behind the blocks: from each block to the next, and along skip connections.

const SPACE = "http://www.w3.org/2000/svg";

/** Place of an element within another one; of the fold around it while that is closed. */
function placeIn(body, element) {
  const fold = element.closest("details:not([open])");
  const { left, right, top, bottom } = (fold ?? element).getBoundingClientRect();
  const origin = body.getBoundingClientRect();
  return {
    left: left - origin.left,
    right: right - origin.left,
    top: top - origin.top,
    bottom: bottom - origin.top,
    x: (left + right) / 2 - origin.left,
    y: (top + bottom) / 2 - origin.top,
  };
}

function line(path, className) {
  const element = document.createElementNS(SPACE, "path");
  element.setAttribute("d", path);
  element.setAttribute("class", className);
  return element;
}

/** From a block to the one that follows it: straight up or down, or across and then up. */
function flowPath(from, to) {
  const x = Math.min(Math.max(from.x, to.left + 8), to.right - 8);
  if (x < from.left || x > from.right) return `M${from.right} ${from.y}H${to.x}V${to.bottom}`;
  return to.top >= from.bottom
    ? `M${x} ${from.bottom}V${to.top}`
    : `M${x} ${from.top}V${to.bottom}`;
}

/** Across from one place to another: from the edge that faces it, at the height of the second. */
function across(from, to) {
  return to.x > from.x ? [from.right, to.left] : [from.left, to.right];
}

/** From block to block through the skip's own button, if it has one. */
function linkPath(from, to, skip) {
  if (!skip) {
    const [begin, end] = across(from, to);
    return `M${begin} ${from.y}L${end} ${to.y}`;
  }
  const [begin] = across(from, skip);
  const path = `M${begin} ${from.y}H${skip.x}V${skip.y}`;
  return to ? `${path}L${across(skip, to)[1]} ${to.y}` : path;
}

/** Draw all lines of a diagram anew. */
export function drawLines({ body, plan, buttons, cells }) {
  body.querySelector("svg.mssviz-network-lines")?.remove();
  const svg = document.createElementNS(SPACE, "svg");
  svg.setAttribute("class", "mssviz-network-lines");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("width", body.scrollWidth);
  svg.setAttribute("height", body.scrollHeight);
  const place = (name) => buttons.has(name) && placeIn(body, buttons.get(name));
  const { sections, links } = plan.layout;
  sections.forEach(({ flow }, i) => {
    for (const [from, to] of flow) {
      const ends = [cells[i][from].lastChild, cells[i][to].firstChild];
      svg.append(line(flowPath(...ends.map((end) => placeIn(body, end))), "mssviz-network-flow"));
    }
  });
  for (const { source, end, skip } of links) {
    const off = plan.mark(skip) === "off" ? " mssviz-network-off" : "";
    const to = plan.sectionOf(source) === plan.sectionOf(end) && place(end);
    const path = linkPath(place(source), to, place(skip));
    svg.append(line(path, `mssviz-network-link${off}`));
  }
  body.prepend(svg);
}
