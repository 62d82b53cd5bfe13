"""Models that come with the package, by name."""

from difflib import get_close_matches
from pathlib import Path

from mmengine.fileio import load

_PACKAGE = Path(__file__).resolve().parents[1]


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
    # The wheel has the index in .mim, a checkout beside the package.
    root = next(
        p for p in (_PACKAGE / '.mim', _PACKAGE.parent) if (p / 'model-index.yml').is_file()
    )
    models: dict[str, tuple[str, str]] = {}
    for metafile in load(root / 'model-index.yml')['Import']:
        for model in load(root / metafile)['Models']:
            if 'Weights' in model:
                found = (str(root / model['Config']), model['Weights'])
                models |= {key: found for key in (model['Name'], model.get('Alias')) if key}
    if name not in models:
        near = get_close_matches(name, models, n=1)
        hint = f'did you mean {near[0]!r}?' if near else f'there are: {", ".join(sorted(models))}'
        raise ValueError(f'no model named {name!r} comes with the package; {hint}')
    return models[name]
