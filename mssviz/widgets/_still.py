"""A picture in a notebook's file, which stands for a widget where that is not live."""

import base64
import html
import io
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

from mssviz._memory import give_back
from mssviz._worker import Worker

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: A picture is drawn when nothing has changed for so long, so that it slows nothing down.
QUIET_SECONDS = 1.0

# Where style sheets are dropped (GitHub, notebooks that are not trusted), the picture is seen, and
# widgets are not. Where they hold, the picture is gone while the widget stands on the same page;
# otherwise what the widget's output says of its failure is. The front end is given some time, in
# which neither is seen.
_TEMPLATE = """<div class="mssviz-still {name}-still">
<style>
:root:has(.{name}) :is(.{name}-still, .jp-OutputArea-child:has(.{name}-still)) {{ display: none }}
.jp-OutputArea-child:has(+ * .{name}-still) > .jp-OutputArea-output:not(:has(*)) {{ display: none }}
.{name}-still {{ overflow: hidden; animation: mssviz-still 0s 2s backwards }}
.{name}-still img {{ max-width: 100% }}
@keyframes mssviz-still {{ from {{ max-height: 0; visibility: hidden }} }}
</style>
<p>Run this cell to use the explorer.</p>
{picture}
</div>"""


class Still:
    """Output of a cell beside that of a widget; people see one of the two.

    Attributes
    ----------
    name : str
        Class that the widget's element must have.
    """

    def __init__(self) -> None:
        self.name = f"mssviz-{uuid.uuid4().hex}"
        self._picture = ""
        self._displayed = False
        self._work = Worker()

    def display(self) -> None:
        """Put it below what the running cell has shown so far."""
        self._displayed = True
        self._publish(update=False)

    def refresh(self, draw: Callable[[], "Figure"], text: str) -> None:
        """Replace the picture in a moment, if it is displayed; only the last call counts.

        Parameters
        ----------
        draw
            Function that draws what the widget shows.
        text
            Text that says what the picture shows.
        """
        if self._displayed:
            self._work.do(lambda: self._draw(draw, text), "draw")

    def wait(self) -> None:
        """Wait until the picture shows the last state."""
        self._work.wait()

    def close(self) -> None:
        """Leave the picture as it is."""
        self._work.close()

    def _draw(self, draw: Callable[[], "Figure"], text: str) -> None:
        self._work.check(QUIET_SECONDS)
        if self._work.waits("draw"):
            return
        file = io.BytesIO()
        # half as large as PNG: it is in the notebook's file
        draw().savefig(file, format="jpeg", dpi=100, pil_kwargs={"quality": 85})
        give_back()  # figures refer to themselves
        source = base64.b64encode(file.getvalue()).decode()
        self._picture = f'<img alt="{html.escape(text)}" src="data:image/jpeg;base64,{source}">'
        self._publish(update=True)

    def _publish(self, update: bool) -> None:
        from IPython.display import HTML, display

        page = _TEMPLATE.format(name=self.name, picture=self._picture)
        display(HTML(page), display_id=self.name, update=update)
