"""Which of a repository's files is meant: the models in it, and the one that somebody asked for, or would."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from llm_magics.local.gguf import PART, SUFFIX

# What is taken where nobody says: small enough for most machines, and hardly worse than the whole; the first there is.
USUAL = ("Q4_K_M", "Q4_K_S", "Q4_0", "IQ4_XS", "Q5_K_M", "Q5_K_S", "Q6_K", "Q8_0", "Q3_K_M", "Q2_K", "BF16", "F16")
_NO_MODEL = ("mmproj", "imatrix")  # what stands beside models, in the same form


@dataclass(frozen=True, slots=True)
class Model:
    """A model in a repository: its files, the first of which is its name, and the bytes of all of them."""

    files: tuple[str, ...]
    size: int

    @property
    def name(self) -> str:
        """Its first file."""
        return self.files[0]


def models_in(sizes: Mapping[str, int]) -> list[Model]:
    """The models among these files; one that comes in several files counts once, and only whole."""
    found: dict[str, list[str]] = {}
    for name in sorted(sizes):
        if name.lower().endswith(SUFFIX) and not any(word in name.lower().rpartition("/")[2] for word in _NO_MODEL):
            found.setdefault(PART.sub("", name), []).append(name)
    return [Model(tuple(files), sum(sizes[file] for file in files)) for files in found.values() if _is_whole(files)]


def _is_whole(files: list[str]) -> bool:
    part = PART.search(files[0])
    return len(files) == (int(part[2]) if part else 1)


def matching(models: Iterable[Model], wanted: str) -> list[Model]:
    """The models that a word means: a file's name, or a part of one such as ``Q8_0``."""
    models, folded = list(models), wanted.casefold()
    exactly = [model for model in models if wanted in model.files]
    by_name = [model for model in models if folded in (_basename(file) for file in model.files)]
    by_quantisation = [model for model in models if _quantisation(model) == folded]
    return exactly or by_name or by_quantisation or [model for model in models if folded in model.name.casefold()]


def usual(models: Iterable[Model]) -> Model | None:
    """The model that is taken where nobody says which."""
    models = list(models)
    for quantisation in USUAL:
        for model in models:
            if _quantisation(model) == quantisation.casefold():
                return model
    return min(models, key=lambda model: model.size, default=None)


def _quantisation(model: Model) -> str:
    """What stands at the end of a file's name, as everybody writes it there: ``name-Q4_K_M.gguf``."""
    stem = _basename(PART.sub("", model.name))[: -len(SUFFIX)]
    return next((one.casefold() for one in USUAL if stem.endswith(one.casefold()) and _begins(stem, one)), stem)


def _basename(file: str) -> str:
    return file.casefold().rpartition("/")[2]


def _begins(stem: str, quantisation: str) -> bool:
    before = stem[: -len(quantisation)]
    return not before or not (before[-1].isalnum() or before[-1] == "_")
