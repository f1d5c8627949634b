"""Seconds and memory over the number of recordings, as measured."""

import json
from pathlib import Path

import matplotlib.pyplot as plt

found = json.loads(Path("../benchmarks.json").read_text())["scale"]
figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
for task in dict.fromkeys(one["task"] for one in found):
    for preload, style in ((False, "o-"), (True, "x--")):
        of_one = [o for o in found if (o["task"], o["preload"]) == (task, preload)]
        counts = [one["count"] for one in of_one]
        label = f"{task}, {'in memory' if preload else 'on disk'}"
        seconds = [sum(one["seconds"].values()) / one["count"] for one in of_one]
        axes[0].loglog(counts, [1000 * s for s in seconds], style, label=label)
        axes[1].semilogx(counts, [one["peak_mb"] for one in of_one], style)
axes[0].set(xlabel="recordings", ylabel="milliseconds for each recording")
axes[1].set(xlabel="recordings", ylabel="peak memory (MB)", ylim=(0, None))
axes[0].legend(fontsize="small")
