"""The winner of a search: its recipe, and the run trained by that recipe."""

import dataclasses

from keras_attention.atomic import remove
from keras_attention.metrics import MONITORS
from keras_attention.report import search_figure
from keras_attention.training import train
from keras_attention.tuning.trials import COMPLETED


def write_results(search, plan):
    """Writes `search.png` and `best.json` from the trials that have ended; returns the winner's config."""
    completed = [dataclasses.asdict(trial) for trial in search.trials if trial.status == COMPLETED]
    search.save_figure(search_figure(completed, plan.monitor, MONITORS[plan.monitor].more_is_better))
    best = search.best_trial(plan.monitor)
    config = winning_config(plan, best)
    search.finish(
        {
            "trial": best.trial,
            "monitor": plan.monitor,
            "figures": best.figures,
            "note": "The figures are the best of several on the validation images, so optimistic; the winner's figures "
            "on the test images are in winner/metrics.json.",
            "settings": best.settings,
            "config": config.to_dict(),
        }
    )
    return config


def winning_config(plan, best):
    """The recipe of the best trial, for training and validation images together, up to the trial's best epoch."""
    epochs = max(1, round(best.best_epoch))
    settings = best.settings | {"train_on_validation": True, "patience": None, "stop_after": epochs}
    return plan.config.as_variant(**settings)


def remove_backups(search):
    """Removes the backups from which trials of Hyperband could continue."""
    for backup in search.folder.glob("networks/*/*/backup"):
        remove(backup)


def retrain(search, config, verbose):
    """Trains the winner as a run on the train and validation images, measures it on test, explains and exports it."""
    winner = search.winner
    same = winner.begun and winner.config == config
    return train(config, winner.folder, resume=same, overwrite=not same, verbose=verbose)
