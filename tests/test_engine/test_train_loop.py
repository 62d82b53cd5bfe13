"""What an iteration is, and which samples and random numbers it gets."""

import random
from itertools import chain

import numpy as np
import pytest
import torch
from mmengine.dataset import Compose
from mmengine.hooks import Hook
from mmpose.datasets.transforms import RandomFlip
from mmpose.registry import HOOKS

from directpose.datasets.flips import turn_flips_off
from directpose.engine.sampler import PositionedIndex, ResumableInfiniteSampler
from directpose.engine.seeding import SeededDataset
from directpose.engine.train_loop import ResumableIterTrainLoop

from .toy import ToyDataset, build, train, weights


@HOOKS.register_module()
class RatesHook(Hook):
    """Notes the learning rate of each iteration."""

    rates = []

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        self.rates.append(runner.optim_wrapper.get_lr()['lr'][0])


class TestGradientAccumulation:
    # Without dropout, and with batch norm in eval, a loss is a mean over images.
    model = dict(type='ToyModel', dropout=0.0, norm_eval=True)

    def run(self, work_dir, batch_size, accumulate, iters=4):
        RatesHook.rates = []
        runner = train(
            work_dir,
            iters,
            model=self.model,
            custom_hooks=[dict(type='RatesHook')],
            train_dataloader__batch_size=batch_size,
            optim_wrapper__accumulative_counts=accumulate,
        )
        return runner, RatesHook.rates

    def test_is_the_whole_batch(self, tmp_path):
        whole, whole_rates = self.run(tmp_path / 'whole', 8, 1)
        parts, parts_rates = self.run(tmp_path / 'parts', 4, 2)
        assert parts_rates == whole_rates
        assert len(set(whole_rates)) == 4
        assert list(chain(*parts.model.seen)) == list(chain(*whole.model.seen))
        for (name, a), b in zip(weights(whole).items(), weights(parts).values(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7, msg=name)

    def test_an_iteration_is_an_optimiser_step(self, tmp_path):
        runner, _ = self.run(tmp_path, 2, 3, iters=5)
        assert runner.iter == 5
        assert len(runner.model.seen) == 15
        checkpoint = torch.load(tmp_path / 'iter_4.pth')
        assert checkpoint['meta']['iter'] == 4
        assert checkpoint['param_schedulers'][0]['last_step'] == 4
        losses = runner.message_hub.get_scalar('train/loss').data[0]
        assert len(losses) == 5

    def test_loss_of_an_iteration_is_the_mean(self, tmp_path):
        whole, _ = self.run(tmp_path / 'whole', 8, 1, iters=1)
        parts, _ = self.run(tmp_path / 'parts', 2, 4, iters=1)
        losses = [run.message_hub.get_scalar('train/loss').current() for run in (whole, parts)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_other_sampler_is_refused(tmp_path):
    runner = build(tmp_path, train_dataloader__sampler__type='InfiniteSampler')
    with pytest.raises(TypeError, match=r'train_dataloader\.sampler.*ResumableInfiniteSampler'):
        runner.train()


def test_seed_of_its_own_for_each_process_is_refused(tmp_path):
    with pytest.raises(ValueError, match='diff_rank_seed'):
        build(tmp_path, randomness__diff_rank_seed=True).train()


class TestSampler:
    @staticmethod
    def draw(number, rank=0, world_size=1, start=0, shuffle=True):
        sampler = ResumableInfiniteSampler(range(7), shuffle=shuffle, seed=3)
        sampler.rank, sampler.world_size, sampler.start = rank, world_size, start
        return [(int(index), index.position) for index, _ in zip(sampler, range(number))]

    def test_passes_over_the_whole_data(self):
        order = [index for index, _ in self.draw(21)]
        for i in (0, 7, 14):
            assert sorted(order[i : i + 7]) == list(range(7))
        assert order[:7] != order[7:14] != list(range(7))

    def test_without_shuffle(self):
        assert self.draw(9, shuffle=False) == [(i % 7, i) for i in range(9)]

    @pytest.mark.parametrize('start', [1, 7, 20])
    def test_start(self, start):
        assert self.draw(10, start=start) == self.draw(10 + start)[start:]

    @pytest.mark.parametrize('world_size', [2, 3])
    def test_processes_share_one_order(self, world_size):
        whole = self.draw(12)
        parts = [self.draw(12 // world_size, rank, world_size) for rank in range(world_size)]
        assert [sample for step in zip(*parts, strict=True) for sample in step] == whole

    def test_index_survives_the_way_to_a_worker(self):
        import pickle

        index = pickle.loads(pickle.dumps(PositionedIndex(3, 40)))
        assert index == 3 and index.position == 40


class TestSeededDataset:
    @pytest.fixture
    def dataset(self):
        return SeededDataset(dict(type='ToyDataset', length=5), seed=2)

    def test_sample_follows_from_seed_and_position(self, dataset):
        a = dataset[PositionedIndex(3, 40)]['inputs']
        torch.manual_seed(9), np.random.seed(9), random.seed(9)
        assert torch.equal(a, dataset[PositionedIndex(3, 40)]['inputs'])
        # All three generators follow: torch's numbers, and the two last of the others.
        b = dataset[PositionedIndex(3, 41)]['inputs']
        assert (a[[0, 16, 17]] != b[[0, 16, 17]]).all()
        dataset.seed = 3
        c = dataset[PositionedIndex(3, 40)]['inputs']
        assert (a[[0, 16, 17]] != c[[0, 16, 17]]).all()

    def test_leaves_the_generators_as_they_were(self, dataset):
        torch.manual_seed(9), np.random.seed(9), random.seed(9)
        expected = torch.rand(1), np.random.rand(), random.random()
        torch.manual_seed(9), np.random.seed(9), random.seed(9)
        dataset[PositionedIndex(1, 5)]
        assert (torch.rand(1), np.random.rand(), random.random()) == expected

    def test_is_the_dataset_to_others(self, dataset):
        assert len(dataset) == 5
        assert dataset.metainfo['dataset_name'] == 'toy'


class Flips:
    """A data set whose pipeline mirrors, perhaps inside a wrapper."""

    def __init__(self, flip_pairs, *datasets):
        self.metainfo = dict(dataset_name='toy', flip_pairs=flip_pairs)
        self.pipeline = Compose([RandomFlip(prob=0.5)])
        self.datasets = datasets

    @property
    def prob(self):
        return self.pipeline.transforms[0].prob


def test_a_wrapper_mirrors_only_what_has_flip_pairs():
    with_pairs, without = Flips([[0, 1]]), Flips([])
    outer, deaf = Flips([[0, 1]], with_pairs), Flips([], without)
    turn_flips_off(type('Seeded', (), dict(dataset=outer))())
    turn_flips_off(type('Seeded', (), dict(dataset=deaf))())
    assert [outer.prob, with_pairs.prob, deaf.prob, without.prob] == [0.5, 0.5, 0.0, 0.0]


def test_the_loop_turns_flips_off(tmp_path, monkeypatch):
    flips = Flips([])
    monkeypatch.setattr(ToyDataset, 'metainfo', flips.metainfo)
    monkeypatch.setattr(ToyDataset, 'pipeline', flips.pipeline, raising=False)
    assert build(tmp_path).train_loop is not None
    assert flips.prob == 0


@pytest.mark.parametrize('number', [-5, 0, 1.5, 'x'])
@pytest.mark.parametrize('name', ['max_iters', 'val_interval'])
def test_a_number_of_steps_that_is_none_is_refused(name, number):
    settings = {'max_iters': 5, name: number}
    with pytest.raises(ValueError, match=f'{name} of train_cfg must be a whole number from 1'):
        ResumableIterTrainLoop(None, {}, **settings)
