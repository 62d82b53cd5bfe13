"""The dense head: towers, outputs, and the pieces of this folder put together."""

from collections.abc import Sequence

import torch
from mmcv.cnn import ConvModule
from mmdet.models.task_modules import MlvlPointGenerator
from mmdet.structures.bbox import distance2bbox
from mmengine.structures import InstanceData
from mmpose.models.heads.base_head import BaseHead
from mmpose.registry import MODELS, TASK_UTILS
from torch import Tensor, nn

from directpose.metainfo import parse_metainfo

from .decode import PoseDecoder
from .input_checks import check_keypoints, check_levels
from .keypoint_groups import COCO_GROUPS, group_indices
from .losses import keypoint_weights, location_weights
from .oks_assignment import assign_by_oks
from .recompute import recompute
from .targets import (
    Locations,
    PositiveTargets,
    heatmap_labels,
    make_locations,
    of_persons,
    positive_targets,
    targets_of,
)


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
        groups (Sequence[Sequence[str]], optional): The keypoint groups by names, or None for one
            group of all keypoints. Defaults to the nine of the paper.
        stacked_convs (int): Convolutions in each tower. Defaults to 4.
        strides (Sequence[int]): Strides of the levels in input pixels.
        regress_ranges (Sequence[Tuple[float, float]]): For each level the least and largest
            distance from a location to the farthest side of its box, in input pixels.
        center_sample_radius (float): See :func:`~.targets.assign_persons`. Defaults to 1.5.
        assigner (dict, optional): An assigner of mmpose in place of FCOS's rule, the two options
            above; see :func:`~.oks_assignment.assign_by_oks`. Its sigmas are those of
            ``metainfo``. Not of the paper.
        keypoint_branch (dict): The module that turns the keypoint tower's maps into keypoints.
            Defaults to :class:`~.kpalign.KPAlign`.
        heatmap_branch (dict, optional): The auxiliary branch, or None to do without.
        box_branch (dict, optional): A branch that predicts boxes, :class:`~.box_branch.BoxBranch`.
            By default a person's box is that of the keypoints.
        loss_cls (dict): Loss of the classification.
        loss_centerness (dict): Loss of the centerness.
        loss_keypoint (dict): Loss of the coordinates, called as mmdet's regression losses.
        loss_heatmap (dict): Loss of the auxiliary branch.
        loss_box (dict): Loss of the predicted boxes, in input pixels.
        loss_oks (dict, optional): mmpose's ``OKSLoss`` beside ``loss_keypoint``, with
            ``reduction='none'`` and ``norm_target_weight=True``. Its sigmas are those of
            ``metainfo``. Not of the paper.
        with_cp (bool): Recompute the towers in the backward pass instead of keeping their
            activations: less memory, more time. Defaults to False.
        init_cfg (dict, optional): Defaults to the original's: normal with std 0.01, and a prior
            probability of 0.01 for the classification.

    Raises:
        ValueError: If the groups or the number of sigmas do not fit the metainfo.
    """

    def __init__(
        self,
        metainfo: dict,
        in_channels: int = 256,
        feat_channels: int = 256,
        group_channels: int = 64,
        groups: Sequence[Sequence[str]] | None = COCO_GROUPS,
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
        assigner: dict | None = None,
        keypoint_branch: dict = dict(type='KPAlign'),
        heatmap_branch: dict | None = dict(type='HeatmapBranch'),
        box_branch: dict | None = None,
        loss_cls: dict = dict(type='mmdet.FocalLoss'),
        loss_centerness: dict = dict(type='mmdet.CrossEntropyLoss', use_sigmoid=True),
        loss_keypoint: dict = dict(type='mmdet.L1Loss'),
        loss_heatmap: dict = dict(type='mmdet.FocalLoss', loss_weight=4.0),
        loss_box: dict = dict(type='mmdet.GIoULoss'),
        loss_oks: dict | None = None,
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
        indices = group_indices(groups, self.metainfo)
        if len(strides) != len(regress_ranges):
            raise ValueError(
                f'DirectPoseHead has {len(strides)} strides, '
                f'but {len(regress_ranges)} regress_ranges'
            )
        self.strides = tuple(strides)
        self.regress_ranges = tuple(regress_ranges)
        self.center_sample_radius = center_sample_radius
        self.with_cp = with_cp
        self.assigner = TASK_UTILS.build(assigner) if assigner else None
        sigmas = torch.as_tensor(self.metainfo['sigmas'])  # (K, )
        if hasattr(self.assigner, 'oks_calculator'):
            self.assigner.oks_calculator.sigmas = sigmas
        self.prior_generator = MlvlPointGenerator(self.strides, offset=0.5)

        self.cls_tower = _tower(in_channels, feat_channels, stacked_convs, num_norm_groups=32)
        self.conv_cls = nn.Conv2d(feat_channels, 1, 3, padding=1)
        self.conv_centerness = nn.Conv2d(feat_channels, 1, 3, padding=1)
        width = group_channels * len(indices)
        self.keypoint_tower = _tower(
            in_channels, width, stacked_convs, num_norm_groups=width // 4, groups=len(indices)
        )
        self.keypoint_branch = MODELS.build(
            dict(keypoint_branch, channels=group_channels, groups=indices, strides=self.strides)
        )
        self.heatmap_head = None
        if heatmap_branch is not None:
            self.heatmap_head = MODELS.build(
                dict(heatmap_branch, in_channels=in_channels, num_keypoints=self.num_keypoints)
            )
        self.box_branch = None
        if box_branch is not None:
            self.box_branch = MODELS.build(dict(box_branch, in_channels=in_channels))

        self.loss_cls = MODELS.build(loss_cls)
        self.loss_centerness = MODELS.build(loss_centerness)
        self.loss_keypoint = MODELS.build(loss_keypoint)
        self.loss_heatmap = MODELS.build(loss_heatmap)
        self.loss_box = MODELS.build(loss_box)
        self.loss_oks = None
        if loss_oks is not None:
            self.loss_oks = MODELS.build(loss_oks)
            # not a weight: checkpoints without this loss fit too
            self.loss_oks.register_buffer('sigmas', sigmas, persistent=False)

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
            - with a box branch, distances to the left, top, right and bottom of the box
              (N, 4, H, W), in strides
        """
        cls_feats = [self._run_tower(self.cls_tower, feat) for feat in feats]
        cls_scores = [self.conv_cls(feat) for feat in cls_feats]
        centernesses = [self.conv_centerness(feat) for feat in cls_feats]
        keypoint_preds = self.keypoint_branch(
            [self._run_tower(self.keypoint_tower, feat) for feat in feats]
        )
        if self.box_branch is None:
            return cls_scores, keypoint_preds, centernesses
        return cls_scores, keypoint_preds, centernesses, self.box_branch(feats)

    def _run_tower(self, tower: nn.Module, feat: Tensor) -> Tensor:
        if self.with_cp and feat.requires_grad:
            return recompute(tower, feat)
        return tower(feat)

    def points(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """The locations of each level, (H * W, 2) as x, y in input pixels, in fp32."""
        return self.prior_generator.grid_priors(
            [m.shape[-2:] for m in maps], dtype=torch.float32, device=maps[0].device
        )

    def loss(
        self, feats: Sequence[Tensor], batch_data_samples: list, train_cfg: dict | None = None
    ) -> dict[str, Tensor]:
        """Losses of a batch; their sum is the total.

        Args:
            feats (Sequence[Tensor]): (N, in_channels, H, W) a level, finest first.
            batch_data_samples (list[PoseDataSample]): With ``gt_instance_labels`` that hold
                ``bboxes`` (n, 4) around the labelled keypoints, ``keypoints`` (n, K, 2), both in
                input pixels, and ``keypoints_visible`` (n, K). n may be 0. ``loss_oks`` and an
                assigner need ``areas`` (n, ) in square input pixels too.
            train_cfg (dict, optional): Not used; mmpose's estimators give it.

        Returns:
            Dict[str, Tensor]: ``loss_cls``, ``loss_centerness``, ``loss_keypoint`` and, with
            what they are for, ``loss_heatmap``, ``loss_box`` and ``loss_oks``.

        Raises:
            ValueError: If the data lacks something or has another number of keypoints than the
                metainfo, or if the features are not of the head's strides.
        """
        check_levels(feats, self.strides, batch_data_samples[0].metainfo.get('batch_input_shape'))
        instances = [sample.gt_instance_labels for sample in batch_data_samples]
        check_keypoints(instances, self.metainfo)
        cls_scores, keypoint_preds, centernesses, *box_preds = self(feats)
        losses = self.loss_by_feat(cls_scores, keypoint_preds, centernesses, instances, *box_preds)
        if self.heatmap_head is not None:
            losses['loss_heatmap'] = self._heatmap_loss(self.heatmap_head(feats), instances)
        return losses

    def loss_by_feat(
        self,
        cls_scores: Sequence[Tensor],
        keypoint_preds: Sequence[Tensor],
        centernesses: Sequence[Tensor],
        instances: Sequence[InstanceData],
        box_preds: Sequence[Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Losses of the raw maps that :meth:`forward` gives.

        Args:
            cls_scores (Sequence[Tensor]): Logits (N, 1, H, W) a level.
            keypoint_preds (Sequence[Tensor]): (N, 2K, H, W) a level as x1, y1, x2, y2, ..., in
                the level's strides, relative to the location.
            centernesses (Sequence[Tensor]): Logits (N, 1, H, W) a level.
            instances (Sequence[InstanceData]): The people of each image, in input pixels; the
                ``gt_instance_labels`` of :meth:`loss`.
            box_preds (Sequence[Tensor], optional): With a box branch, distances to the left,
                top, right and bottom of the box (N, 4, H, W) a level, in strides.

        Returns:
            Dict[str, Tensor]: The losses of :meth:`loss`, each (), without ``loss_heatmap``.
        """
        locations = self._locations(cls_scores)
        cls_score = torch.cat([m.flatten(1) for m in cls_scores], dim=1).float()  # (N, L)
        keypoint_pred = torch.cat([m.flatten(2) for m in keypoint_preds], dim=2).float()
        if self.assigner is None:
            targets = positive_targets(locations, instances, self.center_sample_radius)
        else:
            targets = targets_of(
                locations,
                instances,
                assign_by_oks(self.assigner, locations, cls_score, keypoint_pred, instances),
            )
        image, location = targets.image, targets.location  # (P, ) each
        keypoint_pred = keypoint_pred[image, :, location].unflatten(1, (-1, 2))  # (P, K, 2)
        centerness = torch.cat([m.flatten(1) for m in centernesses], dim=1).float()  # (N, L)

        labels = torch.ones_like(cls_score, dtype=torch.long)  # 1 is the background
        labels[image, location] = 0
        weight, weight_sum = keypoint_weights(targets.visible, targets.centerness)
        losses = dict(
            loss_cls=self.loss_cls(
                cls_score.view(-1, 1), labels.view(-1), avg_factor=len(image) + len(labels)
            ),
            loss_centerness=self.loss_centerness(
                centerness[image, location], targets.centerness, avg_factor=max(len(image), 1)
            ),
            loss_keypoint=self.loss_keypoint(
                keypoint_pred, targets.keypoints, weight, avg_factor=weight_sum
            ),
        )
        if box_preds is not None:
            losses['loss_box'] = self._box_loss(box_preds, locations, targets, instances)
        if self.loss_oks is not None:
            losses['loss_oks'] = self._oks_loss(keypoint_pred, locations, targets, instances)
        return losses

    def _box_loss(
        self,
        box_preds: Sequence[Tensor],
        locations: Locations,
        targets: PositiveTargets,
        instances: Sequence[InstanceData],
    ) -> Tensor:
        """Loss of the boxes that distances (N, 4, H, W) a level, in strides, make."""
        image, location = targets.image, targets.location
        distances = torch.cat([m.flatten(2) for m in box_preds], dim=2)  # (N, 4, L)
        distances = distances[image, :, location] * locations.strides[location, None]  # (P, 4)
        return self.loss_box(
            distance2bbox(locations.points[location], distances),
            of_persons([i.bboxes for i in instances], image, targets.person),
            targets.centerness,
            avg_factor=targets.centerness.sum().clamp(min=1),
        )

    def _oks_loss(
        self,
        keypoint_pred: Tensor,
        locations: Locations,
        targets: PositiveTargets,
        instances: Sequence[InstanceData],
    ) -> Tensor:
        """Loss of the similarity of keypoints (P, K, 2), in strides, averaged as the L1 loss."""
        areas = of_persons([i.areas for i in instances], targets.image, targets.person)  # (P, )
        areas = areas / locations.strides[targets.location] ** 2
        weight = location_weights(targets.visible, targets.centerness)
        loss = self.loss_oks(keypoint_pred, targets.keypoints, targets.visible, areas)  # (P, )
        return (loss * weight).sum() / weight.sum().clamp(min=1)

    def _heatmap_loss(self, logits: Tensor, instances: Sequence[InstanceData]) -> Tensor:
        """Focal loss of the heatmap logits (N, K, H, W)."""
        labels = heatmap_labels(
            instances, self.num_keypoints, logits.shape[-2:], self.strides[0]
        )  # (N, H, W)
        num_labelled = (labels < self.num_keypoints).sum()
        return self.loss_heatmap(
            logits.float().permute(0, 2, 3, 1).reshape(-1, self.num_keypoints),  # (N * H * W, K)
            labels.flatten(),
            avg_factor=num_labelled.clamp(min=1),
        )

    def _locations(self, maps: Sequence[Tensor]) -> Locations:
        """The locations of these maps' levels."""
        return make_locations(self.points(maps), self.strides, self.regress_ranges)

    def predict(
        self, feats: Sequence[Tensor], batch_data_samples: list, test_cfg: dict
    ) -> list[InstanceData]:
        """Poses of each image.

        Args:
            feats (Sequence[Tensor]): (N, in_channels, H, W) a level, finest first.
            batch_data_samples (list[PoseDataSample]): With ``img_shape`` in their metainfo, the
                image's height and width in input pixels without padding.
            test_cfg (dict): ``score_thr``, ``nms_pre``, ``nms`` with ``iou_threshold`` and
                ``offset``, and ``max_per_img``; see :class:`~.decode.PoseDecoder`.

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
        *box_preds: Sequence[Tensor],
        batch_img_metas: Sequence[dict],
        cfg: dict,
    ) -> list[InstanceData]:
        """Poses of the raw maps that :meth:`forward` returns.

        Args:
            cls_scores (Sequence[Tensor]): Logits (N, 1, H, W) a level.
            keypoint_preds (Sequence[Tensor]): (N, 2K, H, W) a level, in strides from the
                location.
            centernesses (Sequence[Tensor]): Logits (N, 1, H, W) a level.
            *box_preds (Sequence[Tensor]): With a box branch, distances (N, 4, H, W) a level, in
                strides.
            batch_img_metas (Sequence[dict]): N metainfos with ``img_shape``, the image's height
                and width in input pixels without padding.
            cfg (dict): The ``test_cfg`` of :meth:`predict`.

        Returns:
            List[InstanceData]: As in :meth:`predict`, in input pixels.
        """
        image_sizes = torch.tensor([meta['img_shape'][:2] for meta in batch_img_metas])
        image_sizes = image_sizes.to(cls_scores[0].device, non_blocking=True)
        poses = PoseDecoder(self.strides, cfg)(
            (cls_scores, keypoint_preds, centernesses, *box_preds), image_sizes
        )
        results = []
        for keypoints, scores, boxes in zip(*(field.cpu().numpy() for field in poses)):
            found = scores >= 0
            results.append(
                InstanceData(
                    bboxes=boxes[found],
                    bbox_scores=scores[found],
                    keypoints=keypoints[found],
                    keypoint_scores=scores[found, None].repeat(self.num_keypoints, axis=1),
                )
            )
        return results


def _tower(
    in_channels: int, channels: int, num_convs: int, num_norm_groups: int, groups: int = 1
) -> nn.Sequential:
    """3x3 convolutions with GN and ReLU; the first is dense, the others have ``groups``."""
    return nn.Sequential(
        *[
            ConvModule(
                in_channels if i == 0 else channels,
                channels,
                3,
                padding=1,
                bias=True,
                groups=1 if i == 0 else groups,
                norm_cfg=dict(type='GN', num_groups=num_norm_groups),
            )
            for i in range(num_convs)
        ]
    )
