"""A drop-down of which one choice always stands."""

from typing import Any

import ipywidgets as w
import traitlets as t


class Dropdown(w.Dropdown):
    """A drop-down; who has choices has chosen one, and no message from a page changes that.

    Parameters
    ----------
    traits
        Those of the class of ipywidgets.

    Raises
    ------
    TraitError
        If nothing, or what is no choice, is to be chosen.
    """

    @t.validate("index")
    def _validated_index(self, proposal: Any) -> Any:
        index, n_choices = proposal["value"], len(self.options)
        if n_choices and not (index is not None and 0 <= index < n_choices):
            raise t.TraitError(f"{self.description} needs one of its {n_choices} choices")
        return index

    @t.validate("_options_labels")
    def _validated_labels(self, proposal: Any) -> Any:
        if proposal["value"] != tuple(label for label, _ in self._options_full):
            raise t.TraitError(f"{self.description}: a page cannot change its choices")
        return proposal["value"]
