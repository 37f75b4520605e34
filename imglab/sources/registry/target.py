"""What is to be observed: a tag, a digest, or tags of a repository."""

from __future__ import annotations

from dataclasses import dataclass

from imglab import oci
from imglab.oci import Platform, Reference
from imglab.sources.tag_choice import TagChoice

_ALL_TAGS = TagChoice()


@dataclass(frozen=True, slots=True)
class Target:
    """A tag, a digest, or of the tags of a repository those that *choice* takes."""

    reference: Reference
    choice: TagChoice = _ALL_TAGS
    platforms: tuple[Platform, ...] = ()  # none: all
    referrers: bool = False  # also what is attached to the images

    @classmethod
    def parse(cls, text: str, glob: str | None = None) -> Target:
        """The target of *text*; *glob* narrows it where it names no tag. Raises InvalidReference."""
        reference, own = oci.split_target(text)
        pattern = own or glob
        if reference.tag or reference.digest or not pattern:
            return cls(reference)
        return cls(reference, TagChoice(globs=(pattern,)))

    @property
    def registry(self) -> str:
        """The registry that is asked."""
        return self.reference.registry

    @property
    def glob(self) -> str | None:
        """What tags must match, in words; None for all tags, and where it is one that is named."""
        return str(self.choice) or None

    def __str__(self) -> str:
        return f"{self.reference}:{self.glob}" if self.glob else str(self.reference)
