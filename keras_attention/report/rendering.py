"""The templates of the reports."""

import importlib.resources

import jinja2

from keras_attention.text import bounds, cell, duration, interval, number, p_value, percent, setting, short, signed


def load_template(name):
    """A template of the folder `templates`; HTML templates escape the values they insert."""
    folder = str(importlib.resources.files("keras_attention.report") / "templates")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=name.endswith("html"),
        trim_blocks=True,
        keep_trailing_newline=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"number": number, "signed": signed, "bounds": bounds, "interval": interval, "short": short}
    environment.filters |= {
        "cell": cell,
        "setting": setting,
        "percent": percent,
        "duration": duration,
        "p_value": p_value,
    }
    return environment.get_template(name)
