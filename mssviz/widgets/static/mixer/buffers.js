// Writing to audio buffers, which hold a song's samples.

/** Samples of a buffer's channels. */
function channelsOf(buffer) {
  return Array.from({ length: buffer.numberOfChannels }, (_, c) => buffer.getChannelData(c));
}

/** Another buffer with the same samples. */
export function copyOf(buffer) {
  const { numberOfChannels, length, sampleRate } = buffer;
  const copy = new AudioBuffer({ numberOfChannels, length, sampleRate });
  return putFrom(copy, buffer, [0, length]);
}

/** Copy the samples in a range [first, end) from one buffer to another, which is given back. */
export function putFrom(target, source, [first, end]) {
  const theirs = channelsOf(source);
  channelsOf(target).forEach((samples, c) => samples.set(theirs[c].subarray(first, end), first));
  return target;
}

/** Write a piece, times a factor, into a buffer from sample `first` on. */
export function put(target, piece, first, factor) {
  const pieces = channelsOf(piece);
  channelsOf(target).forEach((samples, c) => {
    samples.set(factor === 1 ? pieces[c] : pieces[c].map((sample) => sample * factor), first);
  });
}
