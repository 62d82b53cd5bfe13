"""Pictures of the predicted poses beside the annotated ones."""

import os.path as osp
from collections.abc import Sequence

import mmcv
from mmengine import fileio
from mmengine.runner import Runner
from mmpose.engine.hooks import PoseVisualizationHook
from mmpose.registry import HOOKS
from mmpose.structures import PoseDataSample


@HOOKS.register_module()
class PoseComparisonHook(PoseVisualizationHook):
    """Draw ground truth at the left and prediction at the right of one picture.

    MMPose's hook draws only predictions. Both hooks draw the first image of a batch every
    ``interval`` iterations of a validation, and every image of a test. The runner's visualizer
    draws in original pixels.

    Pictures are written to ``out_dir`` as JPEG, under the names of their images. Those of a
    validation go into its folder ``iter_N``, where N is the number of iterations. If there are
    several processes, only the first one draws, and only its share of the images.

    Args:
        enable (bool): Whether to draw at all. Defaults to False.
        interval (int): Iterations from one drawn validation batch to the next. Defaults to 50.
        score_thr (float): The least score of the people that are drawn. If the model rates
            keypoints, it is the least score of their keypoints too. Defaults to 0.3.
        show (bool): Whether to show each picture in a window. Defaults to False.
        wait_time (float): Seconds to show it. Defaults to 0.
        out_dir (str, optional): The folder for the pictures. A relative path starts at the current
            directory. Defaults to None, which gives the pictures to the visualizer's backends.
        backend_args (dict, optional): Where to read the images from, as in MMEngine's
            ``fileio``. Defaults to None.
    """

    def __init__(self, *, enable: bool = False, score_thr: float = 0.3, **kwargs) -> None:
        super().__init__(enable=enable, kpt_thr=score_thr, **kwargs)
        self._written = set()

    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict,
        outputs: Sequence[PoseDataSample],
    ) -> None:
        """Draw the batch's first image every ``interval`` iterations."""
        step = runner.iter + batch_idx
        if self.enable and step % self.interval == 0:
            self._visualizer.set_dataset_meta(runner.val_evaluator.dataset_meta)
            self._draw('val_img', outputs[0], step, self._file(outputs[0], f'iter_{runner.iter}'))

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict,
        outputs: Sequence[PoseDataSample],
    ) -> None:
        """Draw every image of the batch."""
        if not self.enable:
            return
        self._visualizer.set_dataset_meta(runner.test_evaluator.dataset_meta)
        for data_sample in outputs:
            self._test_index += 1
            self._draw('test_img', data_sample, self._test_index, self._file(data_sample))

    def _file(self, data_sample: PoseDataSample, folder: str = '') -> str | None:
        """The image's file in ``out_dir``. If two images have one name, the id is added."""
        if self.out_dir is None:
            return None
        name = osp.splitext(osp.basename(data_sample.img_path))[0]
        path = osp.join(self.out_dir, folder, f'{name}.jpg')
        if path in self._written:
            path = osp.join(self.out_dir, folder, f'{name}_{data_sample.img_id}.jpg')
        self._written.add(path)
        return path

    def _draw(
        self, name: str, data_sample: PoseDataSample, step: int, out_file: str | None
    ) -> None:
        image_bytes = fileio.get(data_sample.img_path, backend_args=self.backend_args)
        image = mmcv.imfrombytes(image_bytes, channel_order='rgb')
        # The visualizer's own threshold hides keypoints, but draws the boxes of all.
        drawn = PoseDataSample(gt_instances=data_sample.gt_instances)
        scores = data_sample.pred_instances.bbox_scores
        drawn.pred_instances = data_sample.pred_instances[scores >= self.kpt_thr]
        self._visualizer.add_datasample(
            osp.basename(data_sample.img_path) if self.show else name,
            image,
            drawn,
            draw_bbox=True,
            show=self.show,
            wait_time=self.wait_time,
            out_file=out_file,
            kpt_thr=self.kpt_thr,
            step=step,
        )
