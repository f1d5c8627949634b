"""Findings in words: in short, for a methods section, and in place of figures."""

import numpy as np
from sklearn.metrics import confusion_matrix

from ..evaluation.identities import SECONDS
from .findings import H_FREQ, SFREQ

LEVEL = 0.05  # of significance, for all models together
INTERVALS = (
    "95 % intervals are over subjects, by a t bootstrap of the jackknife pseudo-values "
    "of subjects, no end of which is more than twice as far from the score as by "
    "Student's t. For fewer than ten, and where half score the same, those of "
    "accuracies and r are by the binomial distribution with the same standard error "
    "(Korn and Graubard 1998). Those of differences are paired: for fewer than ten by "
    "Student's t, and where half do not differ by the binomial distribution for gains "
    "and losses, joined by square and add (Newcombe 1998). (Of medians: the quantiles "
    "that the interval of the share of channels below the median stands for.) Trained "
    "models were not drawn anew: the intervals tell what other test subjects would "
    "have changed."
)
TESTS = (
    "Differences to the best of the baselines given: two-sided Wilcoxon signed rank "
    "tests over subjects (zeros by Pratt), corrected by Holm for the number of models. "
    "As the best of k baselines, three or more, was found on the same subjects, p "
    "values of models below it are multiplied by k / 2, and 5 % / k is left beyond the "
    "upper ends of the intervals of differences."
)


def summarize(findings):
    """Say in short what was found.

    Parameters
    ----------
    findings : Findings
        The findings.

    Returns
    -------
    texts : list of str
        Sentences, with every number from a table.
    """
    recordings = findings.recordings
    texts = [
        f"{recordings['subject'].nunique()} subjects, {len(recordings)} recordings, "
        f"{len(findings.regions)} regions, {recordings['labelled'].sum()} labelled "
        "channels (counted in each recording).",
        _summarize_regions(findings),
    ]
    if findings.permutation is not None:
        texts.append(_summarize_permutation(findings.permutation))
    found = findings.reconstruction
    if isinstance(found, str):
        return [*texts, f"Regions were not reconstructed. {found}"]
    best = found.summary.loc[found.summary["r"].idxmax()]
    text = (
        f"Each region withheld in turn, {best['model']} predicts it best of all models "
        f"(chosen after the fact): r = {best['r']:.3f} "
        f"[{best['low']:.3f}, {best['high']:.3f}] over channels held out"
    )
    return [*texts, text + _compare(best) + "."]


def answer(findings):
    """Answer what a methods section has to say: split, fits, chance, interval, test.

    Parameters
    ----------
    findings : Findings
        The findings.

    Returns
    -------
    answers : dict of str to str
        Question and answer.
    """
    return {
        "What was split?": _answer_split(findings),
        "What was fitted where?": _answer_fits(findings),
        "What is chance?": _answer_chance(findings),
        "What are the intervals?": INTERVALS,
        "What are the tests?": TESTS,
    }


def describe_scores(summary, name):
    """Describe a figure of scores.

    Parameters
    ----------
    summary : pandas.DataFrame
        What is drawn.
    name : str
        The score.

    Returns
    -------
    text : str
        The models with their scores.
    """
    rows = [
        f"{row.model} {getattr(row, name):.3f} ({row.low:.3f} to {row.high:.3f})"
        for row in summary.itertuples()
    ]
    return f"Scores of models with 95 % intervals: {'; '.join(rows)}."


def describe_confusion(findings):
    """Describe a confusion matrix.

    Parameters
    ----------
    findings : Findings
        The findings, whose first model is meant.

    Returns
    -------
    text : str
        What is read best, and what is confused most.
    """
    first = findings.summary["model"].iloc[0]
    of_first = findings.frame[findings.frame["model"] == first]
    regions = np.union1d(of_first["region"], of_first["predicted"])
    counts = confusion_matrix(of_first["region"], of_first["predicted"], labels=regions)
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    best = shares.diagonal().argmax()
    wrong = shares - np.diag(shares.diagonal())
    row, column = np.unravel_index(wrong.argmax(), wrong.shape)
    text = f"{regions[best]} is read right most often ({shares[best, best]:.2f})"
    if wrong[row, column]:
        text += (
            f"; most confused: {regions[row]} taken for {regions[column]} "
            f"({wrong[row, column]:.2f})"
        )
    return text + "."


def _summarize_regions(findings):
    """Say how well the first model tells regions apart."""
    row = findings.summary.iloc[0]
    text = (
        f"{row['model']} tells regions of channels held out with a balanced accuracy "
        f"of {row['balanced_accuracy']:.3f} [{row['low']:.3f}, {row['high']:.3f}]; "
        f"chance is {row['chance']:.3f}"
    )
    return text + _compare(row) + "."


def _compare(row):
    """Say how a model compares with the best of the baselines given."""
    if "baseline" not in row or row["model"] == row["baseline"]:
        return ""
    low, high = row["diff_low"], row["diff_high"]
    verdict = "not beyond doubt"
    # interval and test must agree
    if (low > 0 or high < 0) and row["p_holm"] < LEVEL:
        verdict = "better" if low > 0 else "worse"
    text = (
        f". The difference to the best of the baselines given, {row['baseline']}, is "
        f"{row['difference']:+.3f} [{low:+.3f}, {high:+.3f}]: {verdict}"
    )
    if np.isfinite(row["p_value"]):
        text += f" (p = {row['p_value']:.3f}, corrected {row['p_holm']:.3f})"
    return text


def _summarize_permutation(permutation):
    """Say what the label permutation gave."""
    permuted = permutation["permuted"]
    return (
        f"With regions permuted over the channels of each subject, "
        f"{permutation['model']} reached {permuted.mean():.3f} on average and "
        f"{permuted.max():.3f} at most in {len(permuted)} trainings, against "
        f"{permutation['score']:.3f}: p = {permutation['p_value']:.3f}."
    )


def _answer_split(findings):
    """Say what was split."""
    text = (
        f"{findings.recordings['subject'].nunique()} subjects; each recording was held "
        f"out in one of {findings.n_folds} folds, and models were trained on the other "
        "folds. Folds keep the groups together that were given, by default subjects."
    )
    found = findings.reconstruction
    if not isinstance(found, str):
        text += (
            f" Reconstruction: {found.n_folds} folds; every region of a recording held "
            "out was withheld in turn and predicted from the others."
        )
    return text


def _answer_fits(findings):
    """Say what was fitted where."""
    text = (
        "Within the training part of each fold: scaling of features, networks "
        "(including the number of epochs, found on subjects, or channels, held out "
        "inside it), read-outs and the penalties of baselines. Nothing was fitted "
        "before the split."
    )
    if not isinstance(findings.reconstruction, str):
        text += (
            f" For reconstruction (up to {H_FREQ:g} Hz, at {SFREQ:g} Hz) all models "
            f"knew the first {SECONDS:g} s of a recording held out, which were not "
            "scored; adapted models and the ridge of the recording were fitted to them."
        )
    return text


def _answer_chance(findings):
    """Say what chance is."""
    row = findings.summary.iloc[0]
    text = (
        f"Balanced accuracy of guessing is {row['chance']:.3f} (one over "
        f"{findings.frame['region'].nunique()} regions); always saying the commonest "
        f"region is right in {row['majority']:.3f} of the channels."
    )
    if findings.permutation is not None:
        text += (
            f" Labels were permuted {len(findings.permutation['permuted'])} times over "
            "the channels within each subject and the whole pipeline was trained anew."
        )
    if not isinstance(findings.reconstruction, str):
        text += " Chance is r = 0, and 0 for coherence, whose bias is removed."
    return text
