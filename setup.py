"""What pyproject.toml cannot say: the wheel holds configs and tools too.

They go to ``directpose/.mim``, where MMEngine (``_base_ = 'directpose::...'``), MMPose's
inferencers and MIM look for those of an installed package.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent


def link_folders(mim: Path) -> None:
    """Link the folders of a checkout to where they are looked for, as MMPose's set-up does."""
    mim.mkdir(exist_ok=True)
    for name in ('configs', 'demo', 'tools', 'model-index.yml'):
        link = mim / name
        if not link.is_symlink():
            link.symlink_to(Path('..', '..', name))


class BuildWithConfigs(build_py):
    """Build the package, and put configs and tools beside its modules."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            link_folders(ROOT / 'directpose' / '.mim')
            return
        mim = Path(self.build_lib) / 'directpose' / '.mim'
        # An earlier build may have left files that are gone from the source.
        shutil.rmtree(mim, ignore_errors=True)
        for folder in ('configs', 'demo', 'tools'):
            # The shell scripts of tools/ work on a checkout.
            ignored = shutil.ignore_patterns('__pycache__', '*.py[cod]', '*.sh')
            shutil.copytree(ROOT / folder, mim / folder, ignore=ignored)
        shutil.copy(ROOT / 'model-index.yml', mim)


setup(cmdclass={'build_py': BuildWithConfigs})
