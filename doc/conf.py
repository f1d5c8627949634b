"""Sphinx configuration."""

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
    "sphinx_gallery.gen_gallery",
]
plot_formats = ["png"]
plot_html_show_formats = plot_html_show_source_link = False
exclude_patterns = ["_build"]
templates_path = ["_templates"]
html_theme = "pydata_sphinx_theme"

numpydoc_show_class_members = False  # the class template lists them
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "abort_on_example_error": True,
}


def skip_requests(app, what, name, obj, skip, options):
    """Leave out scikit-learn's methods for metadata, whose links lead nowhere here."""
    return True if name.startswith("set_") and name.endswith("_request") else None


def setup(app):
    """Connect to Sphinx."""
    app.connect("autodoc-skip-member", skip_requests)
