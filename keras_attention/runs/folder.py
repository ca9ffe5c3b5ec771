"""One folder for each piece of work: claimed, begun, resumed and finished in the same way for every kind of work."""

import contextlib
import pathlib

from keras_attention.arguments import invalid, require_path
from keras_attention.atomic import TEMPORARY, remove_leftovers, replacing
from keras_attention.files import read_json, write_json


class WorkFolder:
    """The folder of a piece of work.

    The file of the plan is written first, the file of the result last; in between, the work is unfinished and can be
    resumed. Each kind of work is a subclass, which sets

    - `kind`, what it is called in messages;
    - `plan_name` and `result_name`, the names of the two files;
    - `plan_type`, the class of its plans, which has `to_dict`, `from_dict`, and `extended(other)`, which returns the
      plan to continue with, or raises a `ValueError` that says what differs;
    - `grows`, whether finished work can be continued with a larger plan.

    Args:
        folder: the path of the folder, which need not exist yet.
    """

    kind, plan_name, result_name, plan_type, grows = None, None, None, None, False

    def __init__(self, folder):
        self.folder = pathlib.Path(require_path("run", folder))

    @property
    def plan(self):
        """The plan of the work.

        Raises:
            ValueError: the folder has no plan, or the plan of other work.
        """
        path = self.existing(self.plan_name)
        try:
            return self.plan_type.from_dict(read_json(path))
        except (KeyError, TypeError, AttributeError) as error:
            what = f"{path} must be the plan of a {self.kind}."
            raise invalid(what, f"a file that a {self.kind} wrote", f"{type(error).__name__}: {error}") from error

    @property
    def begun(self):
        """Whether the folder has a plan."""
        return (self.folder / self.plan_name).is_file()

    @property
    def abandoned(self):
        """Whether the folder holds only what is written before the plan: its work was killed before it had begun."""
        found = list(self.folder.iterdir()) if self.folder.is_dir() and not self.begun else []
        return bool(found) and all(path.name.startswith(TEMPORARY) or self.precedes(path) for path in found)

    def precedes(self, path):
        """Whether a file may lie in the folder of work that has no plan yet."""
        return False

    @property
    def finished(self):
        """Whether the folder has a result."""
        return (self.folder / self.result_name).is_file()

    @property
    def result(self):
        """The result of the work, as plain data.

        Raises:
            ValueError: the work is not finished.
        """
        return read_json(self.existing(self.result_name))

    def existing(self, name):
        """The path of a file in the folder.

        Raises:
            ValueError: the file does not exist; the message says why.
        """
        path = self.folder / name
        if self.folder.is_file():
            raise invalid(f"{self.folder} is a file.", f"the folder of a {self.kind}", str(self.folder))
        if not path.is_file():
            what = "is not finished" if name != self.plan_name and self.begun else f"holds no {self.kind}"
            raise invalid(f"{self.folder} {what}.", f"the folder of a {self.kind}, with {name}", str(self.folder))
        return path

    def claim(self, plan, resume=False, overwrite=False):
        """The plan to carry out: the given plan, or to resume, the saved plan extended by the given one.

        Nothing is written yet, so that an error before the work leaves nothing behind. Work that was killed before it
        had begun is begun, in whatever way its folder is claimed.

        Raises:
            ValueError: the folder exists and may be neither resumed nor replaced, holds something else, or was begun
                with different settings than those to resume with.
        """
        if resume and overwrite:
            raise invalid("`resume` continues what `overwrite` removes.", "one of the two", "both of them")
        if self.folder.is_file():
            raise invalid(f"{self.folder} is a file.", f"the folder of a {self.kind}", f"run={str(self.folder)!r}")
        if self.abandoned:
            return plan
        if resume:
            refusal = "cannot be resumed with different settings: leave out what differs, or use another `run`"
            return self.extended(plan, refusal)
        if self.folder.exists() and any(self.folder.iterdir()):
            self._check_may_replace(plan, overwrite)
        return plan

    def _check_may_replace(self, plan, overwrite):
        if not self.begun:
            what = f"{self.folder} is not empty and holds no {self.kind}."
            raise invalid(what, f"a new folder, or one of a {self.kind}", str(self.folder))
        if overwrite:
            return
        self.extended(plan)
        state = "finished" if self.finished else "unfinished"
        ways = "`overwrite=True`" if self.finished and not self.grows else "`resume=True` or `overwrite=True`"
        what = f"{self.folder} holds a {self.kind} that is {state}."
        raise invalid(what, f"{ways}, or another `run`", str(self.folder))

    def extended(self, plan, refusal=None):
        """The saved plan, extended by another; raises a `ValueError` that says what differs if that is impossible."""
        saved = self.plan
        refusal = refusal or f"holds another {self.kind}: use another `run`, or `overwrite=True`"
        try:
            return saved.extended(plan)
        except ValueError as error:
            raise ValueError(f"{self.folder} {refusal}. {error}") from error

    def begin(self, plan, resume=False):
        """Writes the plan; unless the work is resumed, removes what the folder holds.

        Raises:
            ValueError: the folder cannot be written.
        """
        try:
            if resume and self.begun:
                write_json(self.folder / self.plan_name, plan.to_dict())
                return
            with contextlib.suppress(FileNotFoundError):
                self.folder.lstat()  # a path below a file
            for name in (self.folder.name, f"old-{self.folder.name}"):
                remove_leftovers(self.folder.parent, name)
            # In one step, so that a kill leaves no folder without a plan.
            with replacing(self.folder) as temporary:
                write_json(temporary / self.plan_name, plan.to_dict())
        except OSError as error:
            reason = error.strerror or error
            raise invalid(f"{self.folder} cannot be written: {reason}.", "another `run`", str(self.folder)) from error

    def finish(self, result):
        """Writes the result, which is plain data, and so marks the work as finished."""
        write_json(self.folder / self.result_name, result)
