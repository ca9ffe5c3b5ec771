"""Queries of a feature map in each form: a vector, several vectors or a map; checked, averaged and resized."""

from keras import ops

from keras_attention.arguments import invalid


def single(query):
    """The query as it is, or for a map, with a query at every position, their average `(B, dq)`."""
    return ops.mean(query, axis=(1, 2)) if len(query.shape) == 4 else query


def resize(query_map, size):
    """A query map `(B, h, w, dq)` on a grid of another size, bilinearly; itself if it has the size."""
    if tuple(query_map.shape[1:3]) == tuple(size):
        return query_map
    return ops.image.resize(query_map, size, interpolation="bilinear", data_format="channels_last")


def check_shapes(query_shape, features_shape):
    """Raises `ValueError` unless these are the shapes of a query in one of its forms and of a feature map."""
    received = f"query shape={tuple(query_shape)}, features shape={tuple(features_shape)}"
    if len(features_shape) != 4:
        raise invalid(
            "The features must be a feature map.", "features of shape (batch, height, width, channels)", received
        )
    if len(query_shape) not in (2, 3, 4):
        raise invalid(
            "The query must be a vector, several vectors or a map.",
            "a query of shape (batch, dimension), (batch, queries, dimension) or (batch, height, width, dimension)",
            received,
        )
    if None not in (query_shape[0], features_shape[0]) and query_shape[0] != features_shape[0]:
        raise invalid("Query and features must have the same batch size.", "one batch size", received)
    if len(query_shape) == 4 and None in (*query_shape[1:3], *features_shape[1:3]):
        raise invalid("A query map needs feature maps of known size.", "known heights and widths", received)
