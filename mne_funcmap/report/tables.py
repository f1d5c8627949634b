"""Findings as tables to read: numbers with their intervals, and as plain text."""

import pandas as pd

from ..evaluation.clusters import MEASURES


def with_interval(frame, name, low, high, *, signed=False):
    """Write scores with their intervals.

    Parameters
    ----------
    frame : pandas.DataFrame
        The scores.
    name, low, high : str
        Columns of the score and of the ends of its interval.
    signed : bool
        Whether positive numbers have a sign.

    Returns
    -------
    texts : list of str
        ``"0.496 [0.433, 0.563]"``, or ``"0.496"`` without an interval, as of one
        subject; empty where there is no score.
    """
    number = "{:+.3f}" if signed else "{:.3f}"
    text = f"{number} [{number}, {number}]"
    texts = []
    for row in frame[[name, low, high]].itertuples(index=False):
        known = number if pd.isna(row[1]) else text
        texts.append("" if pd.isna(row[0]) else known.format(*row))
    return texts


def accuracy_table(summary):
    """Return the table of models that tell regions apart.

    Parameters
    ----------
    summary : pandas.DataFrame
        As by :func:`~mne_funcmap.compare_embedders`.

    Returns
    -------
    table : pandas.DataFrame
        With names to read.
    """
    table = {
        "model": summary["model"],
        "balanced accuracy": with_interval(summary, "balanced_accuracy", "low", "high"),
        "chance": summary["chance"],
    }
    table |= _list_differences(summary)
    if "segment_accuracy" in summary:
        table["by segment"] = with_interval(
            summary, "segment_accuracy", "segment_low", "segment_high"
        )
    table |= {"accuracy": summary["accuracy"], "majority": summary["majority"]}
    return pd.DataFrame(table)


def reconstruction_table(summary):
    """Return the table of models that predict withheld regions.

    Parameters
    ----------
    summary : pandas.DataFrame
        As by :func:`~mne_funcmap.compare_identities`.

    Returns
    -------
    table : pandas.DataFrame
        With names to read.
    """
    table = {"model": summary["model"]}
    table["r"] = with_interval(summary, "r", "low", "high")
    table |= _list_differences(summary)
    table["nmse (median)"] = with_interval(summary, "nmse", "nmse_low", "nmse_high")
    table["nrmse"] = with_interval(summary, "nrmse", "nrmse_low", "nrmse_high")
    return pd.DataFrame(table)


def band_table(summary):
    """Return the table of predictions in bands.

    Parameters
    ----------
    summary : pandas.DataFrame
        As by :func:`~mne_funcmap.compare_identities`.

    Returns
    -------
    table : pandas.DataFrame
        One row for each band and model: envelope r and coherence, with intervals.
    """
    bands = [
        name.removeprefix("coherence_")
        for name in summary
        if name.startswith("coherence_") and not name.endswith(("_low", "_high"))
    ]
    tables = []
    for band in bands:
        table = {"model": summary["model"], "band": band}
        for title, kind in (("envelope r", "r_envelope"), ("coherence", "coherence")):
            name = f"{kind}_{band}"
            table[title] = with_interval(summary, name, f"{name}_low", f"{name}_high")
        tables.append(pd.DataFrame(table))
    return pd.concat(tables, ignore_index=True)


def cluster_table(summary):
    """Return the table of how far embeddings cluster by region.

    Parameters
    ----------
    summary : pandas.DataFrame
        As by :func:`~mne_funcmap.compare_embedders`.

    Returns
    -------
    table : pandas.DataFrame
        One row for each model with embeddings.
    """
    names = [measure.__name__ for measure in MEASURES]
    if names[0] not in summary:
        return pd.DataFrame()
    known = summary[summary[names[0]].notna()]
    table = {"model": known["model"]}
    for name in names:
        title = name.replace("_", " ")
        table[title] = with_interval(known, name, f"{name}_low", f"{name}_high")
    return pd.DataFrame(table)


