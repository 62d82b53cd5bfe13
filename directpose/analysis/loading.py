"""What happens to a picture before the network: reading it, and making an input of it."""

from collections.abc import Callable

import cv2
from mmcv.transforms import Compose
from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import nn

from .pictures import make_picture

LONG_SIDE = 640
"""Long side of the picture in pixels, as most of COCO's have."""


def write_picture(path: str, input_size: tuple[int, int]) -> None:
    """Write a JPEG file whose long side has 640 pixels and whose shape is that of an input.

    Args:
        path (str): The file.
        input_size (tuple[int, int]): Height and width of the input.
    """
    height, width = (round(side * LONG_SIDE / max(input_size)) for side in input_size)
    cv2.imwrite(path, make_picture(width, height))


def loading_stages(
    cfg: Config, model: nn.Module, path: str, batch_size: int = 1
) -> dict[str, Callable[[], object]]:
    """Loading and preprocessing apart, as the config's test does them, in this process.

    Args:
        cfg (Config): Its ``test_dataloader`` has the pipeline.
        model (nn.Module): Built from the config; its preprocessor takes part.
        path (str): A picture.
        batch_size (int): The picture is loaded so many times. Defaults to 1.

    Returns:
        Dict[str, Callable]: 'load' reads and decodes; 'preprocess' resizes, normalises and pads.
    """
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        load, *others = Compose(cfg.test_dataloader.dataset.pipeline).transforms
    transform = Compose(others)

    def read() -> list[dict]:
        return [load(dict(img_path=path)) for _ in range(batch_size)]

    loaded = read()

    def preprocess() -> dict:
        packed = [transform(results.copy()) for results in loaded]
        return model.data_preprocessor({key: [one[key] for one in packed] for key in packed[0]})

    return dict(load=read, preprocess=preprocess)
