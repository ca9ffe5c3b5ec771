"""Where tests reach into the package: every place that a test replaces, under a name that says what it is for.

A part of the package that moves is followed here, and in no test. `seam(patch, replacement)` replaces what the seam
stands for until the patch is undone, and returns what was there; `seam()` is what is there now. `patch` is pytest's
`monkeypatch`.
"""

import importlib
import re

import pytest


class Seam:
    """A place of the package: the dotted path of a module's attribute, or of a class's."""

    def __init__(self, path):
        self.path = path

    def _place(self):
        parts = f"keras_attention.{self.path}".split(".")
        owner, *names = parts
        found = importlib.import_module(owner)
        for name in names[:-1]:
            owner = f"{owner}.{name}"
            try:
                found = importlib.import_module(owner)
            except ModuleNotFoundError:
                found = getattr(found, name)
        return found, names[-1]

    def __call__(self, patch=None, *replacement):
        """What is there, which `replacement` takes the place of where it is given."""
        owner, name = self._place()
        original = getattr(owner, name)
        if replacement:
            patch.setattr(owner, name, *replacement)
        return original


# ---- the backbone ----

layout_of_vgg = Seam("models.layout.BLOCKS")


def shallow(blocks):
    """One convolution in each block: a network of the same layout that is traced in a third of the time."""
    return tuple((1, filters) for _, filters in blocks)


def shallow_backbone(patch):
    """VGG16 with one convolution in each block."""
    layout_of_vgg(patch, shallow(layout_of_vgg()))


# What a program of its own does first to have the shallow backbone.
SHALLOW_PROGRAM = (
    "from keras_attention.models import layout\nlayout.BLOCKS = tuple((1, width) for _, width in layout.BLOCKS)\n"
)

# ---- training ----

pictures_of_a_run = Seam("training.results._draw")
results_of_a_run = Seam("training.job.write_results")
backup = Seam("runs.Run.back_up")
end_of_an_epoch = Seam("training.callbacks.Keeper.keep")
best_row_that_is_kept = Seam("training.callbacks.Keeper.best_row")
end_of_a_step = Seam("training.callbacks.StopOnNaN.on_train_batch_end")
batches_of_a_stage = Seam("training.stages.Stage.training_batches")
training_of_the_command = Seam("training.train")
free_memory = Seam("training.together.free_memory")
place_of_the_memory = Seam("memory.MEMORY")
place_of_the_processor = Seam("precision.PROCESSOR")


def without_pictures(patch):
    """Leaves out the pictures of a run, which have tests of their own."""
    pictures_of_a_run(patch, lambda *_: None)


def only_training(patch):
    """Leaves out what follows the training."""
    results_of_a_run(patch, lambda run, *_: run.finish({}))


def interrupt_in_epoch(patch, epoch, error=KeyboardInterrupt):
    """Training raises at the second step of an epoch."""
    original = end_of_a_step()

    def interrupting(self, batch, logs=None):
        original(self, batch, logs)
        if self.epoch == epoch and batch == 1:
            raise error

    end_of_a_step(patch, interrupting)


def keep_the_last_epoch(patch):
    """The last epoch is the one that is kept."""
    best_row_that_is_kept(patch, property(lambda keeper: len(keeper.rows) - 1))


# ---- comparison ----

comparison_of_the_command = Seam("comparison.compare")
training_of_a_task = Seam("comparison.tasks.train")
process_of_a_task = Seam("comparison.tasks.call_in_own_process")
group_on_a_cluster = Seam("comparison.execution.run_group_in_own_process")
training_of_a_group = Seam("comparison.tasks.train_together")
processes_of_tasks = Seam("comparison.execution._processes")
parallel_tasks = Seam("comparison.execution._parallel")
cores_for_tasks = Seam("comparison.execution.joblib.cpu_count")
accelerators_for_tasks = Seam("comparison.execution.accelerators")
seconds_to_find_a_scheduler = Seam("comparison.execution.SECONDS_TO_CONNECT")
process_of_the_cost = Seam("comparison.job.call_in_own_process")
seconds_of_measuring_a_cost = Seam("comparison.cost.SECONDS_OF_MEASURING")
# What a program of its own does first to measure costs in no time.
SOON_MEASURED_PROGRAM = "import keras_attention.comparison.cost as cost\ncost.SECONDS_OF_MEASURING = 0.1\n"

# ---- search ----

