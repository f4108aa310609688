"""Attention: means of values, weighed by how well keys answer queries."""

from collections.abc import Callable
from math import prod
from typing import Any

from mssviz.networks._tensorflow import tf

#: Numbers from which the products of queries and keys are computed one group after another; all of
#: them at once would take gigabytes.
_MOST_SCORES = 1 << 25


def attend(queries: Any, keys: Any, values: Any, drop: Callable[[Any], Any] | None = None) -> Any:
    """Compute attention in groups, such as heads.

    Parameters
    ----------
    queries
        Queries ``(batch, ..., n, d)``, divided by the root of d already.
    keys, values
        Keys and values ``(batch, ..., m, d)``.
    drop
        Function of the weights ``(..., n, m)`` that drops some of them.

    Returns
    -------
    Tensor
        Means of values ``(batch, ..., n, d)``.
    """

    def of_group(parts: tuple[Any, Any, Any]) -> Any:
        weights = tf.nn.softmax(tf.matmul(parts[0], parts[1], transpose_b=True))
        return tf.matmul(weights if drop is None else drop(weights), parts[2])

    *groups, n_queries, _ = queries.shape[1:]
    if prod(groups) * n_queries * keys.shape[-2] <= _MOST_SCORES:
        return of_group((queries, keys, values))
    flat = tuple(tf.reshape(part, (-1, *part.shape[-2:])) for part in (queries, keys, values))
    found = tf.map_fn(of_group, flat, fn_output_signature=values.dtype, parallel_iterations=1)
    return tf.reshape(found, tf.shape(queries))
