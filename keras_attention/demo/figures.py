"""The pictures of a view as HTML: each with a title, a description and a colour scale."""

import base64
import io
from html import escape

from PIL import Image

from keras_attention.maps.cam import GRAD_CAM_TITLE
from keras_attention.maps.pictures import scale_colours
from keras_attention.models.outputs import JOINT

# What the model sees of an image, by `resize`.
SEEN = {
    "stretch": "the image, scaled to {0} × {0} pixels",
    "crop": "the central square of the image, scaled to {0} × {0} pixels",
    "pad": "the whole image, scaled and filled up with black to {0} × {0} pixels",
}
COLOURS = ", ".join(scale_colours(13))
STYLE = """
.looks { display: grid; grid-template-columns: repeat(auto-fit, minmax(205px, 1fr)); gap: 18px; }
@media (max-width: 600px) { .looks { grid-template-columns: 1fr 1fr; gap: 14px; } }
.looks figure { margin: 0; max-width: 420px; }
.looks img { display: block; width: 100%; height: auto; margin: 0; border-radius: 6px; }
.looks figcaption { margin-top: 7px; font-size: 13px; line-height: 1.4; color: var(--body-text-color); }
.looks figcaption b { display: block; font-size: 15px; color: var(--body-text-color); overflow-wrap: anywhere; }
.looks .scale { display: grid; grid-template-columns: auto 1fr auto; gap: 7px; align-items: center; margin-top: 5px; }
.said p { margin: 0 0 4px; color: var(--body-text-color); overflow-wrap: anywhere; }
.said .refused { padding: 8px 12px; border-left: 4px solid #dc2626; background: var(--background-fill-secondary); }
"""
STYLE += f".looks .bar {{ height: 8px; border-radius: 4px; background: linear-gradient(to right, {COLOURS}); }}"


def figures(view, opacity):
    """HTML: the image, and the image under each of its maps.

    Args:
        view: a `View`; `None` if there is nothing to show.
        opacity: opacity of the maps, from 0 to 1.
    """
    if view is None:
        return ""
    size = len(view.image)
    parts = [_figure(view.large, "What the model sees", SEEN[view.resize].format(size))]
    for title, pixels in view.blends(opacity).items():
        parts.append(_figure(pixels, _heading(title), _description(title, view), _legend(view.scales[title])))
    return f'<div class="looks">{"".join(parts)}</div>'


def _heading(title):
    return "Joint map" if title == JOINT else title


def _description(title, view):
    height, width = view.maps[title].shape
    positions = f"{height} × {width} positions"
    if title == JOINT:
        return f"the product of the attention maps of all attended layers, {positions}"
    if title.startswith(GRAD_CAM_TITLE):
        return f"where gradients say that “{view.predicted}” is seen, {positions}"
    return f"the attention map of this layer, {positions}"


def _figure(pixels, heading, description, legend=""):
    picture = f'<img src="{_source(pixels)}" width="{pixels.shape[1]}" height="{pixels.shape[0]}" '
    picture += f'alt="{escape(f"{heading}: {description}")}">'
    return f"<figure>{picture}<figcaption><b>{escape(heading)}</b>{escape(description)}{legend}</figcaption></figure>"


def _legend(scale):
    low, high = f"{scale.low:.3g}", f"{'≥ ' if scale.clipped else ''}{scale.high:.3g}"
    bar = f'<span class="scale"><span>{low}</span><span class="bar"></span><span>{high}</span></span>'
    return f"{bar}{escape(scale.unit)}"


def _source(pixels):
    """Pixels as a data URL, so that no file is written."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=92, subsampling=0)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def about(name, view, true=None):
    """HTML: the name of an image and, if it is known, its true class."""
    if true is None:
        return f'<div class="said" role="status"><p><b>{escape(name)}</b></p></div>'
    answer = "✓ right" if view.predicted == true else "✗ wrong"
    words = f"<b>{escape(name)}</b> · true class: <b>{escape(true)}</b> · {answer}"
    return f'<div class="said" role="status"><p>{words}</p></div>'


def refused(reason):
    """HTML: why an image was refused."""
    return f'<div class="said" role="alert"><p class="refused">{escape(reason)}</p></div>'


def notes(sentences):
    """HTML: sentences about what the page cannot show, one on each line."""
    return f'<div class="said">{"".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)}</div>'
