"""Count the multiply-adds, parameters and activations of a config's model.

::

    python tools/analysis_tools/get_flops.py configs/directpose/CONFIG.py --input-size 800 1216
"""

import argparse

import torch
from mmengine.analysis import get_model_complexity_info
from mmengine.logging import MMLogger

from directpose.analysis import Subject
from directpose.cli.arguments import Parser
from directpose.cli.config import read_config
from directpose.cli.errors import errors_as_messages
from directpose.cli.options import add_input_size


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        'config', help="config file, or a config of an installed package ('mmpose::...')"
    )
    add_input_size(parser)
    parser.add_argument(
        '--table', action='store_true', help='print the figures of every part of the model too'
    )
    args = parser.parse_args(argv)
    with errors_as_messages(args.config):
        model = Subject(read_config(args.config)).model
    inputs = torch.randn(1, 3, *args.input_size)
    # MMEngine lists each operator that it does not count, such as normalisation.
    MMLogger.get_current_instance().setLevel('ERROR')
    analysis = get_model_complexity_info(model, inputs=(inputs, None, 'tensor'))
    if args.table:
        print(analysis['out_table'])
    print(f'input: 1 x 3 x {args.input_size[0]} x {args.input_size[1]}')
    print(f'multiply-adds: {analysis["flops_str"]} of convolutions and linear layers')
    print(f'parameters: {analysis["params_str"]}')
    print(f'activations: {analysis["activations_str"]}')


if __name__ == '__main__':
    main()
