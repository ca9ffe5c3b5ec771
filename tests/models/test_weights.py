"""Pretrained weights: every layout and format gives the network in which they were trained."""

import itertools
import re

import h5py
import keras
import numpy as np
import pytest
import seams
from cases import some_now
from keras import ops
from safetensors.numpy import save_file

from keras_attention.models import VGG16BN, attention_classifier, layout, load_pretrained, weights
from keras_attention.weight_files import state_of

SIDE = 32
EPSILON = 1e-5
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
CAFFE_MEAN = np.array([103.939, 116.779, 123.68])  # of blue, green, red

pytestmark = pytest.mark.usefixtures("narrow")


@pytest.fixture
def narrow(monkeypatch):
    """A VGG16 at "width 1" with a sixteenth of the filters and one convolution in the later blocks."""
    seams.layout_of_vgg(monkeypatch, ((2, 4), (2, 5), (1, 7), (1, 11), (1, 13)))


@pytest.fixture
def images(rng):
    return rng.uniform(0, 255, (2, SIDE, SIDE, 3)).astype("float32")


def places(step):
    """The numbers of torch's convolutions, counted by hand for the blocks above."""
    return {3: [0, 3, 7, 10, 14, 18, 22], 2: [0, 2, 5, 7, 10, 13, 16]}[step]


def channels():
    counts = [3, *(filters for convolutions, filters in layout.BLOCKS for _ in range(convolutions))]
    return list(itertools.pairwise(counts))


@pytest.fixture
def torch_bn(rng):
    """A state dict of torchvision's `vgg16_bn`, with its classifier."""
    state = {"classifier.0.weight": rng.normal(size=(3, 13)), "classifier.0.bias": rng.normal(size=3)}
    for place, (before, after) in zip(places(3), channels(), strict=True):
        state[f"features.{place}.weight"] = rng.normal(0, np.sqrt(2 / 9 / before), (after, before, 3, 3))
        state[f"features.{place}.bias"] = rng.normal(size=after)
        state[f"features.{place + 1}.weight"] = rng.uniform(0.5, 2, after)
        state[f"features.{place + 1}.bias"] = rng.normal(size=after)
        state[f"features.{place + 1}.running_mean"] = rng.normal(size=after)
        state[f"features.{place + 1}.running_var"] = rng.uniform(0.5, 2, after)
    state = {name: np.float32(array) for name, array in state.items()}
    return state | {"features.1.num_batches_tracked": np.array(7)}


@pytest.fixture
def torch_plain(rng):
    """A state dict of torchvision's `vgg16`."""
    state = {}
    for place, (before, after) in zip(places(2), channels(), strict=True):
        state[f"features.{place}.weight"] = rng.normal(0, np.sqrt(2 / 9 / before), (after, before, 3, 3))
        state[f"features.{place}.bias"] = rng.normal(size=after)
    return {name: np.float32(array) for name, array in state.items()}


WHOLE = layout.BLOCKS


@pytest.mark.parametrize(
    ("step", "expected"),
    [(3, [0, 3, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40]), (2, [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28])],
)
def test_the_places_of_the_whole_network(step, expected, monkeypatch):
    seams.layout_of_vgg(monkeypatch, WHOLE)
    assert list(weights._places(step)) == expected


def convolve(x, kernel, bias):
    """The 3×3 "same" convolution of NHWC with an OIHW kernel, written out."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    height, width = x.shape[1:3]
    windows = [padded[:, i : i + height, j : j + width] @ kernel[:, :, i, j].T for i in range(3) for j in range(3)]
    return sum(windows) + bias


def pool(x):
    batch, height, width, channels = x.shape
    return x.reshape(batch, height // 2, 2, width // 2, 2, channels).max((2, 4))


def reference(state, images, step, normalize):
    """The features of block 5 as torch computes them, in float64."""
    x, numbers = normalize(images.astype("float64")), iter(places(step))
    for convolutions, _ in layout.BLOCKS:
        for _ in range(convolutions):
            place = next(numbers)
            x = convolve(x, state[f"features.{place}.weight"], state[f"features.{place}.bias"])
            if step == 3:
                gamma, beta, mean, variance = (
                    state[f"features.{place + 1}.{name}"] for name in ("weight", "bias", "running_mean", "running_var")
                )
                x = gamma * (x - mean) / np.sqrt(variance + EPSILON) + beta
            x = np.maximum(x, 0)
        x = pool(x)
    return x


def as_torch(images):
    return (images / 255 - MEAN) / STD


def as_caffe(images):
    return images[..., ::-1] - CAFFE_MEAN


def assert_features(model, expected, images, rtol=1e-4):
    found = ops.convert_to_numpy(model(images))
    np.testing.assert_allclose(found, expected, atol=rtol * np.abs(expected).max())


def save_keras(path, state, modern=False):
    """The arrays of a network without batch normalization in Keras's layout: HWIO, the first kernel for BGR."""
    with h5py.File(path, "w") as file:
        for name, place in zip(layout.convolution_names(), places(2), strict=True):
            group = file.create_group(name)
            texts = ["kernel:0", "bias:0"] if modern else [f"{name}_W_1:0", f"{name}_b_1:0"]
            group.attrs["weight_names"] = [text.encode() for text in texts]
            kernel = state[f"features.{place}.weight"].transpose(2, 3, 1, 0)
            group[texts[0]], group[texts[1]] = kernel, state[f"features.{place}.bias"]
    return path


