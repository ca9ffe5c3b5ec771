"""`card.json`: what an exported model is, and what it was measured to do."""

import platform
from importlib import metadata

PACKAGES = ("keras-attention", "keras", "tensorflow", "numpy")


def model_card(model, class_names, image_size, training=None, result=None):
    """A description of a model, ready to be written as JSON.

    Args:
        model: the Keras model.
        class_names: the name of each class, in the order of the logits.
        image_size: side in pixels of the images it takes.
        training: the settings it was trained with.
        result: what it reached on its test split.
    """
    return {
        "name": model.name,
        "class_names": list(class_names),
        "image_size": image_size,
        "input": f"RGB images from 0 to 255, (batch, {image_size}, {image_size}, 3)",
        "outputs": {
            "probabilities": "(batch, classes), from 0 to 1",
            "logits": "(batch, classes)",
            "attention_<layer>": "(batch, height, width), the weight of each position",
        },
        "parameters": int(model.count_params()),
        "training": training,
        "result": result,
        "versions": {"python": platform.python_version()} | {name: metadata.version(name) for name in PACKAGES},
    }
