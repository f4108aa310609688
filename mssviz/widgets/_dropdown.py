"""A drop-down of which one choice always stands."""

from typing import Any

import ipywidgets as w
import traitlets as t

from mssviz.widgets._widget import KernelWidget


class Dropdown(KernelWidget, w.Dropdown):
    """A drop-down: of its choices one is chosen, and no message from a page changes that.

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
