"""Several alignments in one attention: each has a part of the heads."""

import keras
from keras import ops

from keras_attention.arguments import invalid
from keras_attention.layers.alignment.base import ALIGNMENTS, Alignment
from keras_attention.registry import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class PerHead(Alignment):
    """a_h = align_p(e_h): of h heads and n alignments, the first h/n heads have the first alignment, and so on.

    So that one object can be found by weights that compete, and several by weights that do not. A list of alignments,
    or `"softmax/sigmoid"`, makes it.

    Args:
        parts: the alignments, layers or their configs, at least two.
        axis: the axis of the heads in the scores.

    Raises:
        ValueError: fewer than two alignments, or a number of heads that is not a multiple of theirs.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import SpatialAttention
    >>> layer = SpatialAttention("additive", ["softmax", "sigmoid"], units=4, num_heads=2)
    >>> features = np.random.default_rng(0).normal(size=(1, 3, 3, 6)).astype("float32")
    >>> maps = layer(features[:, 0, 0], features, return_attention_scores=True)[1]
    >>> maps.shape, float(np.sum(maps[0, 0]).round(4)), bool(np.sum(maps[0, 1]) > 1)
    (TensorShape([1, 2, 3, 3]), 1.0, True)
    """

    def __init__(self, parts, axis=1, **kwargs):
        super().__init__(**kwargs)
        self.parts, self.axis = [ALIGNMENTS.get(part) for part in parts], axis
        if len(self.parts) < 2:
            raise invalid("Several alignments must be at least two.", 'such as "softmax/sigmoid"', f"{len(self.parts)}")

    @property
    def normalized(self):
        """Whether every row of every head sums to 1."""
        return all(part.normalized for part in self.parts)

    @property
    def averages(self):
        """Whether the contexts of all heads are means; `None` if those of some are."""
        kinds = {part.averages for part in self.parts}
        return kinds.pop() if len(kinds) == 1 else None

    @property
    def placed(self):
        """Whether the weights of a head depend on where the keys are."""
        return any(part.placed for part in self.parts)

    @property
    def chooses(self):
        """Whether the keys of a head are either chosen or not."""
        return any(part.chooses for part in self.parts)

    @property
    def needs_reward(self):
        """Whether a part is trained by REINFORCE."""
        return any(getattr(part, "needs_reward", False) for part in self.parts)

    def build(self, scores_shape, query_shape=None):
        heads = scores_shape[self.axis]
        if heads is None or heads % len(self.parts):
            raise invalid(
                "Each of several alignments must have as many heads as the others.",
                f"`num_heads`, a multiple of {len(self.parts)}",
                f"num_heads={heads}, alignment={ALIGNMENTS.name_of(self)!r}",
            )
        shape = list(scores_shape)
        shape[self.axis] = heads // len(self.parts)
        for part in self.parts:
            if not part.built:
                part.build(tuple(shape), query_shape)
        self.built = True

    def call(self, scores, mask=None, training=None, grid=None, query=None, finite=False, policy_scores=None):
        given = {"mask": mask, "query": query, "policy_scores": policy_scores}
        of_parts = {name: self._split(value, scores) for name, value in given.items()}
        rows = zip(self.parts, self._split(scores, scores), *of_parts.values(), strict=True)
        weights = []
        for part, part_scores, part_mask, part_query, part_policy in rows:
            rewarded = {"policy_scores": part_policy} if getattr(part, "needs_reward", False) else {}
            options = {"training": training, "grid": grid, "query": part_query, "finite": finite, **rewarded}
            weights.append(part(part_scores, mask=part_mask, **options))
        return ops.concatenate(weights, self.axis)

    def compute_output_spec(self, scores, *args, policy_scores=None, **kwargs):
        return super().compute_output_spec(scores, *args, **kwargs)

    def shares(self, weights, mask=None):
        rows = zip(self.parts, self._split(weights, weights), self._split(mask, weights), strict=True)
        return ops.concatenate([part.shares(*row) for part, *row in rows], self.axis)

    def _split(self, tensor, scores):
        """The heads of each part; what all heads share is given to each."""
        axis = self.axis if self.axis >= 0 else len(scores.shape) + self.axis
        if tensor is None or len(tensor.shape) < len(scores.shape) or tensor.shape[axis] == 1:
            return [tensor] * len(self.parts)
        return ops.split(tensor, len(self.parts), axis=axis)

    def get_config(self):
        parts = [keras.saving.serialize_keras_object(part) for part in self.parts]
        return {**super().get_config(), "parts": parts, "axis": self.axis}
