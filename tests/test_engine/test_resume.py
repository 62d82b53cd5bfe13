"""An interrupted and resumed run is, to the bit, the run that was not interrupted."""

import os
import shutil

import pytest
import torch
from mmengine.config import Config

from directpose.cli.resume import (
    check_nothing_is_overwritten,
    checkpoint_folder,
    find_resumable_checkpoint,
)
from directpose.errors import UserError

from .toy import train, weights


def assert_same_weights(a: dict, b: dict) -> None:
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


@pytest.mark.parametrize(
    'changes',
    [
        dict(),
        dict(train_dataloader__num_workers=2),
        dict(optim_wrapper__accumulative_counts=2),
        dict(
            optim_wrapper__optimizer=dict(_delete_=True, type='AdamW', lr=1e-3, weight_decay=1e-4)
        ),
        dict(custom_hooks=[dict(type='EMAHook', momentum=0.1)]),
    ],
    ids=['plain', 'workers', 'accumulation', 'adamw', 'ema'],
)
def test_resumed_is_uninterrupted(tmp_path, changes):
    whole = train(tmp_path / 'whole', 8, **changes)
    assert whole.iter == 8

    # What a run that is killed after its checkpoint of iteration 6 leaves.
    shutil.copytree(tmp_path / 'whole', tmp_path / 'cut')
    os.remove(tmp_path / 'cut/iter_8.pth')
    resumed = train(
        tmp_path / 'cut', 8, resume=True, load_from=str(tmp_path / 'cut/iter_6.pth'), **changes
    )
    assert_same_weights(weights(whole), weights(resumed))
    checkpoints = [torch.load(tmp_path / run / 'iter_8.pth') for run in ('whole', 'cut')]
    for part in ('state_dict', 'ema_state_dict'):
        if part in checkpoints[0]:
            assert_same_weights(checkpoints[0][part], checkpoints[1][part])
    for a, b in zip(*(c['optimizer']['state'].values() for c in checkpoints), strict=True):
        assert all(torch.equal(torch.as_tensor(a[k]), torch.as_tensor(b[k])) for k in a)
    # It went on with the data, and did not start again.
    assert resumed.model.seen == whole.model.seen[-len(resumed.model.seen) :]
    assert len(resumed.model.seen) == 2 * changes.get('optim_wrapper__accumulative_counts', 1)


def test_number_of_workers_does_not_matter(tmp_path):
    runs = [train(tmp_path / str(n), 5, train_dataloader__num_workers=n) for n in (0, 1, 3)]
    assert_same_weights(weights(runs[0]), weights(runs[1]))
    assert_same_weights(weights(runs[0]), weights(runs[2]))


def test_another_seed_is_another_run(tmp_path):
    """The equalities above are not those of a run without randomness."""
    a = weights(train(tmp_path / 'a', 2))
    b = weights(train(tmp_path / 'b', 2, randomness__seed=8))
    assert not torch.equal(a['head.1.weight'], b['head.1.weight'])


def test_drawn_seed_is_resumed(tmp_path):
    """Without a seed one is drawn; a resumed run takes it over from the checkpoint."""
    whole = train(tmp_path / 'whole', 6, randomness=dict(seed=None))
    resumed = train(
        tmp_path / 'cut',
        6,
        randomness=dict(seed=None),
        resume=True,
        load_from=str(tmp_path / 'whole/iter_4.pth'),
    )
    assert resumed.seed == whole.seed
    assert_same_weights(weights(whole), weights(resumed))


