"""The page itself: its layout, and what happens in it."""

import pathlib

import gradio as gr
from PIL import Image

from keras_attention.demo import figures
from keras_attention.explain.pictures import OPACITY

CLASSES = 5  # shown at most
THUMBNAIL = 128  # pixels
INTRODUCTION = "Drop an image, or choose an example. Everything stays on this computer."
MODEL = {"concurrency_id": "model", "concurrency_limit": 1}  # one image at a time, whoever asks
PRIVATE = {"api_visibility": "private"}
STYLE = f"""
{figures.STYLE}
footer {{ display: none !important; }}
.gradio-container {{ max-width: 1360px !important; margin: 0 auto !important; }}
#examples .caption-label {{ font-size: 12px; }}
"""


def demo_page(viewer, examples, notes, title):
    """A page where images are dropped, or examples chosen, and the maps are seen over them.

    Args:
        viewer: the `Viewer` of the model.
        examples: a list of `Example`; the first one is shown at the start.
        notes: sentences on what is not there.
        title: of the page.

    Returns:
        A `gradio.Blocks` that is not yet launched.
    """
    # What Gradio keeps of a session goes an hour after it was made; uploads go as soon as they are read.
    with gr.Blocks(title=title, analytics_enabled=False, fill_width=True, delete_cache=(600, 3600)) as page:
        gr.Markdown(f"# {_plain(title)}\n{INTRODUCTION}")
        if notes:
            gr.HTML(figures.notes(notes), elem_id="notes")
        _Parts(viewer, examples).connect()
    return page


def _plain(text):
    """A text that Markdown leaves as it is."""
    return "".join(f"\\{letter}" if letter in "\\`*_{}[]()#+-.!<>|$" else letter for letter in text)


class _Parts:
    """The parts of the page, and what they do to each other."""

    def __init__(self, viewer, examples):
        self.viewer, self.examples = viewer, examples
        first = self._example(0, OPACITY) if examples else (None, "", {}, "", None)
        self.state = gr.State(first[0])
        self.number = gr.State(first[4])
        with gr.Row():
            with gr.Column(min_width=300):
                self.upload = gr.File(label="Image", file_types=["image"], height=150, elem_id="upload")
                self.notice = gr.HTML(elem_id="notice")
                self.about = gr.HTML(first[1], elem_id="about")
            with gr.Column(min_width=300):
                self.label = gr.Label(first[2], num_top_classes=CLASSES, label="Classes", elem_id="classes")
            if examples:
                with gr.Column(min_width=300):
                    self._add_examples()
        has_maps = viewer.reading is not None
        words = "0 is the image in grey, 1 the colours alone"
        self.opacity = gr.Slider(
            0, 1, OPACITY, step=0.05, label="Opacity of the maps", info=words, visible=has_maps, elem_id="opacity"
        )
        self.figures = gr.HTML(first[3], elem_id="figures")

    def _add_examples(self):
        thumbnails = [(_thumbnail(each.image), each.true or each.name) for each in self.examples]
        self.gallery = gr.Gallery(
            thumbnails,
            label=f"{len(thumbnails)} examples",
            columns=6,
            height=190,
            allow_preview=False,
            selected_index=0,
            object_fit="cover",
            buttons=[],
            elem_id="examples",
        )
        with gr.Row():
            self.previous = gr.Button("← Previous", size="sm", min_width=100, elem_id="previous")
            self.next = gr.Button("Next →", size="sm", min_width=100, elem_id="next")

    def connect(self):
        """Says what each part does."""
        shown = [self.state, self.about, self.label, self.figures, self.number, self.notice]
        self.upload.upload(self.look_at_upload, [self.upload, self.opacity], [*shown, self.upload], **MODEL, **PRIVATE)
        self.opacity.change(
            figures.figures,
            [self.state, self.opacity],
            self.figures,
            show_progress="hidden",
            trigger_mode="always_last",
            **PRIVATE,
        )
        if self.examples:
            self._connect_examples(shown)

    def _connect_examples(self, shown):
        self.gallery.select(self.look_at_chosen, self.opacity, shown, **MODEL, **PRIVATE)
        for button, step in ((self.previous, -1), (self.next, 1)):
            button.click(self._flip(step), [self.number, self.opacity], [*shown, self.gallery], **MODEL, **PRIVATE)

    def look_at_upload(self, path, opacity):
        """What the page shows of an uploaded file, which is removed once it is read."""
        if path is None:
            return [gr.skip()] * 7
        path = pathlib.Path(path)
        try:
            image = self.viewer.read(path)
        except ValueError as error:
            return [*[gr.skip()] * 5, figures.refused(str(error)), None]
        finally:
            path.unlink(missing_ok=True)  # Gradio takes none but what was uploaded
        return [*self._shown(image, path.name, None, opacity, None), "", None]

    def look_at_chosen(self, opacity, event: gr.SelectData):
        """What the page shows of the example whose thumbnail is chosen."""
        return [*self._example(event.index, opacity), ""]

    def _flip(self, step):
        def flip(number, opacity):
            """What the page shows of the next example; from an upload on, of the first or the last one."""
            start = number if number is not None else (-1 if step > 0 else 0)
            number = (start + step) % len(self.examples)
            return [*self._example(number, opacity), "", gr.Gallery(selected_index=number)]

        return flip

    def _example(self, number, opacity):
        example = self.examples[number]
        return self._shown(example.image, example.name, example.true, opacity, number)

    def _shown(self, image, name, true, opacity, number):
        view = self.viewer(image)
        about = figures.about(name, view, true)
        return view, about, view.probabilities, figures.figures(view, opacity), number


def _thumbnail(image):
    return Image.fromarray(image).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BICUBIC)
