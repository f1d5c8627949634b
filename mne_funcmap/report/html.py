"""The report: what was found, with all that a reader needs to judge it, in one file."""

from __future__ import annotations

import base64
from html import escape
from importlib.metadata import version
from io import BytesIO
from typing import TYPE_CHECKING

import mne

from ..evaluation.clusters import list_components
from ..progress import log_level
from ..report import methods_text, tables
from .findings import collect_findings
from .naming import make_anonymous

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from mne import Report
    from mne.io import BaseRaw
    from numpy.typing import ArrayLike

    from ..hints import Memory, Models, Recordings, Splits, Verbose

CITATIONS = (
    "Javadzadeh et al. Functional embeddings enable Aggregation of multi-area SEEG "
    "recordings over subjects and sessions. arXiv:2510.27090 (preprint): the method.",
    "Gramfort et al. 2013, Front Neurosci 7:267 (MNE-Python); Pedregosa et al. 2011, "
    "JMLR 12:2825 (scikit-learn); Paszke et al. 2019, NeurIPS 32 (PyTorch).",
    "Khosla et al. 2020, NeurIPS 33:18661 (supervised contrastive loss); Holm 1979, "
    "Scand J Stat 6:65; Wilcoxon 1945, Biometrics Bulletin 1:80.",
)
PACKAGES = ("mne", "scikit-learn", "torch", "skorch", "numpy", "scipy", "pandas")
DPI = 110


@log_level
def make_report(
    X: Recordings,
    *,
    models: Models | None = None,
    identities: Sequence[str] | Mapping[str, Any] | None = None,
    groups: ArrayLike | None = None,
    cv: Splits | None = None,
    reconstruct: bool | Sequence[BaseRaw] = True,
    probes: Sequence[str] | Mapping[str, Callable] | None = None,
    n_permutations: int = 0,
    memory: Memory = None,
    n_jobs: int | None = None,
    random_state: int = 0,
    title: str = "Functional maps of recordings",
    names: bool = False,
    verbose: Verbose = None,
) -> Report:
    """Answer what works on some recordings, how well, and how sure that is.

    Parameters
    ----------
    X : list of mne.io.Raw | list of mne.Epochs
        The recordings, with regions and subjects.
    models : None | dict of str to estimator
        What tells regions apart, as for :func:`~mne_funcmap.compare_embedders`.
    identities : None | list of str | dict of str to object
        As for :func:`~mne_funcmap.compare_identities`.
    groups : None | sequence of str, shape (n_recordings,)
        What is held out as a whole; None stands for the subjects.
    cv : None | cross-validation generator | list of tuple
        The folds. None stands for five by subject, and three for reconstruction, or as
        many as there are subjects.
    reconstruct : bool | list of mne.io.Raw
        Whether regions are also reconstructed, which takes most of the time; or other
        recordings, in which they are, split by subject. Signals are low-passed at 45 Hz
        and resampled to 100 Hz for it.
    probes : None | sequence of str | dict of str to callable
        Further questions: names (``"subject"``, ``"recording"``, ``"stability"``,
        ``"duration"``, ``"sessions"``, ``"label-noise"``, ``"learning-curve"``,
        ``"unseen-regions"``, ``"distances"``); or titles, and functions that take the
        recordings and return a table, such as those of :mod:`mne_funcmap.probes`. None
        stands for ``["subject"]``: how well the subject is read from an embedding.
    n_permutations : int
        How often regions are permuted over the channels of each subject, and the first
        model is trained anew, to test it against chance.
    memory : None | str | joblib.Memory
        Folder in which results are kept: a call that was cut off goes on from there.
    n_jobs : int | None
        Number of folds and models that are computed in parallel.
    random_state : int
        Seed of all.
    title : str
        The title.
    names : bool
        Whether subjects and files are named. Otherwise subjects are numbered, and the
        report has no names of theirs, dates or folders. Channels have their names.
    verbose : bool | str | int | None
        Log level, as in MNE-Python; False hides the progress bar too.

    Returns
    -------
    report : mne.Report
        The report; ``report.save("report.html")`` writes one file that needs no other.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If there are too few subjects, or what the models raise.

    Examples
    --------
    >>> import mne_funcmap as mf
    >>> from mne_funcmap.baselines import SpectralClassifier
    >>> X = mf.simulate_recordings(n_subjects=3, n_sessions=1, duration=20.0)
    >>> models = {
    ...     "embedding": mf.FunctionalEmbedder(max_epochs=5),
    ...     "spectrum-lda": SpectralClassifier(classifier="lda"),
    ... }
    >>> report = mf.make_report(X, models=models, reconstruct=False)
    >>> report.save("report.html", open_browser=False)  # doctest: +SKIP
    """
    findings = collect_findings(
        X,
        models=models,
        identities=identities,
        groups=groups,
        cv=cv,
        reconstruct=reconstruct,
        probes=probes,
        n_permutations=n_permutations,
        memory=memory,
        n_jobs=n_jobs,
        random_state=random_state,
    )
    return write_report(findings, title=title, names=names)


