import Foundation
import MPI
import Training

extension GnuplotError: ExitCodeProviding {
  var exitCode: Int32 { 74 }
}

/// What a study is done with.
package struct Laboratory {
  package let communicator: Communicator
  /// Smaller grids, and data that the program carries.
  package let isQuick: Bool
  /// Folder of Fashion-MNIST's four IDX files.
  package let fashion: String
  /// Folder of `Benchmarks/preparation/prepare_wordnet.py`, if it is there.
  package let wordnet: String?
  private let announce: (String) -> Void

  package init(
    communicator: Communicator, isQuick: Bool, fashion: String, wordnet: String?, announce: @escaping (String) -> Void
  ) {
    self.communicator = communicator
    self.isQuick = isQuick
    self.fashion = fashion
    self.wordnet = wordnet
    self.announce = announce
  }

  /// Prints a line, on rank 0.
  package func say(_ line: String) {
    if communicator.isRoot { announce(line) }
  }
}

/// What has come of one part of a claim.
package struct Finding {
  package let statement: String
  package let holds: Bool
}

/// An experiment of the paper: what it says, how that is measured, shown and judged.
package protocol Experiment {
  var name: String { get }
  var title: String { get }
  /// What the paper, or its method's arithmetic, leads one to expect.
  var claim: String { get }
  /// How it is measured, for the summary.
  var setup: String { get }
  var columns: [String] { get }

  /// Adds what is missing to the table. Collective.
  func measure(_ table: Table, _ laboratory: Laboratory) throws
  func figures(_ table: Table) -> [Figure]
  func findings(_ table: Table) -> [Finding]
}

package enum Study {
  package static func experiments(isQuick: Bool) -> [any Experiment] {
    [
      Decomposition(), Concentration(), DampingExperiment(), Classes(), TrainingExperiment(.head, isQuick: isQuick),
      TrainingExperiment(.network, isQuick: isQuick),
    ]
  }

  /// Does an experiment, or what is missing of it, in the folder `OUT/NAME`: `data.csv`, figures, and `summary.md`.
  /// Collective. The findings are the same on all ranks.
  package static func run(
    _ experiment: any Experiment, in out: String, _ laboratory: Laboratory, drawsFigures: Bool
  ) throws -> [Finding] {
    let folder = "\(out)/\(experiment.name)"
    let communicator = laboratory.communicator
    let scale = laboratory.isQuick ? "quick" : "full"
    try communicator.onRoot {
      try createFolder(folder, remedy: "correct the permissions or choose another --out")
      let mark = "\(folder)/scale"
      if let old = FileManager.default.contents(atPath: mark).map({ String(decoding: $0, as: UTF8.self) }),
        old != scale
      {
        throw ConfigurationError(source: folder, "holds a \(old) study; choose another --out for a \(scale) one")
      }
      try AtomicFile.write(mark) { try $0.write(scale) }
    }
    let table = try Table("\(folder)/data.csv", columns: experiment.columns, over: communicator)
    laboratory.say("\(experiment.name): \(experiment.title)")
    try experiment.measure(table, laboratory)
    let findings = experiment.findings(table)
    let figures = experiment.figures(table)
    try communicator.onRoot {
      if drawsFigures { for figure in figures { try figure.draw(in: folder) } }
      try AtomicFile.write("\(folder)/summary.md") {
        try $0.write(summary(experiment, findings, figures: drawsFigures ? figures : [], scale))
      }
    }
    for finding in findings { laboratory.say("  \(finding.holds ? "holds" : "DOES NOT HOLD"): \(finding.statement)") }
    return findings
  }

  private static func summary(
    _ experiment: any Experiment, _ findings: [Finding], figures: [Figure], _ scale: String
  ) -> String {
    var text =
      "# \(experiment.title)\n\n**Claim.** \(experiment.claim)\n\n**Measurement** (\(scale)). \(experiment.setup)\n\n"
    text += "| finding | verdict |\n| --- | --- |\n"
    for finding in findings { text += "| \(finding.statement) | \(finding.holds ? "holds" : "does not hold") |\n" }
    text += "\nAll observations: `data.csv`.\n"
    for figure in figures { text += "\n![\(experiment.title)](\(figure.name).svg)\n" }
    return text
  }
}
