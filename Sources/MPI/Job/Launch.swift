/// The way this process was started, as far as its environment shows: alone, or by a launcher of MPI programs.
package enum Launch: Equatable, Sendable {
  case alone
  /// Started by a launcher. `announced` is the size in the environment, if it is more than one.
  case parallel(announced: AnnouncedSize?)

  /// Reads the launcher's traces; makes no MPI call. Local.
  ///
  /// - An MPI launcher that says how many processes it started is believed: one means alone, whatever a surrounding
  ///   batch system says (`mpirun -np 1` within an allocation of four tasks).
  /// - An MPI launcher that does not say so (`srun --mpi=pmix`) is asked through MPI.
  /// - Without an MPI launcher the process is alone, which is refused if the batch system started several.
  ///
  /// `FGN_SINGLE_PROCESS` (neither empty nor 0) means alone in any case.
  package init(environment: [String: String]) throws(LauncherError) {
    if let choice = environment[Self.override], !choice.isEmpty, choice != "0" {
      self = .alone
      return
    }
    // Launchers can be nested; breaking the largest promise would go unnoticed.
    if let launched = AnnouncedSize.largest(of: Self.launcherSizes, in: environment) {
      self = launched.size > 1 ? .parallel(announced: launched) : .alone
      return
    }
    // srun starts a step, and the plain count may be the allocation's.
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

  /// Compares the size that MPI reports with the promised one: N copies of a program that each consider themselves
  /// alone are refused. Local.
  package func verify(size: Int) throws(LauncherError) {
    if size == 1, case .parallel(let announced?) = self { throw LauncherError(announced: announced) }
  }

  /// Whether ranks must yield the CPU while they wait, because there are more of them on this node than CPUs. Local.
  ///
  /// - Parameters:
  ///   - processors: the number of CPUs of the machine.
  ///   - affinity: the number of CPUs that this process may use.
  package static func mustYield(environment: [String: String], processors: Int, affinity: Int) -> Bool {
    guard let local = AnnouncedSize.largest(of: Self.localSizes, in: environment)?.size else { return false }
    // A rank that the launcher has bound has CPUs to itself, so its mask says nothing about the others.
    return local > (isBound(environment: environment) || affinity == 0 ? processors : min(processors, affinity))
  }

  /// Whether Open MPI has bound this rank to CPUs. Local.
  package static func isBound(environment: [String: String]) -> Bool {
    environment["OMPI_MCA_orte_bound_at_launch"] == "1"
  }

  static let override = "FGN_SINGLE_PROCESS"

  /// Set by Open MPI 4 and 5, by the Hydra of MPICH and Intel, and by `srun --mpi=pmi2`.
  private static let launcherSizes = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE"]

  /// Set by these, by PMIx servers (`srun --mpi=pmix`, `prterun`) and by Hydra with `-pmi-port`.
  private static let launcherTraces = [
    "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMIX_NAMESPACE", "PMI_SIZE", "PMI_RANK", "PMI_FD",
    "PMI_PORT", "PMI_ID",
  ]

  private static let localSizes = ["OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS"]
}

/// A number of processes, and the environment variable that announces it.
public struct AnnouncedSize: Equatable, Sendable {
  public let variable: String
  public let size: Int

  public init(variable: String, size: Int) {
    self.variable = variable
    self.size = size
  }

  /// nil if the variable is absent or not a positive number.
  init?(variable: String, in environment: [String: String]) {
    guard let size = environment[variable].flatMap({ Int($0) }), size > 0 else { return nil }
    self.init(variable: variable, size: size)
  }

  static func largest(of variables: [String], in environment: [String: String]) -> AnnouncedSize? {
    variables.compactMap { AnnouncedSize(variable: $0, in: environment) }.max { $0.size < $1.size }
  }
}

/// The error of several processes that were started but do not know each other: each would train on its own.
public struct LauncherError: Error, Equatable, Sendable, CustomStringConvertible, ExitCodeProviding {
  public let announced: AnnouncedSize

  public init(announced: AnnouncedSize) {
    self.announced = announced
  }

  public var description: String {
    "\(announced.variable)=\(announced.size) announces \(announced.size) processes, but this one is alone: "
      + "start with the mpirun of the MPI that the program is built for, or with srun --mpi=pmix; "
      + "to run one process on purpose, unset \(announced.variable) or set \(Launch.override)=1"
  }

  public var exitCode: Int32 { 64 }
}
