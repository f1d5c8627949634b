"""How often intervals hold the truth, and tests find what is not there.

* ``coverage``: share of 95 % intervals that hold the true score, for scores of subjects
  of several kinds, and for what the package computes of channels: balanced accuracy,
  mean r and median NMSE over channels, the difference to the best of six baselines.
* ``tests``: P(p <= 0.05) of each test where there is nothing to find: no difference
  between models, labels shuffled, regions uncoupled.

Each number is of 2,000 runs (Monte Carlo error 0.005), those through trained models of
200 (0.015). Run ``python benchmarks/bench_statistics.py``, or ``python -m benchmarks
--only statistics``; ``--runs`` and ``--trained`` for fewer. It takes half an hour, most
of it for trained models.
"""

import argparse
import sys

import mne
import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold

import mne_funcmap as mf
from mne_funcmap.baselines import NearestChannel, PooledRidge
from mne_funcmap.baselines.classifiers import SpectralClassifier
from mne_funcmap.evaluation.comparison import (
    compare_models,
    compare_subjects,
    correct_holm,
)
from mne_funcmap.evaluation.embedders import summarize
from mne_funcmap.evaluation.identities import (
    cross_val_reconstruct,
    summarize_reconstruction,
)
from mne_funcmap.evaluation.intervals import describe, pool_subjects
from mne_funcmap.evaluation.permutation import permutation_test
from mne_funcmap.probes.band_power import BandPower
from mne_funcmap.probes.decoding import probe_decoding
from mne_funcmap.probes.distances import probe_distances
from mne_funcmap.probes.features import SpectrumTransformer
from mne_funcmap.probes.mantel import mantel_test
from mne_funcmap.probes.traits import probe_trait

N_SUBJECTS = (5, 8, 10, 20, 50, 100)
N_RESAMPLES = 1000
BATCH = 50  # runs that share the draws
LEVEL = 0.05 + 1e-9  # p values are fractions


def draw_scores():
    """Return kinds of scores: how subjects are drawn, the true mean, and options."""
    unit, free, shares = {"bounds": (0, 1)}, {}, {"largest": 1.0}
    return (
        {
            "normal": (lambda rng, n: rng.normal(0.6, 0.1, n), 0.6, free),
            "beta(8, 2)": (lambda rng, n: rng.beta(8, 2, n), 0.8, unit),
            "beta(9, 1)": (lambda rng, n: rng.beta(9, 1, n), 0.9, unit),
            "1 - lognormal": (
                lambda rng, n: 1 - 0.1 * rng.lognormal(0, 0.5, n),
                1 - 0.1 * np.exp(0.125),
                free,
            ),
            "7 of 10": (lambda rng, n: rng.binomial(10, 0.7, n) / 10, 0.7, unit),
            "k of 10, mean 9": (
                lambda rng, n: rng.binomial(10, rng.beta(9, 1, n)) / 10,
                0.9,
                unit,
            ),
            "k of 10, mean 9.5": (
                lambda rng, n: rng.binomial(10, rng.beta(19, 1, n)) / 10,
                0.95,
                unit,
            ),
            "k of 2, mean 1.8": (lambda rng, n: rng.binomial(2, 0.9, n) / 2, 0.9, unit),
            "right or wrong, 0.9": (
                lambda rng, n: rng.binomial(1, 0.9, n) * 1.0,
                0.9,
                unit,
            ),
            "t, 3 df": (lambda rng, n: 0.1 * rng.standard_t(3, n), 0.0, free),
        }
        | {
            f"0.95 - 0.9, k of {k}": (
                lambda rng, n, k=k: draw_differences(rng, n, k),
                0.025,
                shares,
            )
            for k in (10, 4, 1)
        }
        | {
            f"a third of errors, k of {k}": (
                lambda rng, n, k=k: draw_gains(rng, n, k),
                0.2 / 3,
                shares,
            )
            for k in (20, 100)
        }
    )


