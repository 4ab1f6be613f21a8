"""Writes all-MiniLM-L6-v2 as an ONNX graph in int8, from its weights as they were published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

Weights = Mapping[str, npt.NDArray[np.float32]]
LAYERS, HEADS, HIDDEN = 6, 12, 384
EPSILON = 1e-12
BLOCK, IN_INT8 = 128, 4
SHIFT = 0.65
MICROSOFT = "com.microsoft"


class Graph:
    """Nodes and constants in the order they are added; a tensor is known by its name.

    Args:
        ranges: The largest value of each input of each dense layer; without them the graph tells them.
    """

    def __init__(self, ranges: Weights | None) -> None:
        self.ranges = ranges
        self.told: dict[str, str] = {}
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def add(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """A node; the name of what it gives."""
        given = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [given], domain=domain, **attributes))
        return given

    def constant(self, name: str, value: npt.NDArray[Any]) -> str:
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name


def minilm(weights: Weights, ranges: Weights | None = None) -> onnx.ModelProto:
    """The whole model: `ids` of one text as [1, length] give its unit vector as [1, 384].

    One text at a time, so that its numbers never depend on which others stand in its batch.

    Args:
        ranges: What the model without them gave besides its vector, the largest of some texts, by output's name.
    """
    graph = Graph(ranges)
    state = _embedded(graph, weights)
    for layer in range(LAYERS):
        state = _layer(graph, weights, state, f"encoder.layer.{layer}")
    mean = graph.add("ReduceMean", state, graph.constant("along", np.array([1])), keepdims=0)
    graph.add("LpNormalization", mean, axis=-1, p=2)
    return _model(graph)


def _embedded(graph: Graph, weights: Weights) -> str:
    """Word, position and segment vectors; a word's row is in int8 with a scale of its own."""
    table, scales = _narrowed(weights["embeddings.word_embeddings.weight"], axis=1)
    rows = graph.add("Gather", graph.constant("words", table), "ids")
    scale = graph.add("Gather", graph.constant("word_scales", scales), "ids")
    words = graph.add("Mul", graph.add("Cast", rows, to=TensorProto.FLOAT), scale)
    segment = weights["embeddings.token_type_embeddings.weight"][0]
    places = graph.constant("places", weights["embeddings.position_embeddings.weight"] + segment)
    ends = graph.add("Shape", "ids", start=1, end=2)
    starts, axes = graph.constant("zero", np.array([0])), graph.constant("rows", np.array([0]))
    placed = graph.add("Add", words, graph.add("Slice", places, starts, ends, axes))
    return _normalised(graph, weights, placed, "embeddings.LayerNorm")


def _layer(graph: Graph, weights: Weights, state: str, name: str) -> str:
    attended = _attention(graph, weights, state, f"{name}.attention.self")
    attended = _dense(graph, weights, attended, [f"{name}.attention.output.dense"])
    state = _normalised(graph, weights, graph.add("Add", attended, state), f"{name}.attention.output.LayerNorm")
    wide = _dense(graph, weights, state, [f"{name}.intermediate.dense"])
    narrow = _dense(graph, weights, graph.add("Gelu", wide, domain=MICROSOFT), [f"{name}.output.dense"])
    return _normalised(graph, weights, graph.add("Add", narrow, state), f"{name}.output.LayerNorm")


def _attention(graph: Graph, weights: Weights, state: str, name: str) -> str:
    parts = _dense(graph, weights, state, [f"{name}.{part}" for part in ("query", "key", "value")])
    given = [f"{name}.{part}" for part in "qkv"]
    graph.nodes.append(helper.make_node("Split", [parts], given, axis=-1, num_outputs=3))
    return graph.add("MultiHeadAttention", *given, domain=MICROSOFT, num_heads=HEADS)


def _dense(graph: Graph, weights: Weights, state: str, names: Sequence[str]) -> str:
    """A layer of the model, or several side by side."""
    name, rows = names[0], np.concatenate([weights[f"{name}.weight"] for name in names])
    bias = graph.constant(f"{name}.bias", np.concatenate([weights[f"{name}.bias"] for name in names]))
    if graph.ranges is None:
        largest = graph.add(
            "ReduceMax", graph.add("Abs", state), graph.constant("tokens", np.array([0, 1])), keepdims=0
        )
        graph.told[name] = largest
    # One scale for all inputs costs the most behind the Gelu, which gives a few numbers that are very large.
    if graph.ranges is None or (".attention." not in name and ".output." in name):
        return _in_blocks(graph, rows, state, name, bias)
    return _smoothed(graph, rows, state, name, bias, graph.ranges[name])


def _in_blocks(graph: Graph, rows: npt.NDArray[np.float32], state: str, name: str, bias: str) -> str:
    """With a scale for each 128 numbers: exact, and takes twice the time of `_smoothed`."""
    outputs, inputs = rows.shape
    table, scales = _narrowed(rows.reshape(outputs, -1, BLOCK), axis=2)
    tables = graph.constant(f"{name}.table", (table.astype(np.int16) + 128).astype(np.uint8))
    sizes = {"K": inputs, "N": outputs, "bits": 8, "block_size": BLOCK, "accuracy_level": IN_INT8}
    scale = graph.constant(f"{name}.scales", scales[..., 0])
    return graph.add("MatMulNBits", state, tables, scale, "", "", bias, domain=MICROSOFT, **sizes)


def _smoothed(
    graph: Graph, rows: npt.NDArray[np.float32], state: str, name: str, bias: str, largest: npt.NDArray[np.float32]
) -> str:
    """With one scale for all inputs, after what is large in them has been moved into the weights (SmoothQuant)."""
    shift = np.maximum(largest**SHIFT / np.maximum(np.abs(rows).max(axis=0), 1e-5) ** (1 - SHIFT), 1e-4)
    # 7 bits: the sums of 8 overflow the 16-bit adders of processors without VNNI.
    table, scales = _narrowed((rows * shift).T, axis=0, most=63)
    even = graph.add("Mul", state, graph.constant(f"{name}.shift", (1 / shift).astype(np.float32)))
    tables = [graph.constant(f"{name}.table", table), graph.constant(f"{name}.scales", scales[0])]
    return graph.add("DynamicQuantizeMatMul", even, *tables, "", bias, domain=MICROSOFT)


def _normalised(graph: Graph, weights: Weights, state: str, name: str) -> str:
    tensors = [graph.constant(f"{name}.{part}", weights[f"{name}.{part}"]) for part in ("weight", "bias")]
    return graph.add("LayerNormalization", state, *tensors, axis=-1, epsilon=EPSILON)


def _narrowed(
    numbers: npt.NDArray[np.float32], axis: int, most: int = 127
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """The numbers within ± `most`, and the scales along `axis` that give them back."""
    scales = np.maximum(np.abs(numbers).max(axis=axis, keepdims=True) / most, 1e-12).astype(np.float32)
    return np.rint(numbers / scales).astype(np.int8), scales


def _model(graph: Graph) -> onnx.ModelProto:
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, [1, "length"])
    vector = helper.make_tensor_value_info(graph.nodes[-1].output[0], TensorProto.FLOAT, [1, HIDDEN])
    told = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in graph.told]
    nodes = [*graph.nodes, *(helper.make_node("Identity", [given], [name]) for name, given in graph.told.items())]
    made = helper.make_graph(nodes, "minilm", [ids], [vector, *told], list(graph.constants.values()))
    versions = [helper.make_opsetid("", 18), helper.make_opsetid(MICROSOFT, 1)]
    return helper.make_model(made, opset_imports=versions, ir_version=9)
