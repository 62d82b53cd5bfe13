"""A config's model, taken apart into what can be timed."""

from collections.abc import Callable, Sequence

import torch
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.registry import MODELS, DefaultScope
from torch import Tensor, nn

from directpose.apis import PRECISIONS, optimize_for_inference
from directpose.cli.config import load_config

from .people import labelled_person

VARIANTS = ('plain', *PRECISIONS, *(f'{name}-compiled' for name in PRECISIONS))
"""How a model is run: as built, or prepared for a precision, or compiled as well."""


def read_config(name: str) -> Config:
    """Read a config.

    Args:
        name (str): A file, or a config of an installed package such as 'mmdet::fcos/NAME.py'.

    Returns:
        Config: With what it inherits.

    Raises:
        UserError: If there is no such file.
    """
    return get_config(name) if '::' in name else load_config(name)


class Subject:
    """A model with random weights, ready to run.

    Args:
        cfg (Config): Of mmpose or mmdet. Nothing is downloaded.
        variant (str): One of ``VARIANTS``.
        device (str): Where to run.

    Raises:
        ValueError: If there is no such variant.
    """

    def __init__(self, cfg: Config, variant: str = 'plain', device: str = 'cpu') -> None:
        if variant not in VARIANTS:
            raise ValueError(f'variant {variant} is none of {VARIANTS}')
        with DefaultScope.overwrite_default_scope(cfg.default_scope):
            self.model = MODELS.build(cfg.model).to(device).eval()
        self.device = device
        precision, _, compiled = variant.partition('-')
        if precision != 'plain':
            optimize_for_inference(
                self.model, PRECISIONS[precision], bool(compiled), keep_freed_memory=True
            )

    def forward(self, inputs: Tensor) -> Callable[[], Sequence]:
        """Backbone, neck and head.

        Args:
            inputs (Tensor): (N, 3, H, W), preprocessed.

        Returns:
            Callable: Gives the raw maps.
        """
        # not mode='tensor', which passes by a compiled head: it runs `head.forward` itself
        parts = [part for name, part in self.model.named_children() if name != 'data_preprocessor']

        def run() -> Sequence:
            feats = inputs
            for part in parts:
                feats = part(feats)
            return feats

        return self._without_grad(run)

    def stages(self, inputs: Tensor) -> dict[str, Callable[[], Sequence]]:
        """Backbone, neck and head apart, each on what the one before it gave.

        Args:
            inputs (Tensor): (N, 3, H, W), preprocessed.

        Returns:
            Dict[str, Callable]: By the names of the stages.
        """
        stages, feats = {}, inputs
        for name, part in self.model.named_children():
            if name != 'data_preprocessor':
                stages[name] = self._without_grad(lambda part=part, feats=feats: part(feats))
                feats = stages[name]()
        return stages

    def decoding(self, inputs: Tensor, num_people: int) -> Callable[[], Sequence]:
        """From raw maps to poses, NMS included, for pictures of so many people.

        Args:
            inputs (Tensor): (N, 3, H, W), preprocessed.
            num_people (int): People in each picture; see :func:`crowded_maps`.

        Returns:
            Callable: Gives the poses of each picture.
        """
        head: nn.Module = self.model.head
        maps = crowded_maps(self.forward(inputs)(), num_people)
        metas = [dict(img_shape=tuple(inputs.shape[-2:]))] * len(inputs)
        return self._without_grad(
            lambda: head.predict_by_feat(*maps, batch_img_metas=metas, cfg=self.model.test_cfg)
        )

    def training_step(self, inputs: Tensor, update: bool = False) -> Callable[[], None]:
        """A step of training; of a plain model.

        Args:
            inputs (Tensor): (N, 3, H, W), preprocessed. Each picture gets one large person.
            update (bool): Also clip the gradients and let the optimiser step (SGD with momentum,
                the paper's). The learning rate is 0, so the weights stay what they are.
                Defaults to False: losses and gradients alone.

        Returns:
            Callable: Leaves the gradients in the model.
        """
        sample = labelled_person(self.model.head.num_keypoints, *inputs.shape[-2:])
        samples = [sample.to(self.device) for _ in inputs]
        weights = [weight for weight in self.model.parameters() if weight.requires_grad]
        optimiser = torch.optim.SGD(weights, lr=0.0, momentum=0.9, weight_decay=1e-4)

        def step() -> None:
            self.model.train().zero_grad()
            losses, _ = self.model.parse_losses(self.model.loss(inputs, samples))
            losses.backward()
            if update:
                nn.utils.clip_grad_norm_(weights, 5.0)
                optimiser.step()

        return step

    @staticmethod
    def _without_grad(call: Callable[[], Sequence]) -> Callable[[], Sequence]:
        return torch.inference_mode()(call)


def crowded_maps(maps: Sequence[Sequence[Tensor]], num_people: int) -> list[list[Tensor]]:
    """Raw maps of the head's shapes that show so many small people, apart from each other.

    Each is seen by 3 x 3 cells of the finest level, of which NMS leaves one.

    Args:
        maps (Sequence[Sequence[Tensor]]): What ``DirectPoseHead.forward`` gives.
        num_people (int): The number of people that the maps show.

    Returns:
        List[List[Tensor]]: The same kinds of maps.

    Raises:
        ValueError: If there is no room for them.
    """
    maps = [[torch.zeros_like(m) for m in levels] for levels in maps]
    scores, keypoints = maps[0], maps[1]
    for level in scores:
        level.fill_(-10)
    height, width = scores[0].shape[-2:]
    pitch = 8  # cells from person to person
    columns, rows = width // pitch, height // pitch
    if num_people > columns * rows:
        raise ValueError(
            f'{num_people} people do not fit into {width} x {height} cells; at most '
            f'{columns * rows} do: take a larger input'
        )
    for person in range(num_people):
        y, x = (pitch * i + 2 for i in divmod(person, columns))
        scores[0][..., y : y + 3, x : x + 3] = 3
    # a person spans 6 cells in each direction, around the middle one of its cells
    generator = torch.Generator().manual_seed(0)
    offsets = torch.rand(keypoints[0].shape[1], generator=generator) * 6 - 3  # (2K, )
    keypoints[0] += offsets.to(keypoints[0])[:, None, None]
    keypoints[0][:, 0::2] += 3 - torch.arange(width).to(keypoints[0]) % pitch
    keypoints[0][:, 1::2] += 3 - torch.arange(height).to(keypoints[0])[:, None] % pitch
    return maps
