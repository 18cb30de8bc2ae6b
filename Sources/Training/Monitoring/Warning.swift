import Datasets
import GaussNewton

/// A problem of a run that the user should know of: its cause and a remedy, in one line.
package struct Warning: Equatable, Sendable {
  package enum Kind: String, CaseIterable, Sendable {
    case damping, iterations, waiting, processors, scales, rejection, divergence, mirror
  }

  package let kind: Kind
  package let text: String
}

extension Warning {
  /// A warning that damping has been at its maximum for `steps` steps in a row.
  package static func damping(
    atMaximumFor steps: Int, _ options: Damping.Options, hasFullBatches: Bool = false
  ) -> Warning? {
    guard options.policy == .levenbergMarquardt, options.maximum > options.minimum,
      steps >= max(50, 3 * options.interval)
    else { return nil }
    return Warning(
      kind: .damping,
      text: "damping has been at optimizer.damping.maximum (\(options.maximum.short)) for \(steps) steps: they are "
        + "next to nothing, for the model predicts none of them well; lower optimizer.learning_rate"
        + "\(hasFullBatches ? "" : ", raise optimizer.batch_size") or go on from an earlier checkpoint")
  }

  /// A warning that `limited` of the last `solves` solves ended at the iteration limit.
  package static func iterations(limited: Int, of solves: Int, _ options: SolverOptions) -> Warning? {
    guard solves >= 50, 2 * limited > solves else { return nil }
    return Warning(
      kind: .iterations,
      text: "\(limited) of the last \(solves) solves stopped at optimizer.solver.max_iterations "
        + "(\(options.maxIterations)) before optimizer.solver.tolerance (\(options.tolerance.short)); raise the limit, "
        + "the tolerance or optimizer.damping.minimum")
  }

  /// A warning that ranks communicate for more than 30 % of ten seconds or more while one of them works longer than the
  /// others.
  package static func waiting(_ times: RankTimes) -> Warning? {
    guard times.ranks.count > 1, times.total >= 10, times.communicationShare > 0.3, times.imbalance > 1.15 else {
      return nil
    }
    let slowest = times.slowest
    return Warning(
      kind: .waiting,
      text: "ranks spent \(Int((100 * times.communicationShare).rounded())) % of the last \(times.steps) steps in "
        + "communication, mostly waiting for rank \(slowest) on \(times.ranks[slowest].host), whose work took "
        + "\(times.imbalance.factor) times the mean; look for other programs, fewer threads or a slower CPU there")
  }

  /// A warning that a checkpoint was not copied.
  package static func mirror(_ error: any Error) -> Warning {
    let problem = (error as? StorageError).map { "\($0.path): \($0.section): \($0.problem)" } ?? "\(error)"
    return Warning(
      kind: .mirror,
      text: "no copy in checkpoint.mirror, and the next checkpoint tries it again: \(problem); free space, correct the "
        + "permissions, or name another folder")
  }

  /// A warning that threads of ranks share CPUs, for the most crowded host.
  package static func processors(_ hosts: [RankPlacement.Host]) -> Warning? {
    guard let worst = hosts.max(by: { $0.crowding < $1.crowding }), worst.crowding > 1 else { return nil }
    let place = "\(worst.crowdCPUs) \(worst.crowdCPUs == 1 ? "CPU" : "CPUs")"
    if worst.crowdRanks == 1 {
      return Warning(
        kind: .processors,
        text:
          "\(worst.name) runs \(worst.crowdThreads) threads of one process on the \(place) that it may use, and they get "
          + "in each other's way; set OPENBLAS_NUM_THREADS to \(worst.crowdCPUs) or less, or give it more CPUs (mpirun "
          + "--bind-to none, taskset)")
    }
    return Warning(
      kind: .processors,
      text: "\(worst.name) runs \(worst.crowdThreads) threads of \(worst.crowdRanks) ranks on \(place), "
        + "and they get in each other's way; start fewer ranks there, lower "
        + "OPENBLAS_NUM_THREADS, or let mpirun bind them to other cores (--bind-to none)")
  }
}

