"""The command line: from recordings to tables, figures and a report."""

import argparse
import sys
from pathlib import Path

SIMULATED = {"n_subjects": 10, "n_sessions": 2, "duration": 60.0, "sfreq": 500.0}
# the channels of the others are independent: nothing could be predicted of them
COUPLED = {
    "n_subjects": 10,
    "n_sessions": 1,
    "duration": 60.0,
    "sfreq": 400.0,
    "coupling": 0.8,
}
SEED = 0
FIGURE_DPI = 150


def main(argv=None):
    """Run the command line.

    Parameters
    ----------
    argv : list of str | None
        The arguments; None stands for those of the process.

    Returns
    -------
    status : int
        0, or 2 if the input cannot be used.
    """
    args = _make_parser().parse_args(argv)
    try:
        return args.run(args)
    except (ImportError, OSError, TypeError, ValueError) as error:
        sys.stderr.write(f"mne_funcmap: error: {_rephrase(error)}\n")
        return 2


def run_demo(args):
    """Compare models on subjects held out; write tables, figures and a report.

    Parameters
    ----------
    args : argparse.Namespace
        The arguments of the command ``demo``.

    Returns
    -------
    status : int
        0.
    """
    from .report.html import draw_figures, write_report

    recordings, reconstruct = _read(args)
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    findings = _find(recordings, reconstruct, args)
    _write_tables(findings, out)
    _draw(draw_figures(findings), out)
    report = write_report(findings, names=args.names)
    report.save(out / "report.html", open_browser=False, overwrite=True, verbose=False)
    _say(f"Tables, figures and report.html are in {out.resolve()}")
    return 0


def run_report(args):
    """Compare models on subjects held out, and write a report.

    Parameters
    ----------
    args : argparse.Namespace
        The arguments of the command ``report``.

    Returns
    -------
    status : int
        0.
    """
    from .report.html import write_report

    path = Path(args.out)
    if path.suffix not in (".html", ".htm"):
        raise ValueError(f"The report is HTML: expected a name.html, got {args.out!r}.")
    recordings, reconstruct = _read(args)
    path.parent.mkdir(parents=True, exist_ok=True)
    findings = _find(recordings, reconstruct, args)
    report = write_report(findings, names=args.names)
    report.save(path, open_browser=False, overwrite=True, verbose=False)
    _say(f"The report is {path.resolve()}")
    return 0


def run_sys_info(args):
    """Print what a bug report needs.

    Parameters
    ----------
    args : argparse.Namespace
        The arguments of the command ``sys-info``.

    Returns
    -------
    status : int
        0.
    """
    from .system import sys_info

    sys_info()
    return 0


def _rephrase(error):
    """Return what an error says to those who call no functions."""
    from .bids import COLUMN_ADVICE

    advice = "Name the column with regions by --region-column."
    return str(error).replace(COLUMN_ADVICE, advice)


def _find(recordings, reconstruct, args):
    """Compute the tables, and print the main ones."""
    from .evaluation.default_models import make_embedders
    from .report import methods_text, tables
    from .report.findings import collect_findings

    _say(f"{len(recordings)} recordings. Progress is shown where a step takes longer.")
    findings = collect_findings(
        recordings,
        models=make_embedders(SEED, args.models),
        reconstruct=reconstruct,
        probes=args.probes,
        n_permutations=args.n_permutations,
        memory=args.memory,
        n_jobs=args.n_jobs,
        random_state=SEED,
    )
    parts = [tables.format_table(findings.regions)]
    parts += ["\n".join(tables.list_left_out(findings)) + "\n"]
    parts += [tables.format_table(tables.accuracy_table(findings.summary))]
    found = findings.reconstruction
    if not isinstance(found, str):
        parts.append(tables.format_table(tables.reconstruction_table(found.summary)))
        by_region = tables.by_region(found.frame, found.summary)
        parts.append(tables.format_table(by_region))
    parts += [f"{title}\n{_format(table)}" for title, table in findings.probes.items()]
    parts.append("\n".join(methods_text.summarize(findings)))
    _say("\n" + "\n".join(parts) + "\n")
    return findings


def _format(table):
    """Return a table as text, each score with its interval."""
    from .report import tables

    return tables.format_table(tables.shorten_intervals(table))


