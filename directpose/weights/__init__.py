"""Weights that come with the package, found by name and checked by their digests.

Only the standard library is used here, so the torch-free runtime finds its files too.
"""

import hashlib
from difflib import get_close_matches
from pathlib import Path

_FOLDER = Path(__file__).parent

# SHA-256 of each file. The model cards in docs/en say what each file is and whose it is.
DIGESTS = {
    'directpose-tiny.onnx': '3c226e86de7dbe1f620bd948890c72a74d0da8424dbcd7db5deb76045ebe78b3',
    'directpose-tiny.pth': '28899e46a063327f04814cfc56a8781c9131d6611d64626637958768db690324',
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
        near = get_close_matches(name, known, n=1)
        hint = f'did you mean {near[0]!r}?' if near else f'there are: {", ".join(known)}'
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
