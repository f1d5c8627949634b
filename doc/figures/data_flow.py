"""What flows where, from recordings to predictions."""

import matplotlib.pyplot as plt

BOXES = {  # x, y, title, modules
    "recordings": (0, 2, "list of Raw | Epochs", "regions, subjects, recordings"),
    "segments": (1, 3, "segments", "signals, segments"),
    "features": (2, 3, "features", "nets.spectra, keeping"),
    "embedder": (3, 3, "SegmentEmbedder", "embedding_net, nets"),
    "channels": (4, 3, "channel embeddings", "FunctionalEmbedder"),
    "windows": (1, 1, "windows", "signals, windows"),
    "moments": (2, 1, "moments", "studies, moments"),
    "reconstructor": (3, 1, "MaskedRegion-\nReconstructor", "networks, nets"),
    "predictions": (4, 1, "predicted recordings", "predictions"),
    "scores": (5, 2, "scores, intervals", "evaluation, report, viz"),
}
ARROWS = [
    ("recordings", "segments", ""),
    ("segments", "features", ""),
    ("features", "embedder", ""),
    ("embedder", "channels", ""),
    ("recordings", "windows", ""),
    ("windows", "moments", ""),
    ("moments", "reconstructor", ""),
    ("reconstructor", "predictions", ""),
    ("channels", "reconstructor", "identity"),
    ("channels", "scores", ""),
    ("predictions", "scores", ""),
]
WIDTH, HEIGHT = 0.84, 0.62

figure, axes = plt.subplots(figsize=(10.5, 4.2), layout="constrained")
for x, y, title, modules in BOXES.values():
    corner = (x - WIDTH / 2, y - HEIGHT / 2)
    axes.add_patch(plt.Rectangle(corner, WIDTH, HEIGHT, fc="#eef4fa", ec="#0072B2"))
    axes.text(x, y + 0.11, title, ha="center", va="center", fontsize=7.5, weight="bold")
    axes.text(x, y - 0.17, modules, ha="center", va="center", fontsize=6.5)
for start, stop, label in ARROWS:
    (x0, y0), (x1, y1) = BOXES[start][:2], BOXES[stop][:2]
    side = WIDTH / 2 if x1 > x0 else -WIDTH / 2
    down = abs(y1 - y0) > 1
    tail = (x0, y0 - HEIGHT / 2) if down else (x0 + side, y0)
    head = (x1, y1 + HEIGHT / 2) if down else (x1 - side, y1)
    axes.annotate("", head, tail, arrowprops={"arrowstyle": "-|>", "color": "0.4"})
    if label:
        middle = ((tail[0] + head[0]) / 2 + 0.12, (tail[1] + head[1]) / 2)
        axes.text(*middle, label, fontsize=7.5, style="italic")
axes.set(xlim=(-0.5, 5.5), ylim=(0.5, 3.5))
axes.axis("off")
