"""The images of a run, by name: what `evaluate` and `explain` read of a folder that has changed since."""

import dataclasses

from keras_attention.arguments import invalid
from keras_attention.text import counted, shown


@dataclasses.dataclass(frozen=True)
class RememberedSplit:
    """The images that a run was trained and measured on.

    Args:
        class_names: the classes of the run.
        files: split → path below the folder of the data → digest of the image.
    """

    class_names: tuple
    files: dict

    def applied(self, layout):
        """A layout with the images of the run that are still there, in the splits and the order of the run.

        Raises:
            ValueError: no image of a split is left.
        """
        found = {
            path.relative_to(layout.root).as_posix(): (path, layout.class_names[label])
            for pairs in layout.files.values()
            for path, label in pairs
        }
        files = {split: self._left(split, names, found) for split, names in self.files.items()}
        known = {name for names in self.files.values() for name in names}
        notes = [f"{split}: {self._told(split, found)}" for split in self.files if self._told(split, found)]
        if new := sorted(set(found) - known):
            are_new = counted(len(new), "image is new", "images are new")
            notes.append(f"{are_new} since the training and left out, the first {new[0]}")
        return dataclasses.replace(
            layout, files=files, class_names=list(self.class_names), has_splits=True, notes=(*layout.notes, *notes)
        )

    def _left(self, split, names, found):
        pairs = [(found[name][0], self.class_names.index(found[name][1])) for name in names if name in found]
        if not pairs:
            raise invalid(
                f"No {split} image of the run is left.",
                f"{counted(len(names), 'image')}, the first {next(iter(names))}",
                "none",
            )
        return pairs

    def _told(self, split, found):
        gone = [name for name in self.files[split] if name not in found]
        if not gone:
            return ""
        of, verb = counted(len(self.files[split]), "image"), "is" if len(gone) == 1 else "are"
        return f"{len(gone):,} of its {of} {verb} gone since the training, the first {gone[0]}"

    def compared(self, read):
        """Sentences on images whose content has changed."""
        return tuple(
            f"{split}: {counted(len(changed), 'image has', 'images have')} changed since the training, "
            f"the first {changed[0]}"
            for split, changed in ((split, self._changed(split, each)) for split, each in read.items())
            if changed
        )

    def _changed(self, split, each):
        before = self.files[split]
        return [name for name, digest in zip(each.names, each.digests, strict=True) if before[name] != digest]

    def require_training_images(self, files):
        """Raises a `ValueError` that names the first training image that is gone or changed.

        Args:
            files: split → path → digest, as an `ImageDataset` has it.
        """
        for split in ("train", "validation"):
            before, now = self.files[split], files[split]
            gone = sorted(name for name in before if name not in now)
            changed = sorted(name for name in now if before.get(name) != now[name])
            for names, what in ((gone, "gone"), (changed, "changed")):
                if names:
                    how_many = f"{len(names):,} of the {len(before):,} {split} images with which the run began"
                    raise invalid(
                        f"{how_many} {'is' if len(names) == 1 else 'are'} {what}, the first {shown(names[0])}.",
                        "the same images, put back where they were, or a new run",
                        counted(len(now), "image"),
                    )
