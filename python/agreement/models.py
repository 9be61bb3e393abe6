"""The list of models."""

from __future__ import annotations

from collections.abc import Sequence

from agreement import hugging_face, hugging_face_wide, vision
from agreement.model import Model, NoSuchModel

MODELS: tuple[Model, ...] = (
    *vision.TRANSFORMERS,
    *hugging_face.TEXT,
    *hugging_face.TWO_SIDED_MODELS,
    *hugging_face.VISION,
    *vision.CONVOLUTIONAL,
    *vision.WIDE,
    *hugging_face_wide.WIDE,
)


def chosen(names: Sequence[str], tag: str) -> list[Model]:
    """The named models, or those with a tag."""
    if not names:
        return [model for model in MODELS if tag in model.tags]
    by_name = {model.name: model for model in MODELS}
    if unknown := [name for name in names if name not in by_name]:
        raise NoSuchModel(
            f"no model is called {', '.join(unknown)}; there are {', '.join(by_name)}"
        )
    return [by_name[name] for name in names]
