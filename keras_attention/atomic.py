"""Files and folders that appear whole or not at all."""

import contextlib
import fcntl
import glob
import os
import pathlib
import shutil
import uuid

TEMPORARY = ".unfinished-"


@contextlib.contextmanager
def replacing(path):
    """Yields a temporary path next to `path`; what is written there replaces `path` if the block succeeds.

    A file replaces a file in one step. Before a folder replaces another, the old one is moved aside, so that a
    half-written folder is never seen. After an error, what was written is removed.

    Example:

    >>> import pathlib, tempfile
    >>> from keras_attention.atomic import replacing
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "notes.txt"
    >>> with replacing(target) as temporary:
    ...     _ = temporary.write_text("whole")
    >>> target.read_text()
    'whole'
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays last: Keras chooses the format of a file by it.
    temporary = path.with_name(f"{TEMPORARY}{uuid.uuid4().hex[:8]}-{path.name}")
    try:
        yield temporary
        if temporary.is_dir() and path.exists():
            old = path.with_name(f"{TEMPORARY}{uuid.uuid4().hex[:8]}-old-{path.name}")
            os.rename(path, old)
            os.rename(temporary, path)
            remove(old)
        else:
            os.replace(temporary, path)
    finally:
        remove(temporary)


@contextlib.contextmanager
def alone(path, wait=True):
    """Runs the block in one process at a time; the lock ends with its process, even if that is killed.

    Args:
        path: the lock file. It is not removed afterwards, and its folder must exist.
        wait: whether to wait while another process holds the lock.

    Raises:
        BlockingIOError: another process holds the lock, and `wait` is False.
    """
    with pathlib.Path(path).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def remove(path):
    """Removes a file or a folder if it exists."""
    path = pathlib.Path(path)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove_leftovers(folder, name=None):
    """Removes the temporary files of `name`, or of anything, that killed processes left in `folder`."""
    rest = "*" if name is None else f"{8 * '?'}-{glob.escape(name)}"
    for path in pathlib.Path(folder).glob(TEMPORARY + rest):
        remove(path)
