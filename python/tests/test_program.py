"""Where the package finds the program, and the MPI of that."""

import os

import pytest

from fgn_dist._job import program as _program
from fgn_dist._version import __version__
from fgn_dist.errors import LaunchError


@pytest.fixture
def carried(tmp_path, monkeypatch):
    """A wheel's program in an environment, that starts only where a libmpi is in LD_LIBRARY_PATH or the environment."""
    package = tmp_path / "lib" / "python3" / "site-packages" / "fgn_dist"
    path = package / "bin" / "fgn-dist"
    path.parent.mkdir(parents=True)
    path.write_text(
        "#!/bin/sh\n"
        f'for folder in $(echo "$LD_LIBRARY_PATH" | tr : " ") {tmp_path}/lib; do\n'
        f"  if [ -e $folder/libmpi.so.40 ]; then echo {__version__}; exit 0; fi\n"
        "done\n"
        "echo libmpi.so.40: cannot open shared object file >&2\n"
        "exit 127\n"
    )
    path.chmod(0o755)
    monkeypatch.delenv("FGN_DIST_PROGRAM", raising=False)
    monkeypatch.setenv("LD_LIBRARY_PATH", "/somewhere")
    monkeypatch.setattr(_program, "_CARRIED", path)
    return path


def test_one_process_without_mpi_has_the_stand_in_and_several_ranks_are_refused(carried):
    stand_in = carried.parent.parent / "lib" / "libmpi.so.40"
    stand_in.parent.mkdir()
    stand_in.touch()
    assert _program.environment(None, 1)["LD_LIBRARY_PATH"] == f"/somewhere:{stand_in.parent}"
    assert _program.launch_command([str(carried)], 1, None, "mpirun") == [str(carried)]
    with pytest.raises(LaunchError, match="no Open MPI .*; install Open MPI, or `pip install"):
        _program.launch_command([str(carried)], 2, None, "mpirun")


def test_the_mpi_of_the_environment_comes_with_its_launcher(carried):
    environment = carried.parents[4]
    (environment / "libmpi.so.40").touch()
    mpirun = environment.parent / "bin" / "mpirun"
    mpirun.parent.mkdir()
    mpirun.write_text("#!/bin/sh\necho mpirun (Open MPI) 5.0.0\n")
    mpirun.chmod(0o755)
    variables = _program.environment(None, 1)
    assert variables["LD_LIBRARY_PATH"] == "/somewhere"
    assert variables["PATH"].split(":")[0] == str(mpirun.parent)
    assert _program.launch_command([str(carried)], 2, None, "mpirun")[0] == str(mpirun)
    assert _program.launch_command([str(carried)], 2, None, "/usr/bin/env")[0] == "/usr/bin/env"


def test_a_program_that_does_not_start_says_why(carried):
    with pytest.raises(LaunchError, match="cannot open shared object file"):
        _program.program()


def test_the_command_of_a_wheel_never_starts_itself(carried, monkeypatch):
    os.remove(carried)
    monkeypatch.setenv("FGN_DIST_PROGRAM", "/bin/true")
    with pytest.raises(SystemExit, match="this command is that of a wheel"):
        _program.main()
