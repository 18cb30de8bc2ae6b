/// How this process was started, as far as its environment tells: alone, or by a launcher of MPI programs.
package enum Launch: Equatable, Sendable {
  case alone
  /// A launcher is there. `announced` is the size that the environment promises, if it is more than one.
  case parallel(announced: AnnouncedSize?)

  /// Reads the launcher's traces; makes no MPI call. Local.
  ///
  /// - An MPI launcher that says how many processes it started is believed: one means alone, whatever a batch system
  ///   around it says (`mpirun -np 1` within an allocation of four tasks).
  /// - An MPI launcher that does not say (`srun --mpi=pmix`) is asked through MPI.
  /// - Without an MPI launcher the process is alone, which is refused where the batch system started several.
  ///
  /// `FGN_SINGLE_PROCESS` (neither empty nor 0) means alone in any case.
  package init(environment: [String: String]) throws(LauncherError) {
    if let choice = environment[Self.override], !choice.isEmpty, choice != "0" {
      self = .alone
      return
    }
    // Launchers can be nested; the largest promise is the one whose breach would go unnoticed.
    if let launched = AnnouncedSize.largest(of: Self.launcherSizes, in: environment) {
      self = launched.size > 1 ? .parallel(announced: launched) : .alone
      return
    }
    // A step is what srun started, and the plain count may be the allocation's.
    let tasks =
      AnnouncedSize(variable: "SLURM_STEP_NUM_TASKS", in: environment)
      ?? AnnouncedSize(variable: "SLURM_NTASKS", in: environment)
    let announced = tasks.flatMap { $0.size > 1 ? $0 : nil }
    if Self.launcherTraces.contains(where: { environment[$0] != nil }) {
      self = .parallel(announced: announced)
      return
    }
    if let announced { throw LauncherError(announced: announced) }
    self = .alone
  }

  /// Checks the size that MPI reports against the promised one: N copies of a program that each believe to be alone are
  /// refused. Local.
  package func verify(size: Int) throws(LauncherError) {
    if size == 1, case .parallel(let announced?) = self { throw LauncherError(announced: announced) }
  }

  /// Whether ranks must yield the CPU while they wait, because more of them share this node than it has CPUs. Local.
  ///
  /// - Parameters:
  ///   - processors: CPUs of the machine.
  ///   - affinity: CPUs that this process may use.
  package static func mustYield(environment: [String: String], processors: Int, affinity: Int) -> Bool {
    guard let local = AnnouncedSize.largest(of: Self.localSizes, in: environment)?.size else { return false }
    // A rank that the launcher bound has CPUs to itself, so its mask says nothing about the others.
    return local > (isBound(environment: environment) || affinity == 0 ? processors : min(processors, affinity))
  }

  /// Whether Open MPI has bound this rank to some CPUs. Local.
  package static func isBound(environment: [String: String]) -> Bool {
    environment["OMPI_MCA_orte_bound_at_launch"] == "1"
  }

  static let override = "FGN_SINGLE_PROCESS"

  /// Set by Open MPI 4 and 5, and by MPICH's and Intel's Hydra and `srun --mpi=pmi2`.
  private static let launcherSizes = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE"]

  /// Left by those, by PMIx servers (`srun --mpi=pmix`, `prterun`) and by Hydra with `-pmi-port`.
  private static let launcherTraces = [
    "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMIX_NAMESPACE", "PMI_SIZE", "PMI_RANK", "PMI_FD",
    "PMI_PORT", "PMI_ID",
  ]

  private static let localSizes = ["OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS"]
}

/// A number of processes, and the environment variable that says so.
package struct AnnouncedSize: Equatable, Sendable {
  package let variable: String
  package let size: Int

  package init(variable: String, size: Int) {
    self.variable = variable
    self.size = size
  }

  /// Nil if the variable is absent or no positive number.
  init?(variable: String, in environment: [String: String]) {
    guard let size = environment[variable].flatMap({ Int($0) }), size > 0 else { return nil }
    self.init(variable: variable, size: size)
  }

  static func largest(of variables: [String], in environment: [String: String]) -> AnnouncedSize? {
    variables.compactMap { AnnouncedSize(variable: $0, in: environment) }.max { $0.size < $1.size }
  }
}

/// Several processes were started, but they do not know each other: every one would train on its own.
package struct LauncherError: Error, Equatable, Sendable, CustomStringConvertible, ExitCodeProviding {
  package let announced: AnnouncedSize

  package init(announced: AnnouncedSize) {
    self.announced = announced
  }

  package var description: String {
    "\(announced.variable)=\(announced.size) announces \(announced.size) processes, but this one is alone: "
      + "start with the mpirun of the MPI that the program is built for, or with srun --mpi=pmix; "
      + "to run one process on purpose, unset \(announced.variable) or set \(Launch.override)=1"
  }

  package var exitCode: Int32 { 64 }
}
