"""Backbones, and the classifier that attends to their feature maps."""

from keras_attention.models.classifier import attention_classifier, attention_outputs
from keras_attention.models.reinforce import ReinforceModel
from keras_attention.models.vgg import VGG16BN

__all__ = ["VGG16BN", "ReinforceModel", "attention_classifier", "attention_outputs"]
