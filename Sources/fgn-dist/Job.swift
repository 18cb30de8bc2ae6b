import ArgumentParser
import Foundation
import LinearAlgebra
import MPI
import Training

/// The ranks that run a command, from joining the job to the exit code.
struct Job {
  let runtime: Runtime
  /// Name and version of the MPI library, if it is in use.
  let library: String
  /// One line about ranks, hosts, threads, kernels and MPI; meaningful on rank 0.
  let description: String
  /// The placement of the ranks, on rank 0.
  let placement: RankPlacement?
  /// Watches the other ranks, if there are any.
  let heartbeat: Heartbeat

  var communicator: Communicator { runtime.world }

  /// The variable with the file that rank 0 makes once all ranks have met.
  static let startVariable = "FGN_STARTED"

  /// Joins the job, runs `body`, and ends the process with an exit code that is the same on all ranks.
  ///
  /// Rank 0 prints an error that all ranks share, once. Any other error ends the whole job: the other ranks would wait
  /// forever for the rank that failed.
  static func run(_ body: (Job) throws -> ExitCode) throws -> Never {
    // This precedes the start of MPI, since the launcher forwards signals from the first moment.
    Preemption.install()
    let job: Job
    do {
      job = try Job()
    } catch {
      complain("\(error)")
      throw ExitCode((error as? any ExitCodeProviding)?.exitCode ?? 70)
    }

    var code = ExitCode.success
    do {
      code = try body(job)
    } catch let error as any ExitCodeProviding where error is CollectiveFailure || error is Disagreement {
      if job.communicator.rank == 0 { complain("\(error)") }
      code = ExitCode(error.exitCode)
    } catch {
      let place = job.communicator.size > 1 ? "rank \(job.communicator.rank) on \(job.communicator.hostname): " : ""
      complain("\(place)\(error)")
      job.runtime.abort(code: (error as? any ExitCodeProviding)?.exitCode ?? 70)
    }
    job.heartbeat.stop()
    job.runtime.finalize()
    throw code
  }

  private init() throws {
    runtime = try Runtime.start { hang in
      Job.complain(hang)
      // MPI belongs to the main thread, which waits in it.
      _exit(76)
    }
    let world = runtime.world
    let place = "rank \(world.rank) on \(world.hostname)"
    heartbeat = try Heartbeat(over: world, limits: Heartbeat.Limits()) { loss in
      Job.complain("\(place): \(loss); the job ends, and a training run goes on with --resume")
      // MPI belongs to the main thread, which waits in it.
      _exit(76)
    }
    try runtime.completeStart()
    // A supervisor waits for this file. If it cannot be written, the supervisor takes the start for one that hangs, and says so.
    if world.rank == 0, let path = ProcessInfo.processInfo.environment[Self.startVariable] {
      _ = FileManager.default.createFile(atPath: path, contents: nil)
    }
    MemoryLimit.bytes = HostMemory.limit()
    // Any thread may run out of memory; the abort is then the only further MPI call.
    nonisolated(unsafe) let runtime = runtime
    MemoryLimit.onFailure { line in
      Job.complain("\(place): \(line)")
      runtime.abort(code: 70)
    }
    let environment = ProcessInfo.processInfo.environment
    let affinity = Threads.affinity
    // Ranks that are bound to the same CPUs share them.
    let node = try world.splitBySharedMemory()
    let masks = try Self.masks(affinity, over: node)
    let sharing = masks.count { $0 == affinity }
    let threads = Threads.recommended(
      environment: environment, affinityCount: affinity.count, processesSharingMask: sharing)
    Threads.configure(count: threads)
    let type = "\(Kernels.name) \(threads) \(Self.instructions)"
    world.computesAlike = Set(try world.allgatherBytes(Array(type.utf8))).count == 1
    placement = try Self.placement(masks, threads: threads, over: world, node)
    let nodes = placement?.hosts.count ?? 0
    library = world.size > 1 ? runtime.libraryVersion : "without MPI"
    description =
      "\(world.size) \(world.size == 1 ? "process" : "ranks") on \(nodes) \(nodes == 1 ? "host" : "hosts"), "
      + "\(threads) \(threads == 1 ? "thread" : "threads") each, \(Kernels.summary), \(library)"
  }

