"""Backbones, and the classifier that attends to their feature maps."""

from keras_attention.models.backbone import (
    FeatureLayer,
    default_layers,
    feature_layers,
    freeze,
    over_features,
    unfreeze,
)
from keras_attention.models.backbones import BACKBONES, Backbone
from keras_attention.models.calibration import calibrate_batch_norm
from keras_attention.models.classifier import attention_classifier
from keras_attention.models.focal import FocalCrossentropy
from keras_attention.models.grids import Axis, Grid, layer_grids, map_grids
from keras_attention.models.outputs import attention_outputs
from keras_attention.models.rates import StepDecay, TwoRateAdamW, TwoRateSGD
from keras_attention.models.reinforce import ReinforceModel
from keras_attention.models.supervision import MaskDice, MaskOverlap, mask_losses
from keras_attention.models.vgg import VGG16BN
from keras_attention.models.weights import LoadedWeights, load_pretrained

__all__ = [
    "BACKBONES",
    "VGG16BN",
    "Axis",
    "Backbone",
    "FeatureLayer",
    "FocalCrossentropy",
    "Grid",
    "LoadedWeights",
    "MaskDice",
    "MaskOverlap",
    "ReinforceModel",
    "StepDecay",
    "TwoRateAdamW",
    "TwoRateSGD",
    "attention_classifier",
    "attention_outputs",
    "calibrate_batch_norm",
    "default_layers",
    "feature_layers",
    "freeze",
    "layer_grids",
    "load_pretrained",
    "map_grids",
    "mask_losses",
    "over_features",
    "unfreeze",
]
