#!/usr/bin/env bash
# jax 0.10.2: once it is imported, an interrupt that comes while Python collects garbage is lost.
#
# JAX appends a function to `gc.callbacks`. Python runs the handler of a signal between two steps of whatever Python code is
# running; if that is a callback of the collector, the KeyboardInterrupt is printed as "Exception ignored" and forgotten, and
# the program goes on. A program that never calls JAX is reached too: keras 3.15.1 imports it on the TensorFlow backend where
# it is installed. A second Ctrl-C is as likely to be lost as the first.
#
# Seen: 100 interrupts, at different times, of a loop that makes objects which refer to themselves
#   without jax   0 lost
#   with jax     39 lost
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
cat > "$folder/interrupts.py" <<'PYTHON'
import signal
import sys
import threading
import time

if sys.argv[1] == "with":
    import jax  # noqa: F401

INTERRUPTS = 100
sys.unraisablehook = lambda _: None
main = threading.main_thread().ident


def is_lost(delay):
    """Whether the main thread does not notice an interrupt that comes after a delay in seconds."""
    timer = threading.Timer(delay, signal.pthread_kill, (main, signal.SIGINT))
    timer.start()
    try:
        end = time.monotonic() + 0.3
        while time.monotonic() < end:
            itself = []
            itself.append(itself)
    except KeyboardInterrupt:
        return False
    finally:
        timer.join()
    return True


lost = sum(is_lost(0.02 + 0.0001 * number) for number in range(INTERRUPTS))
print(f"{sys.argv[1]} jax: {lost} of {INTERRUPTS} interrupts lost")
assert lost >= 5 if sys.argv[1] == "with" else lost == 0, lost
PYTHON
for jax in without with; do
    "$folder/venv/bin/python" "$folder/interrupts.py" $jax
done
