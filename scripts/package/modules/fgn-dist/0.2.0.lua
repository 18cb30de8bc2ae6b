-- An Lmod module for the unpacked tarball: put this folder into a folder of MODULEPATH, and set `root` and the names of the
-- modules that your cluster has for an Open MPI with libmpi.so.40 (4.0 to 5.0) and for OpenBLAS.
help([[Trains softmax classifiers by Fast Gauss-Newton, on one process or on many under mpirun: fgn-dist --help, man fgn-dist]])
whatis("Name: fgn-dist")
whatis("Version: 0.2.0")
whatis("Description: distributed trainer of softmax classifiers by Fast Gauss-Newton")

local root = "/opt/fgn-dist-0.2.0-linux-x86_64"

depends_on("openmpi")
depends_on("openblas")
prepend_path("PATH", pathJoin(root, "bin"))
prepend_path("MANPATH", pathJoin(root, "share/man"))
-- An empty part is what man looks in without the variable.
append_path("MANPATH", "")
-- bash-completion and fish look below these.
prepend_path("XDG_DATA_DIRS", pathJoin(root, "share"))
append_path("XDG_DATA_DIRS", "/usr/local/share:/usr/share")
prepend_path("FPATH", pathJoin(root, "share/zsh/site-functions"))
setenv("FGN_DIST_ROOT", root)
