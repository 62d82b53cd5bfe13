"""Measure what a model costs, and what goes wrong in its results.

The names below are about the cost: the time of each stage, of its convolutions, of other models.
"""

from .convolutions import record_convolutions
from .loading import loading_stages, write_picture
from .people import labelled_person
from .pictures import make_picture
from .subjects import VARIANTS, Subject, crowded_maps
from .timing import Timing, time_in_turn

__all__ = [
    'VARIANTS',
    'Subject',
    'Timing',
    'crowded_maps',
    'labelled_person',
    'loading_stages',
    'make_picture',
    'record_convolutions',
    'time_in_turn',
    'write_picture',
]
