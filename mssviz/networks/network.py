"""A network, ready to run on patches, and bounds on how large one may be."""

import copy
import hashlib
import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any

import numpy as np

from mssviz._typing import AnyArray
from mssviz.errors import MssvizError, ParameterError, reason
from mssviz.networks import table
from mssviz.networks._tensorflow import (
    forgotten_gradients,
    keras,
    own_settings,
    prepare_process,
    tf,
)

#: Most numbers that a network may have, 1.6 GB; the largest that is shipped has 0.27e9.
MOST_NUMBERS = 400_000_000
_MOST_VARIABLES = 20_000
#: Most numbers that a layer may give for one patch, 1 GiB; the shipped ones give 590 MB at most.
_LARGEST_OUTPUT = 1 << 28
_BUILDING = threading.RLock()


class Network:
    """A Keras model with the names of its targets, ready to run on patches.

    Parameters
    ----------
    model_config
        Type and options: ``{"type": one of `table.NETWORKS`, ...}`` with the builder's keyword
        arguments.
    targets
        Names of the sources.
    shape
        Shape of the input, by the builder's names: ``patch_frames, n_bins, n_channels``, or
        ``n_samples, n_channels`` for networks that read waveforms. See `Preset.input_shape`.
    most_numbers
        Largest number of weights, such as the number in its files; if left out, `MOST_NUMBERS`.

    Raises
    ------
    ParameterError
        If the options make no network, or one that is too large.

    Attributes
    ----------
    model : keras.Model
    targets : tuple of str
    signal : str
        Form of its input: ``"magnitude"``, ``"spectrum"`` or ``"waveform"``.
    """

    def __init__(
        self,
        model_config: Mapping[str, Any],
        targets: Sequence[str],
        shape: Mapping[str, int],
        most_numbers: int | None = None,
    ) -> None:
        options = dict(model_config)
        kind = options.pop("type", None)
        if kind not in table.NETWORKS:
            raise ParameterError(
                f"network type must be one of {', '.join(table.NETWORKS)} (got {kind!r})"
            )
        build = table.resolve(table.NETWORKS[kind].builder)
        self.signal = table.NETWORKS[kind].reads
        prepare_process()
        most = min(most_numbers or MOST_NUMBERS, MOST_NUMBERS)
        with own_settings(), forgotten_gradients(), _bounded(most):
            try:
                self.model = build(targets, **shape, **options)
            except MssvizError:
                raise
            except Exception as error:  # Keras raises whatever it comes to first
                raise ParameterError(
                    f"options of network {kind!r} are wrong: {reason(error)}"
                ) from error
        _check_outputs(self.model)
        self.targets = tuple(targets)
        self._functions: dict[Callable[..., Any], Any] = {}
        self._example: tuple[int, ...]
        if self.signal == "waveform":
            self._example = (shape["n_samples"], shape["n_channels"])
        else:
            self._example = (shape["patch_frames"], shape["n_channels"], shape["n_bins"])

    def with_model(self, model: Any) -> "Network":
        """Make the same network with another model in place of its own.

        Parameters
        ----------
        model
            Keras model with the same inputs and outputs, such as one from `gates.Gates`.
        """
        other = copy.copy(self)
        other.model = model
        vars(other).pop("_run", None)
        other._functions = {}
        return other

    def fingerprint(self) -> str:
        """SHA-256 over all weights, as they are at present."""
        digest = hashlib.sha256()
        for variable in self.model.variables:
            digest.update(np.ascontiguousarray(variable).tobytes())
        return digest.hexdigest()

    def traced(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Let TensorFlow trace a function at its first call; the trace is kept for later calls.

        Parameters
        ----------
        function
            Function of this network and further tensors, of the same shapes at each call. A traced
            gradient leaves out what nobody asks for, such as those of the weights.

        Returns
        -------
        callable
            The function of the further tensors alone.
        """
        if function not in self._functions:
            traced = tf.function(partial(function, self), reduce_retracing=True, autograph=False)

            def called(*tensors: Any) -> Any:
                with own_settings(), forgotten_gradients():
                    return traced(*tensors)

            self._functions[function] = called
        return self._functions[function]

    @cached_property
    def _run(self) -> Any:
        """The forward step, traced once; TensorFlow would take a trace at a call for a mistake."""
        dtype = tf.complex64 if self.signal == "spectrum" else tf.float32
        # what is traced is plain TensorFlow; converting it first would write it to a file
        traced = tf.function(
            self._forward,
            input_signature=[tf.TensorSpec((None, *self._example), dtype)],
            autograph=False,
        )
        with forgotten_gradients():
            return traced.get_concrete_function()

    def forward(self, mixture: Any, training: bool) -> list[Any]:
        """Estimate the targets of a batch of tensors.

        Parameters
        ----------
        mixture
            Magnitudes or complex spectra ``(n_patches, T, F, C)``, or waveforms
            ``(n_patches, N, C)``.
        training
            Whether layers behave as in training.

        Returns
        -------
        list
            One tensor for each target: magnitudes ``(n_patches, T, F, C)``, or waveforms
            ``(n_patches, n_out, C)`` of the middle.
        """
        with own_settings():
            outputs = self.model(self.model_input(mixture), training=training)
        return list(outputs) if isinstance(outputs, list | tuple) else [outputs]  # with one target

    def model_input(self, mixture: Any) -> Any:
        """What `model` reads of a batch from `forward`: of spectra, real and imaginary parts."""
        if self.signal == "spectrum":
            return tf.stack([tf.math.real(mixture), tf.math.imag(mixture)], axis=-1)
        return mixture

    def _forward(self, mixture: Any) -> list[Any]:
        if self.signal == "waveform":
            return self.forward(mixture, training=False)
        # numpy keeps (frames, channels, bins) in memory, the network reads (frames, bins, channels)
        outputs = self.forward(tf.transpose(mixture, (0, 1, 3, 2)), training=False)
        return [tf.transpose(output, (0, 1, 3, 2)) for output in outputs]

    def __call__(self, mixture: AnyArray) -> dict[str, AnyArray]:
        """Run the network.

        Parameters
        ----------
        mixture
            Magnitudes, linear, float32, or spectra, complex64,
            ``(n_patches, patch_frames, n_bins, n_channels)``; or waveforms
            ``(n_patches, n_samples, n_channels)``.

        Returns
        -------
        dict
            Estimates by target: magnitudes of the same shape, or waveforms, which are as long or,
            if they are of the middle, shorter.
        """
        prepare_process()
        is_waveform = self.signal == "waveform"
        read = mixture if is_waveform else np.ascontiguousarray(np.moveaxis(mixture, 3, 2))
        with own_settings():
            outputs = [output.numpy() for output in self._run(read)]
        if not is_waveform:
            outputs = [np.moveaxis(output, 2, 3) for output in outputs]
        return dict(zip(self.targets, outputs, strict=True))


class _TooLargeError(Exception):
    pass


@contextmanager
def _bounded(most_numbers: int) -> Iterator[None]:
    """Refuse a network with too many weights before they are made."""
    n_numbers = n_variables = 0

    def counted(layer: Any, shape: Any = None, *args: Any, **options: Any) -> Any:
        nonlocal n_numbers, n_variables
        n_numbers += math.prod((shape,) if isinstance(shape, int) else shape or ())
        n_variables += 1
        if n_numbers > most_numbers or n_variables > _MOST_VARIABLES:
            raise _TooLargeError
        return add_weight(layer, shape, *args, **options)

    with _BUILDING:
        add_weight = keras.Layer.add_weight
        keras.Layer.add_weight = counted
        try:
            yield
        except ParameterError as error:
            if n_numbers <= most_numbers and n_variables <= _MOST_VARIABLES:
                raise
            raise ParameterError(
                f"the network has over {most_numbers} numbers, or {_MOST_VARIABLES} arrays of "
                "them, more than its weights or than can be; check the options under model, or "
                "choose the configuration that the weights belong to"
            ) from error
        finally:
            keras.Layer.add_weight = add_weight


def _check_outputs(model: Any) -> None:
    nodes = (node for operation in model.operations for node in operation._inbound_nodes)
    tensors = (tensor for node in nodes for tensor in node.output_tensors)
    if (largest := max(math.prod(n or 1 for n in t.shape) for t in tensors)) > _LARGEST_OUTPUT:
        raise ParameterError(
            f"a layer of the network gives {largest} numbers for one patch, at most "
            f"{_LARGEST_OUTPUT} can be; choose shorter patches"
        )
