"""All metadata is in pyproject.toml; this file is for ``pip install -e .``."""

from setuptools import setup

setup()
