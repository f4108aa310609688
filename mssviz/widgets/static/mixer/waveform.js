// A track's waveform on a strip's canvas.

/** Lowest and highest sample of a track between two shares of its length, as columns tell. */
function coarse({ peaks }, from, to) {
  const n = peaks.length / 2;
  let [low, high] = [0, 0];
  const first = Math.max(0, Math.floor(from * n));
  const stop = Math.min(n, Math.max(first + 1, Math.floor(to * n)));
  for (let j = first; j < stop; j++) {
    low = Math.min(low, peaks[2 * j]);
    high = Math.max(high, peaks[2 * j + 1]);
  }
  return [low, high];
}

/** The same, as the samples themselves tell. */
function fine({ buffer }, from, to) {
  let [low, high] = [0, 0];
  const first = Math.max(0, Math.floor(from * buffer.length));
  const stop = Math.min(buffer.length, Math.max(first + 1, Math.floor(to * buffer.length)));
  for (let channel = 0; channel < buffer.numberOfChannels; channel++) {
    const samples = buffer.getChannelData(channel);
    for (let j = first; j < stop; j++) {
      low = Math.min(low, samples[j]);
      high = Math.max(high, samples[j]);
    }
  }
  return [low, high];
}

/**
 * Paint a part of a track over the whole of a canvas, a column of pixels after the other.
 *
 * `part` is [from, to] as shares of the track's length, and may reach beyond it; `height` is the
 * factor from samples to half of the canvas.
 */
export function drawWaveform(canvas, track, [from, to], height, color) {
  const { clientWidth, clientHeight } = canvas;
  if (!clientWidth) return;
  const ratio = window.devicePixelRatio || 1;
  const width = Math.round(clientWidth * ratio);
  const rows = Math.round(clientHeight * ratio);
  Object.assign(canvas, { width, height: rows });
  const paint = canvas.getContext("2d");
  paint.fillStyle = color;
  const scale = (height * (rows - 2 * ratio)) / 2;
  const step = (to - from) / width;
  const extremes = step * (track.peaks.length / 2) < 1 ? fine : coarse;
  for (let x = 0; x < width; x++) {
    const [a, b] = [from + x * step, from + (x + 1) * step];
    if (b <= 0 || a >= 1) continue;
    const [low, high] = extremes(track, a, b);
    const top = rows / 2 - high * scale;
    paint.fillRect(x, top, 1, Math.max(ratio, (high - low) * scale));
  }
}