training_of_a_trial = Seam("tuning.trials.fit_run")
fit_of_a_trial = Seam("tuning.trials.TrialRunner._fit")
stages_of_a_trial = Seam("tuning.trials.make_stages")
networks_of_a_trial = Seam("tuning.trials.build_networks")
best_row_of_a_trial = Seam("tuning.trials.best_row")
removal_by_a_trial = Seam("tuning.trials.remove")
training_of_the_winner = Seam("tuning.winner.train")
seconds_between_questions = Seam("tuning.tuner.SECONDS_BETWEEN_QUESTIONS")
seconds_to_find_a_chief = Seam("tuning.cluster.SECONDS_TO_CONNECT")
seconds_between_beats = Seam("tuning.cluster.SECONDS_BETWEEN_BEATS")
seconds_until_a_worker_is_lost = Seam("tuning.cluster.SECONDS_UNTIL_LOST")
seconds_of_a_look = Seam("tuning.cluster.SECONDS_OF_A_LOOK")


def search_space_of(patch, member, space):
    """A score or an alignment of which a search varies other options."""
    patch.setattr(member, "search_space", space, raising=False)


# ---- data and features ----

loading_of_the_data_of_a_run = Seam("runs.data.load")
memory_for_a_split = Seam("data.split.MEMORY_FOR_A_SPLIT")
painter_of_digits = Seam("data.cluttered_digits.Painter")
scans_of_digits = Seam("data.cluttered_digits.split_scans")
making_of_a_pair_painter = Seam("data.two_digits.PairPainter.__init__")
preparation_of_digits = Seam("data.cluttered_digits.ClutteredDigits.download_and_prepare")
making_of_features = Seam("features.cache._predict")
filling_of_features = Seam("features.cache.FeatureCache._fill")
calibration_of_a_backbone = Seam("features.cache.calibrate_batch_norm")
writing_of_features = Seam("features.store.FeatureStore.write")

# ---- layers and maps ----

size_of_a_tile = Seam("layers.score.tiling.TILE_SIZE")
size_worth_compiling = Seam("layers.score.tiling.COMPILED_FROM")
sizes_of_compiled_tiles = Seam("layers.score.tiling.COMPILED_TILE_SIZES")
values_in_a_piece = Seam("maps.measures.PIECE")
images_in_a_chunk = Seam("maps.measuring.CHUNK")
call_of_grad_cam = Seam("maps.GradCam.__call__")
making_of_grad_cam = Seam("maps.GradCam.__init__")

# ---- what is saved, and what reads it ----

data_of_an_exported_run = Seam("export.run.load_data")
verification_of_an_export = Seam("export.writing.verify")
tolerances_of_formats = Seam("export.verification.TOLERANCES")
error_of_a_verification = Seam("export.verification.VerificationError")
deviation_of_an_export = Seam("export.verification.Deviation")
problems_of_an_export = Seam("export.verification._problems")
least_agreement_of_maps = Seam("export.verification.LEAST_AGREEMENT")
least_speed_in_8_bits = Seam("export.job.LEAST_SPEED")
calls_of_a_benchmark = Seam("export.benchmark.REPEATS")
least_share_of_the_same_class = Seam("export.verification.LEAST_SAME_CLASS")
writers_of_formats = Seam("export.formats.WRITERS")
runtimes_of_formats = Seam("export.formats.RUNTIMES")
export_after_training = Seam("training.results.export_run")
graph_before_training = Seam("training.results.InferenceGraph")
predictor_that_is_evaluated = Seam("evaluation.saved.load_predictor")
prediction_of_files = Seam("prediction.predict_files")
scales_of_maps = Seam("explanation.job.map_scales")


def tolerance_of(patch, quantization, difference):
    """How much the outputs of a quantized export may differ."""
    patch.setitem(tolerances_of_formats(), quantization, difference)


def format_that(patch, name, write, runtime):
    """A format of exports that is written and read in another way."""
    patch.setitem(writers_of_formats(), name, write)
    patch.setitem(runtimes_of_formats(), name, runtime)


# ---- the commands ----

loading_of_tensorflow = Seam("cli.import_tensorflow")
check_of_gradio = Seam("demo.job.check_gradio")
preparation_of_the_page = Seam("demo.job.prepared")
serving_of_the_page = Seam("demo.serving.served")
most_pixels_of_a_view = Seam("demo.viewing.MOST_PIXELS")


# ---- a look at the data ----

most_candidates_of_near_duplicates = Seam("inspection.near_duplicates.MOST_CANDIDATES")
shortcuts_of_a_look = Seam("inspection.job.find_shortcuts")

# ---- messages ----


def assert_three_parts(make, wrong, received):
    """Calling `make` raises an error of three parts, which begin with `wrong` and hold `received`.

    Returns them: what is wrong, what was expected, what was received.
    """
    with pytest.raises((TypeError, ValueError), match=re.escape(wrong)) as error:
        make()
    text = str(error.value)
    parts = re.fullmatch(r"(.+?) Expected (.+?) Received: (.+)", text, re.S)
    assert parts, text
    assert text.index(wrong) < len(parts[1]), text
    assert received in text, text
    return parts.groups()
