"""Made-up images whose layers are given one by one, each with the step that made it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from made import digest

from imglab.records import Config, History, Layer, Manifest, Record
from imglab.steps import instruction, step_label

IMAGE_TYPE = "application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True, slots=True)
class Made:
    """A layer: what it holds (hexadecimal digits), how much, and the text of the step that made it."""

    content: str
    size: int | None
    step: str | None
    label: str | None = None  # where the text is not kept, as in the bundled sample
    is_foreign: bool = False


def built(
    name: str, layers: Iterable[Made], *, platform: str = "linux/amd64", os_version: str | None = None
) -> list[Record]:
    """The image *name* with its layers and a config that tells their steps, or none where a layer's step is None."""
    layers = list(layers)
    os, architecture, *variant = platform.split("/")
    sizes = [layer.size for layer in layers]
    whole = None if None in sizes else sum(size for size in sizes if size is not None)
    steps = [layer for layer in layers if layer.step is not None or layer.label is not None]
    return [
        Manifest(digest(name), IMAGE_TYPE, "image", digest("c" + name), None, None, len(layers), whole),
        *(
            Layer(digest(name), at, digest("d" + layer.content), None, layer.size, is_foreign=layer.is_foreign)
            for at, layer in enumerate(layers)
        ),
        Config(digest("c" + name), os, architecture, *variant, os_version=os_version),
        *(_step(name, at, layer) for at, layer in enumerate(steps)),
    ]


def _step(name: str, position: int, layer: Made) -> History:
    text = layer.step
    return History(
        digest("c" + name),
        position,
        None,
        text,
        None,
        None,
        False,
        instruction(text) if text else (layer.label or "").split()[0],
        step_label(text) if text else layer.label,
    )