@pytest.mark.parametrize("suffix", [".safetensors", ".npz"])
def test_torch_with_batch_norm(suffix, torch_bn, images, tmp_path):
    path = save(torch_bn, tmp_path / f"vgg16_bn{suffix}")
    model = VGG16BN((SIDE, SIDE, 3), path)
    assert_features(model, reference(torch_bn, images, 3, as_torch), images)
    assert load_pretrained(model, path) == weights.LoadedWeights("torch", True, ())


def save(state, path):
    if path.suffix == ".npz":
        np.savez(path, **state)
    else:
        save_file(state, path)
    return path


def test_torch_without_batch_norm(torch_plain, images, tmp_path):
    path = save(torch_plain, tmp_path / "vgg16.safetensors")
    model = VGG16BN((SIDE, SIDE, 3), path)
    assert_features(model, reference(torch_plain, images, 2, as_torch), images)
    assert load_pretrained(model, path) == weights.LoadedWeights("torch", False, ())


@pytest.mark.parametrize("modern", [False, True], ids=["W_1", "kernel"])
def test_keras_without_batch_norm_wants_its_own_preprocessing(modern, torch_plain, images, tmp_path):
    path = save_keras(tmp_path / "vgg16_notop.h5", torch_plain, modern)
    model = VGG16BN((SIDE, SIDE, 3), path)
    assert_features(model, reference(torch_plain, images, 2, as_caffe), images)
    assert load_pretrained(model, path) == weights.LoadedWeights("keras", False, ())


def test_imagenet_is_what_keras_hosts(torch_plain, images, tmp_path, monkeypatch):
    path, asked = save_keras(tmp_path / "hosted.h5", torch_plain), []
    monkeypatch.setattr(keras.utils, "get_file", lambda *arguments, **options: asked.append(options) or str(path))
    model = VGG16BN((SIDE, SIDE, 3), "imagenet")
    assert_features(model, reference(torch_plain, images, 2, as_caffe), images)
    assert asked == [{"cache_subdir": "models", "file_hash": "6d6bbae143d832006294945121d1f1fc"}]