def _read(args):
    """Return the recordings that the arguments name, and those to reconstruct."""
    from .bids import read_recordings_bids
    from .preprocessing import RecordingPreprocessor
    from .simulation.simulate import simulate_recordings

    reconstruct = not args.no_reconstruction
    if args.root is None:
        _say("Simulated recordings; those to reconstruct are coupled ones.")
        recordings = simulate_recordings(**SIMULATED, random_state=SEED)
        if reconstruct:
            reconstruct = simulate_recordings(**COUPLED, random_state=SEED)
    else:
        _say(f"Reading {args.root}")
        recordings = read_recordings_bids(
            args.root,
            region_column=args.region_column,
            subjects=args.subjects,
            tasks=args.task,
            preload=True,
        )
    if args.sfreq is not None:
        preprocessor = RecordingPreprocessor(sfreq=args.sfreq)
        recordings = preprocessor.fit_transform(recordings)
    return recordings, reconstruct


def _write_tables(findings, out):
    """Write tables as CSV."""
    frames = {"predictions": findings.frame, "scores": findings.summary}
    found = findings.reconstruction
    if not isinstance(found, str):
        frames["reconstruction_channels"] = found.frame
        frames["reconstruction_scores"] = found.summary
    for name, frame in frames.items():
        frame.to_csv(out / f"{name}.csv", index=False)


def _draw(figures, out):
    """Write figures as PNG, and close them."""
    import matplotlib.pyplot as plt

    for name, fig in figures.items():
        fig.savefig(out / f"{name}.png", dpi=FIGURE_DPI)
        plt.close(fig)


def _make_parser():
    parser = argparse.ArgumentParser(
        "mne_funcmap", description="Functional embeddings of intracranial recordings."
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    demo = commands.add_parser(
        "demo",
        help="compare models on simulated recordings, or real ones",
        description="Tell brain regions apart, and predict each from the others, on "
        "subjects that were not trained on, beside plain baselines; write tables, "
        "figures and a report.",
    )
    demo.set_defaults(run=run_demo)
    demo.add_argument(
        "--bids", dest="root", metavar="ROOT", help="BIDS folder; else simulated ones"
    )
    demo.add_argument(
        "--out",
        default="demo_results",
        metavar="FOLDER",
        help="where to write (%(default)s)",
    )
    report = commands.add_parser(
        "report",
        help="what works on your recordings, and how sure that is",
        description="The same as a report: one HTML file that needs no other.",
    )
    report.set_defaults(run=run_report)
    report.add_argument("root", metavar="BIDS_ROOT", help="BIDS folder")
    report.add_argument(
        "-o",
        "--out",
        default="report.html",
        metavar="FILE",
        help="where to write (%(default)s)",
    )
    for command in (demo, report):
        _add_common(command)
    info = commands.add_parser("sys-info", help="versions and devices, for bug reports")
    info.set_defaults(run=run_sys_info)
    return parser


def _add_common(command):
    """Add the arguments of all commands."""
    from .evaluation.default_models import EMBEDDERS, SLOW_EMBEDDERS
    from .report.probes import DEFAULT_PROBES, PROBES

    add = command.add_argument
    add(
        "--region-column",
        default="region",
        help="column of the tables with regions (%(default)s)",
    )
    add("--task", nargs="+", metavar="TASK", help="tasks to read; all by default")
    add("--names", action="store_true", help="name subjects and files in the report")
    add("--subjects", nargs="+", metavar="ID", help="subjects to read; all by default")
    add("--sfreq", type=float, metavar="HZ", help="resample to this rate")
    add(
        "--no-reconstruction",
        action="store_true",
        help="tell regions apart only, which takes a minute",
    )
    add(
        "--n-permutations",
        type=int,
        default=0,
        metavar="N",
        help="test the first model by permuting regions so many times (%(default)s)",
    )
    add(
        "--probes",
        nargs="*",
        choices=PROBES,
        default=list(DEFAULT_PROBES),
        metavar="PROBE",
        help=f"further questions: {', '.join(PROBES)}; by default "
        f"{', '.join(DEFAULT_PROBES)}",
    )
    add("--memory", metavar="FOLDER", help="keep results here, to go on if cut off")
    add("--n-jobs", type=int, default=2, help="folds in parallel (%(default)s)")
    add(
        "--models",
        nargs="+",
        choices=EMBEDDERS + SLOW_EMBEDDERS,
        default=list(EMBEDDERS),
        metavar="MODEL",
        help=f"what to compare, by default {', '.join(EMBEDDERS)}; slow and left out "
        f"by default: {', '.join(SLOW_EMBEDDERS)}",
    )


def _say(text):
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
