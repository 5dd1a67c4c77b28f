"""handloom weaves camera views into metric 3D hands and bodies."""

from importlib.metadata import version

__version__ = version("handloom")
