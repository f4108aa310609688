"""Fitting a network to songs: gradient steps, an average of weights, and a state to keep.

The average of the weights over the last steps separates better than the weights of any one step
(Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", SIAM J. Control
Optim. 30(4), 1992), so it is what is validated and used.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from mssviz._files import check_room
from mssviz._typing import AnyArray
from mssviz.errors import FileError, ParameterError, reason
from mssviz.networks import table
from mssviz.networks._tensorflow import (
    forgotten_gradients,
    keras,
    own_settings,
    prepare_process,
    tf,
)

if TYPE_CHECKING:
    from mssviz.networks import Network


#: Most bytes that HDF5 writes beside the numbers of one variable, for its name and its groups.
_H5_BYTES = 1 << 14


@dataclass(frozen=True)
class Glance:
    """What the losses of some examples depend on.

    Parameters
    ----------
    loss, silence
        Loss of the network, and the loss that silence in place of its estimates would have, as
        means over examples.
    gradient
        Norm of the gradient of all weights that are learnt.
    """

    loss: float
    silence: float
    gradient: float


class Fit:
    """A network in training.

    Parameters
    ----------
    build
        Function that makes the network; it is called twice, for the trained one and for the
        average.
    optimizer, loss, precision
        Names from `table.OPTIMIZERS`, `table.LOSSES` and `table.PRECISIONS`. In mixed precision the
        layers compute in 16 bits, while weights and losses stay in 32.
    decay
        Share of the average that stays at each step, in [0, 1); the average then reaches back over
        about ``1 / (1 - decay)`` steps. Early on the share is less, ``(1 + step) / (10 + step)``,
        so that random beginnings are forgotten. 0 is for no average.
    seed
        Seed of the initial weights.
    lora
        Rank of what is added to the kernels of linear layers, and alone is learnt (Hu et al.,
        "LoRA: low-rank adaptation of large language models", ICLR 2022); 0 to learn all weights.
        What is saved is the sum, so that the result is a network like any other.

    Attributes
    ----------
    network, average : Network
        Networks with the weights of the last step, and with their average.

    Notes
    -----
    Where there are several GPUs, each takes a share of every batch, and gradients are summed.
    Operations are deterministic, on GPUs too, for the whole process.
    """

    def __init__(
        self,
        build: Callable[[], "Network"],
        *,
        optimizer: str = "Adam",
        loss: str = "L1_mask",
        precision: str = "float32",
        decay: float = 0.999,
        seed: int = 0,
        lora: int = 0,
    ) -> None:
        prepare_process()
        keras.utils.set_random_seed(seed)
        tf.config.experimental.enable_op_determinism()
        several = len(tf.config.list_logical_devices("GPU")) > 1
        self._strategy = (
            tf.distribute.MirroredStrategy() if several else tf.distribute.get_strategy()
        )
        self._loss, self._decay = table.resolve(table.LOSSES[loss]), decay
        with self._strategy.scope():
            with own_settings(precision):
                self.network = build()
            self.average = build()
            if lora:
                for network in (self.network, self.average):
                    _adapt(network, lora)
            with own_settings():
                arguments = table.OPTIMIZERS[optimizer]
                self._optimizer = getattr(keras.optimizers, optimizer)(**arguments)
                if precision == "mixed_float16":
                    self._optimizer = keras.optimizers.LossScaleOptimizer(self._optimizer)
                self._optimizer.build(self.network.model.trainable_variables)
        self.average.model.set_weights(self.network.model.get_weights())
        self._train = tf.function(self._distributed_step, reduce_retracing=True, autograph=False)
        self._validate = tf.function(self._average_losses, reduce_retracing=True, autograph=False)

    def start_from(self, other: "Network", targets: Mapping[str, str]) -> None:
        """Take another network's weights for some targets; the others stay random.

        In networks that share layers, the shared ones are taken as they are.

        Parameters
        ----------
        other
            Network of the same type and options.
        targets
            Names of the other network's targets, by one's own.

        Raises
        ------
        ParameterError
            If layers are missing or have other shapes.
        """
        for layer in self.network.model.layers:
            owner = [t for t in self.network.targets if layer.name.startswith(f"{t}_")]
            if layer.weights and (not owner or owner[0] in targets):
                name = layer.name
                if owner:
                    name = targets[owner[0]] + name.removeprefix(owner[0])
                try:
                    _copy(other.model.get_layer(name), layer)
                except ValueError as error:
                    raise ParameterError(
                        f"the network cannot start from the other's {name}: both must be of the "
                        "same type, options and channels"
                    ) from error
        self.average.model.set_weights(self.network.model.get_weights())

    def step(self, batch: AnyArray, learning_rate: float) -> float:
        """Make one gradient step.

        Parameters
        ----------
        batch
            Examples as the network reads them, the mixture first and then the targets: magnitudes,
            linear, float32, or complex spectra, ``(n_examples, 1 + n_targets, T, C, F)``; or
            waveforms ``(n_examples, 1 + n_targets, n_samples, C)``.
        learning_rate
            Learning rate of this step.

        Returns
        -------
        float
            Loss before the step, as the mean over examples.
        """
        self._optimizer.learning_rate = learning_rate
        n = self._strategy.num_replicas_in_sync
        shares = self._strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(batch[context.replica_id_in_sync_group :: n])
        )
        with forgotten_gradients():
            return float(self._train(shares, tf.constant(len(batch), tf.float32)))

    def validate(self, batch: AnyArray) -> AnyArray:
        """Parts of the average network's losses, ``(n_examples, n_parts)``; see `losses`."""
        return self._validate(tf.constant(batch)).numpy()

    def look_into(self, batch: AnyArray) -> Glance:
        """Find out what the losses of a batch, as `step` gets it, depend on; nothing is learnt."""
        variables = self.network.model.trainable_variables
        examples = tf.constant(batch)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(self._losses(self.network, examples, False)) / len(batch)
        slopes = [slope for slope in tape.gradient(loss, variables) if slope is not None]
        silence = tf.reduce_sum(self._losses(self.network, examples, False, gain=0)) / len(batch)
        gradient = tf.linalg.global_norm(slopes) if slopes else 0.0
        return Glance(float(loss), float(silence), float(gradient))

    def state(self) -> dict[str, AnyArray]:
        """Everything that the next steps depend on, as arrays by name."""
        return {name: np.asarray(variable) for name, variable in self._variables()}

    def layout(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Shapes and types of the arrays that `state` gives, by name."""
        return {name: (tuple(v.shape), v.dtype) for name, v in self._variables()}

    def restore(self, state: Mapping[str, AnyArray]) -> None:
        """Continue from a state that `state` gave."""
        for name, variable in self._variables():
            variable.assign(state[name])

    def save(self, path: Path) -> None:
        """Write the average network's weights as ``*.weights.h5``.

        HDF5 cannot close a file for which there is no room, and the process then crashes at one of
        the next ones; so there must be room before it begins.
        """
        n_bytes = sum(np.asarray(v).nbytes + _H5_BYTES for v in self.average.model.weights)
        check_room(path, n_bytes + _H5_BYTES)
        self.average.model.save_weights(path)

    def _variables(self) -> Iterator[tuple[str, Any]]:
        groups: dict[str, Sequence[Any]] = {
            "network": self.network.model.variables,  # with the state of random layers
            "average": self.average.model.weights,
            "optimizer": self._optimizer.variables,
        }
        for group, variables in groups.items():
            for number, variable in enumerate(variables):
                yield f"{group}/{number}", variable

    def _losses(self, network: "Network", batch: Any, training: bool, gain: float = 1) -> Any:
        if network.signal != "waveform":  # (..., T, C, F) -> (..., T, F, C)
            batch = tf.transpose(batch, (0, 1, 2, 4, 3))
        mixture, *targets = tf.unstack(batch, len(network.targets) + 1, axis=1)
        outputs = network.forward(mixture, training=training)
        estimates = [gain * tf.cast(output, tf.float32) for output in outputs]
        if network.signal == "waveform":  # some networks give only the middle
            excess = targets[0].shape[1] - estimates[0].shape[1]
            targets = [t[:, excess // 2 : t.shape[1] - (excess - excess // 2)] for t in targets]
        return self._loss(estimates, targets, mixture)

    def _average_losses(self, batch: Any) -> Any:
        return self._losses(self.average, batch, training=False)

    def _step(self, batch: Any, n_examples: Any) -> Any:
        variables = self.network.model.trainable_variables
        with tf.GradientTape() as tape:
            losses = self._losses(self.network, batch, training=True)
            loss = tf.reduce_sum(losses) / n_examples
            scaled = self._optimizer.scale_loss(loss)
        self._optimizer.apply(tape.gradient(scaled, variables), variables)
        return loss

    def _distributed_step(self, shares: Any, n_examples: Any) -> Any:
        losses = self._strategy.run(self._step, args=(shares, n_examples))
        step = tf.cast(self._optimizer.iterations, tf.float32)
        decay = tf.minimum(self._decay, step / (9 + step))
        for mean, value in zip(
            self.average.model.trainable_variables,
            self.network.model.trainable_variables,
            strict=True,
        ):
            mean.value.assign(decay * mean.value + (1 - decay) * value.value)
        for mean, value in zip(  # statistics of normalisation are averages anyway
            self.average.model.non_trainable_weights,
            self.network.model.non_trainable_weights,
            strict=True,
        ):
            mean.value.assign(value.value)
        return self._strategy.reduce("SUM", losses, axis=None)


def _adapt(network: "Network", rank: int) -> None:
    """Freeze a network but for kernels of this rank, 0 at first, that are added to larger ones."""
    linear = [layer for layer in network.model.layers if isinstance(layer, keras.layers.Dense)]
    larger = [layer for layer in linear if min(layer.kernel.shape) > rank]
    if not larger:
        raise ParameterError(f"lora {rank} is as large as the network's own kernels; choose less")
    for layer in larger:
        layer.enable_lora(rank)
    for weight in network.model.trainable_weights:
        weight.trainable = _is_added(weight)


def _is_added(weight: Any) -> bool:
    return weight.name.startswith("lora_kernel")


def _copy(source: Any, layer: Any) -> None:
    """Give a layer another one's weights; what is added to its kernels stays."""
    own = [weight for weight in layer.weights if not _is_added(weight)]
    for weight, value in zip(own, source.weights, strict=True):
        weight.assign(value)


# What tf.summary.scalar writes; that function needs the tensorboard package.
_SCALAR = tf.compat.v1.SummaryMetadata(
    plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars"), data_class=1
)


class Log:
    """A log of scalars for TensorBoard; a context manager that closes its file.

    Parameters
    ----------
    folder
        Folder for event files; it is made.

    Raises
    ------
    FileError
        If the files cannot be written, now or later.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with self._writing():
            self._writer = tf.summary.create_file_writer(os.fsencode(folder))

    def __enter__(self) -> "Log":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._writing() if kind is None else suppress(tf.errors.OpError):
            self._writer.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except tf.errors.OpError as error:
            cause = error.message.rpartition("}} ")[2].partition(" [Op:")[0]  # without the graph
            raise FileError(
                f"{self._folder}: curves for TensorBoard cannot be written "
                f"({reason(OSError(cause))}); free some space, or choose another folder"
            ) from error

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Write named values of a step."""
        with self._writing(), self._writer.as_default():
            for name, value in values.items():
                tf.summary.write(name, tf.constant(value, tf.float32), step, _SCALAR)
            self._writer.flush()
