"""Statistics of batch norm that several processes have in common."""

from mmengine.dist import broadcast
from mmengine.hooks import EMAHook
from mmengine.runner import Runner


def share_buffers(runner: Runner) -> None:
    """Give all processes the buffers of the first one, whose weights are saved.

    Where there is no SyncBN, as on the CPU, every process has statistics of batch norm of its
    own. With this, a validation tells of the model that a checkpoint holds, and a training that
    goes on from the checkpoint is the training that was not interrupted.

    Args:
        runner (Runner): The runner. The averages of its ``EMAHook`` are shared too.
    """
    averages = [hook.ema_model for hook in runner.hooks if isinstance(hook, EMAHook)]
    for model in (runner.model, *averages):
        for buffer in model.buffers():
            broadcast(buffer)