def write_report(findings, *, title="Functional maps of recordings", names=False):
    """Write findings into a report.

    Parameters
    ----------
    findings : Findings
        The tables.
    title : str
        The title.
    names : bool
        Whether subjects and files are named.

    Returns
    -------
    report : mne.Report
        The report.
    """
    findings = findings if names else make_anonymous(findings)
    report = mne.Report(title=title, verbose="error")
    _add(report, "In short", _list_items(methods_text.summarize(findings)))
    _add_data(report, findings)
    figures = draw_figures(findings)
    _add_regions(report, findings, figures)
    _add_reconstruction(report, findings, figures)
    for name, table in findings.probes.items():
        _add(report, name, _make_table(tables.shorten_intervals(table)), "Probes")
    answers = methods_text.answer(findings)
    _add(report, "For a methods section", _list_items(answers), "Methods")
    parameters = {name: repr(model) for name, model in findings.models.items()}
    parameters["random_state of all"] = str(findings.random_state)
    _add(report, "Parameters", _list_items(parameters), "Methods")
    versions = {name: version(name) for name in ("mne-funcmap", *PACKAGES)}
    _add(report, "Versions", _list_items(versions), "Methods")
    _add(report, "Please cite", _list_items(CITATIONS), "Methods")
    return report


def draw_figures(findings):
    """Draw the figures of findings.

    Parameters
    ----------
    findings : Findings
        The tables.

    Returns
    -------
    figures : dict of str to matplotlib.figure.Figure
        scores and confusion; embedding_pca, if a model has embeddings;
        reconstruction_scores and reconstruction, if regions were reconstructed.
    """
    import matplotlib as mpl

    from .. import viz

    frame, summary = findings.frame, findings.summary
    first = summary["model"].iloc[0]
    of_first = frame[frame["model"] == first]
    figures = {}
    with mpl.rc_context({"backend": "Agg"}):
        title = "Regions told apart on what was held out"
        figures["scores"] = viz.plot_scores(
            summary, frame=frame, title=title, show=False
        )
        title = f"{first}: regions of channels held out"
        figures["confusion"] = viz.plot_confusion(of_first, title=title, show=False)
        embedded = _find_embedded(frame)
        if embedded is not None:
            fig = viz.plot_embedding(embedded, show=False)
            fig.axes[0].set_title("Channels held out in one fold")
            figures["embedding_pca"] = fig
        found = findings.reconstruction
        if not isinstance(found, str):
            title = "Withheld regions predicted from the others"
            fig = viz.plot_scores(
                found.summary, score="r", frame=found.frame, title=title, show=False
            )
            figures["reconstruction_scores"] = fig
            if found.example is not None:
                shown = dict(found.example)
                shown["title"] = f"{shown.pop('subject')}, {shown['title']}"
                fig = viz.plot_reconstruction(**shown, start=2.0, show=False)
                figures["reconstruction"] = fig
    return figures


