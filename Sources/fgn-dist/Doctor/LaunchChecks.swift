import Foundation
import MPI
import Training

/// What a job of several ranks needs: a launcher that fits the MPI library, a batch system, and hosts.
struct LaunchChecks {
  /// This program.
  let program: String
  /// The version text of the MPI library that the program is linked with.
  let library: String
  /// A host file, or nil for this host alone.
  let hostFile: String?

  private let environment = ProcessInfo.processInfo.environment

  func findings() throws -> [Diagnosis] {
    var findings = [libraryFound]
    let launcher = launcherFound
    findings.append(launcher.finding)
    if let batch { findings.append(batch) }
    if launcher.finding.kind != .problem, let name = launcher.name { findings.append(hello(name)) }
    if let hostFile { findings += try HostChecks(program: program, file: hostFile).findings() }
    return findings
  }

  private var libraryFound: Diagnosis { .fine("MPI", library) }

  /// The kind of MPI, such as `Open MPI`, and its version.
  private static func kind(_ text: String) -> (name: String, version: String)? {
    let isOpen = text.contains("Open MPI") || text.contains("OpenRTE") || text.contains("Open RTE")
    let isMPICH = text.contains("MPICH") || text.contains("HYDRA") || text.contains("Intel(R) MPI")
    guard isOpen || isMPICH else { return nil }
    let version =
      text.split { !$0.isNumber && $0 != "." }.first { $0.contains(".") && $0.first?.isNumber == true } ?? ""
    return (isOpen ? "Open MPI" : "MPICH", String(version))
  }

  /// The path of Open MPI's launcher. Throws exit code 64 if the program is linked with another library, and 69 if there is
  /// none that fits.
  func openMPI() throws -> String {
    guard Self.kind(library)?.name == "Open MPI" else {
      throw ConfigurationError("launch knows Open MPI's mpirun alone, and this program is linked with \(library)")
    }
    let (finding, name) = launcherFound
    guard finding.kind != .problem, let path = name.flatMap(ShellCommand.path(of:)) else {
      throw ConfigurationError("\(finding.text); \(finding.remedy)", exitCode: 69)
    }
    return path
  }

  private var launcherFound: (finding: Diagnosis, name: String?) {
    let own = Self.kind(library)
    // Debian has MPICH's launcher beside that of Open MPI under this name.
    let names = own?.name == "MPICH" ? ["mpirun.mpich", "mpirun", "mpiexec"] : ["mpirun", "mpirun.openmpi", "mpiexec"]
    for name in names {
      guard let path = ShellCommand.path(of: name), let told = ShellCommand([name, "--version"]),
        let kind = Self.kind(told.output)
      else { continue }
      let text = "\(kind.name) \(kind.version) (\(path))"
      if let own, own.name != kind.name { continue }
      if let own, own.version.split(separator: ".").first != kind.version.split(separator: ".").first {
        return (
          .problem(
            "launcher", "\(text) starts ranks for another version of the library",
            "put the mpirun of \(own.name) \(own.version) first in PATH, or build fgn-dist against this one"), name
        )
      }
      return (.fine("launcher", text), name)
    }
    let wanted = own.map { "of \($0.name) " } ?? ""
    return (
      .problem(
        "launcher", "there is no mpirun \(wanted)in PATH; one process works without it",
        own?.name == "MPICH" ? "install mpich, or load its module" : "install openmpi-bin, or load its module"), nil
    )
  }

  /// The batch system that this process is in.
  private var batch: Diagnosis? {
    guard let job = environment["SLURM_JOB_ID"] else { return nil }
    let text = "SLURM job \(job), \(environment["SLURM_NTASKS"] ?? "1") tasks"
    guard let told = ShellCommand(["srun", "--mpi=list"], seconds: 10) else {
      return .note("batch system", text + ", and no srun in PATH", "start ranks by mpirun")
    }
    return told.output.contains("pmix")
      ? .fine("batch system", text + ", srun --mpi=pmix is there")
      : .note("batch system", text + ", and srun knows no pmix", "start ranks by mpirun, as launch/train.sbatch does")
  }

  /// Two ranks that add up one number.
  private func hello(_ launcher: String) -> Diagnosis {
    let isOpen = Self.kind(library)?.name != "MPICH"
    let options = isOpen ? ["--oversubscribe", "--bind-to", "none"] : []
    let asRoot = geteuid() == 0 ? ["OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"] : [:]
    let told = ShellCommand(
      [launcher] + options + ["-np", "2", program, "doctor", "--hello"], environment: asRoot, seconds: 60)
    guard let told, told.hasSucceeded, told.output.contains(Doctor.greeting) else {
      let reason = told.map { $0.code == nil ? "did not end within a minute" : $0.firstLine } ?? "did not start"
      return .problem(
        "two ranks", reason.isEmpty ? "failed without a word" : reason,
        "run it by hand: \(launcher) -np 2 \(program) doctor --hello")
    }
    let note = geteuid() == 0 && environment["OMPI_ALLOW_RUN_AS_ROOT"] == nil && isOpen
    return note
      ? .note(
        "two ranks", "they meet, once Open MPI is told that root may",
        "as root: export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1")
      : .fine("two ranks", "they meet")
  }
}
