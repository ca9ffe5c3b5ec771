"""How long functions take, measured in turn in one process, so that the drift of a machine cancels."""

import statistics
import time


def medians(functions, repeats, warm_up=3, pause=0.0, most=None, seconds=0.0):
    """Name → median seconds of `repeats` calls of functions that take turns; a call must return when its work is done.

    Args:
        functions: name → function without arguments.
        repeats: how many calls of each are measured.
        warm_up: how many calls of each come before, which trace and fill caches.
        pause: seconds between two calls, for libraries whose threads go on looking for work after a call.
        most: how many calls of each are measured at most while all together take less than `seconds`; `repeats` if
            `None`.
        seconds: see `most`.

    Example:

    >>> from keras_attention.timing import medians
    >>> times = medians({"few": lambda: sum(range(10)), "many": lambda: sum(range(100_000))}, repeats=3)
    >>> times["few"] < times["many"]
    True
    """
    for _ in range(warm_up):
        _seconds_of_each(functions, pause)
    rounds, began = [], time.perf_counter()
    while len(rounds) < repeats or (len(rounds) < (most or repeats) and time.perf_counter() - began < seconds):
        rounds.append(_seconds_of_each(functions, pause))
    return {name: statistics.median(times[name] for times in rounds) for name in functions}


def _seconds_of_each(functions, pause):
    """Name → seconds of a call of each function, one after the other."""
    seconds = {}
    for name, function in functions.items():
        time.sleep(pause)
        began = time.perf_counter()
        function()
        seconds[name] = time.perf_counter() - began
    return seconds
