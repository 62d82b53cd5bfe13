"""The predictions of a test, as a file."""

import json
from collections.abc import Sequence

from mmengine.evaluator import BaseMetric
from mmpose.registry import METRICS

from .atomic_backend import AtomicLocalBackend


@METRICS.register_module()
class PoseDump(BaseMetric):
    """Write the predicted poses of all images to a JSON file, which holds data and no code.

    The file has a list with an object for each image: ``img_id``, ``img_path``, and ``people``,
    best first, each with ``score``, ``keypoints`` (K of [x, y]) and ``box`` ([x1, y1, x2, y2]),
    in original pixels. Where the model rates keypoints, a person has ``keypoint_scores`` and
    ``keypoints_hidden`` (K numbers) too.

    Args:
        out_file (str): The JSON file to write.
        collect_device (str): As in :class:`mmengine.evaluator.BaseMetric`. Defaults to 'cpu'.
    """

    def __init__(self, out_file: str, collect_device: str = 'cpu') -> None:
        super().__init__(collect_device=collect_device)
        self.out_file = out_file

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Keep the poses of a batch.

        Args:
            data_batch: Not used.
            data_samples (Sequence[dict]): As the evaluator gives them, with ``pred_instances``.
        """
        for sample in data_samples:
            poses = sample['pred_instances']
            fields = dict(score='bbox_scores', keypoints='keypoints', box='bboxes')
            if 'keypoints_hidden' in poses:
                ratings = ('keypoint_scores', 'keypoints_hidden')
                fields.update(zip(ratings, ratings))
            self.results.append(
                dict(
                    img_id=int(sample['img_id']),
                    img_path=str(sample['img_path']),
                    people=[
                        {name: poses[field][i].tolist() for name, field in fields.items()}
                        for i in range(len(poses['bbox_scores']))
                    ],
                )
            )

    def compute_metrics(self, results: list[dict]) -> dict:
        """Write the file.

        Args:
            results (list[dict]): The poses of all images.

        Returns:
            dict: Empty, as there is nothing to score.
        """
        AtomicLocalBackend().put_text(json.dumps(results), self.out_file)
        return {}
