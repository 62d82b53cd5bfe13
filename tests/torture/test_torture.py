"""Thousands of damaged inputs: ``python -m pytest tests/torture --torture 10000``.

Each test makes so many inputs, prints how they ended, and fails at the first that ends in
anything but a result or a clear error. The number of the input is its seed.
"""

import collections
import io
import json
import random

import mmcv
import numpy as np
import pytest
import torch
from PIL import Image

from directpose.cli.checkpoint import load_checkpoint_file
from directpose.errors import UserError
from directpose.pictures import PictureError, read_picture, read_size
from tests.mutated_annotations import check_agreement, metainfo_read_once, mutate, sound_file

pytestmark = pytest.mark.torture


def run(number, make_and_use):
    """Count how the inputs end."""
    ends = collections.Counter()
    for seed in range(number):
        try:
            ends[make_and_use(random.Random(seed))] += 1
        except Exception as error:
            raise AssertionError(f'input {seed} after {dict(ends)}') from error
    print(f'\n{number} inputs: {dict(ends)}')


@pytest.mark.timeout(0)
def test_annotation_files(tmp_path, torture):
    ann_file = sound_file(tmp_path)
    sound = json.loads(ann_file.read_text())

    def make_and_use(dice):
        ann_file.write_bytes(mutate(sound, dice))
        return check_agreement(tmp_path, ann_file)

    with metainfo_read_once():
        run(torture, make_and_use)


FORMATS = {
    'grey.jpg': ('L', {}),
    'colour.jpg': ('RGB', {}),
    'progressive.jpg': ('RGB', dict(progressive=True)),
    'cmyk.jpg': ('CMYK', {}),
    'grey16.png': ('I;16', {}),
    'alpha.png': ('RGBA', {}),
    'palette.png': ('P', {}),
    'bits.png': ('1', {}),
    'colour.bmp': ('RGB', {}),
    'colour.tiff': ('RGB', {}),
    'colour.webp': ('RGB', {}),
    'palette.gif': ('P', {}),
}


@pytest.mark.timeout(0)
def test_pictures(tmp_path, torture):
    """Bytes changed, cut off or put in: what is read has the size that the header says."""
    noise = np.random.default_rng(0).integers(0, 256, (9, 13, 4), dtype=np.uint8)
    picture = Image.fromarray(noise).resize((64, 48))
    whole = []
    for name, (mode, options) in FORMATS.items():
        one = Image.fromarray(np.full((48, 64), 30_000, np.uint16)) if mode == 'I;16' else picture
        file = io.BytesIO()
        (one if mode == 'I;16' else one.convert(mode)).save(
            file, Image.registered_extensions()[name[name.index('.') :]], **options
        )
        whole.append((name, file.getvalue()))

    def make_and_use(dice):
        name, content = dice.choice(whole)
        content = bytearray(content)
        for _ in range(dice.randint(0, 4)):
            content[dice.randrange(len(content))] = dice.randrange(256)
        if dice.random() < 0.3:
            del content[dice.randrange(len(content)) :]
        path = tmp_path / name
        path.write_bytes(content)
        try:
            (width, height), _ = read_size(path, 10**7, decode=True)
            pixels = read_picture(path, 10**7)
        except PictureError as error:
            assert str(path) in str(error)
            return 'refused'
        assert pixels.shape == (height, width, 3) and pixels.dtype == np.uint8
        theirs = mmcv.imread(str(path))
        if theirs is None:
            return 'read by Pillow alone'
        assert theirs.shape == pixels.shape
        return 'read'

    run(torture, make_and_use)


@pytest.mark.timeout(0)
def test_checkpoints(tmp_path, torture):
    """State dicts with other things than tensors, and files with bytes changed."""
    state = {f'layer{k}.weight': torch.randn(4, 3) for k in range(6)}
    values = [None, 5, 'text', [], {}, torch.tensor(float('nan')), torch.zeros(0), b'x']

    def make_and_use(dice):
        damaged = dict(state)
        content = dict(meta=dict(iter=1), state_dict=damaged)
        for _ in range(dice.randint(0, 2)):
            kind, key = dice.random(), dice.choice(list(state))
            if kind < 0.4:
                damaged[key] = dice.choice(values)
            elif kind < 0.6:
                damaged[dice.choice(values[1:3])] = state[key]
            elif kind < 0.8:
                content[dice.choice(['meta', 'state_dict'])] = dice.choice(values)
        file = io.BytesIO()
        torch.save(content, file)
        content = bytearray(file.getvalue())
        if dice.random() < 0.5:
            content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
        if dice.random() < 0.2:
            del content[dice.randrange(len(content)) :]
        path = tmp_path / 'damaged.pth'
        path.write_bytes(content)
        try:
            loaded = load_checkpoint_file(str(path))
        except UserError as error:
            assert str(path) in str(error)
            return 'refused'
        assert all(value.isfinite().all() for value in loaded['state_dict'].values())
        return 'loaded'

    run(torture, make_and_use)