def draw_differences(rng, n, k):
    """Return differences between shares of k, of which half are alike."""
    better = rng.binomial(k, 0.95, n)
    alike = rng.random_sample(n) < 0.5
    return (better - np.where(alike, better, rng.binomial(k, 0.9, n))) / k


def draw_gains(rng, n, k):
    """Return differences between shares of k, of a model that errs a third as often.

    Few subjects are read badly, and these gain most.
    """
    error = rng.beta(1, 9, n)
    return (rng.binomial(k, error) - rng.binomial(k, error / 3)) / k


def cover_means(n_runs):
    """Return the coverage of intervals of means over subjects."""
    rows = []
    for kind, (draw, truth, options) in draw_scores().items():
        for n in N_SUBJECTS:
            rng = np.random.RandomState(n)
            held = []
            for seed in range(n_runs // BATCH):
                scores = np.array([draw(rng, n) for _ in range(BATCH)])
                means = pool_subjects(scores, np.ones(scores.shape))
                drawn = {"n_resamples": N_RESAMPLES, "random_state": seed}
                found = describe(means, "mean", "low", "high", **options, **drawn)
                held.append(_holds(found, "", truth))
            rows.append(_row(kind, n, held))
    return rows


def make_predictions(rng, n_subjects, accuracy):
    """Simulate channels of five regions, with subjects who are read well or badly."""
    shape = (n_subjects, 5)
    sizes = rng.binomial(4, 0.5, shape).ravel()
    subject, region = (np.repeat(at.ravel(), sizes) for at in np.indices(shape))
    tables = []
    for model in range(BATCH):
        ability = rng.beta(8 * accuracy, 8 * (1 - accuracy), n_subjects)
        right = rng.random_sample(len(subject)) < ability[subject]
        predicted = np.where(right, region, (region + 1) % 5)
        table = {"subject": subject, "region": region, "predicted": predicted}
        tables.append(pd.DataFrame(table | {"model": model}))
    return pd.concat(tables, ignore_index=True)


def make_channels(rng, n_subjects):
    """Simulate r and NMSE of 1 to 11 channels of each subject."""
    subject = np.repeat(np.arange(n_subjects), rng.randint(1, 12, n_subjects))
    tables = []
    for model in range(BATCH):
        noise = rng.standard_normal((2, len(subject)))
        r = rng.beta(6, 2, n_subjects)[subject] + 0.1 * noise[0]
        nmse = np.exp(0.5 * (rng.standard_normal(n_subjects)[subject] + noise[1]))
        table = {"model": model, "subject": subject, "r": r, "nmse": nmse}
        tables.append(pd.DataFrame(table))
    return pd.concat(tables, ignore_index=True)


def cover_channels(n_runs):
    """Return the coverage of intervals of what is pooled over channels."""
    rows = []
    for n in N_SUBJECTS:
        held = {}
        for seed in range(n_runs // BATCH):
            rng = np.random.RandomState(seed)
            options = {"n_resamples": N_RESAMPLES, "random_state": seed}
            for truth in (0.8, 0.95):
                table = summarize(make_predictions(rng, n, truth), **options)
                name = f"balanced accuracy {truth:g}"
                held.setdefault(name, []).append(_holds(table, "", truth))
            table = summarize_reconstruction(make_channels(rng, n), **options)
            held.setdefault("r over channels", []).append(_holds(table, "", 0.75))
            held.setdefault("median NMSE", []).append(_holds(table, "nmse_", 1.0))
        rows += [_row(name, n, of_runs) for name, of_runs in held.items()]
    return rows


def _holds(found, prefix, truth):
    low, high = (np.asarray(found[f"{prefix}{end}"]) for end in ("low", "high"))
    return (low - 1e-9 <= truth) & (truth <= high + 1e-9)


def _row(name, n, held):
    return {"of": name, "n_subjects": n, "coverage": float(np.mean(held))}


def compare_alike(rng, n_subjects, n_baselines, n_alike):
    """Compare a model with baselines, of which some are as good and others worse."""
    worse = np.r_[np.zeros(n_alike), np.full(n_baselines - n_alike, 0.2), 0]
    scores = rng.normal(0.6, 0.1, n_subjects) - worse[:, None]
    scores = scores + rng.normal(0, 0.05, (n_baselines + 1, n_subjects))
    names = [*map(str, range(n_baselines)), "model"]
    return compare_models(
        names,
        pool_subjects(scores, np.ones(scores.shape)),
        names[:-1],
        "r",
        n_resamples=N_RESAMPLES,
        random_state=rng,
        by_subject=scores,
    )


def compare_baselines(n_runs):
    """Return coverage and p values of differences to the best of baselines."""
    covered, found = [], []
    for n_baselines, n_alike in ((1, 1), (6, 1), (6, 3), (6, 6)):
        for n in (8, 20, 50):
            rng = np.random.RandomState(n)
            tables = [
                compare_alike(rng, n, n_baselines, n_alike) for _ in range(n_runs)
            ]
            name = f"difference, best of {n_baselines} ({n_alike} alike)"
            held = [_holds(table, "diff_", 0)[-1] for table in tables]
            covered.append(_row(name, n, held))
            p_values = [table["p_value"][-1] for table in tables]
            found.append(_count(f"Wilcoxon, {name}", n, p_values))
    return covered, found


def test_differences(n_runs):
    """Return p values of models that do not differ, with ties and skewed scores."""
    draws = {
        "normal": lambda rng, shape: rng.standard_normal(shape),
        "k of 5": lambda rng, shape: rng.binomial(5, 0.8, shape) / 5,
        "k of 20": lambda rng, shape: rng.binomial(20, 0.9, shape) / 20,
        "beta(9, 1)": lambda rng, shape: rng.beta(9, 1, shape),
    }
    rows = []
    for kind, draw in draws.items():
        for n in (5, 8, 14, 20, 50):
            rng = np.random.RandomState(n)
            p_values = [
                compare_subjects(draw(rng, (1, n)), draw(rng, n))[0]
                for _ in range(n_runs)
            ]
            rows.append(_count(f"Wilcoxon, {kind}", n, p_values))
    rng = np.random.RandomState(0)
    smallest = [
        correct_holm(compare_subjects(rng.standard_normal((6, 20)), np.zeros(20))).min()
        for _ in range(n_runs)
    ]
    return [*rows, _count("any of 6, corrected by Holm", 20, smallest)]


def test_matrices(n_runs):
    """Return p values of the test of Mantel for matrices that are not related."""
    rows = []
    for n in (4, 5, 8, 20):
        rng = np.random.RandomState(n)
        p_values = []
        for _ in range(n_runs):
            points = rng.random_sample((2, n, 2))
            a, b = np.linalg.norm(points[:, :, None] - points[:, None], axis=3)
            p_values.append(mantel_test(a, b, n_permutations=99, random_state=rng)[-1])
        rows.append(_count("Mantel, items", n, p_values))
    return rows


def make_noise(rng, n_subjects, n_recordings=1):
    """Simulate recordings of white noise with regions and positions at random."""
    X = []
    for subject in np.repeat(np.arange(n_subjects), n_recordings):
        info = mne.create_info(6, 100.0, "seeg")
        info["subject_info"] = {"his_id": f"sub-{subject}"}
        raw = mne.io.RawArray(rng.standard_normal((6, 1000)) * 1e-5, info)
        places = dict(zip(raw.ch_names, rng.uniform(-0.05, 0.05, (6, 3)), strict=True))
        raw.set_montage(mne.channels.make_dig_montage(places, coord_frame="head"))
        regions = rng.permutation([*"AABBCC"])
        X.append(mf.set_regions(raw, dict(zip(raw.ch_names, regions, strict=True))))
    return X


def test_noise(n_runs):
    """Return p values of whole analyses of noise, with labels at random."""
    cv, found = GroupKFold(3), {}
    spectrum = {"spectrum": SpectrumTransformer()}
    for seed in range(n_runs):
        rng = np.random.RandomState(seed)
        X = make_noise(rng, 6)
        model, drawn = SpectralClassifier(classifier="lda"), {"random_state": rng}
        p = permutation_test(model, X, cv=cv, n_permutations=19, **drawn)[-1]
        found.setdefault("regions permuted", []).append(p)
        traits = dict(
            zip(mf.get_subjects(X), rng.permutation([*"aaabbb"]), strict=True)
        )
        options = {"cv": cv, "n_permutations": 19, "n_resamples": 99, **drawn}
        table = probe_trait(X, traits, spectrum, **options)
        for name in ("p_value", "silhouette_p_value"):
            found.setdefault(f"probe_trait, {name}", []).append(table[name][0])
        labels = rng.permutation([*"aaabbb"])
        table = probe_decoding(X, labels, {"band power": BandPower()}, **options)
        found.setdefault("probe_decoding", []).append(table["p_chance"][0])
        bands = {"beta": (13, 30)}
        table = probe_distances(X, spectrum, bands=bands, **options)
        for row in table[table["pairs"] == "all"].itertuples():
            name = (
                f"probe_distances, {row.measure} {'given distance' * bool(row.given)}"
            )
            found.setdefault(name.strip(), []).append(row.p_value)
    return [_count(name, 6, p_values) for name, p_values in found.items()]


def reconstruct_uncoupled(n_runs):
    """Return p values and coverage where no region tells of another."""
    models = {"pooled ridge": PooledRidge(), "nearest channel": NearestChannel()}
    n = 8
    p_values, held = [], []
    for seed in range(n_runs):
        X = mf.simulate_recordings(
            n_subjects=n, n_sessions=1, duration=15.0, coupling=0.0, random_state=seed
        )
        scores = cross_val_reconstruct(models, X, cv=GroupKFold(2), verbose=False)
        summary = summarize_reconstruction(scores, baselines=["nearest channel"])
        p_values.append(summary["p_value"][0])
        held.append(_holds(summary, "diff_", 0)[0])
    name = "difference of r, uncoupled regions"
    return [_row(name, n, held)], [_count(f"Wilcoxon, {name}", n, p_values)]


def _count(test, n, p_values):
    p_values = np.array(p_values)
    share = np.mean(p_values <= LEVEL)
    return {"test": test, "n": n, "runs": len(p_values), "p <= 0.05": share}


def measure(n_runs=2000, n_trained=200):
    """Measure everything.

    Parameters
    ----------
    n_runs : int
        Runs on simulated scores.
    n_trained : int
        Runs through trained models.

    Returns
    -------
    found : dict of str to list of dict
        Rows of the two tables.
    """
    with mne.utils.use_log_level("ERROR"):
        of_best, tests_of_best = compare_baselines(n_runs)
        uncoupled, tests_uncoupled = reconstruct_uncoupled(n_trained)
        return {
            "coverage": [
                *cover_means(n_runs),
                *cover_channels(n_runs),
                *of_best,
                *uncoupled,
            ],
            "tests": [
                *test_differences(n_runs),
                *tests_of_best,
                *test_matrices(n_runs),
                *test_noise(n_trained),
                *tests_uncoupled,
            ],
        }


def format_statistics(found):
    """Return tables to read."""
    coverage = pd.DataFrame(found["coverage"])
    table = coverage.pivot_table("coverage", "of", "n_subjects", sort=False)
    lines = ["share of 95 % intervals that hold the truth, by number of subjects"]
    lines += (
        table.sort_index(axis=1)
        .to_string(float_format="{:.3f}".format, na_rep="")
        .splitlines()
    )
    large = coverage[coverage["n_subjects"] >= 20]["coverage"]
    lines.append(f"from 20 subjects on: {large.min():.3f} to {large.max():.3f}")
    tests = pd.DataFrame(found["tests"])
    table = tests.to_string(index=False, float_format="{:.3f}".format)
    lines += ["", *table.splitlines()]
    return [*lines, f"largest: {tests['p <= 0.05'].max():.3f}"]


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--trained", type=int, default=200)
    args = parser.parse_args()
    found = measure(args.runs, args.trained)
    sys.stdout.write("\n".join(format_statistics(found)) + "\n")


if __name__ == "__main__":
    main()
