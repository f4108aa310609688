"""Names of models that are made of others, as text.

=================================== ==============================================================
name                                model
=================================== ==============================================================
``0.25 A + 0.75 B``                 weighted mean of stems
``median_wave: A + B + C``          another method of `METHODS`
``vocals: 0.9 A + 0.1 B; drums: B`` stem by stem, with weights of its own each
``A > accompaniment > B``           chain: a stem of A is separated by B
``0.5 (A > vocals > B) + 0.5 C``    any of these in brackets stands for a model
=================================== ==============================================================
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mssviz.errors import ParameterError

#: Name of the weighted mean, which needs not be said.
MEAN = "avg_wave"
#: Names of the ways to make one stem of several, those of Music-Source-Separation-Training.
METHODS = (
    MEAN, "median_wave", "min_wave", "max_wave", "avg_fft", "median_fft", "min_fft", "max_fft"
)  # fmt: skip
_WEIGHTED = re.compile(r"(\d*\.?\d+) (\S.*)")
_CLAUSE = re.compile(r"(\w[\w .-]*(?:, \w[\w .-]*)*): (\S.*)")


@dataclass(frozen=True)
class Mixed:
    """Recipe of an ensemble; see `Ensemble` for what its parts mean."""

    models: Sequence[str]
    weights: Sequence[float] | Mapping[str, Sequence[float]] | None
    method: str = MEAN


@dataclass(frozen=True)
class Chained:
    """Recipe of a chain; see `Chain` for what its parts mean."""

    first: str
    stem: str
    second: str

    @property
    def models(self) -> Sequence[str]:
        """Names of both models."""
        return self.first, self.second


def read(name: str) -> Mixed | Chained | None:
    """Read the name of a model that is made of others; None if it is another name.

    Raises
    ------
    ParameterError
        If it is begun as such a name and not ended as one.
    """
    *links, last = _split(name, " > ")
    if links:
        if len(links) % 2:
            raise ParameterError(f"a chain is written MODEL > STEM > MODEL (got {name!r})")
        return Chained(_bare(" > ".join(links[:-1])), links[-1], _bare(last))
    method, colon, rest = name.partition(": ")
    if colon and method in METHODS:
        models, weights = _sum(rest)
        return Mixed(models, weights, method)
    if all(clauses := [_CLAUSE.fullmatch(text) for text in _split(name, "; ")]):
        return _stem_by_stem([(found[1], *_sum(found[2])) for found in clauses if found])
    models, weights = _sum(name)
    return Mixed(models, weights) if len(models) > 1 and weights else None


def mixed_name(recipe: Mixed) -> str:
    """Write the name of an ensemble that has weights, rounded to two digits."""
    weights, method = recipe.weights, recipe.method
    if isinstance(weights, Mapping):
        stems = (f"{stem}: {mixed_name(replace(recipe, weights=w))}" for stem, w in weights.items())
        return "; ".join(stems)
    parts = [
        (weight, f"({model})" if read(model) else model)
        for weight, model in zip(weights or (), recipe.models, strict=True)
        if weight > 0
    ]
    if "avg" not in method:
        return f"{method}: {' + '.join(model for _, model in parts)}"
    text = " + ".join(f"{weight:.2g} {model}" for weight, model in parts)
    return text if method == MEAN else f"{method}: {text}"


def chained_name(first: str, stem: str, second: str) -> str:
    """Write the name of a chain."""
    return f"{first} > {stem} > {f'({second})' if isinstance(read(second), Chained) else second}"


def _split(text: str, separator: str) -> list[str]:
    """Split a text where no bracket is open."""
    parts: list[str] = []
    for piece in text.split(separator):
        if parts and parts[-1].count("(") > parts[-1].count(")"):
            parts[-1] += separator + piece
        else:
            parts.append(piece)
    return parts


def _bare(name: str) -> str:
    """The name without the brackets around one that is made of others."""
    inner = name[1:-1]
    return inner if name == f"({inner})" and read(inner) else name


def _sum(text: str) -> tuple[list[str], list[float] | None]:
    """Names of the models of a sum, and their weights; None if there are none."""
    parts = _split(text, " + ")
    found = [_WEIGHTED.fullmatch(part) for part in parts]
    if not any(found):
        return [_bare(part) for part in parts], None
    if not all(found):
        missing = parts[found.index(None)]
        raise ParameterError(
            f"a weight stands before each model of a mean, as in 0.5 A + 0.5 B (got {missing!r})"
        )
    return [_bare(match[2]) for match in found if match], [float(m[1]) for m in found if m]


def _stem_by_stem(
    clauses: Sequence[tuple[str, list[str], list[float] | None]],
) -> Mixed | None:
    if len(clauses) == 1 and len(clauses[0][1]) == 1:
        return None  # a name that has a colon in it
    models = list(dict.fromkeys(name for _, names, _ in clauses for name in names))
    weights: dict[str, list[float]] = {}
    for stems, names, given in clauses:
        if given is None and len(names) > 1:
            raise ParameterError(
                f"no method {stems!r}: choose one of {', '.join(METHODS)}, or write weights before "
                "the models of a stem"
            )
        of_stem: dict[str, float] = {}
        for model, weight in zip(names, given or [1.0], strict=True):
            of_stem[model] = of_stem.get(model, 0.0) + weight
        for stem in stems.split(", "):
            if stem in weights:
                raise ParameterError(f"{stem} is said twice; say once what it is made of")
            weights[stem] = [of_stem.get(model, 0.0) for model in models]
    return Mixed(models, weights)
