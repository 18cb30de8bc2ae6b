import Foundation
import Testing

/// What searches leave.
extension Workspace {
  /// The lines of `tune.csv` as fields by name.
  func table(_ folder: String) throws -> [[String: String]] {
    let lines = String(decoding: try bytes("\(folder)/tune.csv"), as: UTF8.self).split(separator: "\n")
      .map { $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init) }
    return lines.dropFirst().map { Dictionary(uniqueKeysWithValues: zip(lines[0], $0)) }
  }

  /// The lines of the metrics of all trials of a search, and of its own.
  func lineCounts(_ folder: String) -> Int {
    names("\(folder)/trials").reduce(metricsCount(folder)) { $0 + metricsCount("\(folder)/trials/\($1)") }
  }

  /// Searches by `run.yaml` in a folder, and kills or stops one rank after another each time that all have written `every` lines of
  /// metrics.
  /// Returns the number of stops, and the end.
  func tuneWithStops(_ folder: String, _ options: [String], every: Int, ranks: Ranks = .plain) throws -> (
    stops: Int, outcome: Outcome
  ) {
    var stops = 0
    while true {
      let child = try Child(
        Program.command(
          ranks, ["tune", "run.yaml", "--run-directory", folder] + options + (stops == 0 ? [] : ["--resume"])),
        in: self)
      let before = lineCounts(folder)
      let isFar = poll(for: Child.limit) { child.hasEnded || lineCounts(folder) >= before + every }
      try #require(isFar)
      let programs = child.programs.sorted()
      guard !child.hasEnded, !programs.isEmpty else { return (stops, try child.wait()) }
      kill(programs[stops / 2 % programs.count], stops % 2 == 0 ? SIGKILL : SIGTERM)
      stops += 1
      let outcome = try child.wait()
      if outcome.code == 0 { return (stops, outcome) }
    }
  }

  /// The numbers of an NPY file of float32 with two axes, line by line.
  func matrix(_ name: String) throws -> [[Double]] {
    let bytes = try bytes(name)
    let start = 10 + Int(bytes[8]) + 256 * Int(bytes[9])
    let header = String(decoding: bytes[10..<start], as: UTF8.self)
    #expect(header.contains("'<f4'"))
    let shape = try #require(header.firstMatch(of: /\((\d+), (\d+)\)/))
    let (rows, columns) = (Int(shape.1)!, Int(shape.2)!)
    try #require(bytes.count == start + 4 * rows * columns)
    return (0..<rows).map { row in
      (0..<columns).map { column in
        let place = start + 4 * (row * columns + column)
        let bits = (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[place + $1]) << (8 * $1) }
        return Double(Float(bitPattern: bits))
      }
    }
  }
}
