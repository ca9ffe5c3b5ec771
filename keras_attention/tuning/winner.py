"""The winner of a search: its recipe, and the run that is made of it."""

import dataclasses

from keras_attention.atomic import remove
from keras_attention.metrics import MONITORS
from keras_attention.report import search_figure
from keras_attention.training import train
from keras_attention.tuning.trials import COMPLETED


def write_results(search, plan):
    """Writes `search.png` and `best.json` of the trials that have ended; gives the winner's config."""
    completed = [dataclasses.asdict(trial) for trial in search.trials if trial.status == COMPLETED]
    search.save_figure(search_figure(completed, plan.monitor, MONITORS[plan.monitor].more_is_better))
    best = search.best_trial(plan.monitor)
    config = winning_config(plan, best)
    search.finish(
        {
            "trial": best.trial,
            "monitor": plan.monitor,
            "figures": best.figures,
            "note": "The figures are the best of several on the validation images, so optimistic; what the winner "
            "reaches on test images is in winner/metrics.json.",
            "settings": best.settings,
            "config": config.to_dict(),
        }
    )
    return config


def winning_config(plan, best):
    """The recipe of the best trial, on training and validation images together, for as many epochs as were best."""
    epochs = max(1, round(best.best_epoch))
    settings = best.settings | {"train_on_validation": True, "patience": None, "stop_after": epochs}
    return plan.config.as_variant(**settings)


def remove_backups(search):
    """Removes the weights that kept trials of Hyperband ready for more epochs."""
    for backup in search.folder.glob("networks/*/*/backup"):
        remove(backup)


def retrain(search, config, verbose):
    """The winner as a finished run: trained on train and validation, measured on test, explained and exported."""
    winner = search.winner
    same = winner.begun and winner.config == config
    return train(config, winner.folder, resume=same, overwrite=not same, verbose=verbose)
