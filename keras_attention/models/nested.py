"""Models inside a model: their layers by name, and tensors inside them as tensors of the whole model."""

import collections
import dataclasses

import keras

from keras_attention.arguments import invalid


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a layer is in a model.

    Args:
        path: the names of the models around it, from the outermost, and its own.
        name: its own name if no other layer has it, or else its path with `/` between the names.
        layer: the layer.
        output: its symbolic output, a tensor of the innermost model around it; `None` if there is not just one, because
            the layer or a model around it is called several times, or because a call gives several.
    """

    path: tuple
    name: str
    layer: keras.layers.Layer
    output: object


def has_graph(layer):
    """Whether a layer is a model inside the model that computes its graph of layers: functional or `Sequential`."""
    if not isinstance(layer, keras.Model) or not type(layer).call.__module__.startswith("keras."):
        return False  # a class with a `call` of its own need not follow its graph
    return isinstance(layer, keras.Sequential) or hasattr(layer, "_nodes_by_depth")


def graph_of(model):
    """The functional model itself, or the one inside a `Sequential`."""
    return model._functional if isinstance(model, keras.Sequential) else model


def places(model):
    """The `Place` of each layer but inputs, in the order of the model; of a model inside it, first the layers in it."""
    found = list(_found(model))
    count = collections.Counter(path[-1] for path, _, _ in found)
    return [Place(path, path[-1] if count[path[-1]] == 1 else "/".join(path), *rest) for path, *rest in found]


def matching(model, name):
    """The places that a name may mean: the layer with this path, or else all whose path ends like this."""
    wanted = tuple(name.split("/")) if isinstance(name, str) else (name,)
    found = [place for place in places(model) if place.path[-len(wanted) :] == wanted]
    return [place for place in found if place.path == wanted] or found


def with_outputs_of(model, paths):
    """The same model with the outputs of some layers as tensors of its own, wherever in it the layers are.

    A model inside it gives those of its layers besides what it gave before. All layers are shared.

    Args:
        model: a functional model, or a `Sequential` that is built.
        paths: the paths of the layers, each with one output, as in `Place`.

    Returns:
        The model, which is the given one if it has all these tensors already, and a list of the tensors.
    """
    inner = collections.defaultdict(list)
    for name, *rest in paths:
        if rest:
            inner[name].append(tuple(rest))
    found = {name: with_outputs_of(model.get_layer(name), rest) for name, rest in inner.items()}
    given = {name: _giving(*pair) for name, pair in found.items()}
    replaced = {model.get_layer(name): each for name, each in given.items() if each is not model.get_layer(name)}
    model = with_calls(model, replaced) if replaced else model
    outputs = {layer.name: nodes[0].output_tensors for layer, nodes in _calls(model).items()}
    tensors = []
    for name, *rest in paths:
        inside = found[name][1][inner[name].index(tuple(rest))] if rest else None
        tensors.append(outputs[name][_ids(given[name].outputs).index(id(inside)) if rest else 0])
    return model, tensors


def cut_at(model, path):
    """The same model, in which the output of a layer is a tensor of its own, and all that depends on it comes after it.

    A model around the layer becomes two: the part before the output, and the part after it. All layers are shared.

    Args:
        model, path: as in `with_outputs_of`, for one layer.

    Returns:
        The model, and the tensor.
    """
    if not path[1:]:
        model, (tensor,) = with_outputs_of(model, [path])
        return model, tensor
    whole, inside = cut_at(model.get_layer(path[0]), path[1:])
    before, after = parts(whole, inside)
    tensors = []

    def call(*arguments, **options):
        tensors[:] = keras.tree.flatten(before(*arguments, **options))
        return after(list(tensors), training=options.get("training"))

    return with_calls(model, {model.get_layer(path[0]): call}), tensors[0]


def parts(model, tensor):
    """A model in two parts, cut at one of its tensors.

    The other tensors on which the outputs depend without passing through that one are cut too, so that the second part
    has the derivative over all ways from the tensor to the outputs.

    Args:
        model: a functional model, or a `Sequential` that is built.
        tensor: a symbolic tensor of its graph.

    Returns:
        Two models: inputs → a list of that tensor and the others, and such a list → outputs.

    Raises:
        ValueError: no output depends on the tensor.
    """
    graph = graph_of(model)
    later, nodes = {id(tensor)}, []
    for node in _in_order(graph):
        if later & set(_ids(node.input_tensors)):
            later |= set(_ids(node.output_tensors))
            nodes.append(node)
    if not later & set(_ids(graph.outputs)):
        raise invalid("The output must depend on the layer.", "a layer between the input and it", tensor.name)
    read = [each for node in nodes for each in node.input_tensors] + list(graph.outputs)
    others = {id(each): each for each in read if id(each) not in later}
    cut = [tensor, *others.values()]
    values = {id(each): keras.Input(batch_shape=each.shape, dtype=each.dtype) for each in cut}
    inputs = list(values.values())
    # Called again, and not cloned as by `keras.Model`, which takes other calls of the layers that gave `cut` for these.
    for node in nodes:
        arguments, options = node.arguments.fill_in(values)
        values |= zip(_ids(node.output_tensors), keras.tree.flatten(node.operation(*arguments, **options)), strict=True)
    outputs = keras.tree.map_structure(lambda each: values[id(each)], graph.output)
    return keras.Model(graph.input, cut), keras.Model(inputs, outputs)


def with_calls(model, replaced):
    """The same graph of the same layers, with functions that are called instead of some layers.

    Args:
        model: a functional model, or a `Sequential` that is built.
        replaced: layer → function, called as the layer was.
    """
    graph = graph_of(model)
    plain = keras.Model(graph.input, graph.output, name=model.name)

    def call(layer, *arguments, **options):
        return replaced.get(layer, layer)(*arguments, **options)

    return keras.models.clone_model(plain, clone_function=lambda layer: layer, call_function=call)


def layers_up_to(model, path):
    """The layers on which the output of a layer depends, with all layers inside them, and the layer itself.

    Args:
        model, path: as in `with_outputs_of`, for one layer.
    """
    layer = model.get_layer(path[0])
    node = _calls(model)[layer][0]
    needed, wanted = set(), set(_ids(node.input_tensors))
    for each in reversed(_in_order(graph_of(model))):
        if wanted & set(_ids(each.output_tensors)):
            wanted |= set(_ids(each.input_tensors))
            needed.add(each.operation)
    needed |= {layer} if not path[1:] else layers_up_to(layer, path[1:])
    return {part for each in needed if isinstance(each, keras.Layer) for part in each._flatten_layers()}


def on_every_way(model, around=()):
    """The paths of the layers whose outputs every way from the inputs of a model to its outputs goes through."""
    graph = graph_of(model)
    nodes, found = _in_order(graph), []
    reads = collections.Counter(_ids(graph.outputs) + [each for node in nodes for each in _ids(node.input_tensors)])
    still_read = set(_ids(graph.inputs))
    for node in nodes:
        reads.subtract(_ids(node.input_tensors))
        still_read = {each for each in still_read if reads[each]} | set(_ids(node.output_tensors))
        if still_read == set(_ids(node.output_tensors)):
            path = (*around, node.operation.name)
            found += [*(on_every_way(node.operation, path) if has_graph(node.operation) else ()), path]
    return found


def _found(model, around=(), once=True):
    """Path, layer and output of each layer of a model that is called `once`, as `Place` has them."""
    calls = _calls(model)
    for layer in (layer for layer in model.layers if layer in calls):
        alone, path = once and len(calls[layer]) == 1, (*around, layer.name)
        if has_graph(layer):
            yield from _found(layer, path, alone)
        outputs = calls[layer][0].output_tensors[: _own_outputs(layer)]
        yield path, layer, outputs[0] if alone and len(outputs) == 1 else None


def _giving(model, tensors):
    """A model that gives some of its tensors too, in a list after its outputs; the model itself if it does already."""
    missing = {id(each): each for each in tensors if id(each) not in _ids(model.outputs)}
    if not missing:
        return model
    graph, own = graph_of(model), _own_outputs(model)
    outputs = [graph.outputs[:own], graph.outputs[own:] + list(missing.values())]
    return keras.Model(graph.input, outputs, name=model.name)


def _own_outputs(layer):
    """How many of the outputs of a layer are its own; those that `_giving` added come after them. `None` means all."""
    found = graph_of(layer).output if has_graph(layer) else None
    added = isinstance(found, list) and len(found) == 2 and all(isinstance(part, list) for part in found)
    return len(found[0]) if added else None


def _calls(model):
    """Operation → its calls in the graph of a model, as nodes; those in other models do not count."""
    calls = collections.defaultdict(list)
    for node in _in_order(graph_of(model)):
        calls[node.operation].append(node)
    return calls


def _in_order(graph):
    """The nodes of a functional model without its inputs, each after those it depends on."""
    depths = sorted(graph._nodes_by_depth, reverse=True)
    return [node for depth in depths for node in graph._nodes_by_depth[depth] if not node.is_input]


def _ids(tensors):
    return [id(tensor) for tensor in tensors]
