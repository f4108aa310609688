"""What all widgets begin with: read-only traits that stay so for a page, too."""

from typing import Any

import anywidget
import ipywidgets as w
import traitlets as t


class KernelWidget(w.Widget):
    """A widget whose read-only traits the kernel alone sets; ipywidgets lets a page set them."""

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take what a page has set.

        Parameters
        ----------
        sync_data
            Values of traits, by name.

        Raises
        ------
        TraitError
            If one of them is read-only; none is set then.
        """
        traits = self.traits()
        for name in sync_data:
            if name in traits and traits[name].read_only:
                raise t.TraitError(f"{type(self).__name__}: a page cannot set {name}")
        super().set_state(sync_data)


class Widget(KernelWidget, anywidget.AnyWidget):
    """A widget with a page of its own in JavaScript."""
