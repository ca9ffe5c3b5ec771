"""The folder of a piece of work that many runs make up: its plan in a file, what may continue it, its beginning."""

import pathlib

from keras_attention.arguments import invalid, require_path
from keras_attention.atomic import remove
from keras_attention.files import read_json, write_json


class Record:
    """A folder with a plan in it.

    A kind of work says what it is called in messages (`kind`), the name of the file of its plan (`plan_name`), and the
    class of its plans (`plan_type`), which have `to_dict`, `from_dict`, and `extended(other)`: the plan that goes on
    with another one, or a `ValueError` that says what differs.

    Args:
        folder: where it is, or will be.
    """

    kind, plan_name, plan_type = None, None, None

    def __init__(self, folder):
        self.folder = pathlib.Path(require_path("run", folder))

    @property
    def plan(self):
        """What is to be done here.

        Raises:
            ValueError: a folder without a plan, or with that of something else.
        """
        path = self.folder / self.plan_name
        if not path.is_file():
            raise invalid(f"{self.folder} holds no {self.kind}.", f"a folder with {self.plan_name}", str(self.folder))
        try:
            return self.plan_type.from_dict(read_json(path))
        except (KeyError, TypeError) as error:
            what = f"{path} is not that of a {self.kind}."
            raise invalid(what, f"one that a {self.kind} wrote", f"{type(error).__name__}: {error}") from error

    def claim(self, plan, resume=False, overwrite=False):
        """The plan to carry out here: that which was given, or, to continue, the saved one with what is new in it.

        Nothing is written yet, so that what fails before the work leaves nothing behind.

        Raises:
            ValueError: a folder that is there without leave to continue or replace it, one that holds something else,
                or another work of its kind than the one to continue.
        """
        if self.folder.is_file():
            raise invalid(f"{self.folder} is a file.", f"the folder of a {self.kind}", f"run={str(self.folder)!r}")
        if resume:
            return self.extended(plan, "cannot be continued so: leave out what differs, or take another --run")
        if self.folder.exists() and any(self.folder.iterdir()):
            if not (self.folder / self.plan_name).exists():
                what = f"{self.folder} is not empty and holds no {self.kind}."
                raise invalid(what, "a new folder", str(self.folder))
            if not overwrite:
                self.extended(plan)
                raise invalid(f"{self.folder} is there.", "--resume or --overwrite, or another --run", str(self.folder))
        return plan

    def extended(self, plan, refusal=None):
        """The saved plan with what is new in another; raises for other work, and says what differs."""
        saved = self.plan
        refusal = refusal or f"holds another {self.kind}: take another --run, or --overwrite it"
        try:
            return saved.extended(plan)
        except ValueError as error:
            raise ValueError(f"{self.folder} {refusal}. {error}") from error

    def begin(self, plan, resume):
        """Writes the plan down; makes the folder anew unless the work is continued.

        Raises:
            ValueError: a folder that cannot be written.
        """
        try:
            if not resume:
                remove(self.folder)
            write_json(self.folder / self.plan_name, plan.to_dict())
        except OSError as error:
            reason = error.strerror or error
            raise invalid(f"{self.folder} cannot be written: {reason}.", "another --run", str(self.folder)) from error