def by_region(frame, summary):
    """Return mean r region by region.

    Parameters
    ----------
    frame, summary : pandas.DataFrame
        As by :func:`~mne_funcmap.compare_identities`.

    Returns
    -------
    table : pandas.DataFrame
        One row for each region: channels, mean r of each model, and the best one.
    """
    models = list(summary["model"])
    mean = frame.pivot_table(index="region", columns="model", values="r")[models]
    first = frame[frame["model"] == models[0]]
    table = {"channels": first.groupby("region").size()}
    table |= {f"r, {model}": mean[model] for model in models}
    table |= {"best": mean.idxmax(axis=1)}
    return pd.DataFrame(table).reset_index()


def by_subject(findings):
    """Return what there is of each subject.

    Parameters
    ----------
    findings : Findings
        The findings.

    Returns
    -------
    table : pandas.DataFrame
        One row for each subject: recordings, seconds (all recordings), channels,
        labelled, regions and left_out (of the largest recording).
    """
    of_subject = findings.recordings.groupby("subject", sort=False)
    largest = of_subject[["channels", "labelled", "regions", "left_out"]].max()
    largest.insert(0, "recordings", of_subject.size())
    largest.insert(1, "seconds", of_subject["seconds"].sum().round(1))
    return largest.reset_index()


def list_left_out(findings):
    """Return what took no part, and why.

    Parameters
    ----------
    findings : Findings
        The findings.

    Returns
    -------
    texts : list of str
        Sentences.
    """
    recordings = findings.recordings
    n_unlabelled = (recordings["channels"] - recordings["labelled"]).sum()
    texts = [
        f"{recordings['left_out'].sum()} channels, counted in each recording, are bad "
        "or of another type.",
        f"{n_unlabelled} channels have no region: they are not scored.",
    ]
    found = findings.reconstruction
    if isinstance(found, str):
        return [*texts, f"Nothing was reconstructed. {found}"]
    texts += [f"Not reconstructed: {reason}." for reason in found.not_scored]
    texts += [
        f"{model} does not apply: {reason}"
        for model, reason in found.frame.attrs.get("left_out", {}).items()
    ]
    return texts


def shorten_intervals(table):
    """Write scores with their intervals in one column.

    Parameters
    ----------
    table : pandas.DataFrame
        With columns ``low`` and ``high`` after that of the score, or with
        ``name_low`` and ``name_high`` beside a column of any name.

    Returns
    -------
    table : pandas.DataFrame
        The same with fewer columns.
    """
    table = table.copy()
    for low in [name for name in table if name.endswith("low")]:
        high, score = f"{low.removesuffix('low')}high", low.removesuffix("_low")
        if score == low or score not in table:
            score = table.columns[table.columns.get_loc(low) - 1]
        if high in table:
            table[score] = with_interval(table, score, low, high)
            table = table.drop(columns=[low, high])
    return table


def format_table(table):
    """Return a table as plain text.

    Parameters
    ----------
    table : pandas.DataFrame
        The table.

    Returns
    -------
    text : str
        Its lines, with columns aligned.
    """
    text = table.to_string(
        index=False, float_format="{:.3f}".format, na_rep="", justify="left"
    )
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def _list_differences(summary):
    """Return the columns of differences to the best baseline, if there is one."""
    if "baseline" not in summary:
        return {}
    title = f"difference to {summary['baseline'].iloc[0]}"
    found = with_interval(summary, "difference", "diff_low", "diff_high", signed=True)
    is_baseline = summary["model"] == summary["baseline"]
    table = {title: pd.Series(found).mask(is_baseline, "")}
    if "p_value" in summary:
        table |= {
            "p": summary["p_value"].map(_format_p),
            "p (Holm)": summary["p_holm"].map(_format_p),
        }
    return table


def _format_p(p):
    """Return a p value as text; none is zero."""
    if pd.isna(p):
        return ""
    return f"{p:.3f}" if p >= 0.0005 else "< 0.001"
