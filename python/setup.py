"""A wheel for one platform where the package carries the program (scripts/package/wheel.sh), and for all of them elsewhere."""

import pathlib

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel

CARRIES = (pathlib.Path(__file__).parent / "src/fgn_dist/bin/fgn-dist").exists()


class PlatformDistribution(Distribution):
    def has_ext_modules(self):
        return CARRIES


class Wheel(bdist_wheel):
    """The program is none of Python's: any version of that can start it."""

    def get_tag(self):
        return ("py3", "none", super().get_tag()[2])


setup(
    distclass=PlatformDistribution,
    cmdclass={"bdist_wheel": Wheel},
    # Without the program the command would find itself.
    entry_points={"console_scripts": ["fgn-dist = fgn_dist._job.program:main"] if CARRIES else []},
)
