"""The weights of the package: found by name, refused when they are not what they were."""

import pytest
import torch
from mmengine.runner import CheckpointLoader

import directpose  # noqa: F401, registers directpose://
from directpose import weights
from directpose.engine.errors import CheckpointError

NAME = 'efficientnet-lite0_imagenet'


def test_address_loads_what_the_file_holds() -> None:
    by_address = CheckpointLoader.load_checkpoint(f'directpose://{NAME}', map_location='cpu')
    by_file = torch.load(weights.find_weights(NAME), weights_only=True)
    assert by_address.keys() == by_file.keys()
    assert all(torch.equal(by_address[name], by_file[name]) for name in by_file)


@pytest.mark.parametrize('file', weights.DIGESTS)
def test_every_file_is_there_and_whole(file: str) -> None:
    stem, dot, suffix = file.rpartition('.')
    assert weights.find_weights(stem, dot + suffix).name == file


def test_every_file_in_the_folder_has_a_digest() -> None:
    assert {p.name for p in weights._FOLDER.iterdir() if p.suffix in ('.pth', '.onnx')} == set(
        weights.DIGESTS
    )


def test_wrong_name_says_the_right_one() -> None:
    with pytest.raises(ValueError, match=f'did you mean {NAME}'):
        weights.find_weights('efficientnet-lite0_imagnet')
    with pytest.raises(ValueError, match='there are: .*efficientnet'):
        weights.find_weights('zzz')
    with pytest.raises(CheckpointError, match=f'did you mean {NAME}'):
        CheckpointLoader.load_checkpoint('directpose://efficientnet-lite0_imagnet')


def test_altered_and_missing_files_are_refused(tmp_path, monkeypatch) -> None:
    content = bytearray(weights.find_weights(NAME).read_bytes())
    monkeypatch.setattr(weights, '_FOLDER', tmp_path)
    with pytest.raises(ValueError, match=f'{NAME}.pth: this file of the package is missing'):
        weights.find_weights(NAME)
    content[len(content) // 2] ^= 1
    (tmp_path / f'{NAME}.pth').write_bytes(content)
    with pytest.raises(ValueError, match=f'{NAME}.pth: damaged or altered'):
        weights.find_weights(NAME)
