# A recipe for Spack: put it into a repository of your own as packages/fgn-dist/package.py (fgn_dist in repositories of version
# 2), and name the address of the sources in `git`. Spack has no Swift: swift 6.2 or later must be in PATH, and its package
# manager fetches two dependencies while it builds. Not tried with Spack; only that Python takes it.
from spack.package import *


class FgnDist(Package):
    """Distributed trainer of softmax classifiers by Fast Gauss-Newton, over MPI."""

    homepage = "https://arxiv.org/abs/2605.06081"
    git = "file:///path/to/fgn-dist"

    version("main", branch="main")

    depends_on("pkgconfig", type="build")
    depends_on("python@3.10:", type="build")
    depends_on("mpi")
    depends_on("blas")
    depends_on("lapack")
    depends_on("zlib-api")
    depends_on("bzip2+shared")
    # Those whose pkg-config files are known.
    requires("^[virtuals=mpi] openmpi", "^[virtuals=mpi] mpich", policy="one_of")
    requires("^[virtuals=blas] openblas threads=pthreads", "^[virtuals=blas] openblas threads=none", policy="one_of")

    def setup_build_environment(self, env):
        env.set("FGN_MPI", "mpich" if self.spec.satisfies("^[virtuals=mpi] mpich") else "ompi-c")
        env.set("FGN_BLAS", "openblas")

    def install(self, spec, prefix):
        swift = which("swift", required=True)
        options = ["-c", "release", "--product", "fgn-dist", "--static-swift-stdlib", "-Xswiftc", "-gnone"]
        # bzip2 has no file of pkg-config.
        options += ["-Xcc", f"-I{spec['bzip2'].prefix.include}"]
        options += ["-Xlinker", f"-L{spec['bzip2'].prefix.lib}"]
        for name in ("mpi", "blas", "bzip2", "zlib-api"):
            for folder in spec[name].libs.directories:
                options += ["-Xlinker", f"-rpath={folder}"]
        swift("build", *options)
        mkdirp(prefix.bin, prefix.share)
        install(join_path(".build", "release", "fgn-dist"), prefix.bin)
        install_tree("configs", prefix.share.join("fgn-dist").configs)
        install_tree("launch", prefix.share.join("fgn-dist").launch)
        install_tree("docs", prefix.share.doc.join("fgn-dist"))
        program = Executable(prefix.bin.join("fgn-dist"))
        manual = Executable(self.spec["python"].command.path)
        told = program("--experimental-dump-help", output=str)
        with open("help.json", "w") as file:
            file.write(told)
        with open("help.json") as file:
            manual("scripts/package/manual.py", prefix.share.man.man1, program("--version", output=str).strip(), input=file)

    @run_after("install")
    @on_package_attributes(run_tests=True)
    def check_install(self):
        with working_dir("spack-test", create=True):
            Executable(self.prefix.bin.join("fgn-dist"))(
                "train", self.prefix.share.join("fgn-dist").configs.join("digits.yaml"), "--set", "training.epochs=1"
            )
