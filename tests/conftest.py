"""What all tests share: a quiet backend, one seed and one dtype policy per test, gradients and reloading."""

# Warnings are errors. One line of `filterwarnings` in pyproject.toml lets through what Keras itself raises whenever it
# reads a variable into NumPy, on every backend:
#   "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning:keras.src.backend"

import os
import pathlib
import shutil

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# The networks are tiny, and several processes share the cores: more threads in each would only wait for each other.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import keras
import numpy as np
import pytest
import seams

from keras_attention.models import BACKBONES

# What takes a training to make, and is made once in every process that uses it.
TRAINED = ("finished", "compared", "searched")
TRAININGS = "tests/end_to_end/"
SEED = 7
SHARED = pathlib.Path(__file__).parents[2] / "shared"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Says which tests run in one process, for `--dist loadgroup`, and begins with what takes longest.

    The tests of a file belong together, as they share what is made for its module, and all that use one trained run; a
    test that is marked `apart` is free. What begins last ends last, and should be short: so trainings come first, then
    the slow tests that are free, then the other files with slow tests.
    """
    groups, slow = {}, set()
    for item in items:
        file = item.nodeid.split("::")[0]
        trained = [name for name in TRAINED if name in item.fixturenames and file.startswith(TRAININGS)]
        groups[item] = item.nodeid if item.get_closest_marker("apart") else trained[0] if trained else file
        if item.get_closest_marker("slow") or item.get_closest_marker("long"):
            slow.add(groups[item])
        item.add_marker(pytest.mark.xdist_group(groups[item].replace("@", " ")))

    def rank(item):
        if groups[item] in TRAINED or groups[item].startswith(TRAININGS):
            return 0
        return (1 if item.get_closest_marker("apart") else 2) if groups[item] in slow else 3

    items.sort(key=rank)


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef):
    """What several tests share is made from the same seed too, whatever ran before it."""
    if fixturedef.scope != "function":
        keras.utils.set_random_seed(SEED)


@pytest.fixture(autouse=True)
def same_start():
    """Every test starts from one seed and float32, whatever ran before it."""
    keras.utils.set_random_seed(SEED)
    keras.config.set_dtype_policy("float32")
    yield
    keras.config.set_dtype_policy("float32")


@pytest.fixture(scope="session", autouse=True)
def _any_processor():
    """`precision="auto"` is float32 in this process, whatever the processor can do."""
    with pytest.MonkeyPatch.context() as patch:
        seams.place_of_the_processor(patch, pathlib.Path("nowhere"))
        yield


@pytest.fixture(scope="module")
def shallow_backbone():
    """One convolution in each block of VGG16: a network of the same layout that is traced in a third of the time."""
    with pytest.MonkeyPatch.context() as patched:
        seams.shallow_backbone(patched)
        yield


@pytest.fixture
def rng():
    return np.random.default_rng(11)


@pytest.fixture(scope="session")
def cost():
    """What `measure_cost` gives of a network."""
    return {
        "parameters": 1234,
        "trained_parameters": 1000,
        "flops": 5_000_000,
        "step_seconds": 0.02,
        "reference_step_seconds": 0.01,
        "image_seconds": 0.003,
        "reference_image_seconds": 0.002,
        "step_megabytes": 12.5,
    }


@pytest.fixture(scope="session")
def shared():
    """A folder beside the project with real data and small cases; skips where there is none."""

    def folder(name):
        if not (SHARED / name).is_dir():
            pytest.skip(
                f"{SHARED / name} does not exist; it is only for tests and experiments, not part of the project"
            )
        return SHARED / name

    return folder


@pytest.fixture
def small_cnn():
    """The name of a second backbone: four convolutions of stride 2, registered as long as the test runs."""

    # Inside, so that it is pickled by its value: other processes cannot import this file.
    @BACKBONES.register("small_cnn", attend=("stage2_relu", "stage3_relu"), query="stage4_relu")
    def build(input_shape, width):
        """Four convolutions of stride 2, each with batch normalization and ReLU."""
        images = keras.Input(input_shape, name="images")
        x = keras.layers.Rescaling(1 / 255, dtype="float32", name="preprocessing")(images)
        for stage in (1, 2, 3, 4):
            filters = max(1, round(width * 32 * stage))
            x = keras.layers.Conv2D(filters, 3, 2, "same", use_bias=False, name=f"stage{stage}_conv")(x)
            x = keras.layers.BatchNormalization(name=f"stage{stage}_bn")(x)
            x = keras.layers.ReLU(name=f"stage{stage}_relu")(x)
        return keras.Model(images, x, name="small_cnn")

    yield "small_cnn"
    del BACKBONES._members["small_cnn"]


@pytest.fixture
def reload(tmp_path):
    """A model after a `.keras` file: saved, loaded without custom objects, and once more from the loaded one."""

    def save_and_load(model):
        for name in ("first.keras", "second.keras"):
            model.save(tmp_path / name)
            model = keras.models.load_model(tmp_path / name)
        return model

    return save_and_load


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium; skips where there is none."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    binary = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    if not binary or not driver:
        pytest.skip("no Chromium with its chromedriver on this machine")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield browser
    browser.quit()


@pytest.fixture
def gradients():
    """`gradients(function, *arrays)`: the derivative of a scalar function with respect to each array, as NumPy."""
    return _gradients


def _gradients(function, *arrays):
    tensors = [keras.ops.convert_to_tensor(array, dtype=array.dtype) for array in arrays]
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(tensors)
            value = function(*tensors)
        found = tape.gradient(value, tensors, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    elif backend == "jax":
        import jax

        found = jax.jit(jax.grad(function, argnums=tuple(range(len(tensors)))))(*tensors)
    else:
        tensors = [tensor.detach().requires_grad_() for tensor in tensors]
        function(*tensors).backward()
        found = [keras.ops.zeros_like(each) if each.grad is None else each.grad for each in tensors]
    return [keras.ops.convert_to_numpy(gradient) for gradient in found]
