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
    """Gives a temporary path beside `path`; what is written there takes the place of `path` when the block ends well.

    A file replaces a file in one step. A folder first moves an old one aside, so that at no moment is half of one seen.
    After an error nothing is left of what was written.

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
    # The suffixes stay last: Keras chooses the format of a file by them.
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
    """Lets in one process at a time; the lock ends with its process, however that ends.

    Args:
        path: of the file that is the lock; it stays, and its folder must be there.
        wait: whether another process waits.

    Raises:
        BlockingIOError: a process that does not wait, while another one is in.
    """
    with pathlib.Path(path).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def remove(path):
    """Removes a file or a folder, if it is there."""
    path = pathlib.Path(path)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove_leftovers(folder, name=None):
    """Removes what a process that was killed while it wrote, something called `name` or anything, left in `folder`."""
    rest = "*" if name is None else f"{8 * '?'}-{glob.escape(name)}"
    for path in pathlib.Path(folder).glob(TEMPORARY + rest):
        remove(path)
