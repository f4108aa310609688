"""Gates in a network: what its layers hand on, listed, scaled or switched off, and looked at.

A gate multiplies every channel of a layer's output, or of a skip connection, with a gain of 1 until
another one is set. Weights are shared with the network that the gates are put into, which itself
stays as it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mssviz._typing import AnyArray
from mssviz.errors import ParameterError
from mssviz.networks._tensorflow import keras, own_settings, prepare_process

#: Operations that bring tensors together, of which those computed earlier are skip connections.
_MERGES = ("Concatenate", "Add")


@dataclass(frozen=True)
class Site:
    """A place in a network where there is a gate.

    Parameters
    ----------
    name
        Name of the layer; with ``"_skip"`` behind it for what a later layer reads of its output
        directly.
    layer
        Type of the layer, such as ``"Conv2D"``.
    target
        Target whose part of the network it is; empty if it belongs to all.
    is_skip
        Whether it is a skip connection.
    shape
        Shape of what passes for one patch; the last number counts the channels.
    reads
        Names of the sites whose outputs it reads, through whatever has no gate in between; none if
        it reads the mixture alone.
    """

    name: str
    layer: str
    target: str
    is_skip: bool
    shape: tuple[int, ...]
    reads: tuple[str, ...] = ()

    @property
    def n_channels(self) -> int:
        """Number of channels, each of which has a gain."""
        return self.shape[-1]


class _Gate(keras.layers.Layer):
    def build(self, shape: Any) -> None:
        self.gains = self.add_weight(
            shape=(shape[-1],), initializer="ones", trainable=False, name="gains"
        )

    def call(self, inputs: Any) -> Any:
        return inputs * self.gains


class Gates:
    """A network's model with a gate behind each layer that has weights, and in each skip.

    Layers that scale each number by itself, as normalisation does, have none.

    Parameters
    ----------
    model
        Model of a `Network`; it shares its weights.
    targets
        Names of the network's targets.

    Attributes
    ----------
    model : keras.Model
        The model with gates.
    sites : dict
        `Site` by name, in the order in which the network computes.
    """

    def __init__(self, model: Any, targets: Sequence[str]) -> None:
        self._targets = targets
        self._gates: dict[str, _Gate] = {}
        self._outputs: dict[str, Any] = {}
        self.sites: dict[str, Site] = {}
        # identity of a tensor to its place in the order of computing, the name of the last site
        # before it, and the sites whose outputs it was made of
        self._made: dict[int, tuple[int, str, tuple[str, ...]]] = {}
        self._kept: list[Any] = []  # these tensors, so that each identity is one tensor's
        with own_settings():
            self.model = keras.models.clone_model(
                model, clone_function=lambda layer: layer, call_function=self._call
            )
        self._viewers: dict[str, Any] = {}

    def set_gains(self, gains: Mapping[str, AnyArray]) -> None:
        """Set the gains of all gates.

        Parameters
        ----------
        gains
            Gains of the channels ``(n_channels,)`` by name of the site; 1 for sites left out.

        Raises
        ------
        ParameterError
            If there is no such site.
        """
        for name in gains:
            self.site(name)
        for name, gate in self._gates.items():
            ones = np.ones(self.sites[name].n_channels, np.float32)
            gate.gains.assign(gains.get(name, ones))

    def site(self, name: str) -> Site:
        """The site of a name, or `ParameterError`."""
        if name not in self.sites:
            raise ParameterError(f"site must be one of {', '.join(self.sites)} (got {name!r})")
        return self.sites[name]

    def output(self, name: str, mixture: Any) -> AnyArray:
        """What a site hands on, its gains included.

        Parameters
        ----------
        name
            Name of the site.
        mixture
            Patches as the model reads them, see `Network.model_input`.

        Returns
        -------
        array
            Output ``(n_patches, *site.shape)``, float32.
        """
        self.site(name)
        prepare_process()
        if name not in self._viewers:
            self._viewers[name] = keras.Model(self.model.input, self._outputs[name])
        with own_settings():
            return np.asarray(self._viewers[name](mixture, training=False))

    # --- building -----------------------------------------------------------------------------

    def _call(self, operation: Any, *arguments: Any, **options: Any) -> Any:
        """Call an operation of the model, with gates before or behind it."""
        if type(operation).__name__ in _MERGES and isinstance(arguments[0], list | tuple):
            merged = list(arguments[0])
            arguments = ([self._skip(tensor, merged) for tensor in merged], *arguments[1:])
        read = [self._made[id(t)] for t in keras.tree.flatten(arguments) if id(t) in self._made]
        output, name = operation(*arguments, **options), max(read)[1] if read else ""
        sites = tuple(dict.fromkeys(site for *_, made_of in read for site in made_of))
        if _has_gate(operation):
            name = operation.name
            output, site = self._gated(name, type(operation).__name__, output, sites)
            sites = (site,)
        for tensor in keras.tree.flatten(output):
            self._kept.append(tensor)
            self._made[id(tensor)] = len(self._made), name, sites
        return output

    def _skip(self, tensor: Any, merged: Sequence[Any]) -> Any:
        """Put a gate on one of the tensors that are merged, unless it was computed last."""
        when, source, sites = self._made.get(id(tensor), (-1, "", ()))
        if not source or tensor is max(merged, key=self._when):
            return tensor
        layer = self.sites[source].layer
        output, name = self._gated(f"{source}_skip", layer, tensor, sites, is_skip=True)
        self._made[id(output)] = when, source, (name,)
        return output

    def _when(self, tensor: Any) -> int:
        return self._made.get(id(tensor), (-1,))[0]

    def _gated(
        self, name: str, layer: str, tensor: Any, reads: tuple[str, ...], is_skip: bool = False
    ) -> tuple[Any, str]:
        """Put a gate behind a tensor; return its output and the name of its site."""
        if number := sum(other.partition("#")[0] == name for other in self.sites):
            name = f"{name}#{number + 1}"  # an output can be read by several later layers
        gate = _Gate(name=f"gate_{len(self._gates)}")
        output = gate(tensor)
        self._gates[name], self._outputs[name] = gate, output
        target = next((t for t in self._targets if name.startswith(f"{t}_")), "")
        self.sites[name] = Site(name, layer, target, is_skip, tuple(tensor.shape[1:]), reads)
        return output, name


def _has_gate(operation: Any) -> bool:
    # layers of normalisation scale each number by itself: they have no matrices
    is_layer = isinstance(operation, keras.layers.Layer)
    return is_layer and any(len(weight.shape) > 1 for weight in operation.weights)
