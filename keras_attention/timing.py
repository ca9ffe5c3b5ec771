"""How long functions take, measured in turn in one process, so that the drift of a machine cancels."""

import statistics
import time


def medians(functions, repeats, warm_up=3, pause=0.0):
    """Name → median seconds of `repeats` calls of functions that take turns; a call must return when its work is done.

    Args:
        functions: name → function without arguments.
        repeats: how many calls of each are measured.
        warm_up: how many calls of each come before, which trace and fill caches.
        pause: seconds between two calls, for libraries whose threads go on looking for work after a call.

    Example:

    >>> from keras_attention.timing import medians
    >>> times = medians({"few": lambda: sum(range(10)), "many": lambda: sum(range(100_000))}, repeats=3)
    >>> times["few"] < times["many"]
    True
    """
    times = {name: [] for name in functions}
    for repeat in range(repeats + warm_up):
        for name, function in functions.items():
            time.sleep(pause)
            began = time.perf_counter()
            function()
            if repeat >= warm_up:
                times[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in times.items()}
