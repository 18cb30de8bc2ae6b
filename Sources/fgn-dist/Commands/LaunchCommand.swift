import ArgumentParser
import Foundation
import MPI
import Supervision
import Training

struct LaunchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "launch",
    abstract: "Start mpirun for a training run, and again until the run is done.",
    usage: """
      fgn-dist launch -np 4 -- train CONFIG --run-directory DIR [further options of train]
      fgn-dist launch --hosts HOSTFILE [--ranks-per-host N] [--min-hosts M] -- train CONFIG --run-directory DIR
      """,
    discussion: """
      Each attempt goes on from the last good checkpoint. Bad input is not tried again, nor is a run that diverged. SIGTERM, SIGINT \
      and SIGUSR1 save a checkpoint and end the run with 75. The exit code is that of the last attempt. DIR/launch.jsonl has each \
      attempt with its cause.
      """)

  @Option(name: .customLong("np", withSingleDash: true), help: "Ranks on this host.")
  var ranks: Int?

  @Option(help: ArgumentHelp("A host file of Open MPI, which is read anew before each attempt.", valueName: "file"))
  var hosts: String?

  @Option(help: ArgumentHelp("In place of a host file: a program that prints a host a line.", valueName: "program"))
  var hostDiscoveryScript: String?

  @Option(help: "Ranks on each host. (default: 1)")
  var ranksPerHost: Int?

  @Option(help: "Attempts in a row that fail on one host, after which it is left out for ten minutes. (default: 3)")
  var maxHostFailures: Int?

  @Option(help: "Wait until so many hosts are there. (default: 1)")
  var minHosts: Int?

  @Flag(
    help:
      "While ranks are at work, take in hosts that come, and let go of those that are listed no more, at a checkpoint.")
  var grow = false

  @Option(help: ArgumentHelp("With --grow: how often to look at the hosts. (default: 30)", valueName: "seconds"))
  var discoveryInterval: Double?

  @Option(help: "Restarts in all; those for other hosts do not count.")
  var maxRestarts = 100

  @Option(help: "Attempts in a row without a new checkpoint, after which there is none any more.")
  var maxFruitless = 10

  @Flag(help: "Start a run that diverged again, too.")
  var restartDiverged = false

  @Option(
    help: ArgumentHelp("Time for the ranks to meet, after which an attempt counts as stuck.", valueName: "seconds"))
  var startTimeout = 120.0

  @Option(help: ArgumentHelp("Time in all, after which the run is saved and ends with 75.", valueName: "seconds"))
  var timeLimit: Double?

  @Argument(parsing: .postTerminator, help: "train and its options, behind --.")
  var command: [String] = []

  func validate() throws {
    let places = [ranks != nil, hosts != nil, hostDiscoveryScript != nil].count { $0 }
    if places != 1 { throw ValidationError("give one of -np, --hosts and --host-discovery-script") }
    for (name, value) in [
      ("ranks-per-host", ranksPerHost), ("min-hosts", minHosts), ("max-host-failures", maxHostFailures),
    ] {
      if value != nil, ranks != nil { throw ValidationError("--\(name) goes with hosts, not with -np") }
    }
    if grow, ranks != nil { throw ValidationError("--grow goes with hosts, not with -np") }
    if discoveryInterval != nil, !grow { throw ValidationError("--discovery-interval goes with --grow") }
    for (name, value, least) in [
      ("-np", ranks, 1), ("--ranks-per-host", ranksPerHost, 1), ("--min-hosts", minHosts, 1),
      ("--max-host-failures", maxHostFailures, 1),
      ("--max-restarts", maxRestarts, 0), ("--max-fruitless", maxFruitless, 1),
    ] {
      if let value, value < least { throw ValidationError("\(name) is \(value), and must be at least \(least)") }
    }
    for (name, value) in [
      ("--start-timeout", startTimeout), ("--time-limit", timeLimit), ("--discovery-interval", discoveryInterval),
    ] {
      if let value, !(value > 0) { throw ValidationError("\(name) is \(value), and must be more than 0") }
    }
    _ = try training()
  }

  /// The training that is to be started, and what each attempt is given.
  private func training() throws -> (train: Train, arguments: [String], directory: String) {
    guard command.first == "train" else {
      throw ValidationError(
        "launch starts train; write it behind --: fgn-dist launch -np 2 -- train CONFIG --run-directory DIR")
    }
    let train: Train
    do {
      train = try Train.parse(Array(command.dropFirst()))
    } catch {
      throw ValidationError(Train.message(for: error))
    }
    guard let directory = train.runDirectory else {
      throw ValidationError("a run that starts again must be found: give train a --run-directory")
    }
    if train.resumesFromFile {
      throw ValidationError("launch goes on from the newest checkpoint; leave out the path behind --resume")
    }
    let arguments = command + (train.resume == nil ? ["--resume"] : []) + (train.fallBack ? [] : ["--fall-back"])
    return (train, arguments, directory)
  }

  func run() throws {
    Preemption.install()
    GuardedProgram.adoptOrphans()
    do {
      throw ExitCode(try Supervisor(plan()).run())
    } catch let error as any ExitCodeProviding {
      Job.complain("\(error)")
      throw ExitCode(error.exitCode)
    }
  }

  private func plan() throws -> LaunchPlan {
    let (train, arguments, directory) = try training()
    let places: LaunchPlan.Ranks
    if let ranks {
      places = .local(ranks)
    } else {
      let source =
        hosts.map { HostSource(kind: .file, path: $0) } ?? HostSource(kind: .script, path: hostDiscoveryScript!)
      places = .hosts(source, onEach: ranksPerHost ?? 1, minimum: minHosts ?? 1)
    }
    guard let program = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe") else {
      throw ConfigurationError("/proc is not mounted; mount it, for ranks are found there")
    }
    let run = RunDirectory(path: directory)
    // What is wrong with a configuration the ranks say.
    let mirror = (try? Configuration.load(path: train.config, overrides: train.overrides))?.checkpoint.mirror
    return LaunchPlan(
      ranks: places,
      policy: RestartPolicy(
        limit: maxRestarts, fruitlessLimit: maxFruitless, restartsDiverged: restartDiverged),
      startTimeout: startTimeout, timeLimit: timeLimit ?? .infinity,
      hostFailures: maxHostFailures ?? 3, grows: grow,
      lookInterval: discoveryInterval ?? 30,
      launcher: try LaunchChecks(program: program, library: Runtime.linkedLibrary, hostFile: nil).openMPI(),
      program: program, command: arguments, configuration: train.config, directory: run,
      mirror: mirror.map { CheckpointMirror.directory(in: $0, of: run) })
  }
}
