// What terms on the page mean, for the help card: sentences of docs/glossary.md, word for word.

export const GLOSSARY = [
  ["mixture", "the recording; the sum of its sources"],
  ["target", "a source that a separator estimates; one output of the network"],
  ["estimate", "a separated source"],
  ["reference", "a true source, to measure against"],
  [
    "mask",
    "what each time-frequency bin of the mixture is multiplied by; a real one is the share that belongs to a source, in [0, 1]",
  ],
  ["soft mask", "a mask with values between 0 and 1"],
  ["time-frequency bin", "one complex number of the STFT: a frame, a frequency, a channel"],
  [
    "STFT",
    "short-time Fourier transform: the spectrum of one windowed piece of sound after the other",
  ],
  ["oracle, ideal", "computed from the true sources; an upper bound for what a method can reach"],
  ["oracle phase", "the true stem's phase in place of the mixture's"],
  [
    "MWF",
    "multichannel Wiener filter: weights the channels of the mixture by each source's power and spatial covariance",
  ],
  ["SDR", "source to distortion ratio: all errors together"],
  ["ISR", "source image to spatial distortion ratio: errors of filtering and panning"],
  ["SIR", "source to interference ratio: what leaked in from other sources"],
  ["SAR", "sources to artefacts ratio: what is in no source"],
  ["SI-SDR", "scale-invariant SDR of the whole signal: a change of level alone is no error"],
];
