"""Sphinx configuration."""

from docutils import nodes

import mne_funcmap

project = "mne_funcmap"
author = "mne_funcmap developers"
copyright = author
release = version = mne_funcmap.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "matplotlib.sphinxext.plot_directive",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "sphinxcontrib.bibtex",
]
exclude_patterns = ["_build"]
nitpicky = True  # a reference within the package that leads nowhere is an error
nitpick_ignore_regex = [("py:.*", r"(scipy|sklearn|skorch|torch|numpy|pandas)\..*")]
templates_path = ["_templates"]
bibtex_bibfiles = ["references.bib"]
copybutton_exclude = ".linenos, .gp, .go"
plot_basedir = "figures"
plot_formats = ["png"]
plot_html_show_formats = plot_html_show_source_link = False

html_theme = "pydata_sphinx_theme"
html_theme_options = {
    "show_prev_next": False,
    "navigation_with_keys": False,
    "show_toc_level": 2,
}
html_static_path = ["_static"]
html_css_files = ["style.css"]

autodoc_typehints = "none"  # the parameters tell the types in words
numpydoc_show_class_members = False  # the class template lists them
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "abort_on_example_error": True,
    # which examples use an object, listed on the page of it
    "backreferences_dir": "generated",
    "doc_module": ("mne_funcmap",),
    "show_memory": False,
    "parallel": 2,
}


def skip_inherited(app, what, name, obj, skip, options):
    """Leave out scikit-learn's plumbing, whose links lead nowhere here."""
    plumbing = {"get_metadata_routing", "set_output"}
    return True if name in plumbing or name.endswith("_request") else None


def link_to_mne(app, env, node, contnode):
    """Link to the documentation of MNE, without its inventory: builds are offline."""
    target = node.get("reftarget", "")
    if not target.startswith("mne."):
        return None
    page, anchor = target, ""
    if node["reftype"] == "meth" or target.count(".") > 2:
        page, anchor = target.rsplit(".", 1)[0], f"#{target}"
    uri = f"https://mne.tools/stable/generated/{page}.html{anchor}"
    return nodes.reference("", "", contnode, refuri=uri, internal=False)


def setup(app):
    """Connect to Sphinx."""
    app.connect("missing-reference", link_to_mne)
    app.connect("autodoc-skip-member", skip_inherited)
