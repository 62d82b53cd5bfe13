"""Learning rate and weight decay of each parameter, as the original sets them."""

from mmengine.optim import DefaultOptimWrapperConstructor
from mmpose.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class BiasHeadOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """Multiply the learning rate of biases and of the head.

    The parameters fall into four groups by their names:

    ==================  ================================  ===============================
    parameters          learning rate                     weight decay
    ==================  ================================  ===============================
    weights             lr                                weight_decay
    biases              lr * bias_lr_mult                 weight_decay * bias_decay_mult
    weights under head  lr * head_lr_mult                 weight_decay
    biases under head   lr * head_lr_mult * bias_lr_mult  weight_decay * bias_decay_mult
    ==================  ================================  ===============================

    The rule for biases is by name, so it includes those of normalisation layers; their weights
    count as weights. MMEngine's default constructor cannot express this: a matching custom key
    ends its other rules, and its ``bias_lr_mult`` passes over normalisation layers.

    Args:
        optim_wrapper_cfg (dict): As for :class:`mmengine.optim.DefaultOptimWrapperConstructor`.
        paramwise_cfg (dict): ``bias_lr_mult``, ``bias_decay_mult`` and ``head_lr_mult``, each
            1 where it is not given.

    Raises:
        KeyError: For any other option.
    """

    def _validate_cfg(self) -> None:
        super()._validate_cfg()
        unknown = set(self.paramwise_cfg) - {'bias_lr_mult', 'bias_decay_mult', 'head_lr_mult'}
        if unknown:
            raise KeyError(
                f'paramwise_cfg of {type(self).__name__} has no option '
                f'{sorted(unknown)}; it takes bias_lr_mult, bias_decay_mult and '
                'head_lr_mult'
            )

    def add_params(self, params: list[dict], module: nn.Module, **kwargs) -> None:
        """Append the parameter groups of a model.

        Args:
            params (list[dict]): The groups, extended in place.
            module (nn.Module): The estimator: its head is what lies under ``head.``.
        """
        groups = {}
        for name, param in module.named_parameters():
            if param.requires_grad:
                is_head = name.startswith('head.')
                is_bias = name.endswith('bias')
                groups.setdefault((is_head, is_bias), []).append(param)
        for is_head, is_bias in sorted(groups):
            group = dict(params=groups[is_head, is_bias], lr=self.base_lr)
            if is_head:
                group['lr'] *= self.paramwise_cfg.get('head_lr_mult', 1)
            if is_bias:
                group['lr'] *= self.paramwise_cfg.get('bias_lr_mult', 1)
                if 'bias_decay_mult' in self.paramwise_cfg:
                    group['weight_decay'] = self.base_wd * self.paramwise_cfg['bias_decay_mult']
            params.append(group)
