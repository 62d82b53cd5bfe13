"""Parts that the configs of the distributed tests name, imported by every process."""

import os

import numpy as np
import torch
from mmengine.hooks import Hook
from mmpose.registry import HOOKS, MODELS, OPTIMIZERS
from torch import nn

from tests.oracle import Oracle


@OPTIMIZERS.register_module()
class RecordedSGD(torch.optim.SGD):
    """Writes the gradients of each step to ``<out_dir>/<rank>_<step>.pth``."""

    def __init__(self, params, lr: float, out_dir: str) -> None:
        super().__init__(params, lr)
        self.out_dir = out_dir
        self.steps = 0

    def step(self, closure=None) -> None:
        grads = [param.grad for group in self.param_groups for param in group['params']]
        rank = os.environ['RANK']
        torch.save(grads, os.path.join(self.out_dir, f'{rank}_{self.steps}.pth'))
        self.steps += 1
        super().step(closure)


@HOOKS.register_module()
class NormEvalHook(Hook):
    """Keeps batch norm in eval, so that images do not influence each other."""

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        norm_eval(runner.model)


def norm_eval(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


@MODELS.register_module()
class NoisyOracle(Oracle):
    """Finds the people inexactly, some of them not, and each image always in the same way."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))  # what makes it a model to wrap

    def _poses(self, image, sample):
        poses = super()._poses(image, sample)
        noise = np.random.default_rng(sample.img_id)
        size = np.sqrt(np.prod(poses.bboxes[:, 2:] - poses.bboxes[:, :2], axis=1))
        poses.keypoints = poses.keypoints + (
            0.04 * size[:, None, None] * noise.normal(size=poses.keypoints.shape)
        )
        poses.bbox_scores = noise.uniform(size=len(poses))
        return poses[noise.uniform(size=len(poses)) < 0.8]