def _add_data(report, findings):
    """Add what took part, and what did not."""
    _add(report, "Recordings", _make_table(tables.by_subject(findings)), "Data")
    _add(report, "Regions", _make_table(findings.regions), "Data")
    _add(report, "Left out", _list_items(tables.list_left_out(findings)), "Data")


def _add_regions(report, findings, figures):
    """Add how well regions are told apart."""
    section = "Regions told apart"
    accuracy = tables.accuracy_table(findings.summary)
    _add(report, "Accuracy", _make_table(accuracy), section)
    alt = methods_text.describe_scores(findings.summary, "balanced_accuracy")
    _add_figure(report, figures["scores"], "Accuracy, as a figure", alt, section)
    first = findings.summary["model"].iloc[0]
    alt = f"Confusion matrix of {first}. {methods_text.describe_confusion(findings)}"
    _add_figure(report, figures["confusion"], "Confusions", alt, section)
    clusters = tables.cluster_table(findings.summary)
    if len(clusters):
        _add(report, "Clusters", _make_table(clusters), section)
    if "embedding_pca" in figures:
        alt = "Scatter plot of the first two principal components of the embeddings."
        alt += " The table of clusters tells how far regions are apart."
        _add_figure(report, figures["embedding_pca"], "Embeddings", alt, section)


def _add_reconstruction(report, findings, figures):
    """Add how well withheld regions are predicted."""
    section, found = "Regions reconstructed", findings.reconstruction
    if isinstance(found, str):
        _add(report, "No reconstruction", escape(found), section)
        return
    table = tables.reconstruction_table(found.summary)
    _add(report, "Reconstruction", _make_table(table), section)
    alt = methods_text.describe_scores(found.summary, "r")
    fig = figures["reconstruction_scores"]
    _add_figure(report, fig, "Reconstruction, as a figure", alt, section)
    _add(report, "In bands", _make_table(tables.band_table(found.summary)), section)
    by_region = _make_table(tables.by_region(found.frame, found.summary))
    _add(report, "Region by region", by_region, section)
    if "reconstruction" in figures:
        title = f"{found.example['subject']}, {found.example['title']}"
        alt = f"Recorded and predicted signals over three seconds. {title}."
        _add_figure(report, figures["reconstruction"], "Signals", alt, section)


def _find_embedded(frame):
    """Return the embeddings of channels held out in the first fold, or None."""
    components = list_components(frame)
    known = frame[frame[components].notna().all(axis=1)] if components else frame[:0]
    model = known["model"].iloc[0] if len(known) else None
    first = known[(known["fold"] == 0) & (known["model"] == model)]
    return first if len(first) > 1 else None


def _add(report, title, html, section=None):
    """Add text or a table."""
    # without tags, the menu of the page that hides and shows them fails
    tag = (section or title).lower().replace(" ", "-")
    report.add_html(html, title, section=section, tags=(tag,))


def _add_figure(report, fig, title, alt, section):
    """Add a figure with an alternative text, and close it."""
    import matplotlib.pyplot as plt

    buffer = BytesIO()
    fig.savefig(buffer, format="png", dpi=DPI)
    plt.close(fig)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    html = (
        '<figure class="figure mx-auto d-block"><img class="figure-img img-fluid" '
        f'alt="{escape(alt)}" src="data:image/png;base64,{data}"></figure>'
    )
    _add(report, title, html, section)


def _make_table(frame):
    """Return a table as HTML, its text escaped, numbers kept on one line."""
    table = frame.to_html(
        index=False,
        border=0,
        classes="table table-sm table-hover w-auto text-nowrap",
        float_format="{:.3f}".format,
        na_rep="",
        justify="left",
    )
    return f'<div class="table-responsive">{table}</div>'


def _list_items(items):
    """Return a list as HTML; of a dict, the names in bold."""
    if hasattr(items, "items"):
        texts = [
            f"<b>{escape(str(name))}</b>: {escape(str(text))}"
            for name, text in items.items()
        ]
    else:
        texts = [escape(text) for text in items]
    return "<ul>" + "".join(f"<li>{text}</li>" for text in texts) + "</ul>"
