"""Models that come with the package, by name."""

from mmengine.fileio import load

from directpose.errors import did_you_mean
from directpose.packaged import find_packaged


def named_model(name: str) -> tuple[str, str]:
    """Find a model that comes with the package, as MMPose's inferencers take it.

    MMPose itself looks for names among its own models alone.

    Example:
        >>> from directpose.apis import named_model
        >>> config, weights = named_model('directpose-tiny')
        >>> weights
        'directpose://directpose-tiny'

        ``MMPoseInferencer(config, weights)`` then makes the inferencer.

    Args:
        name (str): A name or an alias in the model index that has weights, such as
            ``'directpose-tiny'``.

    Returns:
        tuple[str, str]: The path of the config, and the address of the weights.

    Raises:
        ValueError: If the model index has no such name with weights.
    """
    index = find_packaged('model-index.yml')
    if index is None:
        raise ValueError('the model index of the package is missing; install directpose again')
    root = index.parent
    models: dict[str, tuple[str, str]] = {}
    for metafile in load(index)['Import']:
        for model in load(root / metafile)['Models']:
            if 'Weights' in model:
                found = (str(root / model['Config']), model['Weights'])
                models |= {key: found for key in (model['Name'], model.get('Alias')) if key}
    if name not in models:
        hint = did_you_mean(name, models) or f'there are: {", ".join(sorted(models))}'
        raise ValueError(f'no model named {name!r} comes with the package; {hint}')
    return models[name]