def test_imagenet_without_a_connection(monkeypatch):
    def fail(*_, **__):
        raise OSError("URL fetch failure: no route.\nmore")

    monkeypatch.setattr(keras.utils, "get_file", fail)
    expected = (
        "The ImageNet weights could not be downloaded: URL fetch failure: no route. Expected a network connection, or "
        "the path of a file with VGG16 weights. Received: weights='imagenet'."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        VGG16BN((SIDE, SIDE, 3), "imagenet")


def test_a_file_of_pytorch(torch_bn, images, tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    path = tmp_path / "vgg16_bn.pth"
    torch.save({"state_dict": {f"module.{name}": torch.tensor(array) for name, array in torch_bn.items()}}, path)
    assert_features(VGG16BN((SIDE, SIDE, 3), path), reference(torch_bn, images, 3, as_torch), images)


def test_a_pickle_is_not_run(tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")

    class Harmful:
        def __reduce__(self):
            return (open, (str(tmp_path / "made"), "w"))

    torch.save({"features.0.weight": Harmful()}, tmp_path / "harmful.pth")
    with pytest.raises(
        ValueError, match=r"^harmful.pth cannot be read as .pth: .*Expected a complete file of that format"
    ):
        VGG16BN((SIDE, SIDE, 3), tmp_path / "harmful.pth")
    assert not (tmp_path / "made").exists()


def test_pytorch_itself_agrees(torch_bn, images, tmp_path):
    """The network in PyTorch, built here as torchvision builds it; its logits are compared too."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    parts, pairs = [], iter(channels())
    for convolutions, _ in layout.BLOCKS:
        for _ in range(convolutions):
            before, after = next(pairs)
            parts += [torch.nn.Conv2d(before, after, 3, padding=1), torch.nn.BatchNorm2d(after), torch.nn.ReLU()]
        parts.append(torch.nn.MaxPool2d(2))
    network = torch.nn.Sequential()
    network.features, network.classifier = torch.nn.Sequential(*parts), torch.nn.Sequential(torch.nn.Linear(13, 3))
    network.load_state_dict({name: torch.tensor(array) for name, array in torch_bn.items()}, strict=False)
    network.eval()
    with torch.no_grad():
        features = network.features(torch.tensor(np.float32(as_torch(images))).permute(0, 3, 1, 2))
        logits = network.classifier(features.mean((2, 3))).numpy()
    backbone = VGG16BN((SIDE, SIDE, 3), save(torch_bn, tmp_path / "vgg16_bn.safetensors"))
    model = attention_classifier(backbone, 3, attend=())
    model.get_layer("logits").set_weights([torch_bn["classifier.0.weight"].T, torch_bn["classifier.0.bias"]])
    assert_features(backbone, features.permute(0, 2, 3, 1).numpy(), images)
    assert_features(model, logits, images)


def own(tmp_path, model, suffix):
    """A model of this package as a file with that suffix."""
    path = tmp_path / f"own{suffix}"
    if suffix == ".keras":
        model.save(path)
    elif suffix == ".weights.h5":
        model.save_weights(path)
    else:
        save({weight.path: ops.convert_to_numpy(weight) for weight in model.weights}, path)
    return path


@pytest.mark.parametrize("suffix", some_now([".keras", ".weights.h5", ".safetensors", ".npz"], ".weights.h5", ".npz"))
def test_a_file_of_this_package_carries_its_preprocessing(suffix, torch_plain, images, tmp_path):
    source = VGG16BN((SIDE, SIDE, 3), save_keras(tmp_path / "notop.h5", torch_plain))
    classifier = attention_classifier(source, 3, units=5)
    loaded = VGG16BN((SIDE, SIDE, 3), own(tmp_path, classifier, suffix))
    np.testing.assert_array_equal(ops.convert_to_numpy(loaded(images)), ops.convert_to_numpy(source(images)))


def test_without_preprocessing_inside_the_images_come_normalised(torch_bn, images, tmp_path):
    model = VGG16BN((SIDE, SIDE, 3), save(torch_bn, tmp_path / "a.npz"), include_preprocessing=False)
    assert_features(model, reference(torch_bn, images, 3, as_torch), as_torch(images).astype("float32"))


def test_a_classifier_takes_weights_too(torch_bn, images, tmp_path):
    backbone = VGG16BN((SIDE, SIDE, 3))
    load_pretrained(attention_classifier(backbone, 3), save(torch_bn, tmp_path / "a.npz"))
    assert_features(backbone, reference(torch_bn, images, 3, as_torch), images)


def test_half_precision_is_widened(torch_bn, images, tmp_path):
    half = {name: array.astype("float16") for name, array in torch_bn.items()}
    model = VGG16BN((SIDE, SIDE, 3), save(half, tmp_path / "half.safetensors"))
    wide = {name: array.astype("float32") for name, array in half.items()}
    assert_features(model, reference(wide, images, 3, as_torch), images)


def test_a_partial_file(torch_bn, tmp_path):
    for name in ("features.7.weight", "features.15.running_var"):
        del torch_bn[name]
    path = save(torch_bn, tmp_path / "partial.npz")
    expected = (
        f"{path} lacks weights of 2 layers: block2_conv1, block3_bn1. Expected weights of every layer, or "
        f"`strict=False`, which leaves these as they are. Received: weights={str(path)!r}."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        VGG16BN((SIDE, SIDE, 3), path)
    with pytest.warns(UserWarning, match="lacks weights of block2_conv1, block3_bn1; they stay random"):
        model = VGG16BN((SIDE, SIDE, 3), path, strict=False)
    assert load_pretrained(model, path, strict=False).missing == ("block2_conv1", "block3_bn1")
    np.testing.assert_array_equal(model.get_layer("block3_bn1").get_weights()[3], np.ones(7))


def test_batch_norm_without_its_statistics_is_missing(torch_bn, tmp_path):
    """γ and β without statistics must not be taken for a network without batch normalization."""
    partial = {name: array for name, array in torch_bn.items() if "running" not in name}
    model = VGG16BN((SIDE, SIDE, 3))
    loaded = load_pretrained(model, save(partial, tmp_path / "partial.npz"), strict=False)
    assert loaded.missing == tuple(name.replace("conv", "bn") for name in layout.convolution_names())
    assert loaded.has_batch_norm


def test_a_file_that_is_refused_changes_nothing(torch_bn, tmp_path):
    del torch_bn["features.22.weight"]
    model = VGG16BN((SIDE, SIDE, 3))
    before = model.get_weights()
    with pytest.raises(ValueError, match="lacks weights of 1 layers: block5_conv1"):
        load_pretrained(model, save(torch_bn, tmp_path / "partial.npz"))
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


def test_another_width(torch_bn, tmp_path):
    path = save(torch_bn, tmp_path / "a.npz")
    expected = f"The width must be that of the weights in {path}. Expected width=1. Received: width=0.5."
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        VGG16BN((SIDE, SIDE, 3), path, width=0.5)


def test_kernels_of_another_size(torch_bn, tmp_path):
    torch_bn["features.0.weight"] = torch_bn["features.0.weight"][..., :1]
    with pytest.raises(
        ValueError, match=r"The arrays of block1_conv1 in .* must fit the model. Expected shapes \[\(3, 3, 3, 4\)"
    ):
        VGG16BN((SIDE, SIDE, 3), save(torch_bn, tmp_path / "a.npz"))


def cut(path):
    path.write_bytes(path.read_bytes()[:-900])


@pytest.mark.parametrize(
    "suffix", some_now([".safetensors", ".npz", ".keras", ".weights.h5"], ".safetensors", ".weights.h5")
)
def test_a_truncated_file(suffix, tmp_path):
    path = own(tmp_path, VGG16BN((SIDE, SIDE, 3)), suffix)
    cut(path)
    with pytest.raises(
        ValueError, match=rf"^own{suffix} cannot be read as .*\. Expected a complete file of that format\."
    ):
        VGG16BN((SIDE, SIDE, 3), path)


@pytest.mark.parametrize(("suffix", "other"), [(".safetensors", ".npz"), (".npz", ".keras"), (".npz", ".h5")])
def test_a_renamed_file(suffix, other, tmp_path):
    path = own(tmp_path, VGG16BN((SIDE, SIDE, 3)), suffix)
    renamed = path.rename(path.with_name(f"renamed{other}"))
    with pytest.raises(ValueError, match=rf"^renamed{other} cannot be read as {other}: "):
        VGG16BN((SIDE, SIDE, 3), renamed)


def test_a_foreign_file(tmp_path, rng):
    path = save({f"layer{n}.weight": rng.normal(size=3) for n in range(7)}, tmp_path / "resnet.npz")
    expected = (
        f"{path} must hold weights of VGG16. Expected arrays named as in torchvision (features.0.weight) or as in "
        "Keras (block1_conv1). Received: 7 arrays: layer0.weight, layer1.weight, layer2.weight, layer3.weight, "
        "layer4.weight and 2 more."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        VGG16BN((SIDE, SIDE, 3), path)


def test_a_path_that_is_none(tmp_path):
    for path, what in ((tmp_path / "nothing.npz", "does not exist"), (tmp_path, "is a folder")):
        expected = f"The file of weights {path} {what}. Expected an existing file. Received: weights={str(path)!r}."
        with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
            VGG16BN((SIDE, SIDE, 3), path)
    for value in (5, "", b"a.npz", ["a.npz"]):
        with pytest.raises(
            TypeError, match=r"^`weights` must be a path. Expected a string or a path, not empty. Received: weights="
        ):
            VGG16BN((SIDE, SIDE, 3), value)
    (tmp_path / "notes.txt").write_text("no weights")
    with pytest.raises(
        ValueError, match=r"^notes.txt must have the suffix of a file of weights. Expected one of: .safetensors"
    ):
        VGG16BN((SIDE, SIDE, 3), tmp_path / "notes.txt")


def test_weights_that_are_not_finite(torch_bn, tmp_path):
    torch_bn["features.7.bias"][2] = np.nan
    expected = "The weights of block2_bn1 in .* must be finite. Expected finite numbers. Received: NaN or infinity."
    with pytest.raises(ValueError, match=rf"^{expected}$"):
        VGG16BN((SIDE, SIDE, 3), save(torch_bn, tmp_path / "a.npz"))


def test_the_advice_of_other_libraries_is_not_passed_on(tmp_path):
    np.savez(tmp_path / "objects.npz", **{"features.0.weight": np.array([{}], object)})
    torch = tmp_path / "renamed.pth"
    save({"features.0.weight": np.ones(3)}, tmp_path / "a.safetensors").rename(torch)
    for path in (tmp_path / "objects.npz", torch):
        with pytest.raises(ValueError, match=r"Expected ") as error:
            VGG16BN((SIDE, SIDE, 3), path)
        assert not re.search("unsafe|allow_pickle=|Weights only|safe_globals", str(error.value)), error.value


@pytest.mark.parametrize("model", [5, None, "vgg", keras.layers.Dense(3)], ids=type)
def test_what_is_no_model(model, torch_bn, tmp_path):
    with pytest.raises(
        TypeError, match=r"^The model must be a functional `keras.Model` with one input. Expected a model"
    ):
        load_pretrained(model, save(torch_bn, tmp_path / "a.npz"))


def test_a_model_that_is_no_vgg(torch_bn, tmp_path):
    images = keras.Input((8, 8, 3))
    model = keras.Model(images, keras.layers.Conv2D(2, 3)(images), name="other")
    with pytest.raises(ValueError, match=r"^The model must have layers of a `VGG16BN`. Expected a `VGG16BN`, or a"):
        load_pretrained(model, save(torch_bn, tmp_path / "a.npz"))


def test_strict_is_a_truth_value(tmp_path):
    with pytest.raises(TypeError, match="`strict` must be True or False"):
        VGG16BN((SIDE, SIDE, 3), tmp_path / "a.npz", strict="no")


class Tensor:
    """What a checkpoint of PyTorch holds, for tests without PyTorch."""


CONVOLUTION = {"features.0.weight": Tensor(), "features.0.bias": Tensor()}
AVERAGED = {"features.0.weight": Tensor(), "features.0.bias": Tensor()}
OPTIMIZER = {"state": {0: {"step": Tensor(), "exp_avg": Tensor()}}, "param_groups": [{"lr": 0.1}]}
CHECKPOINTS = {
    "the weights alone": CONVOLUTION,
    "that of PyTorch's ImageNet example": {
        "epoch": 90,
        "state_dict": CONVOLUTION,
        "best_acc1": Tensor(),
        "optimizer": OPTIMIZER,
    },
    "the optimizer first": {"optimizer": OPTIMIZER, "state_dict": CONVOLUTION},
    "under model": {"model": CONVOLUTION, "optimizer": OPTIMIZER, "scaler": {"scale": Tensor()}},
    "in a model in a checkpoint": {"checkpoint": {"model_state": CONVOLUTION, "loss": Tensor()}},
    "with other entries": {**CONVOLUTION, "meta": {"epoch": 3}},
}


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_the_weights_in_a_checkpoint(name):
    assert state_of(CHECKPOINTS[name], lambda value: isinstance(value, Tensor)) == CONVOLUTION


@pytest.mark.parametrize("name", ["ema", "model_ema", "state_dict_ema"])
def test_averaged_weights_are_preferred(name):
    checkpoint = {"model": CONVOLUTION, name: AVERAGED, "optimizer": OPTIMIZER}
    assert state_of(checkpoint, lambda value: isinstance(value, Tensor)) is not CONVOLUTION
    assert state_of(checkpoint, lambda value: isinstance(value, Tensor)) == AVERAGED


@pytest.mark.parametrize(
    "checkpoint",
    [{}, OPTIMIZER, [1, 2], {"weight": 3.0}, None],
    ids=["nothing", "an optimizer", "a list", "numbers", "none"],
)
def test_a_checkpoint_without_weights_is_refused(checkpoint):
    with pytest.raises(ValueError, match=r"^it holds no weights of layers, such as features\.0\.weight$"):
        state_of(checkpoint, lambda value: isinstance(value, Tensor))


def test_the_features_alone(torch_bn, images, tmp_path):
    """As `torch.save(model.features.state_dict(), …)` names them."""
    features = {name.removeprefix("features."): array for name, array in torch_bn.items() if "features" in name}
    path = save(features, tmp_path / "features.safetensors")
    model = VGG16BN((SIDE, SIDE, 3), path)
    assert_features(model, reference(torch_bn, images, 3, as_torch), images)


@pytest.mark.parametrize("suffix", [".pth.tar", ".ckpt", ".bin"])
def test_suffixes_of_pytorch(suffix, torch_bn, images, tmp_path):
    torch = pytest.importorskip("torch")
    state = {name: torch.from_numpy(array) for name, array in torch_bn.items()}
    path = tmp_path / f"vgg16_bn{suffix}"
    torch.save({"epoch": 3, "best_acc1": torch.zeros(()), "state_dict": state}, path)
    assert_features(VGG16BN((SIDE, SIDE, 3), path), reference(torch_bn, images, 3, as_torch), images)
