"""What comes with the package besides modules, such as configs and command lines."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent

EXAMPLES = sorted(_PACKAGE.glob('examples/*.jpg'))
"""People that tools/dataset_converters/make_synthetic_coco.py has drawn."""


def find_packaged(path: str) -> Path | None:
    """Find a file or folder that comes with the package.

    Args:
        path (str): The path in a checkout, such as ``'configs/directpose'``.

    Returns:
        Path | None: The path of the file that is there; None if the installation lacks the file.
    """
    # The wheel has these files in .mim, where OpenMMLab's tools look. A checkout has them beside
    # the package.
    for root in (_PACKAGE / '.mim', _PACKAGE.parent):
        if (root / path).exists():
            return root / path
    return None
