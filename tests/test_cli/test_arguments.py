"""What command lines say of arguments that are wrong."""

import pytest

from directpose.cli.arguments import Parser, score, whole_number
from directpose.cli.options import add_cfg_options, add_input_size


@pytest.fixture
def parser():
    made = Parser(prog='tool')
    made.add_argument('source', nargs='?')
    made.add_argument('--model')
    made.add_argument('--threads', type=whole_number(), default=4)
    made.add_argument('--port', type=whole_number(1, 65535))
    made.add_argument('--score-thr', type=score)
    add_cfg_options(made)
    add_input_size(made)
    return made


def test_right_arguments_are_read(parser):
    words = 'a.jpg --threads 2 --port 65535 --score-thr 0.5 --cfg-options a.b=1 c=[x,y] d=e=f'
    args = parser.parse_args(words.split())
    assert (args.source, args.threads, args.port, args.score_thr) == ('a.jpg', 2, 65535, 0.5)
    assert args.cfg_options == {'a.b': 1, 'c': ['x', 'y'], 'd': 'e=f'}


@pytest.mark.parametrize(
    'words, message',
    [
        ('--modle x', 'there is no option --modle; did you mean --model?'),
        ('--modle=x', 'there is no option --modle; did you mean --model?'),
        ('--zzzzz', 'there is no option --zzzzz\n'),
        ('a.jpg b.jpg', "'b.jpg' is one argument too many"),
        ('--threads 0', "argument --threads: give a whole number from 1, not '0'"),
        ('--threads 1.5', "argument --threads: give a whole number from 1, not '1.5'"),
        ('--port 65536', "argument --port: give a whole number from 1 to 65535, not '65536'"),
        ('--score-thr 1.01', "argument --score-thr: give a number from 0 to 1, not '1.01'"),
        ('--score-thr -0.1', "argument --score-thr: give a number from 0 to 1, not '-0.1'"),
        ('--score-thr nan', "argument --score-thr: give a number from 0 to 1, not 'nan'"),
        ('--score-thr high', "argument --score-thr: give a number from 0 to 1, not 'high'"),
        ('--cfg-options a=1 a.jpg', "'a.jpg' is not a setting of the form KEY=VALUE; write other"),
        ('--input-size 0 64', "argument --input-size: give a whole number from 32, not '0'"),
        ('--cfg-options =1', "'=1' is not a setting of the form KEY=VALUE"),
        ('--cfg-options a=[1,2', 'argument --cfg-options: Imbalanced brackets exist in [1,2'),
    ],
)
def test_wrong_arguments_are_named(parser, words, message, capsys):
    with pytest.raises(SystemExit, match='^2$'):
        parser.parse_args(words.split())
    assert message in capsys.readouterr().err


def test_a_misspelt_option_of_a_part_of_a_command_is_named(capsys):
    parser = Parser(prog='tool')
    part = parser.add_subparsers(required=True).add_parser('plot')
    part.add_argument('--keys')
    with pytest.raises(SystemExit, match='^2$'):
        parser.parse_args(['plot', '--kyes', 'loss'])
    assert 'there is no option --kyes; did you mean --keys?' in capsys.readouterr().err
