"""Size and layer history of container images."""

__version__ = "0.1.0"
