"""``directpose://NAME``: the address of weights that come with the package."""

from mmengine.runner import CheckpointLoader

from directpose.weights import find_weights

from .errors import CheckpointError
from .read_checkpoint import read_checkpoint

PREFIX = 'directpose://'


@CheckpointLoader.register_scheme(prefixes=PREFIX)
def load_from_package(filename: str, map_location: str | None = None) -> dict:
    """Load weights by an address that MMEngine takes wherever it takes a checkpoint.

    The files hold half precision; a model that loads them keeps its own.

    Args:
        filename (str): Such as ``'directpose://efficientnet-lite0_imagenet'``.
        map_location (str, optional): As in :func:`torch.load`.

    Returns:
        dict: The content of the file, tensors and plain values only.

    Raises:
        CheckpointError: If the package has no weights of this name, or if their file is damaged.
    """
    try:
        path = find_weights(filename.removeprefix(PREFIX))
    except ValueError as error:
        raise CheckpointError(f'{filename}: {error}') from error
    return read_checkpoint(str(path), map_location, address=filename)
