// Sound: what every widget that plays some needs of Web Audio.

import { bytesOf } from "./elements.js";

const BEGINS = "mssviz-sound-begins";

/** Tell all others on the page that `owner` begins to sound. */
export function beginToSound(owner) {
  document.dispatchEvent(new CustomEvent(BEGINS, { detail: owner }));
}

/** Hear of another one than `owner` that begins to sound: one is enough for a page. */
export function onOtherSound(widget, owner, stop) {
  widget.on(document, BEGINS, ({ detail }) => detail !== owner && stop());
}

/** Move an audio parameter to a value, in a straight line. */
export function glide(context, param, value, seconds) {
  const now = context.currentTime;
  if (seconds === 0) {
    param.value = value;
    return;
  }
  if (param.cancelAndHoldAtTime) param.cancelAndHoldAtTime(now);
  else param.cancelScheduledValues(now);
  param.setValueAtTime(param.value, now);
  param.linearRampToValueAtTime(value, now + seconds);
}

/** Samples of a sound file, decoded without an audio context, of which a page has few. */
export function decode(data, sampleRate) {
  const bytes = bytesOf(data).slice().buffer; // decoding takes it away
  return new OfflineAudioContext(2, 1, sampleRate).decodeAudioData(bytes);
}
