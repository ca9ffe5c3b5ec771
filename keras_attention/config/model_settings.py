"""Settings of the network: its backbone, what it attends to, and how."""

import dataclasses

from keras_attention.config.checks import Layers, MemberOf, OneOf, Options, Truth, integer, number
from keras_attention.config.rules import AVERAGE, DISAGREEMENT, UNIFORM
from keras_attention.config.setting import setting
from keras_attention.members import members

DEFAULT_BACKBONE = "vgg16_bn"
NARROW = 0.25  # the width of a backbone without pretrained weights


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """The network of a run."""

    GROUP = "model"

    backbone: str = setting(
        DEFAULT_BACKBONE,
        MemberOf("backbone"),
        "network that gives the feature maps, see `keras-attention list`",
        "NAME",
    )
    width: float | None = setting(
        None,
        number(above=0, optional=True),
        "factor on the number of filters of the backbone, above 0",
        "W",
        usual="0.25; 1 with pretrained weights",
    )
    score: str | None = setting(
        "additive",
        MemberOf("score", (UNIFORM,), optional=True),
        "score function, see `keras-attention list`, or a control: {none} is the multi-scale head without attention, "
        "uniform gives each of n positions the weight 1/n",
        "NAME",
    )
    alignment: str = setting(
        "softmax",
        MemberOf("alignment", several=True),
        "alignment, see `keras-attention list`; softmax/sigmoid gives a half of the heads each",
        "NAME",
    )
    score_options: dict = setting(
        {},
        Options(what="option of the score"),
        "options of the score, see `keras-attention list`, such as activation=relu",
        "KEY=VALUE",
        flag="--score-option",
    )
    alignment_options: dict = setting(
        {},
        Options(what="option of the alignment"),
        "options of the alignment, such as estimator=reinforce",
        "KEY=VALUE",
        flag="--alignment-option",
    )
    pooling: str = setting(
        AVERAGE,
        MemberOf("pooling", (AVERAGE,)),
        "what pools the attended layers of the multi-scale head, where the score is {none}: average, or a pooling of "
        "`keras-attention list`",
        "NAME",
    )
    pooling_options: dict = setting(
        {},
        Options(what="option of the pooling"),
        "options of the pooling, such as units=64",
        "KEY=VALUE",
        flag="--pooling-option",
    )
    feature_gate: str | None = setting(
        None,
        MemberOf("gate", optional=True),
        "gate after each pooling of the backbone, see `keras-attention list`; with `freeze`, of the attended features "
        "alone, on their way to the head",
        "NAME",
    )
    feature_gate_options: dict = setting(
        {},
        Options(what="option of the gate"),
        "options of the gate, such as reduction=8",
        "KEY=VALUE",
        flag="--feature-gate-option",
    )
    attend: tuple | None = setting(
        None, Layers(), "attended layers; without any, the plain network", "A,B", usual="the usual ones of the backbone"
    )
    units: int | None = setting(
        128,
        integer(1, optional=True),
        "dimension in which query and features are compared; {none} compares them as they are",
        "N",
    )
    normalize: str = setting(
        "layer",
        OneOf(("layer", "batch", "none")),
        "what gives queries and keys unit variance before the score: layer (over the dimensions of each vector), batch "
        "(each dimension over the images and positions) or none",
        "NAME",
    )
    num_heads: int = setting(
        1,
        integer(1),
        "heads of the attention to each layer; each weighs an equal part of the channels, whose number they "
        "must divide",
        "N",
    )
    pool_query: bool = setting(False, Truth(), "one averaged query for all positions, instead of a query map")
    supervise_attention: float | None = setting(
        None,
        number(above=0, optional=True),
        "teach the map of each attended layer with the masks, by a loss with this weight, such as 0.1",
        "WEIGHT",
    )
    map_regularizers: dict = setting(
        {},
        Options(None, number(), "map regularizer"),
        "rates of terms added to the loss: entropy, total_variation or spread of each map, disagreement of all maps",
        "NAME=RATE",
        flag="--map-regularizer",
    )
    attention_dropout: float = setting(
        0.0, number(at_least=0, below=1), "share of the positions dropped in training", "F"
    )
    dropout: float = setting(0.0, number(at_least=0, below=1), "share of the head's inputs dropped in training", "F")

    @property
    def _backbone(self):
        return members("backbone")[self.backbone]

    @property
    def attends(self):
        """Whether the network has attention with a score that compares, unlike the controls."""
        return bool(self.attend) and self.score not in (None, UNIFORM)

    @property
    def weighs(self):
        """Whether the network weighs positions or channels by what it sees: by attention, a gate, or a pooling."""
        return self.attends or self.feature_gate is not None or self._pools_by_a_map

    @property
    def has_maps(self):
        """Whether the network has maps that can be learned: of attention, of a pooling, or of gates alone."""
        gates = self.feature_gate is not None and members("gate")[self.feature_gate].has_map
        return self.attends or self._pools_by_a_map or (gates and self.score is None and bool(self.attend))

    @property
    def _pools_by_a_map(self):
        return self.pooling != AVERAGE and members("pooling")[self.pooling].has_map

    @property
    def kind(self):
        """What is between the feature maps and the head, in the words that name a variant of a comparison."""
        if not self.attend:
            pair = "plain"
        elif self.score is None:
            pair = "multiscale" if self.pooling == AVERAGE else self.pooling
        else:
            pair = self.score if self.score == UNIFORM else f"{self.score}+{self.alignment}"
        gated = [] if self.feature_gate is None else [self.feature_gate]
        return "+".join(gated if gated and pair == "multiscale" else [*gated, pair])

    @property
    def network_width(self):
        """The width of the backbone: the setting, or if `None`, the width that fits the weights."""
        return self.width or (1.0 if self.weights else NARROW)

    @property
    def network_layers(self):
        """The names of the layers whose feature maps the head takes: the attended layers and the layer of the query."""
        return self.layers_for(self.attend)

    def layers_for(self, attend):
        """The same as `network_layers`, for other attended layers."""
        return tuple(dict.fromkeys((*attend, self._backbone.query)))

    def make_score(self):
        """A new score, as the settings say; `None` if `score` is `None`."""
        from keras_attention.layers import SCORES, UniformScore

        if self.score in (None, UNIFORM):
            return None if self.score is None else UniformScore()
        return SCORES.make(self.score, self.score_options, **({"units": self.units} if self.units else {}))

    def make_pooling(self):
        """A new pooling, as the settings say; `None` for the average."""
        from keras_attention.layers import POOLINGS

        return None if self.pooling == AVERAGE else POOLINGS.make(self.pooling, self.pooling_options)

    def make_feature_gate(self):
        """A new gate, as the settings say; `None` if there is none."""
        from keras_attention.layers import GATES

        return None if self.feature_gate is None else GATES.make(self.feature_gate, self.feature_gate_options)

    def make_map_regularizers(self):
        """New regularizers of each map, and the rate of the disagreement of all maps, as the settings say."""
        from keras_attention.layers import MAP_REGULARIZERS

        rates = dict(self.map_regularizers)
        disagreement = rates.pop(DISAGREEMENT, 0.0)
        return [MAP_REGULARIZERS[name](rate) for name, rate in rates.items()], disagreement

    def make_alignment(self):
        """A new alignment, for the positions of a map, as the settings say."""
        from keras_attention.layers import ALIGNMENTS

        return ALIGNMENTS.make(self.alignment, self.alignment_options, axes=2)
