"""A model from a config, and a step of its training on a few pixels."""

import torch
from mmengine.config import Config, ConfigDict
from mmengine.optim import OptimWrapper
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


def train_a_step(model: nn.Module, batch: dict, optim_wrapper: OptimWrapper | None = None) -> None:
    """A step of training; sees that the losses are finite and that every weight takes part.

    Args:
        model (nn.Module): An estimator.
        batch (dict): What :func:`make_batch` gives.
        optim_wrapper (OptimWrapper, optional): Defaults to plain SGD with a small step.
    """
    model.train()
    if optim_wrapper is None:
        optim_wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=1e-4))
    with optim_wrapper.optim_context(model):
        loss, values = model.parse_losses(model.loss(**batch))
    assert all(value.isfinite() for value in values.values()), values
    optim_wrapper.backward(loss)
    alone = getattr(model.head, 'scores_alone', False)
    learning = {n for n, p in model.named_parameters() if p.requires_grad}
    learning = {n for n in learning if '.scorers.' in n or not alone}
    assert {n for n, p in model.named_parameters() if p.grad is not None} == learning
    before = [p.detach().clone() for p in model.parameters() if p.requires_grad]
    optim_wrapper.step()
    after = [p for p in model.parameters() if p.requires_grad]
    assert all(p.isfinite().all() for p in after)
    assert any(not torch.equal(p, old) for p, old in zip(after, before))