  /// The instruction sets of the processor, by which libraries choose their code.
  private static var instructions: String {
    let text = FileManager.default.contents(atPath: "/proc/cpuinfo").map { String(decoding: $0, as: UTF8.self) } ?? ""
    return text.split(separator: "\n").first { $0.hasPrefix("flags") || $0.hasPrefix("Features") }.map { String($0) }
      ?? ""
  }

  /// The affinity masks of the ranks of a node. Collective.
  private static func masks(_ affinity: [Int], over node: Communicator) throws -> [[Int]] {
    let counts = try node.allgather([affinity.count], counts: Array(repeating: 1, count: node.size))
    var rest = try node.allgather(affinity, counts: counts)[...]
    return counts.map { count in
      defer { rest = rest.dropFirst(count) }
      return Array(rest.prefix(count))
    }
  }

  /// The hosts of all ranks, on rank 0. Collective.
  private static func placement(
    _ masks: [[Int]], threads: Int, over world: Communicator, _ node: Communicator
  ) throws -> RankPlacement? {
    let all = try node.allgather([threads], counts: Array(repeating: 1, count: node.size))
    var own = RankPlacement.host(world.hostname, masks: masks, threads: all)
    // A user who sets the number of threads has made the choice.
    let environment = ProcessInfo.processInfo.environment
    if Threads.chosen(environment: environment) == nil, Launch.isBound(environment: environment) {
      own.boundCPUs = Set(masks.joined()).count
      own.launcherCPUs = Threads.affinity(of: getppid()).count
    }
    let names = try world.gatherStrings(world.hostname)
    // The first rank of each node reports for the node.
    let facts = try world.gather(
      node.rank == 0
        ? [own.ranks, own.crowdRanks, own.crowdThreads, own.crowdCPUs, own.boundCPUs, own.launcherCPUs]
        : Array(repeating: 0, count: 6))
    guard let names, let facts else { return nil }
    return RankPlacement(
      hosts: names.enumerated().compactMap { rank, name in
        let part = Array(facts[6 * rank..<6 * rank + 6])
        if part[0] == 0 { return nil }
        var host = RankPlacement.Host(
          name: name, ranks: part[0], crowdRanks: part[1], crowdThreads: part[2], crowdCPUs: part[3])
        (host.boundCPUs, host.launcherCPUs) = (part[4], part[5])
        return host
      })
  }

  /// Reads the data of a configuration on which all ranks agree, with its limits and numbers of pieces in force. Collective.
  func load(_ configuration: Configuration) throws -> TrainingData {
    try prepare(configuration)
    return try TrainingData.load(configuration, over: communicator)
  }

  /// As `load`, for the sets of which no rows are held out yet. Collective.
  func loadSets(_ configuration: Configuration) throws -> CheckedSets {
    try prepare(configuration)
    return try CheckedSets.load(configuration, over: communicator)
  }

  private func prepare(_ configuration: Configuration) throws {
    try communicator.agree(Array(configuration.yaml.utf8), about: "the configuration", exitCode: 64)
    heartbeat.limits = configuration.training.heartbeatLimits
    if configuration.training.reproducible { Threads.configure(count: Threads.count, pieces: Threads.fixedPieces) }
  }

  /// Prints a remark on standard error, once; nil prints nothing.
  func say(_ note: String?) {
    if let note, communicator.rank == 0 { Self.remark(note) }
  }

  /// Prints a remark on standard error, by whoever calls.
  static func remark(_ text: String) { write("fgn-dist: \(StorageError.oneLine(text))") }

  static func complain(_ text: String) { write("fgn-dist: error: \(StorageError.oneLine(text))") }

  private static func write(_ line: String) {
    try? FileHandle.standardError.write(contentsOf: Data("\(line)\n".utf8))
  }
}

extension Configuration.TrainingOptions {
  fileprivate var heartbeatLimits: Heartbeat.Limits {
    func limit(_ seconds: Double) -> Double { seconds == 0 ? .infinity : seconds }
    return Heartbeat.Limits(silence: limit(peerTimeout), wait: limit(stallTimeout))
  }
}
