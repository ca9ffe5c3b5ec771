"""One folder for each run: `config.json`, `history.csv`, `metrics.json`, `predictions.npz`, `model.keras`; until the
run is finished also `backup/`.

Every file is written whole. `metrics.json` is written last: if it exists, the run is finished.
"""

import csv
import shutil

import keras
import numpy as np

from keras_attention.atomic import remove, remove_leftovers, replacing
from keras_attention.config import TrainConfig
from keras_attention.files import read_arrays, read_json, write_arrays, write_json
from keras_attention.runs.data import IMAGES_OF_A_RUN
from keras_attention.runs.folder import WorkFolder

BEST = "best.npz"
BACKUPS = "epoch-*"  # arrays; those of earlier versions are weights as Keras saves them


class Run(WorkFolder):
    """The folder of a run, with its files.

    Args:
        folder: the path of the folder, which need not exist yet.

    Example:

    >>> import pathlib, tempfile
    >>> from keras_attention import Run, TrainConfig, train
    >>> folder = pathlib.Path(tempfile.mkdtemp()) / "first"
    >>> config = TrainConfig(data_options={"count": 60}, image_size=32, width=0.05, units=16, epochs=1)
    >>> _ = train(config, folder, verbose=0, export=False)
    >>> run = Run(folder)  # later, in another process
    >>> run.finished, run.config == config, run.metrics["count"]
    (True, True, 10)
    >>> run.arrays()["logits"].shape, sorted(path.name for path in folder.glob("*.png"))
    ((10, 10), ['attention.png', 'confusion.png', 'history.png'])
    """

    kind, plan_name, result_name, plan_type = "run", "config.json", "metrics.json", TrainConfig

    def __init__(self, folder):
        super().__init__(folder)
        self.model_path = self.folder / "model.keras"
        self.export_path = self.folder / "saved_model"
        self.map_warnings_path = self.folder / "backup" / "map_warnings.json"

    @property
    def best_path(self):
        """The file with the weights of the best epoch so far, of a run over cached features."""
        kept, earlier = (self.folder / "backup" / name for name in (BEST, "best.weights.h5"))
        return earlier if earlier.exists() and not kept.exists() else kept

    @property
    def config(self):
        """The settings of the run."""
        return self.plan

    @property
    def metrics(self):
        """The figures of the run on its test split."""
        return self.result

    def precedes(self, path):
        """Whether a file is the `images.json` of a run, which a killed run of an earlier version may have left."""
        try:
            return path.name == IMAGES_OF_A_RUN and set(read_json(path)) == {"classes", "files"}
        except (ValueError, TypeError):
            return False

    def history(self):
        """The rows of `history.csv`, a dictionary for each epoch."""
        path = self.folder / "history.csv"
        if not path.exists():
            return []
        with path.open(newline="", encoding="utf-8") as file:
            return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]

    def write_history(self, rows):
        """Writes `history.csv`; returns the rows as the file has them, with nine digits."""
        rows = [{name: float(f"{value:.9g}") for name, value in row.items()} for row in rows]
        with (
            replacing(self.folder / "history.csv") as temporary,
            temporary.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.DictWriter(file, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows({name: f"{value:.9g}" for name, value in row.items()} for row in rows)
        return rows

    def back_up(self, network, epochs, seconds, is_best=False):
        """Saves the weights and the optimizer after `epochs` epochs, and removes the previous backup.

        With `is_best` a copy is what `load_best` loads.
        """
        folder = self.folder / "backup"
        folder.mkdir(exist_ok=True)
        write_json(folder / "seconds.json", seconds)
        path = folder / f"epoch-{epochs:06d}.npz"
        with replacing(path) as temporary:
            _save_variables(temporary, network)
            if is_best:  # before the backup has its name: a run that continues from a backup has its best epoch
                self._keep_as_best(temporary)
        for old in set(folder.glob(BACKUPS)) - {path}:
            remove(old)

    def progress(self):
        """The rows of the epochs that the newest backup covers, and their seconds; `([], 0.0)` if there is none."""
        backup = self._newest_backup()
        if backup is None:
            return [], 0.0
        epochs = int(backup.name.removeprefix("epoch-").split(".")[0])
        return self.history()[:epochs], read_json(self.folder / "backup" / "seconds.json")

    def load_backup(self, model):
        """Loads the newest backup, of weights and optimizer, into the built and compiled model that made it."""
        model.optimizer.build(model.trainable_variables)
        _load(self._newest_backup(), model, _variables(model))

    def _newest_backup(self):
        return max((self.folder / "backup").glob(BACKUPS), default=None)

    def _keep_as_best(self, backup):
        with replacing(backup.with_name(BEST)) as temporary:
            shutil.copyfile(backup, temporary)

    def load_best(self, network):
        """Loads the weights of the best epoch so far, of the part of the classifier that is trained."""
        _load(self.best_path, network, network.weights)

    def save_model(self, model):
        """Writes `model.keras`, without the optimizer; during the run, it holds the best epoch so far.

        Of a run over cached features, it is written at the end; until then a copy of a backup keeps the best epoch.
        """
        with replacing(self.model_path) as temporary:
            model.save(temporary, include_optimizer=False)

    def save_arrays(self, **arrays):
        """Writes `predictions.npz`: the outputs of the best model for each test image."""
        write_arrays(self.folder / "predictions.npz", arrays)

    def arrays(self):
        """The arrays of `predictions.npz`.

        These are `logits (n, classes)` and `labels (n,)` of the test split; with attention `map/<attended layer>` of
        the images in the picture; with masks `measure/<measure>/<attended layer>` and `chance`, `(n,)`; of grouped
        images `groups`, `(n,)`.
        """
        return read_arrays(self.folder / "predictions.npz")

    def save_figure(self, name, figure):
        """Writes a figure as the PNG file `name`; returns its path."""
        with replacing(self.folder / name) as temporary:
            figure.savefig(temporary, dpi=130)
        return self.folder / name

    def finish(self, metrics):
        """Writes `metrics.json`, which marks the run as finished, and removes the backup."""
        super().finish(metrics)
        remove(self.folder / "backup")
        remove_leftovers(self.folder)


def _variables(network):
    """The weights of a compiled network, and then what its optimizer keeps."""
    return [*network.weights, *network.optimizer.variables]


def _save_variables(path, network):
    # In their order, as the same network is made again to load them: to name them, Keras searches all attributes of all
    # layers, which takes as long as a step of ten heads.
    arrays = [keras.ops.convert_to_numpy(variable) for variable in _variables(network)]
    np.savez(path, **{str(number): array for number, array in enumerate(arrays)})


def _load(path, network, variables):
    """Loads the first arrays of a backup into these variables; one of an earlier version as Keras loads weights."""
    if path.suffix == ".h5":
        network.load_weights(path)
        return
    arrays = read_arrays(path)
    for number, variable in enumerate(variables):
        variable.assign(arrays[str(number)])
