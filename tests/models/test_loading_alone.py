"""After `import keras_attention` alone a new process loads every registered class, and every kind of compiled model."""

import json
import re
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest

from keras_attention.layers import (
    ALIGNMENTS,
    GATES,
    MAP_REGULARIZERS,
    POOLINGS,
    SCORES,
    Attention,
    ChannelNormalization,
    UniformScore,
)
from keras_attention.models import (
    FocalCrossentropy,
    MaskDice,
    MaskOverlap,
    StepDecay,
    TwoRateAdamW,
    TwoRateSGD,
    attention_classifier,
    attention_outputs,
)
from keras_attention.registry import PACKAGE

SIDE, CLASSES = 8, 3
# Forms of `attention_classifier`, which have classes that others do not have.
FORMS = {
    "heads": {"num_heads": 2},
    "shared": {"num_heads": 2, "alignment": "softmax/sigmoid"},
    "normalized": {"normalize": "batch"},
    "classes": {"query": "classes", "disagreement": 0.1, "attend": ("fine", "maps")},
    "rewarded": {"alignment": "reinforced"},
    **{f"regularized-{name}": {"map_regularizer": name} for name in MAP_REGULARIZERS},
}
# How it was compiled: optimizer, and the loss of the maps, which takes their output to be one of the model.
COMPILED = {
    "focal": (lambda: TwoRateAdamW(StepDecay(0.1, every=3), slow_factor=0.5), FocalCrossentropy, None),
    "dice": (lambda: TwoRateSGD(0.1, slow_factor=0.5, momentum=0.9), FocalCrossentropy, MaskDice),
    "overlap": (lambda: "adam", lambda: keras.losses.SparseCategoricalCrossentropy(from_logits=True), MaskOverlap),
}
# Loads each file, and writes what it holds. Outputs of loaded models are compared in other tests, by the same process.
PROGRAM = """
import json, pathlib, sys
import keras, numpy as np
import keras_attention

for file in sorted(pathlib.Path(sys.argv[1]).glob("*.keras")):
    model = keras.models.load_model(file)
    np.savez(file.with_suffix(".npz"), *model.get_weights())
    about = [type(model).__name__, model.get_config(), model.get_compile_config() if model.compiled else None]
    file.with_suffix(".json").write_text(json.dumps(about))
"""


def pair(name, **options):
    query, value = keras.Input((3, 4)), keras.Input((5, 4))
    return keras.Model([query, value], Attention(**options)(query, value), name=name)


def classifier(**options):
    images = keras.Input((SIDE, SIDE, 3), name="images")
    fine = keras.layers.Conv2D(4, 3, name="fine")(ChannelNormalization()(images))
    backbone = keras.Model(images, keras.layers.Conv2D(4, 3, name="maps")(fine))
    return attention_classifier(backbone, CLASSES, **{"attend": "maps", "query": "maps", "units": 4} | options)


def baselines():
    """Every gate, one after the other, and every pooling of what is left."""
    features = given = keras.Input((SIDE, SIDE, 4))
    for name in GATES:
        features = GATES[name](name=name)(features)
    pooled = [POOLINGS[name](name=name)(features) for name in POOLINGS]
    return keras.Model(given, keras.layers.Concatenate()(pooled))


def compiled(optimizer, loss, mask_loss):
    model = attention_outputs(classifier(alignment="sigmoid"))
    losses = {"logits": loss(), **({} if mask_loss is None else {"attention_maps": mask_loss()})}
    model.compile(optimizer(), losses)
    return model


MODELS = {
    **{f"score-{name}": (pair, {"score": name}) for name in SCORES},
    **{f"alignment-{name}": (pair, {"alignment": name}) for name in ALIGNMENTS if name != "reinforced"},
    "attention-heads": (pair, {"num_heads": 2}),
    "baselines": (baselines, {}),
    "score-uniform": (pair, {"score": UniformScore()}),
    **{f"classifier-{name}": (classifier, options) for name, options in FORMS.items()},
    **{
        f"compiled-{name}": (compiled, dict(zip(("optimizer", "loss", "mask_loss"), given, strict=True)))
        for name, given in COMPILED.items()
    },
}


def classes_of(file):
    """The registered names of this package in the configuration of a saved model."""
    with zipfile.ZipFile(file) as archive:
        return set(re.findall(rf'"({PACKAGE}>\w+)"', archive.read("config.json").decode()))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The folder of all models, which a new process has loaded, and the models."""
    folder, models = tmp_path_factory.mktemp("alone"), {}
    for name, (make, options) in MODELS.items():
        models[name] = make(name=name, **options) if make is pair else make(**options)
        models[name].save(folder / f"{name}.keras")
    subprocess.run([sys.executable, "-c", PROGRAM, str(folder)], check=True, timeout=300)
    return folder, models


@pytest.mark.slow
@pytest.mark.portable
def test_there_is_a_file_of_every_registered_class(saved):
    folder, _ = saved
    registered = {
        name
        for name, cls in keras.saving.get_custom_objects().items()
        if cls.__module__.startswith(f"{PACKAGE}.") and name == f"{PACKAGE}>{cls.__name__}"  # not an older name
    }
    written = set().union(*(classes_of(file) for file in folder.glob("*.keras")))
    assert written == registered - {f"{PACKAGE}>Heads"}  # `Attention` makes them anew, from its own arguments


@pytest.mark.slow
@pytest.mark.portable
@pytest.mark.parametrize("name", MODELS)
def test_a_new_process_loads(name, saved):
    folder, models = saved
    model, found = models[name], json.loads((folder / f"{name}.json").read_text())
    about = [type(model).__name__, model.get_config(), model.get_compile_config() if model.compiled else None]
    assert found == json.loads(json.dumps(about))
    with np.load(folder / f"{name}.npz") as weights:
        for one, other in zip(weights.values(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
