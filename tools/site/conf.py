"""Sphinx's settings. Its source is written by `tools.site.staging`; see `make docs`."""

from hashlib import sha256
from pathlib import Path

import mssviz
from tools.site import SOURCE, links, mathml

HERE = Path(__file__).parent
project = "mssviz"
author = "the mssviz contributors"
copyright = f"{author}; MIT licence"  # noqa: A001, Sphinx's name
version = release = mssviz.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
root_doc = "index"
html_theme = "furo"
html_title = "mssviz"
html_math_renderer = "mathml"
html_favicon = "icon.svg"
html_static_path = [str(SOURCE / "_static")]
html_css_files = ["site.css"]
html_copy_source = html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True}

site_tools = sha256(b"".join(p.read_bytes() for p in sorted(HERE.glob("*.py")))).hexdigest()
nitpicky = True
default_role = "literal"
autosummary_generate = False
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
maximum_signature_line_length = 88
napoleon_use_ivar = True
napoleon_use_rtype = False

myst_enable_extensions = ["html_image"]
myst_heading_anchors = 4
nb_execution_mode = "off"  # `tools.site.notebooks` does it
nb_ipywidgets_js = {}
suppress_warnings = ["mystnb.unknown_mime_type"]


def setup(app):
    """Let names in texts become links, and formulas MathML."""
    # pages that were read by an earlier state of these tools are read anew
    app.add_config_value("site_tools", "", "env", types=str)
    links.setup(app)
    mathml.setup(app)
