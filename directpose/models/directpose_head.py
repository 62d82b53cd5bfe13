"""The dense head: towers, outputs, and the pieces of this folder put together."""

from collections.abc import Sequence

import torch
from mmengine.structures import InstanceData
from mmpose.models.heads.base_head import BaseHead
from mmpose.registry import MODELS
from torch import Tensor, nn

from directpose.metainfo import parse_metainfo

from .decode import PoseDecoder, to_instances
from .input_checks import check_keypoints, check_levels, check_regress_ranges, merge_settings
from .keypoint_groups import group_indices
from .losses import keypoint_weights
from .recompute import recompute
from .targets import (
    Locations,
    PositiveTargets,
    at_positives,
    heatmap_labels,
    make_locations,
    positive_targets,
)
from .tower import make_tower


@MODELS.register_module()
class DirectPoseHead(BaseHead):
    """Head of `DirectPose <https://arxiv.org/abs/1911.07451>`_.

    At every location of every level it predicts whether a person is there, how central the
    location is in the person's box, and the person's keypoints. One set of weights serves all
    levels. The outputs are FCOS's, with KPAlign in place of the box branch; an auxiliary branch
    classifies the cells of the finest level by keypoint and is used in training alone.

    Args:
        metainfo (dict): Metainfo of the data set, as given to mmpose's datasets:
            ``dict(from_file=...)`` or the fields themselves. The number of keypoints, their
            names and their sigmas come from it.
        in_channels (int): Channels of the features. Defaults to 256.
        feat_channels (int): Channels of the classification tower. Defaults to 256.
        group_channels (int): Channels of each keypoint group in the keypoint tower, a multiple
            of 4. Defaults to 64.
        groups (Sequence[Sequence[str]], optional): The keypoint groups by names; the keypoints
            of a group share one sampling position. Defaults to one group of all keypoints.
        finest_groups (Sequence[Sequence[str]]): Those of the groups that read the finest level,
            whatever the level of the person; the paper has the head's keypoints here. By default
            every group reads the level one finer than the person's.
        stacked_convs (int): Convolutions in each tower. Defaults to 4.
        strides (Sequence[int]): Strides of the levels in input pixels.
        regress_ranges (Sequence[Tuple[float, float]]): For each level the least and largest
            distance from a location to the farthest side of its box, in input pixels.
        center_sample_radius (float): See :func:`~.targets.assign_persons`. Defaults to 1.5.
        keypoint_branch (dict): The module that turns the keypoint tower's maps into keypoints.
            Defaults to :class:`~.kpalign.KPAlign`.
        heatmap_branch (dict, optional): The auxiliary branch, or None to do without.
        loss_cls (dict): Loss of the classification.
        loss_centerness (dict): Loss of the centerness.
        loss_keypoint (dict): Loss of the coordinates, called as mmdet's regression losses.
        loss_heatmap (dict): Loss of the auxiliary branch.
        with_cp (bool): Recompute the towers in the backward pass instead of keeping their
            activations: less memory, more time. Defaults to False.
        init_cfg (dict, optional): Defaults to the original's: normal with std 0.01, and a prior
            probability of 0.01 for the classification.

    Raises:
        ValueError: If the groups or the number of sigmas do not fit the metainfo.

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
    """What the head learns from, fields of ``gt_instance_labels``."""
    output_names = ('cls_score', 'keypoint_pred', 'centerness')
    """What :meth:`forward` returns, in the names of :class:`~.decode.PoseDecoder`."""

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
        """Raw maps of every level.

        Args:
            feats (Sequence[Tensor]): (N, in_channels, H, W) a level, finest first.

        Returns:
            Tuple[List[Tensor], ...]: A level each:

            - classification logits (N, 1, H, W)
            - keypoints (N, 2K, H, W) as x1, y1, x2, y2, ..., in units of the level's stride,
              relative to the location of the cell
            - centerness logits (N, 1, H, W)
        """
        cls_feats = [self._run_tower(self.cls_tower, feat) for feat in feats]
        cls_scores = [self.conv_cls(feat) for feat in cls_feats]
        centernesses = [self.conv_centerness(feat) for feat in cls_feats]
        keypoint_preds = self.keypoint_branch(
            [self._run_tower(self.keypoint_tower, feat) for feat in feats]
        )
        return cls_scores, keypoint_preds, centernesses

    def _run_tower(self, tower: nn.Module, feat: Tensor) -> Tensor:
        if self.with_cp and feat.requires_grad:
            return recompute(tower, feat)
        return tower(feat)

    def loss(
        self, feats: Sequence[Tensor], batch_data_samples: list, train_cfg: dict | None = None
    ) -> dict[str, Tensor]:
        """Losses of a batch; their sum is the total.

        Args:
            feats (Sequence[Tensor]): (N, in_channels, H, W) a level, finest first.
            batch_data_samples (list[PoseDataSample]): With ``gt_instance_labels`` that hold
                ``bboxes`` (n, 4) around the labelled keypoints, ``keypoints`` (n, K, 2), both in
                input pixels, and ``keypoints_visible`` (n, K). n may be 0.
            train_cfg (dict, optional): Not used; mmpose's estimators give it.

        Returns:
            Dict[str, Tensor]: ``loss_cls``, ``loss_centerness``, ``loss_keypoint`` and, with the
            auxiliary branch, ``loss_heatmap``.

        Raises:
            ValueError: If the data lacks something or has another number of keypoints than the
                metainfo, or if the features are not of the head's strides.
        """
        check_levels(feats, self.strides, batch_data_samples[0].metainfo.get('batch_input_shape'))
        batch_gt_instances = [sample.gt_instance_labels for sample in batch_data_samples]
        check_keypoints(batch_gt_instances, self.metainfo, self.label_fields)
        losses = self.loss_by_feat(*self(feats), batch_gt_instances)
        if self.heatmap_head is not None:
            logits = self.heatmap_head(feats)
            losses['loss_heatmap'] = self._heatmap_loss(logits, batch_gt_instances)
        return losses

    def loss_by_feat(
        self,
        cls_scores: Sequence[Tensor],
        keypoint_preds: Sequence[Tensor],
        centernesses: Sequence[Tensor],
        batch_gt_instances: Sequence[InstanceData],
    ) -> dict[str, Tensor]:
        """Losses of the raw maps that :meth:`forward` returns.

        Args:
            cls_scores (Sequence[Tensor]): Logits (N, 1, H, W) a level.
            keypoint_preds (Sequence[Tensor]): (N, 2K, H, W) a level as x1, y1, x2, y2, ..., in
                the level's strides, relative to the location.
            centernesses (Sequence[Tensor]): Logits (N, 1, H, W) a level.
            batch_gt_instances (Sequence[InstanceData]): The people of each image, in input
                pixels; the ``gt_instance_labels`` of :meth:`loss`.

        Returns:
            Dict[str, Tensor]: The losses of :meth:`loss`, each (), without ``loss_heatmap``.
        """
        targets = self.get_targets(cls_scores, keypoint_preds, batch_gt_instances)
        return self.loss_by_targets(cls_scores, keypoint_preds, centernesses, targets)

    def get_targets(
        self,
        cls_scores: Sequence[Tensor],
        keypoint_preds: Sequence[Tensor],
        batch_gt_instances: Sequence[InstanceData],
    ) -> PositiveTargets:
        """Decide which locations learn which person; FCOS's rule does not look at predictions.

        Args:
            cls_scores, keypoint_preds, batch_gt_instances: See :meth:`loss_by_feat`.

        Returns:
            PositiveTargets: Of the P locations that belong to a person.
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
        """Losses of the raw maps for given targets.

        Args:
            cls_scores, keypoint_preds, centernesses: See :meth:`loss_by_feat`.
            targets (PositiveTargets): Of the locations that belong to a person.

        Returns:
            Dict[str, Tensor]: See :meth:`loss_by_feat`.
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
        """What the centerness branch learns: the centerness.

        Args:
            keypoint_pred (Tensor): (P, K, 2), in strides from the location.
            targets (PositiveTargets): The targets of the P locations.

        Returns:
            Tensor: (P, ), from 0 to 1.
        """
        return targets.centerness

    def _heatmap_loss(self, logits: Tensor, instances: Sequence[InstanceData]) -> Tensor:
        """Focal loss of the heatmap logits (N, K, H, W)."""
        labels = heatmap_labels(
            instances, self.num_keypoints, logits.shape[-2:], self.strides[0]
        )  # (N, H, W)
        kinds = torch.arange(self.num_keypoints, device=labels.device)
        return self.loss_heatmap(
            logits.float().permute(0, 2, 3, 1).reshape(-1, self.num_keypoints),  # (N * H * W, K)
            labels.flatten()[:, None] == kinds,  # (N * H * W, K), one-hot
            avg_factor=(labels < self.num_keypoints).sum().clamp(min=1),
        )

    def locations(self, maps: Sequence[Tensor]) -> Locations:
        """The locations of maps (N, C, H, W) a level, in input pixels."""
        sizes = tuple(tuple(m.shape[-2:]) for m in maps)
        return make_locations(sizes, self.strides, self.regress_ranges, maps[0].device)

    def predict(
        self, feats: Sequence[Tensor], batch_data_samples: list, test_cfg: dict
    ) -> list[InstanceData]:
        """Poses of each image.

        Args:
            feats (Sequence[Tensor]): (N, in_channels, H, W) a level, finest first.
            batch_data_samples (list[PoseDataSample]): With ``img_shape`` in their metainfo, the
                image's height and width in input pixels without padding.
            test_cfg (dict): ``score_thr``, ``cls_thr``, ``nms_pre``, ``nms`` with
                ``iou_threshold`` and ``offset``, and ``max_per_img``; see
                :class:`~.decode.PoseDecoder`.

        Returns:
            List[InstanceData]: For each image, best first and as numpy arrays in input pixels,
            ``bboxes`` (n, 4), ``bbox_scores`` (n, ), ``keypoints`` (n, K, 2) and
            ``keypoint_scores`` (n, K). The method has no score for a single keypoint: each one
            has its person's.

        Raises:
            ValueError: If mmpose's ``flip_test`` or ``multiscale_test`` is on, or if ``test_cfg``
                lacks a key.
        """
        if not isinstance(feats[0], Tensor):
            raise ValueError(
                'DirectPoseHead takes the features of one image size: switch '
                '`model.test_cfg.flip_test` and `multiscale_test` off; '
                'tools/test.py --tta tests on mirrored images and several sizes'
            )
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
        """Poses of the raw maps that :meth:`forward` returns.

        Args:
            cls_scores, keypoint_preds, centernesses: See :meth:`loss_by_feat`.
            batch_img_metas (Sequence[dict]): N metainfos with ``img_shape``, the image's height
                and width in input pixels without padding.
            cfg (dict): The ``test_cfg`` of :meth:`predict`.

        Returns:
            List[InstanceData]: As in :meth:`predict`, in input pixels.
        """
        return self._decode((cls_scores, keypoint_preds, centernesses), batch_img_metas, cfg)

    def decoder(self, test_cfg: dict) -> PoseDecoder:
        """Make the decoder of what :meth:`forward` returns, with the settings of a test."""
        return PoseDecoder(self.strides, test_cfg, self.output_names)

    def _decode(
        self, outputs: Sequence[Sequence[Tensor]], batch_img_metas: Sequence[dict], cfg: dict
    ) -> list[InstanceData]:
        """Poses of what :meth:`forward` returns, as :meth:`predict` returns them."""
        image_sizes = torch.tensor([meta['img_shape'][:2] for meta in batch_img_metas])
        image_sizes = image_sizes.to(outputs[0][0].device, non_blocking=True)
        return to_instances(self.decoder(cfg)(outputs, image_sizes))
