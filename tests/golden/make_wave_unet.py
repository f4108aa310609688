"""Make ``wave_unet.npz``: what the Wave-U-Net's own code gives, with small random weights.

In an environment with ``tensorflow-cpu==2.15.1``, which still runs graphs of TensorFlow 1, beside a
checkout of f90/Wave-U-Net at 75eeae6::

    python make_wave_unet.py PATH_OF_THE_CHECKOUT

Contents, float32, for each of the networks in `CASES`: ``NAME/mixture`` (2, n, 2), the input;
``NAME/weights/…`` by TensorFlow's names; ``NAME/training`` and ``NAME/test``
(2, n_targets, n_out, 2), the estimates, unclipped and clipped.
"""

import sys
import types
from pathlib import Path

import numpy as np
import tensorflow.compat.v1 as tf

sys.modules["librosa"] = types.ModuleType("librosa")  # for sound files
sys.modules["tensorflow"] = tf
sys.path.insert(0, sys.argv[1])

from Models.UnetAudioSeparator import UnetAudioSeparator  # noqa: E402

TARGETS = ["bass", "drums", "vocals"]
SIZE = {
    "num_layers": 3,
    "num_initial_filters": 3,
    "filter_size": 15,
    "input_filter_size": 15,
    "merge_filter_size": 5,
    "output_filter_size": 1,
    "mono_downmix": False,
    "source_names": TARGETS,
}
CASES = {
    "m6": {"context": True, "upsampling": "linear", "output_type": "difference"},
    "learned": {"context": True, "upsampling": "learned", "output_type": "difference"},
    "same": {"context": False, "upsampling": "linear", "output_type": "direct"},
    "same_learned": {"context": False, "upsampling": "learned", "output_type": "difference"},
}


def run(options: dict, rng: np.random.Generator) -> dict:
    """Arrays of one case."""
    tf.reset_default_graph()
    activation = "linear" if options["output_type"] == "direct" else "tanh"
    network = UnetAudioSeparator({**SIZE, **options, "output_activation": activation})
    (_, n_in, n_channels), _ = network.get_padding(np.array([2, 72, 0]))
    mixture = tf.placeholder(tf.float32, (2, int(n_in), n_channels))
    estimates = {
        "training": network.get_output(mixture, training=True, reuse=False),
        "test": network.get_output(mixture, training=False, reuse=True),
    }
    found = {"mixture": rng.uniform(-1, 1, (2, n_in, n_channels)).astype(np.float32)}
    with tf.Session() as session:
        for variable in tf.trainable_variables():
            shape = variable.shape.as_list()
            spread = 0.5 if len(shape) == 1 else 1.2 / np.sqrt(np.prod(shape[:-1]))
            value = rng.normal(0, spread, shape).astype(np.float32)
            variable.load(value, session)
            found[f"weights/{variable.op.name}"] = value
        feed = {mixture: found["mixture"]}
        for name, tensors in estimates.items():
            values = session.run([tensors[target] for target in TARGETS], feed)
            found[name] = np.stack(values, axis=1)
    return found


def main() -> None:
    """Make the file."""
    tf.disable_v2_behavior()
    rng = np.random.default_rng(0)
    arrays = {}
    for case, options in CASES.items():
        arrays.update({f"{case}/{name}": value for name, value in run(options, rng).items()})
    np.savez_compressed(Path(__file__).with_name("wave_unet.npz"), **arrays)


if __name__ == "__main__":
    main()
