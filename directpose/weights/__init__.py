"""Weights that come with the package, found by name and checked by their digests.

Only the standard library is needed here, so the torch-free runtime finds its files too.
"""

import hashlib
from pathlib import Path

from directpose.errors import did_you_mean

_FOLDER = Path(__file__).parent

# SHA-256 of each file. The model cards in docs/en say what each file is and whose it is.
DIGESTS = {
    'directpose-tiny.onnx': 'd6e87e79b154cefb56a71397157867356fafecfb3d01c0494be29fd9524c7929',
    'directpose-tiny.pth': '0bab50933a5d8df93f8659f9f01126cb94a15e6a9002da0fe8a4424177da4f20',
    'efficientnet-lite0_imagenet.pth': (
        '56083e2dc06edd9367e0e8687c6af55424f8fa44b5976b55df1d1a5b163919da'
    ),
}


def find_weights(name: str, suffix: str = '.pth') -> Path:
    """Find a file of weights by its name, and check that it is whole.

    Args:
        name (str): A name such as ``'efficientnet-lite0_imagenet'``.
        suffix (str): ``'.pth'`` for weights of the PyTorch model, ``'.onnx'`` for the exported
            model. Defaults to ``'.pth'``.

    Returns:
        Path: The file.

    Raises:
        ValueError: If the package has no weights of this name, or if the file's digest is not
            the recorded one.
    """
    file = name + suffix
    if file not in DIGESTS:
        known = sorted(Path(f).stem for f in DIGESTS if f.endswith(suffix))
        hint = did_you_mean(name, known) or f'there are: {", ".join(known)}'
        raise ValueError(f'the package has no {suffix} weights named {name!r}; {hint}')
    path = _FOLDER / file
    if not path.is_file():
        raise ValueError(f'{path}: this file of the package is missing; install directpose again')
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != DIGESTS[file]:
        raise ValueError(
            f'{path}: damaged or altered (its SHA-256 is {digest}, not {DIGESTS[file]}); '
            'install directpose again'
        )
    return path
