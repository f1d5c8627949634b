"""Mutants: does a test fail when the code is wrong? ``python tests/mutants.py``.

Each is a small error that would change published numbers without a message. It is made
in a copy of the package; the tests that are named beside the file must then fail. To
run some of them alone, add words of their files or texts.
"""

import os
import shlex
import shutil
import signal
import sys
import tempfile
import time
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIMIT = 300  # seconds of a run; a mutant that goes on forever is noticed too
ELSEWHERE = 99  # exit code: another package was imported
# what takes long to import is imported once, and runs are forked from that
HEAVY = ("mne", "pandas", "scipy.stats", "skorch", "sklearn.pipeline", "torch")

# file in the package, tests that must fail, and what is replaced by what
MUTANTS = [
    # nets, embedding
    (
        "nets/losses.py",
        "tests/nets/test_losses.py",
        [
            ("return same & (groups[:, None] != groups[None, :]), ~same",
             "return same, ~same"),
            ("(groups[:, None] != groups[None, :]), ~same",
             "(groups[:, None] != groups[None, :]), groups[:, None] != groups"),
            ("same & ~other_group,", "same & ~same,"),
            ("weights * positive.any(dim=1)", "1.0 * positive.any(dim=1)"),
            ("1 / same.sum(dim=1)", "1 / same.any(dim=1)"),
            ("centres = (same *", "centres = ((same & other_group) *"),
            ("_share_out(of_positives, weights)",
             "_share_out(of_positives, weights.sign())"),
            ("by_pair @ embeddings + by_pair.T @ embeddings",
             "2 * by_pair @ embeddings"),
            ("_mean(distance.square(), positive)", "_mean(distance, positive)"),
            ("(self.margin - distance).clamp(min=0)", "self.margin - distance"),
            ("mask.sum().clamp(min=1)", "mask.numel()"),
            ("labels < self.n_labels", "labels <= self.n_labels"),
            ("self.weight * self.auxiliary(", "self.auxiliary("),
            ("self.loss(embeddings[first], targets[first])",
             "self.loss(embeddings[first], labels[first])"),
        ],
    ),
    (
        "nets/reconstruction.py",
        "tests/reconstruction/test_transformer_fit.py -k loss",
        [
            ("self.correlation * (1 - r)) * counts", "self.correlation * (1 - r))"),
            ("(1 - r)) * counts", "r) * counts"),
            ("return loss.sum() / self.count(truth)", "return loss.mean()"),
        ],
    ),
    (
        "embedding/training.py",
        "tests/embedding/test_training.py tests/training/test_runtime.py",
        [
            ("1.0 / np.sqrt(sizes[index])", "1.0 / sizes[index]"),
            ("_balance_groups(labels, groups)[self.order]",
             "_balance_groups(labels, groups)"),
            ("replace=False, p=", "replace=True, p="),
            ("batch_size // self.AUXILIARY", "batch_size"),
            ("np.count_nonzero(codes < self.n_labels)",
             "np.count_nonzero(codes <= self.n_labels)"),
            ("rows = rows[self.labels[rows] < self.n_labels]", "rows = rows[:]"),
            ("np.argsort(order)[codes]", "order[codes]"),
            ("np.isin(labels[valid], labels[train])", "np.isin(labels[valid], labels)"),
            ("splitter.split(labels, groups=groups)",
             "splitter.split(labels, groups=np.arange(len(labels)))"),
            ("return train, valid", "return np.arange(len(labels)), valid"),
            ("best * (1 - best) / n_groups", "best * (1 - best) / len(scores)"),
            (">= best - error)[-1]) + 1", ">= best - error)[0]) + 1"),
            (">= best - error)[-1]) + 1", ">= best - error)[-1])"),
            (".fit(references, self.train[1])", ".fit(queries, self.valid[1])"),
            ("max() < 2:", "max() < 1:"),
        ],
    ),
    (
        "embedding/metrics.py",
        "tests/embedding/test_metrics.py",
        [
            ("np.unique(truth, return_inverse", "np.unique(predicted, return_inverse"),
            ("embeddings - embeddings.mean(axis=0, dtype=float)", "embeddings * 1.0"),
            ("total**2 / np.square(covariance)",
             "total**2 / np.square(np.diag(covariance))"),
        ],
    ),
    (
        "embedding/readout.py",
        "tests/embedding/test_readout.py",
        [
            ("place * sizes[:, None, None]", "place * sizes.min()"),
            (".mean(axis=3)", "[:, :, :, 0]"),
        ],
    ),
    # what is held out
    (
        "splits.py",
        "tests/test_splits.py",
        [
            ("np.full((2, n_blocks), gap / 2)", "np.full((2, n_blocks), gap / 4)"),
            ("begin[0] = end[-1] = 0", "begin[0] = end[0] = 0"),
            ("(end - 1) / sfreq", "end / sfreq"),
            ("(end <= high[:, None] + tolerance)", "(begin <= high[:, None])"),
            ("epochs._raw_sfreq + epochs.tmin", 'epochs.info["sfreq"] + epochs.tmin'),
            ("subjects[index])", "str(id(part)))"),
            ("channels.subject[rows][0]", "f'{index} {group}'"),
            ("np.stack([channels.subject, channels.ch_name])",
             "np.stack([channels.recording.astype(str), channels.ch_name])"),
            ("(first, regions, channels.subject[first])",
             "(first, channels.subject[first])"),
            ("numbers.get(subject, 0) + 1", "len(sessions) + 1"),
        ],
    ),
    (
        "evaluation/folds.py",
        "tests/evaluation/test_folds.py",
        [
            ("get_subjects(recordings) if groups is None",
             "np.arange(len(recordings)) if groups is None"),
            ("found = [self.keys[row] for row in rows]", "found = list(self.keys)"),
            ("known, hash_code(known)]", "known]"),
            ("[self.y[row] for row in rows]", "self.y[: len(rows)]"),
            ("[self.recordings[row] for row in rows], labels",
             "self.recordings, self.y"),
        ],
    ),
    # evaluation
    (
        "evaluation/intervals.py",
        "tests/evaluation/test_intervals.py",
        [
            ("(n - 1) * without", "n * without"),
            ("2 * TAIL / max(2, n_baselines)", "TAIL"),
            ("reach.clip(*(FARTHEST * plain))", "reach"),
            ("(FARTHEST * plain)", "(FARTHEST * plain[::-1] * -1)"),
            ("n_subjects < MIN_SUBJECTS:\n        return",
             "n_subjects < 5:\n        return"),
            ("ddof=1) / np.sqrt(n_subjects)\n    plain",
             "ddof=0) / np.sqrt(n_subjects)\n    plain"),
            ("ddof=1) / np.sqrt(n_subjects) / (highest",
             "ddof=0) / np.sqrt(n_subjects) / (highest"),
            ("- np.square(shift)", "- 0 * np.square(shift)"),
            ("is_coarse |= n < MIN_SUBJECTS", "is_coarse = n < MIN_SUBJECTS"),
            ("is_coarse |= n < MIN_SUBJECTS", "pass"),
            ("pseudo - common, tails", "pseudo, tails"),
            ("np.where(seen > SAME, seen, largest)", "seen"),
            ("if bounds is None:\n            other", "if False:\n            other"),
            ("n_same = max(2, (n_subjects + 1) // 2)",
             "n_same = max(2, (n_subjects + 1) // 3)"),
            ("shared = -gain * loss", "shared = 0 * gain * loss"),
            ("losses, tails[::-1], (0, 1))", "losses, tails, (0, 1))"),
            ("(gain - gain_low, loss_high - loss)",
             "(gain - gain_low, loss - loss_low)"),
            ("np.stack([-low, high]) * largest", "np.stack([-low, high])"),
            ("student.ppf(TAIL, n_subjects - 1)) ** 2",
             "student.ppf(TAIL, n_subjects - 1)) ** 1"),
            ("right, wrong + 1)", "right, wrong)"),
            ("right + 1, wrong)", "right, wrong)"),
            ("np.where(at_bound, n_subjects, number)", "number"),
            ("at_bound | (error > ROUNDING)", "at_bound"),
        ],
    ),
    (
        "evaluation/comparison.py",
        "tests/evaluation/test_comparison.py",
        [
            ("best = max(baselines", "best = min(baselines"),
            ("np.arange(len(order), 0, -1)", "len(order)"),
            ("* (np.arange(len(models)) != of_best)", ""),
            ("found * max(2, n_baselines) / 2", "found"),
            ("if is_below", "if not is_below"),
            ("np.round(scores - baseline, 12)", "scores - baseline"),
            ("smaller = min(above.sum(), below.sum())", "smaller = above.sum()"),
            ("(bounds == (0, 1)) *", "1.0 *"),
        ],
    ),
    (
        "code.py",
        "tests/test_code.py",
        [
            ("for one in value.__mro__", "for one in value.__mro__[:1]"),
            ("value.__defaults__, value.__kwdefaults__, around]", "around]"),
            ("[value.__code__,", "[value.__qualname__,"),
            ('("__func__", "__self__")', '("__func__",)'),
            ('type(value), ("__wrapped__",)', "type(value), ()"),
            ("value.get_params(deep=False)", "[]"),
            ("or isinstance(attribute, FunctionType)", ""),
            ("sorted(map(repr, value))", "list(map(repr, value))"),
            ("return joblib.hash(value)", "return ''"),
            ("in FOREIGN", "not in FOREIGN"),
        ],
    ),
    (
        "evaluation/permutation.py",
        "tests/evaluation/test_permutation.py",
        [
            ("(1 + n_as_good) / (1 + n_permutations)", "n_as_good / n_permutations"),
            ("permuted >= score - 1e-12", "permuted > score + 1e-12"),
            ("np.flatnonzero(subjects == subject)", "np.arange(len(subjects))"),
        ],
    ),
    (
        "evaluation/clusters.py",
        "tests/evaluation/test_clusters.py",
        [
            ("total[:, codes] - 1", "total[:, codes]"),
            ("between[own] = np.inf", "between = between + 0"),
            ("worst.sum(axis=1) / n_clusters.clip(1)", "worst.mean(axis=1)"),
            ("between / (n_clusters - 1)", "between / n_clusters"),
        ],
    ),
    (
        "evaluation/embedders.py",
        "tests/evaluation/test_embedders.py",
        [
            ("folds.fit(estimator, train)", "folds.fit(estimator, np.r_[train, test])"),
            ("{index: at for at, index in enumerate(test)}",
             "{index: index for index in test}"),
            ("weight = 1 / total.sum(axis=0)", "weight = np.ones(total.shape[1])"),
            ('"chance"] = 1 / len(of_region)', '"chance"] = 0.5'),
            ("of_region.max() / of_region.sum()", "of_region.mean() / of_region.sum()"),
        ],
    ),
    (
        "evaluation/identities.py",
        "tests/evaluation/test_identities.py",
        [
            ("seconds - step)", "seconds)"),
            ("rests, reference=begins", "rests, reference=rests"),
            ("fitted.adapt(begins)", "fitted.adapt(rests)"),
            ("clone(estimator).fit(train)", "clone(estimator).fit([*train, *test])"),
            ("folds.splits[fold][1][frame", "folds.splits[fold][0][frame"),
            ("subject or group for", "group or subject for"),
        ],
    ),
    # recordings
    (
        "recordings/channels.py",
        "tests/recordings/test_channels.py",
        [
            ("(ch_type in wanted and ch_name not in bads)", "ch_type in wanted"),
            ("ch_name in wanted or (ch_type", "(ch_type"),
            ("dict(zip(ch_names, labels, strict=True))",
             "dict(zip(all_names, labels, strict=False))"),
            ('or f"recording {index}"', 'or "unknown"'),
            ("replace(self, **columns)", "replace(self, region=columns['region'])"),
        ],
    ),
    (
        "recordings/signals.py",
        "tests/recordings/test_segments.py",
        [
            ("np.array([recording.first_time])", "np.zeros(1)"),
            ("epochs._raw_sfreq + epochs.tmin", "epochs._raw_sfreq"),
            ("epochs._raw_sfreq + epochs.tmin", 'epochs.info["sfreq"] + epochs.tmin'),
            ("description.lower()", "description"),
            ('(("bad", "edge boundary"))', '("bad")'),
            ("np.isin(ch_names, named) if named else slice(None)", "slice(None)"),
            ("start[epoch] : stop[epoch]]", "start[epoch] : stop[epoch] - 1]"),
            ("start[epoch] : stop[epoch]]", "start[epoch] + 1 : stop[epoch]]"),
            ("np.round(span *", "np.floor(span *"),
            ("np.concatenate(boundaries)", "np.zeros(0, dtype=int)"),
            ("np.r_[boundaries, np.arange(n_epochs) * n_samples]", "boundaries"),
            ("np.abs(signal) < LARGEST", "~np.isnan(signal)"),
            ("unchanged[breaks - 1] = False", "pass"),
            ("usable[1:] &= runs == 0", "pass"),
            ("else n_times) - 1)", "else n_times))"),
            ("at.stop - n_times + hop, hop", "at.stop - n_times + 1, hop"),
            ("if at.stop - at.start >= n_times", "if at.stop - at.start > n_times"),
            ("cuts = breaks[usable[breaks - 1] & usable[breaks]]", "cuts = breaks[:0]"),
            ("signals.usable[rows].all(axis=0)", "signals.usable[rows].any(axis=0)"),
            ("starts[np.diff(starts, prepend=-n_times) >= n_times]", "starts"),
            ("signals.onset[epoch] + sample / sfreq", "start / sfreq"),
        ],
    ),
    (
        "recordings/segments.py",
        "tests/recordings/test_segments.py",
        [
            ("cut -= cut.mean(axis=1, keepdims=True)", "cut -= cut.mean()"),
            ("np.square(cut).mean())", "np.square(cut).mean(axis=1, keepdims=True))"),
            ("cut[inside], start[inside]", "cut[inside], start[: inside.sum()]"),
            ("len(cut) >= MIN_SEGMENTS", "len(cut) > MIN_SEGMENTS"),
            ("OUTLIER_LIMIT * 1.4826 *", "OUTLIER_LIMIT *"),
            ("if (usable == usable[:1]).all():", "if True:"),
            ("part.channel + at for part", "part.channel for part"),
        ],
    ),
    (
        "recordings/pieces.py",
        "tests/recordings/test_pieces.py",
        [
            ("int(starts[0]) + n_times", "int(starts[0])"),
            ("(start + n_times - 1) / sfreq", "(start + n_times) / sfreq"),
            ("if ch_name not in set(ch_names)]", "if not ch_name]"),
            ("-(-n_times // len(recording.times))", "n_times // len(recording.times)"),
            ("starts[spread.round().astype(int)]", "starts[: len(spread)]"),
        ],
    ),
    (
        "recordings/windows.py",
        "tests/recordings/test_windows.py",
        [
            ("study.scale / other.scale", "other.scale / study.scale"),
            ("(study.mean - other.mean)", "(other.mean - study.mean)"),
        ],
    ),
    (
        "recordings/labelled.py",
        "tests/recordings/test_labelled.py",
        [
            ("rows[channels.region[rows] != hidden]", "rows"),
            ("rows.start + np.flatnonzero", "np.flatnonzero"),
            ("if found == region]", "if not region]"),
        ],
    ),
    (
        "recordings/keeping.py",
        "tests/evaluation/test_folds.py",
        [
            ('recording.info["bads"],', '0,'),
            ("montage and montage.get_positions()", "None"),
            ('or recording.proj:', 'or False:'),
            ("one.st_mtime_ns)", "0)"),
            ("[recording.first_time]", "[]"),
            ("            clock,\n            bad,", "            clock,"),
            ("recording.ch_names,", "0,"),
        ],
    ),
    (
        "recordings/measured.py",
        "tests/recordings/test_measured.py",
        [
            ("of_one.pick.tolist()]", "0]"),
            ("source.sfreq, source.normalize,", "source.sfreq,"),
            ("fingerprint_signals(recording), *options", "index, *options"),
            ("[*cut, *measure.key, measure.context]", "[*cut, measure.context]"),
            ("measured.channel[first] + rows.start", "measured.channel[first]"),
            ("measured.onset[first],", "measured.onset[: len(first)],"),
        ],
    ),
    (
        "recordings/context.py",
        "tests/recordings/test_context.py",
        [
            ("np.fill_diagonal(weights, 1.0)", "np.fill_diagonal(weights, 0.0)"),
            ("np.square(product) / np", "np.abs(product) / np"),
            ("(own + near) / 2", "own"),
        ],
    ),
    (
        "recordings/storage.py",
        "tests/recordings/test_storage.py",
        [
            ("StoredRows(self, offset,", "StoredRows(self, 0,"),
            ("else self.rows[rows]", "else rows"),
            ("else self.rows\n", "else np.arange(len(self))\n"),
        ],
    ),
    (
        "recordings/referencing.py",
        "tests/test_preprocessing.py -k 'reference or bipolar'",
        [
            ("if anode in regions and regions[anode] == regions.get(cathode)",
             "if anode in regions"),
            ("(name, contacts[ch_type, shaft, number + 1])",
             "(contacts[ch_type, shaft, number + 1], name)"),
            ("(first[:3] + second[:3]) / 2", "first[:3]"),
        ],
    ),
    (
        "regions.py",
        "tests/test_regions.py",
        [
            ("return inst.first_time, inst.times[-1]", "return 0.0, inst.times[-1]"),
            ("inst.events[:, 0] / inst._raw_sfreq",
             'inst.events[:, 0] / inst.info["sfreq"]'),
            ("new_names.get(name, name)", "name"),
            ("if len(regions) > 1:", "if len(regions) > 2:"),
            ("if unlabelled and stale:", "if stale and not regions:"),
            ("if taken:", "if len(taken) > 1:"),
        ],
    ),
    ("subjects.py", "tests/test_subjects.py", [('("", "0")', '("",)')]),
    # reconstruction
    (
        "reconstruction/withholding.py",
        "tests/reconstruction/test_withholding.py",
        [
            ('"is_source": ~is_target', '"is_source": is_target | ~is_target'),
            ("torch.arange(targets.shape[1]) < is_target",
             "-torch.ones(targets.shape[1]) < is_target"),
            ("and len(found) > 1]", "and len(found) > 0]"),
            ("stacked = torch.zeros(", "stacked = torch.ones("),
            ("study.draw_identity(self.generator)", "study.identity"),
            ("self.queries[region] for region in regions",
             "self.queries[regions[0]] for region in regions"),
        ],
    ),
    (
        "reconstruction/moments.py",
        "tests/reconstruction/test_moments.py",
        [
            ("total /= n_windows * n_times", "total /= CHUNK * n_times"),
            ("(of_part / seconds)", "(1 / len(parts))"),
            ("(predicted - 2 * product + truth)", "(predicted - product + truth)"),
            ("predicted * truth), nmse", "predicted) * truth, nmse"),
            ("tuple(values[counts] for", "tuple(values.flatten() for"),
            ("self.correlation * (1 - r)", "self.correlation * r"),
            ("* (ratio[:, None, None, None] * ratio[:, None])",
             "* ratio[:, None, None, None]"),
            ("ratio=before * ratio", "ratio=ratio"),
        ],
    ),
    (
        "reconstruction/studies.py",
        "tests/reconstruction/test_studies.py",
        [
            ("(view[rows] for view in self.views)", "(view for view in self.views)"),
            ("torch.from_numpy(self.scale / scale)",
             "torch.from_numpy(scale / self.scale)"),
            ("mean = np.mean(signals.data, axis=1, where=signals.usable)",
             "mean = np.mean(signals.data, axis=1)"),
            ("np.std(signals.data, axis=1, where=signals.usable)",
             "np.std(signals.data, axis=1)"),
            ("s.scale**2 + (s.mean - mean) ** 2", "s.scale**2"),
            ("n_windows // 5,", "n_windows // 10,"),
            ("last = n_windows - count_last(n_windows)", "last = n_windows"),
            ("set(ch_names) <= set(study.ch_names)",
             "set(ch_names) & set(study.ch_names)"),
            ("identity=identity[has_region]", "identity=identity[: len(rows)]"),
            ("study = study.rescale(of_piece.mean, of_piece.scale)", "pass"),
            ("tuple(view[labelled] for view in views)",
             "tuple(view[: labelled.sum()] for view in views)"),
        ],
    ),
    (
        "reconstruction/region_reconstructor.py",
        "tests/reconstruction/test_region_reconstructor.py",
        [
            ("given[:, sources] = of_sources.normalize(chunk)",
             "given[:] = study.normalize(cut_windows(signals, starts[at : at + CHUNK], "
             "self.n_times_))"),
            ("drop_region(one, hidden)", "one"),
            ("(i == index if subject is None else study.subject == subject)",
             "(i == index or study.subject == subject)"),
        ],
    ),
    (
        "reconstruction/predictions.py",
        "tests/reconstruction/test_region_reconstructor.py",
        [
            ("scored[:, : found.end] = False", "pass"),
            ("found.covered & found.signals.usable[found.is_target]",
             "found.covered & np.ones_like(found.signals.usable[found.is_target])"),
            ("found.covered & found.signals.usable[found.is_target]",
             "found.signals.usable[found.is_target]"),
            ("/ true_spread**2", "/ spread**2"),
            ("[found.is_target, None] * found.covered", "[found.is_target, None]"),
            ("recording.first_time + begin / sfreq", "begin / sfreq"),
            ("int((~found.is_target).sum())", "int(found.is_target.sum())"),
            ("float(spread / true_spread)", "float(true_spread / spread)"),
        ],
    ),
    (
        "reconstruction/holding_out.py",
        "tests/reconstruction/test_holding_out.py",
        [
            ("groups=groups[usable])", "groups=np.arange(len(usable)))"),
            ("parts=study.parts[:-1])", "parts=study.parts)"),
            ("[w[:bound] for w", "[w for w"),
            ("[w[bound:] for w", "[w for w"),
            ("w if i in part else n", "w"),
            ("n_subjects >= MIN_SUBJECTS", "n_subjects > MIN_SUBJECTS"),
            ("[usable[i] for i in part]", "list(part)"),
        ],
    ),
    (
        "reconstruction/band_measures.py",
        "tests/reconstruction/test_band_measures.py",
        [
            ("[:, margin:-margin]", "[:, :]"),
            ("(coherence - 1 / n_frames) / (1 - 1 / n_frames)", "coherence"),
            ("INDEPENDENT * sum(", "sum("),
            ("(frequencies <= band[1])", "(frequencies < band[1])"),
            ("np.abs(hilbert(sosfiltfilt(sos, pair)))", "sosfiltfilt(sos, pair)"),
            ("> 3 * margin", "> 2 * margin"),
            ("frames = frames - frames.mean(axis=2, keepdims=True)", "pass"),
        ],
    ),
    # baselines
    (
        "baselines/ridge.py",
        "tests/baselines/test_reconstructors.py",
        [
            ("join_parts([*parts[:held_out], *parts[held_out + 1 :]])",
             "join_parts(parts)"),
            ("score_weights(weights, later, is_target)",
             "score_weights(weights, given, is_target)"),
            ("given.diagonal().add_(penalty)", "given.diagonal().mul_(1 + penalty)"),
            ("scores[i, j] += seconds *", "scores[i, j] +="),
            ("weights[:, sources] =", "weights[:, : len(sources)] ="),
        ],
    ),
    (
        "baselines/interpolation.py",
        "tests/baselines/test_reconstructors.py",
        [
            ("study.scale[~is_target] / study.scale[is_target][:, None]", "1.0"),
            ("noise * np.eye(len(sources))", "noise"),
            ("points = study.identity[~is_target][by_name]",
             "points = study.identity[: len(names)][by_name]"),
            ("total += r * len(targets)", "total += r"),
            ("placed[:, ~is_target, 0]", "placed[:, : weights.shape[1], 0]"),
        ],
    ),
    (
        "baselines/reconstructors.py",
        "tests/baselines/test_reconstructors.py",
        [
            ("self.moments_[rows][:, :, rows]", "self.moments_"),
            ("study.take(self.ch_names_) for study", "study for study"),
            ("padding=reach, dilation=step", "padding=reach"),
        ],
    ),
    (
        "baselines/classifiers.py",
        "tests/baselines/test_classifiers.py",
        [
            ("splitter.split(regions, groups=subjects)",
             "splitter.split(regions, groups=np.arange(len(regions)))"),
            ("priors = np.full(n_regions, 1 / n_regions)", "priors = None"),
            ('class_weight="balanced", ', ''),
            ("weight = 1 / sizes.to(logits.dtype)",
             "weight = torch.ones(len(sizes), dtype=logits.dtype)"),
            ("scoring=make_scorer(balanced_accuracy)", "scoring=None"),
        ],
    ),
]  # fmt: skip


