"""Alignments that sample where to look: hard attention samples one key, reinforced attention a subset of the keys.

A sample has no derivative. `straight_through` uses the derivative of a smooth function instead. REINFORCE needs no
derivative, but it needs the loss of the task as its reward. No layer can see that loss;
`keras_attention.models.ReinforceModel` passes it on.
"""

import types
import warnings

import keras
from keras import ops

from keras_attention.arguments import require_choice, require_number
from keras_attention.layers.alignment.base import ALIGNMENTS, HIDDEN, Alignment, with_nan
from keras_attention.layers.alignment.soft import softmax
from keras_attention.layers.domains import Choices, Range

ESTIMATORS = ("straight_through", "reinforce")


class SampledAlignment(Alignment):
    """Base of the alignments that sample in training, and take the most probable sample outside training.

    For REINFORCE, a call in training keeps what it sampled. `reinforce_loss` then makes of it, and of the loss of the
    task, a term whose gradient is −(R − b) ∇log p − λ_H ∇H, with the reward R of each example, the moving average b of
    earlier rewards, and the entropy H of the policy.

    Args:
        entropy_bonus: λ_H, at least 0; keeps the policy from settling too early.
        baseline_decay: decay of the moving average of the rewards, at least 0 and below 1.
        seed: seed of the samples.
    """

    chooses = True

    def __init__(self, entropy_bonus=0.002, baseline_decay=0.9, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.entropy_bonus = require_number("entropy_bonus", entropy_bonus, at_least=0)
        self.baseline_decay = require_number("baseline_decay", baseline_decay, at_least=0, below=1)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        # Tensors of one call. In a plain namespace, so that Keras does not track them as state to save.
        self._kept = types.SimpleNamespace(sample=None, policy_scores=None)
        self.is_rewarded = False  # set to True by a model that calls `reinforce_loss` in each step

    @property
    def needs_reward(self):
        """Whether it is trained by REINFORCE."""
        return True

    def build(self, scores_shape, query_shape=None):
        super().build(scores_shape, query_shape)
        self.baseline = (
            self.add_weight(name="baseline", shape=(), initializer="zeros", trainable=False)
            if self.needs_reward
            else None
        )

    def call(self, scores, mask=None, training=None, grid=None, query=None, finite=False, policy_scores=None):
        """As for every alignment; `policy_scores` are the same scores, through which REINFORCE's gradient flows."""
        self._kept.policy_scores = policy_scores
        weights = super().call(scores, mask, training, grid, query, finite)
        self._kept.policy_scores = None
        return weights

    def compute_output_spec(self, scores, *args, policy_scores=None, **kwargs):
        return super().compute_output_spec(scores, *args, **kwargs)

    def over_visible(self, function, scores, mask=None, finite=False):
        return super().over_visible(lambda visible: with_nan(function(visible), visible), scores, mask, finite)

    def policy_scores_of(self, scores):
        """The scores through which the gradient of the policy flows, 0 for hidden keys: the call's `policy_scores`."""
        policy_scores = scores if self._kept.policy_scores is None else self._kept.policy_scores
        # The base class gives a hidden key the lowest finite score, which could become infinite when it is scaled.
        return ops.where(scores > HIDDEN, ops.cast(policy_scores, scores.dtype), 0.0)

    def probabilities(self, scores):
        """The policy: the probability of each key for finite scores `(..., Tq, Tk)`, in the same shape."""
        raise NotImplementedError(f"{type(self).__name__} must define `probabilities`, the policy of a row of scores.")

    def choice(self, scores):
        """The most probable sample of the policy for finite scores: 1 for a key that is in it, else 0."""
        raise NotImplementedError(f"{type(self).__name__} must define `choice`, the most probable sample of a row.")

    def keep_sample(self, log_probability, entropy, cost=None):
        """Keeps what a call sampled: sums `(B, ...)` to one number per example; `cost` is `(B,)` already.

        Only the gradients of `log_probability` and `entropy` count, so that any values with the same ones will do.
        """
        if not self.is_rewarded:
            warnings.warn(
                f"`{ALIGNMENTS.name_of(self)}` samples, but nothing rewards it: its scores will not learn. Build the "
                "model as a `keras_attention.models.ReinforceModel`, as `attention_classifier` does.",
                stacklevel=2,
            )
        log_probability, entropy = _sum_examples(log_probability), _sum_examples(entropy)
        self._kept.sample = (log_probability, entropy, ops.zeros_like(entropy) if cost is None else cost)

    @property
    def has_sample(self):
        """Whether the last call sampled and its sample has not been used by a loss yet."""
        return self._kept.sample is not None

    def forget_sample(self):
        """Forgets what the last call sampled."""
        self._kept.sample = None

    def reinforce_loss(self, task_loss, example_weight=1.0):
        """The term `(B,)` to add to the loss of the task `(B,)`: its value is 0, its gradient that of REINFORCE.

        Updates the baseline and forgets the sample.
        """
        log_probability, entropy, cost = self._kept.sample
        self.forget_sample()
        reward = ops.stop_gradient(-ops.cast(task_loss, cost.dtype) - cost)
        advantage = reward - ops.stop_gradient(ops.convert_to_tensor(self.baseline))
        decay = self.baseline_decay
        self.baseline.assign(decay * self.baseline + (1 - decay) * ops.mean(reward))
        loss = -example_weight * (advantage * log_probability + self.entropy_bonus * entropy)
        return loss - ops.stop_gradient(loss)

    def random_numbers(self, scores):
        """Uniform random numbers in the shape of the scores, far enough from 0 and 1 to take a logarithm twice."""
        return keras.random.uniform(ops.shape(scores), 1e-6, 1 - 1e-6, scores.dtype, self.seed_generator)

    def get_config(self):
        return {
            **super().get_config(),
            "entropy_bonus": self.entropy_bonus,
            "baseline_decay": self.baseline_decay,
            "seed": self.seed,
        }


@ALIGNMENTS.register("hard")
class HardAlignment(SampledAlignment):
    """a = one-hot of one key: drawn from softmax(e) in training, the key with the largest score outside training.

    Two estimators of the gradient:

    * `straight_through` adds Gumbel noise to the scores, takes the largest, and differentiates softmax((e + noise)/τ)
      instead. It needs no reward and has little variance, but is biased: for the scores (.5, −.3, .2, 0), the values
      (1, −.5, 2, .3) and the loss c², the mean of its gradient differs from the true gradient by .38 of its length.
    * `reinforce` is unbiased but has much variance. It trains under ordinary `fit` inside a
      `keras_attention.models.ReinforceModel`, which `attention_classifier` builds.

    Args:
        estimator: `"straight_through"` or `"reinforce"`.
        temperature: τ of the straight-through estimator, above 0.
        entropy_bonus, baseline_decay: settings of REINFORCE; see `SampledAlignment`.
        seed: seed of the samples.

    Raises:
        ValueError: another estimator, or a number out of range.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import HardAlignment
    >>> np.asarray(HardAlignment()(np.array([[-2.0, 0.0, 0.5]])))
    array([[0., 0., 1.]], dtype=float32)

    Reference:
        Xu et al., *Show, Attend and Tell*, ICML 2015, arXiv 1502.03044, sec. 4.1; Jang, Gu, Poole, *Categorical
        Reparameterization with Gumbel-Softmax*, ICLR 2017, arXiv 1611.01144, sec. 2.2.
    """

    search_space = {
        "estimator": Choices(("straight_through", "reinforce")),
        "temperature": Range(0.25, 4.0, logarithmic=True),
    }

    def __init__(self, estimator="straight_through", temperature=1.0, **kwargs):
        super().__init__(**kwargs)
        self.estimator = require_choice("estimator", estimator, ESTIMATORS)
        self.temperature = require_number("temperature", temperature, above=0)

    @property
    def needs_reward(self):
        return self.estimator == "reinforce"

    def probabilities(self, scores):
        return softmax(scores)

    def choice(self, scores):
        """1 at the largest score of each row, or at the first of them if several are equal."""
        # Not `argmax`, which the exports to ONNX and LiteRT refuse, nor `one_hot`, which needs a known number of keys.
        chosen = ops.top_k(scores, 1)[1]
        return ops.cast(ops.equal(ops.arange(ops.shape(scores)[-1], dtype=chosen.dtype), chosen), scores.dtype)

    def align(self, scores, training=None):
        if not training:
            return self.choice(scores)
        if not self.needs_reward:
            # The key with the largest score after adding Gumbel noise is a sample of softmax(e).
            noisy = scores - ops.log(-ops.log(self.random_numbers(scores)))
            choice, smooth = ops.stop_gradient(self.choice(noisy)), softmax(noisy, self.temperature)
            return choice + (smooth - ops.stop_gradient(smooth))
        logarithms = ops.log_softmax(ops.stop_gradient(scores))
        probabilities = ops.exp(logarithms)
        # So is the first of events that come at these rates, which takes no second logarithm.
        choice = ops.stop_gradient(self.choice(probabilities / -ops.log(self.random_numbers(scores))))
        # ∂ log p(chosen) / ∂e = chosen − p, and ∂H / ∂e = −p (log p + H).
        surprise = probabilities * logarithms
        entropy_gradient = probabilities * ops.sum(surprise, axis=-1, keepdims=True) - surprise
        policy = self.policy_scores_of(scores)
        self.keep_sample(_dot(choice - probabilities, policy), _dot(entropy_gradient, policy))
        return choice

    def get_config(self):
        return {**super().get_config(), "estimator": self.estimator, "temperature": self.temperature}


@ALIGNMENTS.register("reinforced")
class ReinforcedAlignment(SampledAlignment):
    """a = softmax(e) inside a subset of the keys, 0 outside; a policy draws the subset.

    In training each key is kept with probability π = σ(s·e + b), with learned s and b; outside training the keys with
    π > ½ are kept. If no key is kept, the one with the largest score is taken. The policy learns by REINFORCE from the
    reward −(loss of the task) − λ·(share of the keys that is kept). It trains under ordinary `fit` inside a
    `keras_attention.models.ReinforceModel`, which `attention_classifier` builds. The softmax inside the subset learns
    by its ordinary gradient.

    Args:
        keep_cost: λ, at least 0.
        initial_bias: b before training; 1 keeps about three keys in four.
        entropy_bonus, baseline_decay: settings of REINFORCE; see `SampledAlignment`.
        seed: seed of the samples.

    Raises:
        ValueError: a number out of range.

    Example:

    >>> import numpy as np
    >>> from keras_attention.layers import ReinforcedAlignment
    >>> np.asarray(ReinforcedAlignment()(np.array([[-2.0, 0.0, 0.5]]))).round(4)  # keeps a key with e + 1 > 0
    array([[0.    , 0.3775, 0.6225]], dtype=float32)

    Reference:
        Shen et al., *Reinforced Self-Attention Network*, IJCAI 2018, arXiv 1801.10296, eqs. 7 to 11; Brauwers,
        Frasincar, *A General Survey on Attention Mechanisms in Deep Learning*, TKDE 35(4), 2023, sec. 3.2.
    """

    search_space = {"keep_cost": Range(0.01, 1.0, logarithmic=True)}

    def __init__(self, keep_cost=0.1, initial_bias=1.0, **kwargs):
        super().__init__(**kwargs)
        self.keep_cost = require_number("keep_cost", keep_cost, at_least=0)
        self.initial_bias = require_number("initial_bias", initial_bias)

    def build(self, scores_shape, query_shape=None):
        super().build(scores_shape, query_shape)
        bias = keras.initializers.Constant(self.initial_bias)
        self.policy_scale = self.add_weight(name="policy_scale", shape=(), initializer="ones")
        self.policy_bias = self.add_weight(name="policy_bias", shape=(), initializer=bias)

    def probabilities(self, scores):
        visible = scores > HIDDEN
        return ops.where(visible, ops.sigmoid(self._logits(ops.where(visible, scores, 0.0))), 0.0)

    def choice(self, scores):
        return ops.cast(_or_largest(self.probabilities(scores) > 0.5, scores), scores.dtype)

    def align(self, scores, training=None):
        if not training:
            return softmax(ops.where(self.choice(scores) > 0, scores, HIDDEN))
        visible = scores > HIDDEN
        logits = self._logits(self.policy_scores_of(scores))
        probabilities = ops.where(visible, ops.sigmoid(ops.stop_gradient(logits)), 0.0)
        kept = probabilities > self.random_numbers(scores)
        self._keep_subset(logits, probabilities, ops.cast(kept, scores.dtype), ops.cast(visible, scores.dtype))
        return softmax(ops.where(_or_largest(kept, scores), scores, HIDDEN))

    def _keep_subset(self, logits, probabilities, chosen, visible):
        # ∂ log p(subset) / ∂l = chosen − π, and ∂H / ∂l = −l π (1 − π).
        entropy_gradient = ops.stop_gradient(logits) * probabilities * (probabilities - 1)
        share = ops.sum(chosen, axis=-1) / ops.maximum(ops.sum(visible, axis=-1), 1)
        cost = self.keep_cost * mean_examples(share)
        self.keep_sample(_dot(chosen - probabilities, logits), _dot(entropy_gradient, logits), cost)

    def _logits(self, scores):
        return self.policy_scale * scores + self.policy_bias

    def get_config(self):
        return {**super().get_config(), "keep_cost": self.keep_cost, "initial_bias": self.initial_bias}


def _or_largest(kept, scores):
    """The keys of each row that are kept; if none is, the one with the largest score."""
    nothing = ops.logical_not(ops.any(kept, axis=-1, keepdims=True))
    largest = scores >= ops.max(scores, axis=-1, keepdims=True)
    return ops.stop_gradient(ops.logical_or(kept, ops.logical_and(largest, nothing)))


def _dot(one, other):
    """Σ one · other over the keys."""
    return ops.sum(one * other, axis=-1)


def _sum_examples(values):
    """`(B, ...)` → `(B,)`, by sums."""
    return ops.sum(values, axis=tuple(range(1, len(values.shape))))


def mean_examples(values):
    """`(B, ...)` → `(B,)`, by means."""
    return ops.mean(values, axis=tuple(range(1, len(values.shape))))
