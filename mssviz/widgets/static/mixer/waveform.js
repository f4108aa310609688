// A track's waveform on a strip's canvas.

/**
 * Paint a waveform over the whole of a canvas, a column of pixels after the other.
 *
 * `wave` holds the lowest and highest sample of each column in turn; `height` is the factor from
 * samples to half of the canvas.
 */
export function drawWaveform(canvas, wave, height, color) {
  const { clientWidth, clientHeight } = canvas;
  if (!clientWidth) return;
  const ratio = window.devicePixelRatio || 1;
  const width = Math.round(clientWidth * ratio);
  const rows = Math.round(clientHeight * ratio);
  Object.assign(canvas, { width, height: rows });
  const paint = canvas.getContext("2d");
  paint.fillStyle = color;
  const scale = (height * (rows - 2 * ratio)) / 2;
  const n = wave.length / 2;
  for (let x = 0; x < width; x++) {
    let [low, high] = [0, 0];
    const first = Math.floor((x * n) / width);
    const stop = Math.max(first + 1, Math.floor(((x + 1) * n) / width));
    for (let j = first; j < stop; j++) {
      low = Math.min(low, wave[2 * j]);
      high = Math.max(high, wave[2 * j + 1]);
    }
    const top = rows / 2 - high * scale;
    paint.fillRect(x, top, 1, Math.max(ratio, (high - low) * scale));
  }
}
