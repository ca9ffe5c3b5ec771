"""Prepares batch normalization for training with weights that were trained without it."""

import keras
import numpy as np
from keras import ops

from keras_attention.arguments import invalid, require_integer
from keras_attention.models.backbone import require_functional


def calibrate_batch_norm(model, images, batch_size=8):
    """Sets the statistics of each batch normalization to those of the images, without changing the model's outputs.

    Let z be the input of a batch normalization, with mean μ and variance σ² over all images and positions, and
    f(z) = γ(z − m)/√(v + ε) + β its output in inference. Its new weights are

        m' = μ,   v' = σ²,   γ' = γ √((σ² + ε)/(v + ε)),   β' = f(μ),

    Inference is then the same as before, and training, which normalises by the statistics of the batch, starts from
    nearly the same function. With weights of VGG16 without batch normalization, f is the identity, and this gives
    γ' = √(σ² + ε), β' = μ. Without calibration, the first training step of such a network would divide each channel by
    its standard deviation and destroy the features.

    As the function of no layer changes, the inputs of all layers can be measured in one pass over the images, batch by
    batch. No feature map is kept after the pass of its batch.

    Args:
        model: a functional model, such as `VGG16BN` or a classifier over one; changed in place.
        images: `(n, H, W, 3)`, or an iterable of such batches, or of tuples that begin with such a batch, as a
            `tf.data.Dataset` of labelled images gives them.
        batch_size: number of images at a time, if `images` is one array.

    Returns:
        The number of images.

    Raises:
        TypeError: a model that is not functional, or images that are neither an array nor an iterable.
        ValueError: no images, images of another shape than the model takes, a model without batch normalization at its
            top level or with one that does not scale and shift, or values that are not finite.

    Example:

    >>> import numpy as np
    >>> from keras_attention.models import VGG16BN, calibrate_batch_norm
    >>> calibrate_batch_norm(VGG16BN((32, 32, 3), width=0.1), np.random.uniform(0, 255, (6, 32, 32, 3)))
    6

    Reference:
        Ioffe, Szegedy, *Batch Normalization*, ICML 2015, section 3: γ = √Var, β = mean is its identity.
    """
    require_integer("batch_size", batch_size, at_least=1)
    require_functional(model, "model")
    norms = batch_norms(model)
    if not norms or not all(layer.scale and layer.center for layer in norms):
        raise invalid("The model must have batch normalization.", "layers of it that scale and shift", model.name)
    statistics = keras.Model(model.inputs[0], {layer.name: _moments(layer) for layer in norms})
    count, means, variances = 0, {}, {}
    for batch in _batches(images, batch_size, model.inputs[0].shape):
        measured = statistics.predict_on_batch(batch)
        for name, (mean, variance) in ((name, np.asarray(values, "float64")) for name, values in measured.items()):
            share = len(batch) / (count + len(batch))
            shift = mean - means.get(name, 0.0)
            means[name] = means.get(name, 0.0) + share * shift
            # The variance of two parts together: the variances inside the parts, and that between their means.
            between = share * (1 - share) * shift**2
            variances[name] = (1 - share) * variances.get(name, 0.0) + share * variance + between
        count += len(batch)
    if not count:
        raise invalid("Calibration needs images.", "at least one image", "none")
    if not all(np.isfinite(values).all() for values in variances.values()):
        raise invalid("The features must be finite.", "finite weights and images", model.name)
    for layer in norms:
        _set_statistics(layer, means[layer.name], variances[layer.name])
    return count


def batch_norms(model):
    """The batch normalization layers at the top level of a model, in their order."""
    return [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]


def _moments(layer):
    """Mean and variance `(2, C)` of the input of a layer over all axes but the channels."""
    inputs = ops.cast(layer.input, "float32")
    axes = [axis for axis in range(len(inputs.shape)) if axis != layer.axis % len(inputs.shape)]
    return ops.stack(ops.moments(inputs, axes=axes))


def _batches(images, batch_size, shape):
    """NumPy batches, each in the shape that the model takes."""
    if not hasattr(images, "__iter__") or isinstance(images, str):
        raise invalid(
            "`images` must be an array or an iterable of image batches.",
            "(n, H, W, 3) each",
            f"images={images!r}",
            TypeError,
        )
    is_array = hasattr(images, "shape")
    starts = range(0, len(images), batch_size) if is_array else ()
    for batch in (images[start : start + batch_size] for start in starts) if is_array else images:
        batch = batch[0] if isinstance(batch, (tuple, list)) and len(batch) else batch
        found = tuple(getattr(batch, "shape", ()))
        pairs = zip(found, shape, strict=False)
        fits = len(found) == len(shape) and all(None in pair or pair[0] == pair[1] for pair in pairs)
        if not fits:
            raise invalid("The images must fit the model.", f"batches of shape {tuple(shape)}", f"shape {found}")
        yield ops.convert_to_numpy(batch)


def _set_statistics(layer, mean, variance):
    gamma, beta, old_mean, old_variance = (np.asarray(array, "float64") for array in layer.get_weights())
    factor = gamma / np.sqrt(old_variance + layer.epsilon)
    layer.set_weights([factor * np.sqrt(variance + layer.epsilon), factor * (mean - old_mean) + beta, mean, variance])
