"""Which columns of a table are what: the image, the label, the group, the split, the mask."""

import dataclasses
import re

from keras_attention.arguments import invalid, unknown
from keras_attention.patterns import COLUMN_ROLES
from keras_attention.text import listed, shown

# Role → usual names of its column, in small letters with _ between words. The first that a table has is taken of those
# that say the same; labels and masks may differ in what they say, so that two of them must be told apart first.
USUAL = {
    "image": (
        *("image", "image_path", "img_path", "image_file", "image_filename", "image_name", "image_id", "image_index"),
        *("img", "img_id", "img_name", "filepath", "file_path", "filename", "file_name", "file", "path"),
        *("isic_id", "id"),
    ),
    "label": (
        *("label", "labels", "class", "classes", "class_name", "category", "target", "dx", "diagnosis", "diagnostic"),
        *("finding_labels", "findings", "species", "breed", "tags"),
    ),
    "group": (
        *("group", "group_id", "patient", "patient_id", "subject", "subject_id", "person_id", "case", "case_id"),
        *("lesion", "lesion_id", "study_id", "series_id"),
    ),
    "split": ("split", "subset", "partition", "set"),
    "mask": ("mask", "mask_path", "mask_file", "mask_filename", "segmentation", "segmentation_path"),
}
INTERCHANGEABLE = ("image", "group")
NONE = "none"
TRUE, FALSE = ("1", "1.0", "true", "yes"), ("0", "0.0", "false", "no")


@dataclasses.dataclass(frozen=True)
class Columns:
    """The columns of a table by their roles.

    Args:
        image: the column of the images.
        labels: those of the labels: one, or several, each 0 or 1.
        group, split, mask: their columns, or `None`.
    """

    image: str
    labels: tuple
    group: str | None = None
    split: str | None = None
    mask: str | None = None

    @property
    def one_for_each_class(self):
        """Whether each class has a column of 0 and 1."""
        return len(self.labels) > 1

    @property
    def note(self):
        """The columns that are used, as a sentence."""
        parts = [f"image {shown(self.image)}", f"label {listed(map(shown, self.labels))}"]
        parts += [f"{role} {shown(name)}" for role in COLUMN_ROLES[2:] if (name := getattr(self, role)) is not None]
        return f"columns: {', '.join(parts)}"


def find_columns(table, given):
    """The `Columns` of a table: those that are given, and the others by their usual names.

    Args:
        table: the `Table`.
        given: role → the name of its column; for `"label"` also several names; `"none"` for a column that is not to be
            used.

    Raises:
        ValueError: a role or a column that does not exist, no column of images or labels, or several that may be it.
    """
    found = {"image": image_column(table, given)}
    for role in COLUMN_ROLES[1:]:
        found[role] = _told_or_by_name(table, role, given)
    labels = _several(found.pop("label") or ()) or _of_zeros_and_ones(table, set(found.values()))
    if not labels:
        raise _missing(table, "label")
    return Columns(labels=labels, **found)


def image_column(table, given):
    """The column of the images alone, whatever the others are; arguments and errors as of `find_columns`."""
    for role, names in given.items():
        if role not in COLUMN_ROLES:
            raise unknown("role of a column", role, COLUMN_ROLES, "columns")
        for name in _several(names):
            if name != NONE and name not in table.columns:
                raise unknown("column", name, table.columns, f"columns[{role!r}]")
    found = _told_or_by_name(table, "image", given)
    if found is None:
        raise _missing(table, "image")
    return found


def _told_or_by_name(table, role, given):
    """The column that is given for a role, or else that with a usual name; `None` without one."""
    if role in given:
        return None if given[role] == NONE else given[role]
    return _by_name(table, role, {name for names in given.values() for name in _several(names)})


def _several(names):
    return (names,) if isinstance(names, str) else tuple(names)


def _by_name(table, role, used):
    """The column with a usual name of a role; `None` if there is none."""
    by_name = {_plain(name): name for name in table.columns if name not in used}
    found = [by_name[name] for name in USUAL[role] if name in by_name]
    if len(found) > 1 and role not in INTERCHANGEABLE:
        raise invalid(
            f"The columns {' and '.join(map(shown, found[:2]))} of {shown(table.path)} may both be the {role}.",
            f"`columns`, with the one that is: {role}={found[0]}",
            f"columns {', '.join(map(shown, table.columns))}",
        )
    return found[0] if found else None


def _plain(name):
    """A name in small letters, with _ for what is neither a letter nor a digit."""
    return re.sub(r"[\W_]+", "_", name).strip("_").lower()


def _of_zeros_and_ones(table, used):
    """The columns, two or more, that hold 0 and 1 alone, of those that are nothing else."""
    known = {*TRUE[:2], *FALSE[:2]}
    found = [name for name, values in table.columns.items() if name not in used and set(values) <= known]
    return tuple(found) if len(found) > 1 else ()


def _missing(table, role):
    expected = f"a column named such as {listed(USUAL[role])}, or `columns` with {role}=NAME"
    received = f"columns {', '.join(map(shown, table.columns))}"
    return invalid(f"{shown(table.path)} has no column that is known to be the {role}.", expected, received)
