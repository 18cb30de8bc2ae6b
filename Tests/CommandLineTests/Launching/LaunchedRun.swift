import Foundation
import Testing

/// A run with a supervisor, and the same run without faults.
struct LaunchedRun {
  static let steps = 240
  static let train = ["train", "run.yaml", "--run-directory", "run"]

  let workspace = Workspace()

  init(steps: Int = steps) throws {
    try Examples(400, features: 24, classes: 6).write(to: workspace)
    try workspace.write(
      "run.yaml",
      """
      data: {train: {features: train-features.npy, labels: train-labels.npy}}
      optimizer: {batch_size: 101, solver: {kind: cg}}
      training: {steps: \(steps), evaluate_every: 0, peer_timeout: 3}
      checkpoint: {every: 20}
      """)
  }

  /// The model of a run that nothing disturbs.
  private static let model = Result {
    let run = try LaunchedRun()
    try Program.run(.mpirun(2), train, in: run.workspace).expectSuccess()
    return try run.workspace.bytes("run/model.safetensors")
  }

  /// A supervisor with two ranks.
  func start(_ options: [String] = [], path: String? = nil) throws -> Child {
    try Child(
      [Program.path, "launch", "-np", "2"] + options + ["--"] + Self.train, in: workspace,
      environment: path.map { ["PATH": $0] } ?? [:])
  }

  /// The same, once the run has logged so many events.
  func startAndWait(_ options: [String] = [], events: Int = 40) throws -> Child {
    let child = try start(options)
    try #require(poll(for: Child.limit) { child.hasEnded || workspace.metricsCount("run") > events })
    try #require(child.ranks.count == 2, "the run has ended by itself")
    return child
  }

  /// Waits until there are two ranks, and others than `before`.
  func waitForOthers(than before: [pid_t], _ child: Child) throws {
    try #require(
      poll(for: .seconds(60)) {
        child.hasEnded || child.ranks.count == 2 && !child.ranks.contains(where: before.contains)
      })
  }

  /// Expects the model of the run that nothing disturbed, and each step once.
  func expectWholeRun(sourceLocation: SourceLocation = #_sourceLocation) throws {
    try workspace.expectEveryStepOnce("run", Self.steps, sourceLocation: sourceLocation)
    #expect(try workspace.bytes("run/model.safetensors") == Self.model.get(), sourceLocation: sourceLocation)
  }

  /// A line of `launch.jsonl`.
  struct Event: Decodable {
    var event: String
    var attempt: Int?
    var cause: String?
    var code: Int?
    var ranks: Int?
    var step: Int?
    var delay: Double?
  }

  /// The ends of attempts.
  var ends: [Event] {
    get throws {
      try workspace.bytes("run/launch.jsonl").split(separator: UInt8(ascii: "\n"))
        .map { try JSONDecoder().decode(Event.self, from: Data($0)) }.filter { $0.event == "end" }
    }
  }

  func causes() throws -> [String?] { try ends.map(\.cause) }

  /// A folder for PATH with an mpirun of its own: a script that may say `real`, and knows by `$attempt` how often it was called.
  func launcher(_ script: String) throws -> String {
    try workspace.write(
      "bin/mpirun",
      """
      #!/bin/sh
      [ "$1" != --version ] || exec /usr/bin/mpirun "$@"
      echo x >>'\(workspace.path("calls"))'
      attempt=$(wc -l <'\(workspace.path("calls"))')
      real() { /usr/bin/mpirun "$@"; }
      \(script)

      """)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: workspace.path("bin/mpirun"))
    return "\(workspace.path("bin")):/usr/bin:/bin"
  }
}

extension Child {
  /// The processes that train, in their order: not the supervisor, nor its guard.
  var ranks: [pid_t] { programs.filter { Self.words(of: $0).dropFirst().first == "train" }.sorted() }

  /// The launcher of the ranks.
  var launcher: pid_t? {
    guard let rank = ranks.first, let status = try? String(contentsOfFile: "/proc/\(rank)/status", encoding: .utf8),
      let line = status.split(separator: "\n").first(where: { $0.hasPrefix("PPid:") })
    else { return nil }
    return pid_t(line.dropFirst(5).trimmingCharacters(in: .whitespaces))
  }

  private static func words(of process: pid_t) -> [Substring] {
    ((try? String(contentsOfFile: "/proc/\(process)/cmdline", encoding: .utf8)) ?? "").split(separator: "\0")
  }
}