class TestFindResumableCheckpoint:
    @pytest.fixture
    def work_dir(self, tmp_path):
        train(tmp_path, 6)
        return tmp_path

    def test_last(self, work_dir):
        assert find_resumable_checkpoint(str(work_dir)) == (str(work_dir / 'iter_6.pth'), [])

    def test_nothing_saved(self, tmp_path):
        assert find_resumable_checkpoint(str(tmp_path)) == (None, [])
        assert find_resumable_checkpoint(str(tmp_path / 'nowhere')) == (None, [])

    def test_torn_checkpoint_is_passed_over(self, work_dir):
        torn = work_dir / 'iter_6.pth'
        torn.write_bytes(torn.read_bytes()[:-100])
        assert find_resumable_checkpoint(str(work_dir)) == (
            str(work_dir / 'iter_4.pth'),
            [str(torn)],
        )

    @pytest.mark.parametrize('pointer', [b'', b'\xff\xfe', b'/gone/iter_2.pth', None])
    def test_torn_pointer(self, work_dir, pointer):
        if pointer is None:
            os.remove(work_dir / 'last_checkpoint')
        else:
            (work_dir / 'last_checkpoint').write_bytes(pointer)
        assert find_resumable_checkpoint(str(work_dir)) == (str(work_dir / 'iter_6.pth'), [])

    def test_copied_folder_goes_on_from_its_own_file(self, work_dir, tmp_path_factory):
        """``last_checkpoint`` still names the file that was copied."""
        copy = tmp_path_factory.mktemp('copy') / 'run'
        shutil.copytree(work_dir, copy)
        own = copy / 'iter_6.pth'
        assert find_resumable_checkpoint(str(copy)) == (str(own), [])
        own.write_bytes(own.read_bytes()[:-100])
        assert find_resumable_checkpoint(str(copy)) == (str(copy / 'iter_4.pth'), [str(own)])

    def test_checkpoints_elsewhere(self, work_dir, tmp_path_factory):
        """As with the hook's ``out_dir``: the run's folder has the pointer alone."""
        run = tmp_path_factory.mktemp('run')
        shutil.copy(work_dir / 'last_checkpoint', run)
        assert find_resumable_checkpoint(str(run)) == (str(work_dir / 'iter_6.pth'), [])

    def test_checkpoints_elsewhere_without_a_pointer(self, work_dir, tmp_path_factory):
        """What is refused without --resume is found with it."""
        hook = dict(checkpoint=dict(out_dir=str(work_dir.parent)))
        run = tmp_path_factory.mktemp('elsewhere') / work_dir.name
        cfg = Config(dict(work_dir=str(run), default_hooks=hook))
        with pytest.raises(UserError, match='add --resume to go on with that training'):
            check_nothing_is_overwritten(cfg)
        found = find_resumable_checkpoint(cfg.work_dir, checkpoint_folder(cfg))
        assert found == (str(work_dir / 'iter_6.pth'), [])

    def test_earlier_run_in_the_same_folder(self, work_dir):
        """A longer run of old does not win over the last checkpoint of this one."""
        shutil.copy(work_dir / 'iter_6.pth', work_dir / 'iter_900.pth')
        assert find_resumable_checkpoint(str(work_dir))[0] == str(work_dir / 'iter_6.pth')

    def test_without_a_pointer_the_latest_iteration_wins(self, work_dir):
        """Copying gives files new times: the oldest iteration may be the newest file."""
        shutil.copy(work_dir / 'iter_6.pth', work_dir / 'iter_10.pth')
        os.utime(work_dir / 'iter_10.pth', (0, 0))
        shutil.copy(work_dir / 'iter_6.pth', work_dir / 'iter_final.pth')  # says no iteration
        os.remove(work_dir / 'last_checkpoint')
        assert find_resumable_checkpoint(str(work_dir)) == (str(work_dir / 'iter_10.pth'), [])

    def test_unfinished_write_is_no_checkpoint(self, work_dir):
        shutil.copy(work_dir / 'iter_6.pth', work_dir / 'iter_8.pth.tmp')
        assert find_resumable_checkpoint(str(work_dir))[0] == str(work_dir / 'iter_6.pth')


def test_a_training_does_not_overwrite_the_checkpoints_of_another(tmp_path):
    here = Config(dict(work_dir=str(tmp_path / 'run')))
    hook = dict(checkpoint=dict(out_dir=str(tmp_path)))
    there = Config(dict(work_dir='elsewhere/run/', default_hooks=hook))
    (tmp_path / 'run').mkdir()
    (tmp_path / 'run/best_iter_7.pth').touch()
    for cfg in (here, there):
        check_nothing_is_overwritten(cfg)
    for number in (8, 12):
        (tmp_path / f'run/iter_{number}.pth').touch()
    for cfg in (here, there):
        with pytest.raises(UserError, match=r'iter_12\.pth: .* overwritten; add --resume'):
            check_nothing_is_overwritten(cfg)
