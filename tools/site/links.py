"""Names in texts become links: of pages, as ``docs/scale.md``, and of what Python can import."""

import inspect
import re

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.inspect import stringify_signature
from sphinx.util.nodes import find_pending_xref_condition, make_refnode

from tools.site import api
from tools.site.contents import FRONT, pages

INTERFACE = api.public()
_NAME = re.compile(r"((?:mssviz\.)?[A-Za-z_][\w.]*)(\(.*\))?", re.S)


class LinkNames(SphinxPostTransform):
    """Makes links of inline code that names a page or a public name."""

    default_priority = 5  # before references are resolved

    def run(self, **_):
        """Resolve what is named in signatures and lists, and in inline code outside of links."""
        for node in list(self.document.findall(addnodes.pending_xref)):
            if node.get("refdomain") == "py":
                self.resolve(node)
        for literal in list(self.document.findall(nodes.literal)):
            if isinstance(literal.parent, nodes.reference) or "xref" in literal["classes"]:
                continue
            target = self.page(literal.astext()) or self.thing(literal.astext())
            if target and target[0] != self.env.docname:
                here, builder = self.env.docname, self.app.builder
                literal.replace_self(make_refnode(builder, here, *target, literal.deepcopy()))

    def resolve(self, node):
        """Replace a reference; Sphinx would take another class's attribute of the same name."""
        short = find_pending_xref_condition(node, "resolved")
        shown = [child.deepcopy() for child in (short or node).children]
        name, objects = node["reftarget"], self.env.domaindata["py"]["objects"]
        for candidate in (name, f"{node.get('py:module')}.{name}", HOMES.get(name, "")):
            if entry := objects.get(documented(candidate)):
                here, builder = self.env.docname, self.app.builder
                shown = [make_refnode(builder, here, entry.docname, entry.node_id, shown)]
                break
        node.replace_self(shown)

    def page(self, text):
        """Page and anchor of a page that is named by its path, if it is one."""
        name = text.removesuffix(".md").removesuffix(".ipynb")
        if name == text or name not in pages():
            return None
        return "index" if name == FRONT else name, ""

    def thing(self, text):
        """Page and anchor of a public name, if it is one."""
        found = _NAME.fullmatch(text)
        if not found:
            return None
        name, called = found.groups()
        own = self.env.docname.removeprefix("api/")
        if own != self.env.docname:
            around = [own, own.rpartition(".")[0], own.rpartition(".")[0].rpartition(".")[0]]
        elif "." in name or called or name[0].isupper():
            around = ["mssviz"]
        else:
            return None  # in a text, a word such as `masks` may be anything
        objects = self.env.domaindata["py"]["objects"]
        for candidate in (name, *(f"{one}.{name}" for one in [*around, "mssviz"])):
            entry = objects.get(documented(candidate))
            if entry:
                return entry.docname, entry.node_id
        return None


def documented(name):
    """Name under which something is documented; a method's is that of its class, and its own."""
    if name in INTERFACE.names or name in INTERFACE.modules:
        return name
    first, _, member = name.rpartition(".")
    return INTERFACE.also.get(name) or f"{INTERFACE.also.get(first, first)}.{member}"


#: Where things are defined, by module and name, to the name under which they are documented.
HOMES = {
    f"{thing.__module__}.{thing.__qualname__}": name
    for name, thing in INTERFACE.names.items()
    if inspect.isclass(thing) or inspect.isfunction(thing)
}


def arguments(app, what, name, thing, options, signature, returned):
    """Signature of a widget, whose own one stands behind that of all widgets."""
    if what == "class" and hasattr(thing, "class_own_traits"):
        own = inspect.signature(thing.__init__)
        _, *others = own.parameters.values()
        own = own.replace(parameters=others, return_annotation=inspect.Signature.empty)
        return stringify_signature(own, unqualified_typehints=True), None
    return None


def setup(app):
    """Tell Sphinx."""
    app.add_post_transform(LinkNames)
    app.connect("autodoc-process-signature", arguments)
