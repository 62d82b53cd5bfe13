"""Build a config's model, and split it into parts that can be timed."""

from collections.abc import Callable, Sequence

import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from torch import Tensor, nn

from directpose.apis import PRECISIONS, optimize_for_inference
from directpose.errors import UserError
from directpose.models import DirectPoseHead

from .people import labelled_person

VARIANTS = ('plain', *PRECISIONS, *(f'{name}-compiled' for name in PRECISIONS))
"""Ways to run a model: as built, prepared for a precision, or prepared and compiled."""


class Subject:
    """A model with random weights, ready to run.

    Args:
        cfg (Config): A config of mmpose or mmdet. Its pretrained weights are not downloaded.
        variant (str): How the model runs, one of ``VARIANTS``. Defaults to 'plain'.
        device (str): The device to run on. Defaults to 'cpu'.

    Raises:
        ValueError: If there is no such variant.
    """

    def __init__(self, cfg: Config, variant: str = 'plain', device: str = 'cpu') -> None:
        if variant not in VARIANTS:
            raise ValueError(f'variant {variant} is none of {VARIANTS}')
        with DefaultScope.overwrite_default_scope(cfg.get('default_scope', 'mmpose')):
            self.model = MODELS.build(cfg.model).to(device).eval()
        self.device = device
        precision, _, compiled = variant.partition('-')
        if precision != 'plain':
            optimize_for_inference(
                self.model, PRECISIONS[precision], bool(compiled), keep_freed_memory=True
            )

    def forward(self, inputs: Tensor) -> Callable[[], Sequence]:
        """Return a function that runs backbone, neck and head.

        Args:
            inputs (Tensor): (N, 3, H, W), preprocessed images.

        Returns:
            Callable: A function without arguments that returns the raw maps of the head.
        """
        # mode='tensor' would call `head.forward`, and so bypass a compiled head.
        parts = [part for name, part in self.model.named_children() if name != 'data_preprocessor']

        def run() -> Sequence:
            feats = inputs
            for part in parts:
                feats = part(feats)
            return feats

        return self._without_grad(run)

    def stages(self, inputs: Tensor) -> dict[str, Callable[[], Sequence]]:
        """Return functions that run backbone, neck and head alone.

        Each runs on the output that the stage before it gave once.

        Args:
            inputs (Tensor): (N, 3, H, W), preprocessed images.

        Returns:
            dict[str, Callable]: A function without arguments for each stage.
        """
        stages, feats = {}, inputs
        for name, part in self.model.named_children():
            if name != 'data_preprocessor':
                stages[name] = self._without_grad(lambda part=part, feats=feats: part(feats))
                feats = stages[name]()
        return stages

    def decoding(self, inputs: Tensor, num_people: int) -> Callable[[], Sequence]:
        """Return a function that decodes raw maps to poses, NMS included.

        Args:
            inputs (Tensor): (N, 3, H, W), preprocessed images. They decide only about the size of
                the maps.
            num_people (int): The number of people that the maps of each picture show; see
                :func:`crowded_maps`.

        Returns:
            Callable: A function without arguments that returns the poses of each picture.

        Raises:
            UserError: If the model has no ``DirectPoseHead``, or if the people do not fit.
        """
        head = self._head()
        maps = crowded_maps(self.forward(inputs)(), num_people, head.output_names)
        metas = [dict(img_shape=tuple(inputs.shape[-2:]))] * len(inputs)
        return self._without_grad(
            lambda: head.predict_by_feat(*maps, batch_img_metas=metas, cfg=self.model.test_cfg)
        )

    def training_step(self, inputs: Tensor, update: bool = False) -> Callable[[], None]:
        """Return a function that runs a step of training. The model must be a 'plain' one.

        Args:
            inputs (Tensor): (N, 3, H, W), preprocessed images. Each gets the labels of one large
                person.
            update (bool): Whether the step also clips the gradients and updates the weights with
                the paper's optimiser, SGD with momentum. The learning rate is 0, so the weights
                keep their values. Defaults to False: the step computes losses and gradients only.

        Returns:
            Callable: A function without arguments that leaves the gradients in the model.

        Raises:
            UserError: If the model has no ``DirectPoseHead``.
        """
        sample = labelled_person(self._head().num_keypoints, *inputs.shape[-2:])
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

    def _head(self) -> DirectPoseHead:
        head = getattr(self.model, 'head', None)
        if not isinstance(head, DirectPoseHead):
            raise UserError(
                f'{type(self.model).__name__}: this model has no DirectPoseHead; only its forward '
                'pass can be measured'
            )
        return head

    @staticmethod
    def _without_grad(call: Callable[[], Sequence]) -> Callable[[], Sequence]:
        return torch.inference_mode()(call)


def crowded_maps(
    maps: Sequence[Sequence[Tensor]], num_people: int, names: Sequence[str]
) -> list[list[Tensor]]:
    """Make raw maps that show a given number of small people who do not overlap.

    3 x 3 cells of the finest level predict each person. NMS leaves one of these predictions.

    Args:
        maps (Sequence[Sequence[Tensor]]): Outputs of the head's ``forward``, for the shapes.
        num_people (int): The number of people that the maps show.
        names (Sequence[str]): The names of the outputs, as in ``DirectPoseHead.output_names``.

    Returns:
        list[list[Tensor]]: Maps of the same kinds and shapes.

    Raises:
        UserError: If the finest level has too few cells for so many people.
    """
    maps = [[torch.zeros_like(m) for m in levels] for levels in maps]
    named = dict(zip(names, maps, strict=True))
    scores, keypoints = named['cls_score'], named['keypoint_pred']
    for level in scores:
        level.fill_(-10)
    height, width = scores[0].shape[-2:]
    pitch = 8  # cells from person to person
    columns, rows = width // pitch, height // pitch
    if num_people > columns * rows:
        raise UserError(
            f'{num_people} people do not fit into {width} x {height} cells; at most '
            f'{columns * rows} do: take a larger input'
        )
    for person in range(num_people):
        y, x = (pitch * i + 2 for i in divmod(person, columns))
        scores[0][..., y : y + 3, x : x + 3] = 3
    # A person spans 6 cells in each direction, around the middle one of the 3 x 3 cells.
    generator = torch.Generator().manual_seed(0)
    offsets = torch.rand(keypoints[0].shape[1], generator=generator) * 6 - 3  # (2K, )
    keypoints[0] += offsets.to(keypoints[0])[:, None, None]
    columns_of = torch.arange(width).to(keypoints[0]) % pitch
    rows_of = torch.arange(height).to(keypoints[0])[:, None] % pitch
    keypoints[0][:, 0::2] += 3 - columns_of
    keypoints[0][:, 1::2] += 3 - rows_of
    if 'box_pred' in named:  # left, top, right, bottom of these 6 cells; no length is negative
        sides = (columns_of, rows_of, 6 - columns_of, 6 - rows_of)
        for side, length in enumerate(sides):
            named['box_pred'][0][:, side] += length.clamp(min=0)
    return maps
