import MPI
import Testing

/// The environments of the named launchers, as recorded, and their meaning.
@Suite struct LaunchTests {
  @Test(arguments: [
    [:],
    ["PATH": "/usr/bin", "HOSTNAME": "node"],
    ["OMPI_MCA_btl": "tcp,self"],
    ["SLURM_JOB_ID": "7", "SLURM_NTASKS": "1"],
    ["SLURM_NTASKS": "", "SLURM_STEP_NUM_TASKS": "many"],
    // `srun -n 1` in an allocation of four tasks.
    ["SLURM_STEP_NUM_TASKS": "1", "SLURM_NTASKS": "4"],
  ])
  func `A process without a launcher is alone`(environment: [String: String]) throws {
    #expect(try Launch(environment: environment) == .alone)
  }

  @Test(arguments: [
    ["OMPI_COMM_WORLD_SIZE": "1", "OMPI_COMM_WORLD_RANK": "0", "PMIX_RANK": "0", "PMIX_NAMESPACE": "9"],
    ["PMI_SIZE": "1", "PMI_RANK": "0", "PMI_FD": "6"],
    // One rank by mpirun in a larger allocation is the user's choice.
    ["OMPI_COMM_WORLD_SIZE": "1", "SLURM_NTASKS": "4"],
  ])
  func `A launcher that starts one process is not worth a start of MPI`(environment: [String: String]) throws {
    #expect(try Launch(environment: environment) == .alone)
  }

  @Test(arguments: [
    (["OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "3", "PMIX_RANK": "3"], "OMPI_COMM_WORLD_SIZE", 4),
    (["PMI_SIZE": "2", "PMI_RANK": "1", "PMI_FD": "6", "MPI_LOCALNRANKS": "2"], "PMI_SIZE", 2),
    (["PMI_SIZE": "3", "SLURM_NTASKS": "3"], "PMI_SIZE", 3),
    (["PMI_SIZE": "1", "OMPI_COMM_WORLD_SIZE": "5"], "OMPI_COMM_WORLD_SIZE", 5),
    (["PMIX_RANK": "0", "PMIX_NAMESPACE": "slurm.pmix.1.0", "SLURM_NTASKS": "2"], "SLURM_NTASKS", 2),
    (["PMIX_RANK": "0", "SLURM_STEP_NUM_TASKS": "2", "SLURM_NTASKS": "8"], "SLURM_STEP_NUM_TASKS", 2),
  ])
  func `A launcher that starts several processes must be joined`(
    environment: [String: String], variable: String, size: Int
  ) throws {
    let launch = try Launch(environment: environment)
    #expect(launch == .parallel(announced: AnnouncedSize(variable: variable, size: size)))
    try launch.verify(size: size)
    #expect(throws: LauncherError(announced: AnnouncedSize(variable: variable, size: size))) {
      try launch.verify(size: 1)
    }
  }

  @Test(arguments: [
    ["PMI_PORT": "node:41234", "PMI_ID": "1"],
    ["PMI_RANK": "0", "PMI_FD": "7"],
    ["PMIX_RANK": "0", "PMIX_NAMESPACE": "prterun-1"],
    ["PMIX_RANK": "0", "SLURM_NTASKS": "1"],
    ["OMPI_COMM_WORLD_SIZE": "?"],
  ])
  func `A launcher that does not say how many it starts is asked through MPI`(environment: [String: String]) throws {
    let launch = try Launch(environment: environment)
    #expect(launch == .parallel(announced: nil))
    try launch.verify(size: 1)
    try launch.verify(size: 4)
  }

  @Test(arguments: [
    (["SLURM_NTASKS": "2"], "SLURM_NTASKS", 2),
    (["SLURM_STEP_NUM_TASKS": "3", "SLURM_NTASKS": "3", "SLURM_PROCID": "1"], "SLURM_STEP_NUM_TASKS", 3),
  ])
  func `Several tasks without a launcher of MPI programs are refused`(
    environment: [String: String], variable: String, size: Int
  ) {
    let error = LauncherError(announced: AnnouncedSize(variable: variable, size: size))
    #expect(throws: error) { try Launch(environment: environment) }
    #expect(throws: error) { try Runtime.start(environment: environment) }
    #expect(error.exitCode == 64)
  }

  @Test func `A refusal names the variable, its value and the remedies on one line`() {
    let text = LauncherError(announced: AnnouncedSize(variable: "SLURM_NTASKS", size: 2)).description
    for part in ["SLURM_NTASKS=2", "mpirun", "srun --mpi=pmix", "unset SLURM_NTASKS", "FGN_SINGLE_PROCESS=1"] {
      #expect(text.contains(part))
    }
    #expect(!text.contains { $0.isNewline })
  }

  @Test(arguments: [
    ["SLURM_NTASKS": "2"], ["PMI_SIZE": "4", "PMI_RANK": "0"], ["OMPI_COMM_WORLD_SIZE": "4"], ["PMIX_RANK": "0"],
  ])
  func `A single process on purpose is alone, whatever else is set`(environment: [String: String]) throws {
    let launch = try Launch(environment: environment.merging(["FGN_SINGLE_PROCESS": "1"]) { $1 })
    #expect(launch == .alone)
    for off in ["", "0"] {
      let environment = environment.merging(["FGN_SINGLE_PROCESS": off]) { $1 }
      #expect((try? Launch(environment: environment)) != .alone)
    }
  }

  @Test func `A single process has a world of one, and finalizing it is harmless`() throws {
    let runtime = try Runtime.start(environment: ["FGN_SINGLE_PROCESS": "1", "OMPI_COMM_WORLD_SIZE": "4"])
    #expect(runtime.world.size == 1)
    #expect(runtime.world.rank == 0)
    runtime.finalize()
    runtime.finalize()
  }

  @Test(arguments: [
    (local: 4, processors: 2, affinity: 2, yields: true),
    (local: 2, processors: 2, affinity: 2, yields: false),
    (local: 3, processors: 64, affinity: 2, yields: true),
    (local: 3, processors: 2, affinity: 0, yields: true),
    (local: 2, processors: 2, affinity: 0, yields: false),
  ])
  func `Ranks yield while they wait if they outnumber the CPUs`(
    local: Int, processors: Int, affinity: Int, yields: Bool
  ) {
    for variable in ["OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS"] {
      let environment = [variable: "\(local)", "OMPI_COMM_WORLD_SIZE": "100"]
      #expect(Launch.mustYield(environment: environment, processors: processors, affinity: affinity) == yields)
    }
  }

  @Test func `Ranks that are bound to a CPU each do not yield`() {
    let bound = ["OMPI_COMM_WORLD_LOCAL_SIZE": "2", "OMPI_MCA_orte_bound_at_launch": "1"]
    #expect(!Launch.mustYield(environment: bound, processors: 2, affinity: 1))
    #expect(Launch.mustYield(environment: bound, processors: 1, affinity: 1))
    #expect(!Launch.mustYield(environment: ["OMPI_COMM_WORLD_SIZE": "9"], processors: 1, affinity: 1))
  }

  @Test func `The process environment is read whole`() throws {
    let environment = Runtime.processEnvironment()
    #expect(environment["PATH"]?.isEmpty == false)
    #expect(environment.keys.allSatisfy { !$0.contains("=") })
  }
}
