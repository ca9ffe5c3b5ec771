"""What a search prints while it runs: a line for each trial, and a traceback for each new error."""

import time

from keras_attention.config import UNIFORM
from keras_attention.metrics import MONITORS
from keras_attention.text import time_left
from keras_attention.tuning.trials import COMPLETED, FAILED, SKIPPED
from keras_attention.variants import name_without_score

LONGEST_ERROR = 160


class Progress:
    """Reports the trials of a search as they begin and end.

    Args:
        search: the `Search`.
        plan: the `Plan` of the search.
        tell: a function like `print`.
        alone: whether this process sees all trials that end, so that it can count and compare them.
    """

    def __init__(self, search, plan, tell, alone=True):
        self.search, self.plan, self.tell, self.alone = search, plan, tell, alone
        before = search.trials
        self.known = {trial.trial for trial in before if trial.status == COMPLETED}
        self.ended, self.best = {trial.trial for trial in before}, search.best_trial(plan.monitor)
        self.reported = {trial.error: trial.trial for trial in before if trial.status == FAILED}
        self.began, self.done = time.monotonic(), 0

    def begin(self, trial_id, settings):
        """Reports which trial begins, unless its result is known."""
        if trial_id in self.known:
            return
        count = f"[{len(self.ended | {trial_id})}/{self.plan.max_trials}] " if self.alone else ""
        self.tell(f"{count}trial {trial_id}: {described(settings)}: ", end="")

    def end(self, result, begun=True):
        """Reports the result of a trial; the whole line if its beginning was not reported."""
        if result.trial in self.known:
            return
        if not begun:
            self.begin(result.trial, result.settings)
        self.done += 1
        self.ended.add(result.trial)
        self.tell(self._outcome(result) + self._time_left())
        if result.status == FAILED:
            self._tell_traceback(result)

    def _outcome(self, result):
        if result.status != COMPLETED:
            return f"{result.status}: {_shortened(result.error)}"
        monitor = self.plan.monitor
        figure = f"{monitor} {result.figures[monitor]:.3f}"
        epochs = f" after {result.epochs} of {self.plan.config.last_epoch} epochs" if self._is_short(result) else ""
        cost = f"{result.seconds:.0f} s" if not result.repeats else f"same as trial {result.repeats}, not run again"
        if not self.alone:
            return f"{figure}{epochs}, {cost}"
        if self.best is None or _is_better(result, self.best, monitor):
            self.best = result
            return f"{figure}{epochs}, {cost}, the best so far"
        return f"{figure}{epochs}, {cost}, best {self.best.figures[monitor]:.3f} (trial {self.best.trial})"

    def _is_short(self, result):
        return result.epochs < self.plan.config.last_epoch

    def _time_left(self):
        rest = self.plan.max_trials - len(self.ended)
        return "" if rest <= 0 or not self.alone else time_left((time.monotonic() - self.began) / self.done * rest)

    def _tell_traceback(self, result):
        """Prints the traceback of a failure, or names the trial that failed with the same error before."""
        if result.error in self.reported:
            self.tell(f"        like trial {self.reported[result.error]}")
            return
        self.reported[result.error] = result.trial
        path = self.search.folder / "trials" / f"{result.trial}.error.txt"
        if path.exists():
            self.tell("\n".join(f"        {line}" for line in path.read_text("utf-8").rstrip().splitlines()))
        self.tell(f"        settings: {result.settings}")


def _is_better(result, other, monitor):
    return MONITORS[monitor].sign * (result.figures[monitor] - other.figures[monitor]) > 0


def _shortened(error):
    return error if len(error) <= LONGEST_ERROR else f"{error[:LONGEST_ERROR]}…"


# Values that need no mention.
USUAL = {"normalize": "layer", "num_heads": 1, "dropout": 0.0}


def described(settings):
    """The settings of a trial as a short text."""
    if not settings:
        return "no settings"
    parts = [_network(settings), "+".join(settings["attend"])]
    for name, form in (
        ("units", "{} units"),
        ("normalize", "normalize {}"),
        ("num_heads", "{} heads"),
        ("dropout", "dropout {:g}"),
        ("learning_rate", "rate {:g}"),
    ):
        if settings.get(name) not in (None, USUAL.get(name)):
            parts.append(form.format(settings[name]))
    usual = {"score", "alignment", "score_options", "alignment_options", "attend"}
    usual |= {"pooling", "feature_gate", "units", "normalize", "num_heads", "dropout", "learning_rate"}
    others = {name: value for name, value in settings.items() if name not in usual}
    return ", ".join([*parts, *(f"{name} {_short(value)}" for name, value in others.items())])


def _short(value):
    return f"{value:g}" if isinstance(value, float) else value


def _network(settings):
    if settings["score"] in (None, UNIFORM):
        return settings["score"] or name_without_score(settings)
    score, alignment = (settings[name] + _options(settings[f"{name}_options"]) for name in ("score", "alignment"))
    return f"{score}+{alignment}"


def _options(options):
    texts = [f"{name}={_short(value)}" for name, value in options.items()]
    return f"({', '.join(texts)})" if texts else ""


def announce(search, plan, dataset):
    """The first lines of a search: the data, the tuner, the number of trials and the folder."""
    lines = [dataset.described]
    finished = len(search.trials)
    before = f", {finished} of them done before" if finished else ""
    executions = f" of {plan.executions} networks each" if plan.executions > 1 else ""
    trials = "1 trial" if plan.max_trials == 1 else f"{plan.max_trials} trials"
    free = sum(len(hp["config"].get("values", ())) != 1 for hp in plan.space)
    searched = f"{plan.tuner} over 1 hyperparameter" if free == 1 else f"{plan.tuner} over {free} hyperparameters"
    lines.append(f"search  {searched}, {trials}{executions}{before}, by {plan.monitor}")
    lines.append(f"folder  {search.folder}")
    return "\n".join(lines)


def conclusion(search, plan):
    """The last lines of a search: what it found, and how far to trust it."""
    trials, best = search.trials, search.best_trial(plan.monitor)
    counts = {status: sum(trial.status == status for trial in trials) for status in (COMPLETED, FAILED, SKIPPED)}
    kinds = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    more = "" if len(trials) >= plan.max_trials else "; no other settings are left to try"
    lines = [f"trials  {kinds}{more}"]
    failed = {trial.error: trial for trial in trials if trial.status == FAILED}
    lines += [f"failed  {described(trial.settings)}: {_shortened(error)}" for error, trial in failed.items()]
    value = best.figures[plan.monitor]
    lines.append(f"best    trial {best.trial}: {described(best.settings)}")
    lines.append(
        f"        {plan.monitor} {value:.3f} in the search: the best of {counts[COMPLETED]} on the images that chose "
        "it, so optimistic"
    )
    return "\n".join(lines)
