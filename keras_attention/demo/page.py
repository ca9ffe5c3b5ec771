"""The page: its layout, and what its parts do."""

import pathlib

import gradio as gr
from PIL import Image

from keras_attention.demo import figures
from keras_attention.maps.pictures import OPACITY

CLASSES = 5  # shown at most
THUMBNAIL = 128  # pixels
INTRODUCTION = "Drop an image, or choose an example. Everything stays on this computer."
MODEL = {"concurrency_id": "model", "concurrency_limit": 1}  # one image at a time, for all open pages
PRIVATE = {"api_visibility": "private"}
# Gradio would lay out its examples in columns of at least 100 pixels, for which a narrow window has no room.
STYLE = f"""
{figures.STYLE}
.gradio-container {{ width: 100% !important; max-width: 1360px !important; margin: 0 auto !important; }}
.gradio-container > .main {{ width: 100%; max-width: none !important; padding: 12px 20px !important; }}
footer {{ display: none !important; }}
.html-container {{ padding: 0 !important; }}
#notice:not(:has(.refused)), #about:not(:has(p)) {{ display: none; }}
#examples .grid-container {{
  grid: auto-flow min-content / repeat(auto-fill, minmax(62px, 1fr)) !important;
  gap: 6px; padding: 32px 8px 8px !important; height: auto;
}}
#examples .thumbnail-item {{ width: 100%; height: auto; aspect-ratio: 1; }}
#examples .caption-label {{ font-size: 11px; padding: 1px 5px; right: 2px; bottom: 2px; }}
"""


def theme():
    """The theme of the page, in fonts of the reader's computer, so that none are fetched."""
    plain, even = ("ui-sans-serif", "system-ui", "sans-serif"), ("ui-monospace", "monospace")
    return gr.themes.Default(font=plain, font_mono=even)


def demo_page(viewer, examples, notes, title):
    """A page that shows the maps over images that a person drops, or over examples.

    Args:
        viewer: the `Viewer` of the model.
        examples: a list of `Example`; the first one is shown at the start.
        notes: sentences about what the page cannot show.
        title: title of the page.

    Returns:
        A `gradio.Blocks` that is not launched yet.
    """
    # Gradio deletes its files an hour after it made them; uploads are deleted as soon as they are read.
    with gr.Blocks(title=title, analytics_enabled=False, fill_width=True, delete_cache=(600, 3600)) as page:
        gr.Markdown(f"# {_plain(title)}\n{INTRODUCTION}")
        if notes:
            gr.HTML(figures.notes(notes), elem_id="notes")
        _Parts(viewer, examples).connect(page)
    return page


def _plain(text):
    """A text escaped so that Markdown shows it unchanged."""
    return "".join(f"\\{letter}" if letter in "\\`*_{}[]()#+-.!<>|$" else letter for letter in text)


class _Parts:
    """The parts of the page, and how they act on each other."""

    def __init__(self, viewer, examples):
        self.viewer, self.examples = viewer, examples
        self.state, self.number = gr.State(), gr.State()
        with gr.Row():
            with gr.Column(min_width=300):
                self.upload = gr.File(label="Image", file_types=["image"], height=150, elem_id="upload")
                self.notice = gr.HTML(elem_id="notice")
                self.about = gr.HTML(elem_id="about")
            with gr.Column(min_width=300):
                self.label = gr.Label(num_top_classes=CLASSES, label="Classes", elem_id="classes")
            if examples:
                with gr.Column(min_width=300):
                    self._add_examples()
        self.opacity = gr.Slider(
            0,
            1,
            OPACITY,
            step=0.05,
            label="Opacity of the maps",
            info="0 shows the image in grey, 1 only the colours",
            visible=viewer.reading is not None,
            elem_id="opacity",
        )
        self.figures = gr.HTML(elem_id="figures")

    def _add_examples(self):
        thumbnails = [(_thumbnail(each), each.true or pathlib.Path(each.name).name) for each in self.examples]
        self.gallery = gr.Gallery(
            thumbnails,
            label="Examples" if len(thumbnails) == 1 else f"{len(thumbnails)} examples",
            height=250,
            allow_preview=False,
            object_fit="cover",
            buttons=[],
            elem_id="examples",
        )
        with gr.Row():
            self.previous = gr.Button("← Previous", size="sm", min_width=100, elem_id="previous")
            self.next = gr.Button("Next →", size="sm", min_width=100, elem_id="next")

    def connect(self, page):
        """Connects the events of the parts with their handlers."""
        shown = [self.state, self.number, self.notice, self.about, self.label, self.figures]
        chosen = [*shown, self.gallery] if self.examples else shown
        self.upload.upload(self.look_at_upload, [self.upload, self.opacity], [*chosen, self.upload], **MODEL, **PRIVATE)
        self.opacity.change(
            figures.figures,
            [self.state, self.opacity],
            self.figures,
            show_progress="hidden",
            trigger_mode="always_last",
            **PRIVATE,
        )
        if self.examples:
            page.load(lambda opacity: self.look_at_example(0, opacity), self.opacity, chosen, **MODEL, **PRIVATE)
            self.gallery.select(self.look_at_thumbnail, self.opacity, shown, **MODEL, **PRIVATE)
            for button, step in ((self.previous, -1), (self.next, 1)):
                button.click(self._flip(step), [self.number, self.opacity], chosen, **MODEL, **PRIVATE)

    def look_at_upload(self, path, opacity):
        """The updates of the page for an uploaded file, which is removed once it is read.

        The upload field is emptied, so that it takes the next file.
        """
        path = pathlib.Path(path)
        try:
            image = self.viewer.read(path)
        except ValueError as error:
            return {self.notice: figures.refused(str(error)), self.upload: None}
        finally:
            path.unlink(missing_ok=True)  # safe, because Gradio passes only uploaded files
        no_selection = {self.gallery: gr.Gallery(selected_index=None)} if self.examples else {}
        return self._updates(image, path.name, None, opacity) | {self.number: None, self.upload: None} | no_selection

    def look_at_thumbnail(self, opacity, event: gr.SelectData):
        """The updates of the page for the example whose thumbnail was clicked."""
        example = self.examples[event.index]
        return self._updates(example.image, example.name, example.true, opacity) | {self.number: event.index}

    def look_at_example(self, number, opacity):
        """The updates of the page for an example that was not chosen by its thumbnail, which they select."""
        example = self.examples[number]
        updates = self._updates(example.image, example.name, example.true, opacity)
        return updates | {self.number: number, self.gallery: gr.Gallery(selected_index=number)}

    def _flip(self, step):
        def flip(number, opacity):
            """The updates for the previous or next example; after an upload, for the last or first one."""
            start = number if number is not None else (-1 if step > 0 else 0)
            return self.look_at_example((start + step) % len(self.examples), opacity)

        return flip

    def _updates(self, image, name, true, opacity):
        view = self.viewer(image)
        return {
            self.state: view,
            self.notice: "",
            self.about: figures.about(name, view, true),
            self.label: view.probabilities,
            self.figures: figures.figures(view, opacity),
        }


def _thumbnail(example):
    return Image.fromarray(example.image).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BICUBIC)
