"""What estimators have in common that read regions from what a network gives."""

from ..recordings.measured import Measure, collect_units
from .region_classifier import RegionClassifier


class NetworkClassifier(RegionClassifier):
    """Base of classifiers of channels that train a `SegmentEmbedder`.

    Subclasses have the parameter ``context`` beside those of `RegionClassifier`, and
    say what the ``_network`` is.
    """

    def _collect_training(self, source, front_end, divide):
        """Return what the network is trained on, a `Units`.

        What is not averaged stays in a file, unless the recordings are in memory.
        """
        loaded = all(recording.preload for recording in source.recordings)
        return collect_units(
            source,
            self._make_measure(front_end),
            divide,
            memory=self.memory,
            stored=divide is None and not loaded,
        )

    def _make_measure(self, function=None):
        """Return how segments are measured; None stands for the trained network."""
        function = function or self._network.measure
        return Measure(
            lambda segments: function(segments.data),
            self._network.front_end_key,
            self.context,
        )

    def _list_trained(self):
        """Return how the training went."""
        return self._network._list_trained()

    def _finish(self, features):
        """Return what the network makes of features of units."""
        return self._network.finish(features)
