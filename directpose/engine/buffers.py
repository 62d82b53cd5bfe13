"""Statistics of batch norm that several processes have in common."""

from mmengine.dist import broadcast
from mmengine.hooks import EMAHook
from mmengine.runner import Runner


def share_buffers(runner: Runner) -> None:
    """Give all processes the buffers of the first one, whose weights are saved.

    Without SyncBN, as on the CPU, every process has its own statistics of batch norm. After this
    call, a validation tests the model that a checkpoint holds, and a training that goes on from the
    checkpoint is the same as without the interruption.

    Args:
        runner (Runner): The runner. The averages of its ``EMAHook`` are shared too.
    """
    averages = [hook.ema_model for hook in runner.hooks if isinstance(hook, EMAHook)]
    for model in (runner.model, *averages):
        for buffer in model.buffers():
            broadcast(buffer)
