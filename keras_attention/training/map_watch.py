"""Keeps how even the maps of a training are, and warns of those that are a single 1 or even in nearly all images."""

import warnings

import numpy as np

from keras_attention.files import read_json, write_json
from keras_attention.models.outputs import attended_layer, map_outputs

NEARLY_ALL = 0.95  # of the validation images
# Of the largest weight. A softmax that gives 1 − 0.001 to one position passes less than 0.001 of the gradient on. Even
# weights that differ by so little come from scores that differ by 0.001; those of an untrained score differ by more.
NEARLY_ONE = 0.999
KINDS = {
    "one-hot": "a single 1, so that almost no gradient reaches what they follow from, and they may never move",
    "even": "even, so that the block takes the average of all positions, as it would without attention",
}
ADVICE = {
    "one-hot": "Normalized queries and keys, another score such as additive, or an alignment such as softmax may help.",
    "even": "Another score or pooling, more epochs or a higher learning rate often help.",
}


class MapWatch:
    """Keeps the mean entropy of the maps of each block, and warns once of each whose maps are one-hot or even.

    One-hot is a map whose largest weight is at least 0.999 of the sum, even one whose mean weight is at least 0.999 of
    the largest; it warns if they are so in 95 % of the validation images after an epoch.

    Args:
        path: the file that keeps what was found, so that a resumed run does not warn again; or `None`.
    """

    def __init__(self, path=None):
        kept = read_json(path) if path is not None and path.exists() else {}
        kept = {"warned": kept} if isinstance(kept, list) else kept  # by an earlier version
        self.path, self.found, self.entropies = path, kept.get("warned", []), kept.get("entropies", {})

    def begin(self, outputs):
        """Looks at the outputs of a model of `with_extremes` for the validation images, before training."""
        self._note(0, outputs)

    def __call__(self, epoch, outputs):
        """Looks at the same after an epoch, from 0."""
        known = [each["layer"] for each in self.found]
        for name in map_outputs(outputs):
            numbers = np.asarray(outputs[name])[:, : len(KINDS)]
            shares = dict(zip(KINDS, (numbers >= NEARLY_ONE).mean(axis=0).tolist(), strict=True))
            kind = max(shares, key=shares.get)
            if shares[kind] >= NEARLY_ALL and attended_layer(name) not in known:
                self._warn(attended_layer(name), kind, epoch + 1, shares[kind])
        self._note(epoch + 1, outputs)

    def course(self, best_epoch):
        """Attended layer → the entropy of its maps over log n before training, and after the best epoch, from 1."""
        before, after = (self.entropies.get(str(epoch), {}) for epoch in (0, best_epoch))
        return {layer: {"before": before[layer], "after": after[layer]} for layer in before if layer in after}

    def _note(self, epochs, outputs):
        means = {attended_layer(name): np.asarray(outputs[name])[:, -1].mean() for name in map_outputs(outputs)}
        # NaN, of a network that has diverged, is not allowed in JSON.
        self.entropies[str(epochs)] = {name: round(float(mean), 4) for name, mean in means.items() if mean == mean}
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_json(self.path, {"warned": self.found, "entropies": self.entropies})

    def _warn(self, layer, kind, epoch, share):
        self.found.append({"layer": layer, "maps": kind, "epoch": epoch, "images": round(share, 4)})
        where = f"in {share:.0%} of the validation images after epoch {epoch}"
        warnings.warn(f"The maps of {layer} are {KINDS[kind]}: {where}. {ADVICE[kind]}", stacklevel=2)
