"""The towers against their layers, one by one."""

import pytest
import torch
import torch.nn.functional as F

from directpose.models.tower import make_tower


@pytest.mark.parametrize('groups', [{}, dict(groups=2)])
@torch.no_grad()
def test_a_tower_is_convolutions_group_norms_and_relus(groups):
    """The first convolution has one group: it spreads the features over all groups."""
    torch.manual_seed(0)
    tower = make_tower(3, 8, 3, num_norm_groups=4, **groups)
    for parameter in tower.parameters():
        torch.nn.init.normal_(parameter)
    weights = list(tower.parameters())
    assert len(weights) == 3 * 4
    x = wanted = torch.randn(2, 3, 5, 6)
    for i in range(3):
        weight, bias, scale, shift = weights[4 * i : 4 * i + 4]
        count = groups.get('groups', 1) if i else 1
        assert weight.shape == (8, wanted.shape[1] // count, 3, 3)
        wanted = F.conv2d(wanted, weight, bias, padding=1, groups=count)
        wanted = F.group_norm(wanted, 4, scale, shift).relu()
    torch.testing.assert_close(tower(x), wanted)
