"""The dense head, which puts the other modules of this folder together."""

from collections.abc import Mapping, Sequence

import torch
from mmengine.structures import InstanceData
from mmpose.models.heads.base_head import BaseHead
from mmpose.registry import MODELS
from torch import Tensor, nn

from directpose.metainfo import parse_metainfo

from .cells import Cells
from .decode import PoseDecoder, to_instances
from .head_settings import check_channels, check_regress_ranges, merge_settings
from .input_checks import check_keypoints, check_levels, check_one_size
from .keypoint_groups import group_indices
from .losses import keypoint_weights
from .recompute import recompute
from .targets import Locations, PositiveTargets, at_positives, make_locations, positive_targets
from .tower import make_tower


@MODELS.register_module()
class DirectPoseHead(BaseHead):
    """Head of `DirectPose <https://arxiv.org/abs/1911.07451>`_.

    At every location of every level the head predicts whether a person is there, how central the
    location is in the person's box, and the person's keypoints. All levels share the weights. The
    outputs are those of FCOS, with KPAlign in place of the box branch. In training, an auxiliary
    branch classifies the cells of the finest level by the keypoint that lies in them.

    Args:
        metainfo (dict): Metainfo of the data set, in the form of mmpose's datasets:
            ``dict(from_file=...)`` or the fields themselves. It has the number of keypoints,
            their names and their sigmas.
        in_channels (int): Number of channels of the features. Defaults to 256.
        feat_channels (int): Channels of the classification tower, a multiple of 32. 256 by default.
        group_channels (int): Channels of each keypoint group, a multiple of 4. Defaults to 64.
        groups (Sequence[Sequence[str]], optional): The keypoint names of each group. Keypoints of
            a group share one sampling position. Defaults to one group of all keypoints.
        finest_groups (Sequence[Sequence[str]]): Those of the groups that sample the finest level.
            In the paper these are the groups of the head. All other groups sample the next finer
            level. Defaults to none.
        stacked_convs (int): Number of convolutions in each tower. Defaults to 4.
        strides (Sequence[int]): The stride of each level in input pixels.
        regress_ranges (Sequence[tuple[float, float]]): For each level, the least and the largest
            distance from a location to the farthest side of its box, in input pixels.
        center_sample_radius (float): See :func:`~.targets.assign_persons`. Defaults to 1.5.
        keypoint_branch (dict): Config of the module that computes keypoints from the maps of the
            keypoint tower. Defaults to :class:`~.kpalign.KPAlign`.
        heatmap_branch (dict, optional): Config of the auxiliary branch, or None for no branch.
        loss_cls (dict): Config of the loss of the classification.
        loss_centerness (dict): Config of the loss of the centerness.
        loss_keypoint (dict): Config of the loss of the coordinates, a regression loss of mmdet.
        loss_heatmap (dict): Config of the loss of the auxiliary branch.
        with_cp (bool): Recompute the towers in the backward pass instead of keeping their
            activations. This takes less memory and more time. Defaults to False.
        init_cfg (dict, optional): Initialisation of the weights. Defaults to the original's: normal
            with std 0.01, and a prior probability of 0.01 for the classification.

    Raises:
        ValueError: If an argument does not fit the metainfo or another argument.

    Example:
        >>> import torch
        >>> from directpose.models import DirectPoseHead
        >>> head = DirectPoseHead(
        ...     metainfo=dict(from_file='configs/_base_/datasets/coco.py'),
        ...     in_channels=16, feat_channels=32, group_channels=8, stacked_convs=1).eval()
        >>> feats = [torch.rand(1, 16, 64 // 2**i, 64 // 2**i) for i in range(5)]
        >>> with torch.no_grad():
        ...     outputs = head(feats)  # cls_scores, keypoint_preds, centernesses
        >>> [tuple(level.shape) for level in outputs[1][:2]]
        [(1, 34, 64, 64), (1, 34, 32, 32)]
        >>> cfg = dict(score_thr=0.0, cls_thr=0.0, nms_pre=100,
        ...            nms=dict(iou_threshold=0.4, offset=1), max_per_img=5)
        >>> poses = head.predict_by_feat(*outputs, [dict(img_shape=(512, 512))], cfg)
        >>> poses[0].keypoints.shape[1:]
        (17, 2)
    """

    label_fields = ('bboxes', 'keypoints', 'keypoints_visible')
    """The fields of ``gt_instance_labels`` from which the head learns."""
    output_names = ('cls_score', 'keypoint_pred', 'centerness')
    """The names that :class:`~.decode.PoseDecoder` has for what :meth:`forward` returns."""

    def __init__(
        self,
        metainfo: dict,
        in_channels: int = 256,
        feat_channels: int = 256,
        group_channels: int = 64,
        groups: Sequence[Sequence[str]] | None = None,
        finest_groups: Sequence[Sequence[str]] = (),
        stacked_convs: int = 4,
        strides: Sequence[int] = (8, 16, 32, 64, 128),
        regress_ranges: Sequence[tuple[float, float]] = (
            (-1, 64),
            (64, 128),
            (128, 256),
            (256, 512),
            (512, float('inf')),
        ),
        center_sample_radius: float = 1.5,
        keypoint_branch: dict = dict(type='KPAlign'),
        heatmap_branch: dict | None = dict(type='HeatmapBranch'),
        loss_cls: dict = dict(type='mmdet.FocalLoss'),
        loss_centerness: dict = dict(type='mmdet.CrossEntropyLoss', use_sigmoid=True),
        loss_keypoint: dict = dict(type='mmdet.L1Loss'),
        loss_heatmap: dict = dict(type='mmdet.FocalLoss', loss_weight=4.0),
        with_cp: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        if init_cfg is None:
            init_cfg = dict(
                type='Normal',
                layer='Conv2d',
                std=0.01,
                override=dict(type='Normal', name='conv_cls', std=0.01, bias_prob=0.01),
            )
        super().__init__(init_cfg)
        self.metainfo = parse_metainfo(metainfo)
        self.num_keypoints = self.metainfo['num_keypoints']
        indices, num_finest = group_indices(groups, finest_groups, self.metainfo)
        check_regress_ranges(strides, regress_ranges)
        check_channels(feat_channels, group_channels)
        self.strides = tuple(strides)
        self.regress_ranges = tuple(tuple(r) for r in regress_ranges)
        self.center_sample_radius = center_sample_radius
        self.with_cp = with_cp

        self.cls_tower = make_tower(in_channels, feat_channels, stacked_convs, num_norm_groups=32)
        self.conv_cls = nn.Conv2d(feat_channels, 1, 3, padding=1)
        self.conv_centerness = nn.Conv2d(feat_channels, 1, 3, padding=1)
        width = group_channels * len(indices)
        self.keypoint_tower = make_tower(
            in_channels, width, stacked_convs, num_norm_groups=width // 4, groups=len(indices)
        )
        self.keypoint_branch = MODELS.build(
            merge_settings(
                'keypoint_branch',
                keypoint_branch,
                channels=group_channels,
                groups=indices,
                strides=self.strides,
                num_finest=num_finest,
            )
        )
        self.heatmap_head = None
        if heatmap_branch is not None:
            self.heatmap_head = MODELS.build(
                merge_settings(
                    'heatmap_branch',
                    heatmap_branch,
                    in_channels=in_channels,
                    num_keypoints=self.num_keypoints,
                )
            )

        self.loss_cls = MODELS.build(loss_cls)
        self.loss_centerness = MODELS.build(loss_centerness)
        self.loss_keypoint = MODELS.build(loss_keypoint)
        self.loss_heatmap = MODELS.build(loss_heatmap)

    def forward(self, feats: Sequence[Tensor]) -> tuple[list[Tensor], ...]:
        """Compute the raw maps of every level.

        Args:
            feats (Sequence[Tensor]): For each level, finest first, (N, in_channels, H, W).

        Returns:
            tuple[list[Tensor], ...]: Three lists, each with one tensor for each level:

            - classification logits (N, 1, H, W)
            - keypoints (N, 2K, H, W) as x1, y1, x2, y2, ..., relative to the location of the
              cell, in units of the level's stride
            - centerness logits (N, 1, H, W)
        """
        keypoint_feats = self._run_tower(self.keypoint_tower, feats)
        maps = self.person_maps(feats) | self.keypoint_branch(keypoint_feats)
        return tuple(maps[name] for name in self.output_names)

    def encode(self, feats: Sequence[Tensor]) -> dict[str, list[Tensor]]:
        """Run the convolutions of :meth:`forward` alone.

        Returns:
            dict[str, list[Tensor]]: For :meth:`predict_at`: the maps of :meth:`person_maps`, and
            those of the keypoint branch's ``encode``.
        """
        keypoint_feats = self._run_tower(self.keypoint_tower, feats)
        return self.person_maps(feats) | self.keypoint_branch.encode(keypoint_feats)

    def predict_at(self, maps: Mapping[str, Sequence[Tensor]], cells: Cells) -> dict[str, Tensor]:
        """Compute what :meth:`forward` computes, but only at some cells, and without the scores.

        Args:
            maps (Mapping[str, Sequence[Tensor]]): The maps of :meth:`encode`.
            cells (Cells): The P cells.

        Returns:
            dict[str, Tensor]: Outputs of shape (N, C, P), by their names in ``output_names``.
        """
        return self.keypoint_branch.predict_at(maps, cells)

    def person_maps(self, feats: Sequence[Tensor]) -> dict[str, list[Tensor]]:
        """Compute the logits ``cls_score`` and ``centerness``, (N, 1, H, W) on each level."""
        cls_feats = self._run_tower(self.cls_tower, feats)
        return dict(
            cls_score=[self.conv_cls(feat) for feat in cls_feats],
            centerness=[self.conv_centerness(feat) for feat in cls_feats],
        )

    def _run_tower(self, tower: nn.Module, feats: Sequence[Tensor]) -> list[Tensor]:
        return [
            recompute(tower, feat) if self.with_cp and feat.requires_grad else tower(feat)
            for feat in feats
        ]

    def loss(
        self, feats: Sequence[Tensor], batch_data_samples: list, train_cfg: dict | None = None
    ) -> dict[str, Tensor]:
        """Compute the losses of a batch. The total loss is their sum.

        Args:
            feats (Sequence[Tensor]): For each level, finest first, (N, in_channels, H, W).
            batch_data_samples (list[PoseDataSample]): The samples. Their ``gt_instance_labels``
                hold ``bboxes`` (n, 4) around the labelled keypoints, ``keypoints`` (n, K, 2), both
                in input pixels, and ``keypoints_visible`` (n, K). n may be 0.
            train_cfg (dict, optional): Not used. The estimators of mmpose pass it.

        Returns:
            dict[str, Tensor]: ``loss_cls``, ``loss_centerness``, ``loss_keypoint`` and, with the
            auxiliary branch, ``loss_heatmap``.

        Raises:
            ValueError: If the data lacks a field, if its number of keypoints is not that of the
                metainfo, or if the strides of the features are not those of the head.
        """
        check_levels(feats, self.strides, batch_data_samples[0].metainfo.get('batch_input_shape'))
        batch_gt_instances = [sample.gt_instance_labels for sample in batch_data_samples]
        check_keypoints(batch_gt_instances, self.metainfo, self.label_fields)
        losses = self.loss_by_feat(*self(feats), batch_gt_instances)
        if self.heatmap_head is not None:
            losses['loss_heatmap'] = self.heatmap_head.loss(
                feats, batch_gt_instances, self.strides[0], self.loss_heatmap
            )
        return losses

    def loss_by_feat(
        self,
        cls_scores: Sequence[Tensor],
        keypoint_preds: Sequence[Tensor],
        centernesses: Sequence[Tensor],
        batch_gt_instances: Sequence[InstanceData],
    ) -> dict[str, Tensor]:
        """Compute the losses of the raw maps that :meth:`forward` returns.

        Args:
            cls_scores, keypoint_preds, centernesses (Sequence[Tensor]): See :meth:`forward`.
            batch_gt_instances (Sequence[InstanceData]): The people of each image: the
                ``gt_instance_labels`` of :meth:`loss`.

        Returns:
            dict[str, Tensor]: The losses of :meth:`loss` without ``loss_heatmap``, as scalars.
        """
        targets = self.get_targets(cls_scores, keypoint_preds, batch_gt_instances)
        return self.loss_by_targets(cls_scores, keypoint_preds, centernesses, targets)

    def get_targets(
        self,
        cls_scores: Sequence[Tensor],
        keypoint_preds: Sequence[Tensor],
        batch_gt_instances: Sequence[InstanceData],
    ) -> PositiveTargets:
        """Decide which locations learn which person, by FCOS's rule.

        Args:
            cls_scores, keypoint_preds, batch_gt_instances: See :meth:`loss_by_feat`.

        Returns:
            PositiveTargets: The targets of the P locations that learn a person.
        """
        return positive_targets(
            self.locations(cls_scores), batch_gt_instances, self.center_sample_radius
        )

    def loss_by_targets(
        self,
        cls_scores: Sequence[Tensor],
        keypoint_preds: Sequence[Tensor],
        centernesses: Sequence[Tensor],
        targets: PositiveTargets,
    ) -> dict[str, Tensor]:
        """Compute the losses of the raw maps for given targets.

        Args:
            cls_scores, keypoint_preds, centernesses: See :meth:`loss_by_feat`.
            targets (PositiveTargets): The targets of the locations that learn a person.

        Returns:
            dict[str, Tensor]: See :meth:`loss_by_feat`.
        """
        num_positives = len(targets.image)
        cls_score = torch.cat([m.flatten(1) for m in cls_scores], dim=1).float()  # (N, L)
        labels = torch.zeros_like(cls_score)
        labels[targets.image, targets.location] = torch.ones_like(targets.centerness)
        keypoint_pred = at_positives(keypoint_preds, targets).unflatten(1, (-1, 2))  # (P, K, 2)
        weight, weight_sum = keypoint_weights(targets.visible, targets.centerness)
        return dict(
            # A target of the logits' shape selects the focal loss in plain PyTorch: on a GPU too,
            # no compiled operator of MMCV is needed. As in the original, the sum is divided by
            # the number of positives and images.
            loss_cls=self.loss_cls(
                cls_score.view(-1, 1), labels.view(-1, 1), avg_factor=num_positives + len(labels)
            ),
            loss_centerness=self.loss_centerness(
                at_positives(centernesses, targets)[:, 0],
                self.score_targets(keypoint_pred, targets),
                avg_factor=max(num_positives, 1),
            ),
            loss_keypoint=self.loss_keypoint(
                keypoint_pred, targets.keypoints, weight, avg_factor=weight_sum
            ),
        )

    def score_targets(self, keypoint_pred: Tensor, targets: PositiveTargets) -> Tensor:
        """Compute the targets of the centerness branch, which are the centerness.

        Args:
            keypoint_pred (Tensor): Predicted keypoints (P, K, 2), from the location, in strides.
            targets (PositiveTargets): The targets of the P locations.

        Returns:
            Tensor: Targets from 0 to 1, of shape (P, ).
        """
        return targets.centerness

    def locations(self, maps: Sequence[Tensor]) -> Locations:
        """Make the locations of the maps (N, C, H, W) of all levels, in input pixels."""
        sizes = tuple(tuple(m.shape[-2:]) for m in maps)
        return make_locations(sizes, self.strides, self.regress_ranges, maps[0].device)

    def predict(
        self, feats: Sequence[Tensor], batch_data_samples: list, test_cfg: dict
    ) -> list[InstanceData]:
        """Predict the poses of each image.

        Args:
            feats (Sequence[Tensor]): For each level, finest first, (N, in_channels, H, W).
            batch_data_samples (list[PoseDataSample]): The samples. The ``img_shape`` in their
                metainfo is the image's height and width in input pixels, without padding.
            test_cfg (dict): The settings of :class:`~.decode.PoseDecoder`.

        Returns:
            list[InstanceData]: The poses of each image, best first, as NumPy arrays in input
            pixels: ``bboxes`` (n, 4), ``bbox_scores`` (n, ), ``keypoints`` (n, K, 2) and
            ``keypoint_scores`` (n, K). The method does not score single keypoints: the score of
            a keypoint is the score of its person.

        Raises:
            ValueError: If mmpose's ``flip_test`` or ``multiscale_test`` is on, or if ``test_cfg``
                lacks a key.
        """
        check_one_size(feats)
        batch_img_metas = [sample.metainfo for sample in batch_data_samples]
        return self.predict_by_feat(*self(feats), batch_img_metas=batch_img_metas, cfg=test_cfg)

    def predict_by_feat(
        self,
        cls_scores: Sequence[Tensor],
        keypoint_preds: Sequence[Tensor],
        centernesses: Sequence[Tensor],
        batch_img_metas: Sequence[dict],
        cfg: dict,
    ) -> list[InstanceData]:
        """Decode the raw maps that :meth:`forward` returns into poses.

        Args:
            cls_scores, keypoint_preds, centernesses: See :meth:`loss_by_feat`.
            batch_img_metas (Sequence[dict]): The metainfo of each image. Its ``img_shape`` is the
                image's height and width in input pixels, without padding.
            cfg (dict): The ``test_cfg`` of :meth:`predict`.

        Returns:
            list[InstanceData]: The poses of each image, see :meth:`predict`.
        """
        return self._decode((cls_scores, keypoint_preds, centernesses), batch_img_metas, cfg)

    def decoder(self, test_cfg: dict) -> PoseDecoder:
        """Make a decoder for what :meth:`forward` returns."""
        return PoseDecoder(self.strides, test_cfg, self.output_names)

    def _decode(
        self, outputs: Sequence[Sequence[Tensor]], batch_img_metas: Sequence[dict], cfg: dict
    ) -> list[InstanceData]:
        image_sizes = torch.tensor([meta['img_shape'][:2] for meta in batch_img_metas])
        image_sizes = image_sizes.to(outputs[0][0].device, non_blocking=True)
        return to_instances(self.decoder(cfg)(outputs, image_sizes))
