"""The part of a network's input that an output bin can depend on, computed from its layers.

Sources: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning",
arXiv:1603.07285, 2016; Araujo et al., "Computing receptive fields of convolutional neural
networks", Distill, 2019.
"""

from typing import Any

#: First and last index of an interval of frames or bins.
Interval = tuple[int, int]

#: Operations whose output at a frame and bin depends on their input there, and on nothing else.
_POINTWISE = {
    "Activation", "Add", "BatchNormalization", "Concatenate", "Divide", "Dropout", "ELU", "GetItem",
    "LeakyReLU", "Log1p", "Multiply", "ReLU", "Relu", "Sigmoid", "Softmax", "Stack", "Subtract",
    "_Gate", "_StoredNormalization",
}  # fmt: skip


def receptive_field(model: Any, frame: int, frequency_bin: int) -> tuple[slice, slice]:
    """Compute which input a bin of the output can depend on, through any path of the network.

    Parameters
    ----------
    model
        Keras model from ``(batch, T, F, C)`` to outputs of this shape, such as
        ``separator.network.model``.
    frame, frequency_bin
        Indices of the output's bin, in [0, T) and [0, F).

    Returns
    -------
    frames, bins : slice
        Smallest box with all of the input that is reached. Convolutions, transposed ones and what
        acts on each bin by itself are followed; a layer of another type reaches all of its input.
    """
    reached: dict[int, tuple[Interval, Interval]] = {
        id(output): ((frame, frame), (frequency_bin, frequency_bin)) for output in model.outputs
    }
    for depth in sorted(model._nodes_by_depth):  # from the outputs, which are at depth 0
        for node in model._nodes_by_depth[depth]:
            boxes = [reached[id(t)] for t in node.output_tensors if id(t) in reached]
            if not boxes or node.is_input:
                continue
            box = _union(boxes)
            for tensor in node.input_tensors:
                before = [reached[id(tensor)]] if id(tensor) in reached else []
                reached[id(tensor)] = _union([_through(node.operation, box, tensor), *before])
    frames, bins = reached[id(model.inputs[0])]
    return slice(frames[0], frames[1] + 1), slice(bins[0], bins[1] + 1)


def _union(boxes: list[tuple[Interval, Interval]]) -> tuple[Interval, Interval]:
    first, second = zip(*boxes, strict=True)
    return _hull(first), _hull(second)


def _hull(intervals: tuple[Interval, ...]) -> Interval:
    return min(low for low, _ in intervals), max(high for _, high in intervals)


def _through(
    operation: Any, box: tuple[Interval, Interval], tensor: Any
) -> tuple[Interval, Interval]:
    """What an operation reads of a tensor for a box of its output."""
    sizes = tensor.shape[1:3]
    whole = (0, sizes[0] - 1), (0, sizes[1] - 1) if len(sizes) > 1 else (0, 0)
    kind = type(operation).__name__
    if kind in _POINTWISE:
        return box
    if kind not in ("Conv2D", "Conv2DTranspose") or operation.padding != "same":
        return whole
    read = _read_by_transposed if kind == "Conv2DTranspose" else _read_by_convolution
    along = (
        _within(read(box[axis], *_geometry(operation, axis), sizes[axis]), sizes[axis])
        for axis in (0, 1)
    )
    return next(along), next(along)


def _geometry(layer: Any, axis: int) -> tuple[int, int]:
    """Reach of the kernel, dilation included, and stride along an axis."""
    return (layer.kernel_size[axis] - 1) * layer.dilation_rate[axis] + 1, layer.strides[axis]


def _read_by_convolution(output: Interval, reach: int, stride: int, size: int) -> Interval:
    # "same" in TensorFlow: as many outputs as strides fit, padding at both ends, more at the second
    padding = max(0, (-(-size // stride) - 1) * stride + reach - size) // 2
    return output[0] * stride - padding, output[1] * stride - padding + reach - 1


def _read_by_transposed(output: Interval, reach: int, stride: int, _size: int) -> Interval:
    # the same with inputs and outputs exchanged: input i reaches outputs i stride - padding …
    padding = max(0, reach - stride) // 2
    low = -(-(output[0] + padding - reach + 1) // stride)
    return low, (output[1] + padding) // stride


def _within(interval: Interval, size: int) -> Interval:
    return max(0, interval[0]), min(size - 1, interval[1])
