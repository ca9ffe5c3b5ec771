"""One run is one folder: `config.json`, `history.csv`, `metrics.json`, `predictions.npz`, `model.keras`, and `backup/`
while unfinished.

Every file is written whole. `metrics.json` comes last: where it stands, the run is finished.
"""

import csv
import dataclasses
import pathlib

from keras_attention.arguments import invalid
from keras_attention.atomic import remove, remove_leftovers, replacing
from keras_attention.config import TrainConfig
from keras_attention.data import load
from keras_attention.files import read_arrays, read_json, write_arrays, write_json

BACKUPS = "epoch-*.weights.h5"


class Run:
    """The folder of a run, and what is in it.

    Args:
        folder: where it is, or will be.

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

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.model_path = self.folder / "model.keras"
        self.export_path = self.folder / "saved_model"

    @classmethod
    def claim(cls, folder, config, resume=False, overwrite=False):
        """The run to train, checked but not yet touched, so that what fails before training leaves nothing behind.

        Raises:
            ValueError: a folder that is there without leave to continue or replace it, a folder that is none of a
                run, or settings that differ from those of the run to continue.
        """
        run = cls(folder)
        if run.folder.is_file():
            raise invalid(f"{folder} is a file.", "the folder of a run, or one to make", f"run={str(folder)!r}")
        if resume:
            run._check_same_settings(config)
        elif run.folder.exists() and any(run.folder.iterdir()):
            run._check_may_replace(overwrite)
        return run

    def begin(self, config):
        """Makes the folder anew, with the settings in it."""
        remove(self.folder)
        self.folder.mkdir(parents=True)
        with replacing(self.folder / "config.json") as temporary:
            temporary.write_text(config.to_json() + "\n", "utf-8")

    def _check_same_settings(self, config):
        for name, (given, saved) in config.differences(self.config).items():
            raise invalid(
                f"`{name}` differs from that of the run {self.folder}.", f"{name}={saved!r}", f"{name}={given!r}"
            )

    def _check_may_replace(self, overwrite):
        if not (self.folder / "config.json").exists():
            raise invalid(f"{self.folder} is not empty and holds no run.", "a new folder, or one of a run", self.folder)
        if not overwrite:
            state, way = ("finished", "--overwrite") if self.finished else ("unfinished", "--resume or --overwrite")
            raise invalid(f"{self.folder} holds a run that is {state}.", f"{way}, or another --run", self.folder)

    @property
    def config(self):
        """The settings of the run."""
        return TrainConfig.from_json(self._existing("config.json").read_text("utf-8"))

    @property
    def finished(self):
        """Whether the run came to its end."""
        return (self.folder / "metrics.json").exists()

    @property
    def metrics(self):
        """What the run reached on its test split."""
        return read_json(self._existing("metrics.json"))

    def _existing(self, name):
        path = self.folder / name
        if self.folder.is_file():
            raise invalid(f"{self.folder} is a file.", "the folder of a run", str(self.folder))
        if not path.is_file():
            begun = name != "config.json" and (self.folder / "config.json").is_file()
            what = "is not finished" if begun else "is no run"
            raise invalid(f"{self.folder} {what}.", f"a run folder with {name}", str(self.folder))
        return path

    def history(self):
        """The rows of `history.csv`, a dictionary an epoch."""
        path = self.folder / "history.csv"
        if not path.exists():
            return []
        with path.open(newline="", encoding="utf-8") as file:
            return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]

    def write_history(self, rows):
        """Writes `history.csv`; returns the rows as the file holds them, with nine digits."""
        rows = [{name: float(f"{value:.9g}") for name, value in row.items()} for row in rows]
        with (
            replacing(self.folder / "history.csv") as temporary,
            temporary.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.DictWriter(file, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows({name: f"{value:.9g}" for name, value in row.items()} for row in rows)
        return rows

    def back_up(self, model, epochs, seconds):
        """Keeps the weights and the optimizer after `epochs` epochs, and removes the backup before."""
        folder = self.folder / "backup"
        folder.mkdir(exist_ok=True)
        write_json(folder / "seconds.json", seconds)
        path = folder / f"epoch-{epochs:06d}.weights.h5"
        with replacing(path) as temporary:
            model.save_weights(temporary)
        for old in set(folder.glob(BACKUPS)) - {path}:
            remove(old)

    def progress(self):
        """The rows of the epochs that the newest backup covers, and the seconds that they took; `([], 0.0)` without."""
        backup = self._newest_backup()
        if backup is None:
            return [], 0.0
        epochs = int(backup.name.removeprefix("epoch-").split(".")[0])
        return self.history()[:epochs], read_json(self.folder / "backup" / "seconds.json")

    def load_backup(self, model):
        """Loads the newest backup, of weights and optimizer, into the built and compiled model that made it."""
        model.optimizer.build(model.trainable_variables)
        model.load_weights(self._newest_backup())

    def _newest_backup(self):
        return max((self.folder / "backup").glob(BACKUPS), default=None)

    def save_model(self, model):
        """Writes `model.keras`: while the run goes on, its best epoch so far; without the optimizer."""
        with replacing(self.model_path) as temporary:
            model.save(temporary, include_optimizer=False)

    def save_arrays(self, **arrays):
        """Writes `predictions.npz`: what the best model gave for each test image."""
        write_arrays(self.folder / "predictions.npz", arrays)

    def arrays(self):
        """What `predictions.npz` holds: `logits (n, classes)` and `labels (n,)` of the test split; with attention
        `map/<block>` of the images that are shown; with masks `measure/<measure>/<block>` and `chance`, `(n,)`."""
        return read_arrays(self.folder / "predictions.npz")

    def save_figure(self, name, figure):
        """Writes a figure as `name`, a PNG."""
        with replacing(self.folder / name) as temporary:
            figure.savefig(temporary, dpi=130)
        return self.folder / name

    def finish(self, metrics):
        """Writes `metrics.json`, which marks the run as finished, and removes the backups."""
        write_json(self.folder / "metrics.json", metrics)
        remove(self.folder / "backup")
        remove_leftovers(self.folder)


def load_data(config):
    """The `ImageDataset` that a configuration names."""
    dataset = load(
        config.data,
        data_dir=config.data_dir,
        masks=config.masks,
        image_size=config.image_size,
        split_seed=config.split_seed,
        **config.data_options,
    )
    if config.supervise_attention and not dataset.has_masks:
        raise invalid(
            f"{dataset.name} has no masks to teach attention.",
            "a data set with masks, or `masks`, the folder of those of a folder of images",
            f"supervise_attention={config.supervise_attention}",
        )
    if not config.train_on_validation:
        return dataset
    note = "trained on train and validation together; the last epoch is kept"
    return dataclasses.replace(dataset, trains_on_validation=True, notes=(*dataset.notes, note))