/// The placement of the ranks of a job, by host.
package struct RankPlacement: Equatable, Sendable {
  package struct Host: Equatable, Sendable {
    package var name: String
    package var ranks: Int
    /// The most crowded CPUs of the host: the number of ranks and threads that are confined to them.
    package var crowdRanks, crowdThreads, crowdCPUs: Int

    package init(name: String, ranks: Int, crowdRanks: Int, crowdThreads: Int, crowdCPUs: Int) {
      self.name = name
      self.ranks = ranks
      self.crowdRanks = crowdRanks
      self.crowdThreads = crowdThreads
      self.crowdCPUs = crowdCPUs
    }

    /// The number of CPUs that the ranks here are bound to, and that their launcher may use; 0 where it has not bound
    /// ranks.
    package var boundCPUs = 0, launcherCPUs = 0

    /// Threads per CPU.
    var crowding: Double { crowdCPUs > 0 ? Double(crowdThreads) / Double(crowdCPUs) : 0 }
  }

  package var hosts: [Host]

  package init(hosts: [Host]) {
    self.hosts = hosts
  }

  /// The host on which ranks with these affinity masks have `threads` threads each.
  ///
  /// Crowding is measured for ranks with equal masks, and for all ranks on the CPUs of all masks.
  package static func host(_ name: String, masks: [[Int]], threads: [Int]) -> Host {
    let all = Set(masks.joined())
    var groups = [(ranks: masks.count, threads: threads.reduce(0, +), cpus: all.count)]
    for (mask, members) in Dictionary(grouping: masks.indices, by: { masks[$0] }) {
      groups.append((members.count, members.reduce(0) { $0 + threads[$1] }, mask.count))
    }
    let crowded = groups.filter { ($0.ranks > 1 || $0.threads > $0.cpus) && $0.cpus > 0 }
      .max { Double($0.threads) / Double($0.cpus) < Double($1.threads) / Double($1.cpus) }
    return Host(
      name: name, ranks: masks.count, crowdRanks: crowded?.ranks ?? 0, crowdThreads: crowded?.threads ?? 0,
      crowdCPUs: crowded?.cpus ?? 0)
  }

  /// The placement for the user: `8 on 2 hosts: node1 (4), node2 (4)`.
  package var description: String {
    let ranks = hosts.reduce(0) { $0 + $1.ranks }
    if ranks == 1 { return "1 process on \(hosts[0].name)" }
    if hosts.count == 1 { return "\(ranks) on \(hosts[0].name)" }
    let shown = hosts.prefix(8).map { "\($0.name) (\($0.ranks))" }
    return "\(ranks) on \(hosts.count) hosts: \(shown.joined(separator: ", "))"
      + (hosts.count > shown.count ? " and \(hosts.count - shown.count) more" : "")
  }
}

extension RankPlacement {
  /// A note for the user where the launcher has bound ranks to few CPUs of a host and leaves others free, with options
  /// that help.
  package var noteOnBinding: String? {
    guard let host = hosts.first(where: { $0.boundCPUs > 0 && $0.launcherCPUs >= $0.boundCPUs + $0.ranks }) else {
      return nil
    }
    let share = host.launcherCPUs / host.ranks
    let ranks = host.ranks == 1 ? "its rank" : "its \(host.ranks) ranks"
    return
      "mpirun has bound \(ranks) on \(host.name) to \(host.boundCPUs) of \(host.launcherCPUs) CPUs, and the others "
      + "are free: start with mpirun --bind-to none or --map-by slot:PE=\(share) for \(share) threads a rank"
  }
}

/// The recent history of a run, for the warnings that follow from it. A value, which only rank 0 needs.
package struct RunWatch: Sendable {
  /// The number of solves in the history.
  static let window = 100

  private let damping: Damping.Options
  private let solver: SolverOptions
  private let hasFullBatches: Bool
  private let scales: FeatureScales?
  private let precision: Configuration.TrainingOptions.Precision
  private var rejected = RejectedSteps()
  private var epoch = -1
  private var given: Set<Warning.Kind> = []
  private var stepsAtMaximum = 0
  /// Whether each of the last solves stopped at its limit.
  private var limited: [Bool] = []
  /// The times that have not been judged yet.
  private var times: RankTimes?

  /// - Parameter scales: the scales of features that are not normalised as they should be.
  package init(
    _ damping: Damping.Options, _ solver: SolverOptions, hasFullBatches: Bool = false, scales: FeatureScales? = nil,
    precision: Configuration.TrainingOptions.Precision = .float32
  ) {
    self.damping = damping
    self.solver = solver
    self.hasFullBatches = hasFullBatches
    self.scales = scales
    self.precision = precision
  }

  /// Records whether a step was taken.
  package mutating func count(_ report: StepReport) { rejected.count(report) }

  /// The warning about rejected steps at the end of a run.
  package var rejection: Warning? {
    .rejection(rejected, damping, hasFullBatches: hasFullBatches, scales: scales, precision)
  }

  /// The warnings that a step gives rise to, each kind at most once per epoch.
  package mutating func observe(damping λ: Double?, _ summary: SolverSummary?, epoch: Int) -> [Warning] {
    begin(epoch)
    if let λ { stepsAtMaximum = λ >= damping.maximum ? stepsAtMaximum + 1 : 0 }
    if let summary, [.cg, .gramCG].contains(summary.method) {
      limited.append(summary.termination == .iterationLimit)
      if limited.count > Self.window { limited.removeFirst() }
    }
    return take([
      .damping(atMaximumFor: stepsAtMaximum, damping, hasFullBatches: hasFullBatches),
      .iterations(limited: limited.count { $0 }, of: limited.count, solver),
    ])
  }

  /// The warnings that follow from the times of the ranks. Times are judged together once they reach ten seconds:
  /// shorter times may be chance.
  package mutating func observe(_ latest: RankTimes, epoch: Int) -> [Warning] {
    begin(epoch)
    let all = times.map { $0 + latest } ?? latest
    times = all.total < 10 ? all : nil
    return take([.waiting(all)])
  }

  private mutating func begin(_ epoch: Int) {
    // Each full batch is an epoch, and each would repeat the warning.
    if epoch != self.epoch, !hasFullBatches { given = [] }
    self.epoch = epoch
  }

  /// The warnings of kinds that this epoch has not given yet.
  private mutating func take(_ warnings: [Warning?]) -> [Warning] {
    warnings.compactMap { $0 }.filter { given.insert($0.kind).inserted }
  }
}
