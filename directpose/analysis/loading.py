"""The stages before the network: reading a picture, and preprocessing it."""

from collections.abc import Callable, Sequence

import cv2
from mmcv.transforms import Compose
from torch import nn

from .pictures import make_picture

LONG_SIDE = 640
"""Long side of the written picture in pixels. Most pictures of COCO have this size."""


def write_picture(path: str, input_size: tuple[int, int]) -> None:
    """Write a JPEG file with a long side of 640 pixels and the proportions of a model's input.

    Args:
        path (str): The file to write.
        input_size (tuple[int, int]): Height and width of the model's input in pixels.
    """
    height, width = (round(side * LONG_SIDE / max(input_size)) for side in input_size)
    cv2.imwrite(path, make_picture(width, height))


def loading_stages(
    transforms: Sequence[Callable], model: nn.Module, path: str, batch_size: int = 1
) -> dict[str, Callable[[], object]]:
    """Split a test pipeline into loading and preprocessing, both run in this process.

    Args:
        transforms (Sequence[Callable]): The steps, of which the first one reads the file.
        model (nn.Module): The model, whose data preprocessor is part of the stage.
        path (str): The picture to load.
        batch_size (int): How often the picture is loaded for one batch. Defaults to 1.

    Returns:
        dict[str, Callable]: 'load' reads and decodes the picture. 'preprocess' resizes, normalises
        and pads it.
    """
    load, *others = transforms
    transform = Compose(others)

    def read() -> list[dict]:
        return [load(dict(img_path=path)) for _ in range(batch_size)]

    loaded = read()

    def preprocess() -> dict:
        packed = [transform(results.copy()) for results in loaded]
        return model.data_preprocessor({key: [one[key] for one in packed] for key in packed[0]})

    return dict(load=read, preprocess=preprocess)