def main(*words):
    """Run the mutants in which a word occurs, or all; return how many survived."""
    chosen = [
        (file, tests, old, new)
        for file, tests, pairs in MUTANTS
        for old, new in pairs
        if not words or any(word in f"{file} {old} {new}" for word in words)
    ]
    begin = time.monotonic()
    os.environ["OMP_NUM_THREADS"] = "1"  # threads are not forked
    for name in HEAVY:
        import_module(name)
    with tempfile.TemporaryDirectory(prefix="mne_funcmap-") as folder:
        folder = Path(folder)
        for name in ("mne_funcmap", "tests"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        shutil.copy2(ROOT / "pyproject.toml", folder)
        check(folder, chosen)
        n_survived = sum(survives(folder, *mutant) for mutant in chosen)
    minutes = (time.monotonic() - begin) / 60
    print(f"{len(chosen)} mutants, {n_survived} survived, {minutes:.1f} min")
    return n_survived


def check(folder, chosen):
    """Exit unless texts are there once, and tests pass without a mutant."""
    for file, _, old, _ in chosen:
        count = (folder / "mne_funcmap" / file).read_text().count(old)
        if count != 1:
            sys.exit(f"{file} has {old!r} {count} times: expected it once.")
    for tests in dict.fromkeys(tests for _, tests, _, _ in chosen):
        code, output = run(folder, tests)
        if code != 0:
            sys.exit(f"{tests} fails without a mutant, {code}:\n{output}")


def survives(folder, file, tests, old, new):
    """Make a mutant, and tell whether all tests pass."""
    path = folder / "mne_funcmap" / file
    begin = time.monotonic()
    path.write_text(path.read_text().replace(old, new))
    code, output = run(folder, tests, keep=False)
    # with the time of the file, by which Python knows what it has compiled
    shutil.copy2(ROOT / "mne_funcmap" / file, path)
    if code not in (0, 1, None):  # 1: a test failed; others: none could be run
        sys.exit(f"{file}: {old!r} -> {new!r} is no mutant, {code}:\n{output}")
    by = output.partition("FAILED ")[2].split(" - ")[0].split("\n")[0]
    verdict = "SURVIVED" if code == 0 else f"killed by {by or 'the time limit'}"
    seconds = time.monotonic() - begin
    print(f"{file}: {old!r} -> {new!r}: {verdict} ({seconds:.0f} s)", flush=True)
    return code == 0


def run(folder, tests, keep=True):
    """Run tests until one fails; return exit code, None if ended, and output."""
    process = get_context("fork").Process(target=run_here, args=(folder, tests, keep))
    process.start()
    process.join(LIMIT)
    if process.is_alive():
        process.kill()
        process.join()
        return None, ""
    return process.exitcode, (folder / "output").read_text()


def run_here(folder, tests, keep):
    """Run tests in this process, which is a fork, and end it."""
    os.chdir(folder)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # not so in the background
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = not keep
    os.environ["PYTHONPATH"] = str(folder)
    os.environ.pop("MNE_FUNCMAP_DATA", None)  # real recordings take long
    with open("output", "w") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
        options = ["-xq", "--tb=no", "-pno:cacheprovider"]
        code = pytest.main([*options, *shlex.split(tests)])
        sys.stdout.flush()
    found = Path(import_module("mne_funcmap").__file__)
    os._exit(code if found.is_relative_to(folder) else ELSEWHERE)


if __name__ == "__main__":
    sys.exit(1 if main(*sys.argv[1:]) else 0)
