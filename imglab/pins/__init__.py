"""
The images that files name: Dockerfiles, compose files, Kubernetes manifests and plain lists.

What a file is tells its name: Dockerfile, Dockerfile.*, *.dockerfile and Containerfile likewise; *.yml and *.yaml;
anything else that is named itself is a list. In folders all of these but lists are looked for, at any depth, where no
part of the path begins with a dot.
"""

from imglab.pins.files import read_pins
from imglab.pins.mention import Mention, Problem

__all__ = ["Mention", "Problem", "read_pins"]
