"""A model from a config, and a step of its training on a few pixels."""

import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS
from torch import nn

from directpose.analysis import labelled_person


def without_downloads(cfg: ConfigDict) -> ConfigDict:
    """Take the pre-trained weights out of a model's config, in place."""
    for value in cfg.values():
        if isinstance(value, dict):
            without_downloads(value)
    # by 'checkpoint', not by type: mmdet's PVT names none
    if isinstance(cfg.get('init_cfg'), dict) and 'checkpoint' in cfg['init_cfg']:
        cfg['init_cfg'] = None
    return cfg


def build_model(cfg: Config) -> nn.Module:
    """The initialised model of a config, as a Runner builds it but for the downloads."""
    torch.manual_seed(0)
    init_default_scope(cfg.default_scope)
    model = MODELS.build(without_downloads(cfg.model))
    model.init_weights()
    return model


def make_batch(model: nn.Module, size: int) -> dict:
    """Two pictures of noise with a person each, as the model's preprocessor gives them."""
    generator = torch.Generator().manual_seed(0)
    return model.data_preprocessor(
        dict(
            inputs=[
                torch.randint(256, (3, size, size), dtype=torch.uint8, generator=generator)
                for _ in range(2)
            ],
            data_samples=[labelled_person(model.head.num_keypoints, size, size) for _ in range(2)],
        ),
        training=True,
    )


def train_a_step(model: nn.Module, batch: dict) -> None:
    """A step of SGD; sees that the losses are finite and that every weight takes part."""
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    losses = model.loss(**batch)
    assert all(loss.isfinite() for loss in losses.values()), losses
    sum(losses.values()).backward()
    assert [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None] == []
    optimizer.step()
    assert all(p.isfinite().all() for p in model.parameters())
