"""One piece of work is one folder: how it is claimed, begun, resumed and finished, the same for every kind of work."""

import pathlib

from keras_attention.arguments import invalid, require_path
from keras_attention.atomic import remove
from keras_attention.files import read_json, write_json


class WorkFolder:
    """The folder of a piece of work.

    A file with the plan appears first, one with the result last: in between the work is unfinished, and can be resumed.
    A kind of work says

    - `kind`, what it is called in messages;
    - `plan_name` and `result_name`, those two files;
    - `plan_type`, the class of its plans, which have `to_dict`, `from_dict`, and `extended(other)`: the plan that goes
      on with another one, or a `ValueError` that says what differs;
    - `grows`, whether finished work may go on with a larger plan.

    Args:
        folder: where it is, or will be.
    """

    kind, plan_name, result_name, plan_type, grows = None, None, None, None, False

    def __init__(self, folder):
        self.folder = pathlib.Path(require_path("run", folder))

    @property
    def plan(self):
        """What is to be done here.

        Raises:
            ValueError: a folder without a plan, or with that of something else.
        """
        path = self.existing(self.plan_name)
        try:
            return self.plan_type.from_dict(read_json(path))
        except (KeyError, TypeError, AttributeError) as error:
            what = f"{path} is not that of a {self.kind}."
            raise invalid(what, f"one that a {self.kind} wrote", f"{type(error).__name__}: {error}") from error

    @property
    def begun(self):
        """Whether the folder has a plan."""
        return (self.folder / self.plan_name).is_file()

    @property
    def finished(self):
        """Whether the work came to its end."""
        return (self.folder / self.result_name).is_file()

    @property
    def result(self):
        """What came of it, as plain data.

        Raises:
            ValueError: work that is not finished.
        """
        return read_json(self.existing(self.result_name))

    def existing(self, name):
        """The path of a file of the folder.

        Raises:
            ValueError: a file that is not there, with the reason.
        """
        path = self.folder / name
        if self.folder.is_file():
            raise invalid(f"{self.folder} is a file.", f"the folder of a {self.kind}", str(self.folder))
        if not path.is_file():
            what = "is not finished" if name != self.plan_name and self.begun else f"holds no {self.kind}"
            raise invalid(f"{self.folder} {what}.", f"the folder of a {self.kind}, with {name}", str(self.folder))
        return path

    def claim(self, plan, resume=False, overwrite=False):
        """The plan to carry out here: that which was given, or, to resume, the saved one with what is new in it.

        Nothing is written yet, so that what fails before the work leaves nothing behind.

        Raises:
            ValueError: a folder that is there without leave to resume or replace it, one that holds something else, or
                another work of its kind than the one to resume.
        """
        if self.folder.is_file():
            raise invalid(f"{self.folder} is a file.", f"the folder of a {self.kind}", f"run={str(self.folder)!r}")
        if resume:
            refusal = "cannot be resumed with different settings: leave out what differs, or take another `run`"
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
        """The saved plan with what is new in another; raises for other work, and says what differs."""
        saved = self.plan
        refusal = refusal or f"holds another {self.kind}: take another `run`, or `overwrite=True`"
        try:
            return saved.extended(plan)
        except ValueError as error:
            raise ValueError(f"{self.folder} {refusal}. {error}") from error

    def begin(self, plan, resume=False):
        """Writes the plan down; makes the folder anew unless the work is resumed.

        Raises:
            ValueError: a folder that cannot be written.
        """
        try:
            if not resume:
                remove(self.folder)
            write_json(self.folder / self.plan_name, plan.to_dict())
        except OSError as error:
            reason = error.strerror or error
            raise invalid(f"{self.folder} cannot be written: {reason}.", "another `run`", str(self.folder)) from error

    def finish(self, result):
        """Writes the result, as plain data, which marks the work as finished."""
        write_json(self.folder / self.result_name, result)
