"""What only command lines need: edits of configs, errors for people, launchers, messages."""

import warnings

# MMPose names its own metainfo by a path of its checkout, and MMDetection calls meshgrid as older
# torch wanted it. Who runs a command can do nothing about either.
warnings.filterwarnings('ignore', 'The metainfo config file "configs/_base_/datasets/')
warnings.filterwarnings('ignore', 'torch.meshgrid: in an upcoming release')
