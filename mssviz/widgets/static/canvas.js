// Canvases measured in CSS pixels, and the axes that pictures over time have in common.

import { niceTicks } from "./axes.js";

const TICK = 4;
/** Time between two looks at the page's colours. */
const LOOK_MS = 500;

/** Give a canvas a size in CSS pixels and sharp device pixels; hide one without a size. */
export function fitCanvas(canvas, width, height, ratio) {
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  canvas.hidden = !width || !height;
}

/** Context of a canvas that is empty and takes CSS pixels. */
export function cleared(canvas, ratio) {
  const context = canvas.getContext("2d");
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

/**
 * Repaint a canvas when the page's colours change. A theme's come some time after it is chosen, and
 * no event tells of it, so they are looked at from time to time.
 */
export function onColors(widget, canvas, repaint) {
  let { color } = getComputedStyle(canvas);
  const look = () => {
    const before = color;
    color = getComputedStyle(canvas).color;
    if (color !== before) repaint();
  };
  const looking = setInterval(look, LOOK_MS);
  widget.onEnd(() => clearInterval(looking));
  for (const query of ["(forced-colors: active)", "(prefers-color-scheme: dark)"]) {
    widget.on(matchMedia(query), "change", repaint);
  }
}

/** Get ready to write at the left of a canvas: in its colour and size of text, right-aligned. */
export function beginAxes(context, canvas) {
  const { color, fontSize } = getComputedStyle(canvas);
  context.fillStyle = color;
  context.font = `${fontSize} system-ui, sans-serif`;
  context.textBaseline = "middle";
  context.textAlign = "right";
  context.globalAlpha = 0.85;
}

/** Write a label at the left of a picture, with its tick. */
export function paintLevelLabel(context, text, left, y) {
  context.fillText(text, left - 7, y);
  context.fillRect(left - TICK, Math.round(y), TICK, 1);
}

/** Write seconds below a picture; `x` gives the place of a time. */
export function paintTimeAxis(context, { start, stop }, width, bottom, x) {
  context.textAlign = "center";
  context.textBaseline = "top";
  for (const seconds of niceTicks(start, stop, width / 90)) {
    context.fillRect(Math.round(x(seconds)), bottom, 1, TICK);
    context.fillText(`${seconds} s`, x(seconds), bottom + 6);
  }
}
