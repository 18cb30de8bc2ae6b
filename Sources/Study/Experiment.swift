import Foundation
import MPI
import Training

extension GnuplotError: ExitCodeProviding {
  var exitCode: Int32 { 74 }
}

/// The resources of a study.
package struct Laboratory {
  package let communicator: Communicator
  /// Whether to use smaller grids, and the data that the program contains.
  package let isQuick: Bool
  /// The folder of Fashion-MNIST's four IDX files.
  package let fashion: String
  /// The folder that `Benchmarks/preparation/prepare_wordnet.py` writes; nil if it does not exist.
  package let wordnet: String?
  /// The cluster of `scaling`: a name, or the path of a description; nil for all names.
  package let cluster: String?
  private let announce: (String) -> Void

  package init(
    communicator: Communicator, isQuick: Bool, fashion: String, wordnet: String?, cluster: String? = nil,
    announce: @escaping (String) -> Void
  ) {
    self.communicator = communicator
    self.isQuick = isQuick
    self.fashion = fashion
    self.wordnet = wordnet
    self.cluster = cluster
    self.announce = announce
  }

  /// Prints a line, on rank 0.
  package func say(_ line: String) {
    if communicator.isRoot { announce(line) }
  }
}

/// The result of one part of a claim.
package struct Finding {
  package let statement: String
  package let holds: Bool
}

/// An experiment of the paper: its claim, measurement, figures and findings.
package protocol Experiment {
  var name: String { get }
  var title: String { get }
  /// The expectation from the paper, or from the arithmetic of its method.
  var claim: String { get }
  /// The measurement in words, for the summary.
  var setup: String { get }
  var columns: [String] { get }
  /// Whether observations that are there stay; otherwise they are made anew, since they cost nothing.
  var goesOn: Bool { get }

  /// Adds the missing observations to the table. Collective.
  func measure(_ table: Table, _ laboratory: Laboratory) throws
  func figures(_ table: Table) -> [Figure]
  func findings(_ table: Table) -> [Finding]
  /// What the summary says beside the findings.
  func remarks(_ table: Table) -> [String]
}

extension Experiment {
  var goesOn: Bool { true }
  func remarks(_ table: Table) -> [String] { [] }
}

package enum Study {
  package static func experiments(isQuick: Bool) -> [any Experiment] {
    [
      Decomposition(), Concentration(), DampingExperiment(), SoftTargets(), Classes(),
      Scaling(), TrainingExperiment(.head, isQuick: isQuick), TrainingExperiment(.network, isQuick: isQuick),
    ]
  }

  /// Runs an experiment, or its missing part, in the folder `OUT/NAME`: `data.csv`, figures, and `summary.md`.
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
    let table = try Table(
      "\(folder)/data.csv", columns: experiment.columns, goesOn: experiment.goesOn, over: communicator)
    laboratory.say("\(experiment.name): \(experiment.title)")
    try experiment.measure(table, laboratory)
    let findings = experiment.findings(table)
    let (figures, remarks) = (experiment.figures(table), experiment.remarks(table))
    try communicator.onRoot {
      if drawsFigures { for figure in figures { try figure.draw(in: folder) } }
      try AtomicFile.write("\(folder)/summary.md") {
        try $0.write(summary(experiment, findings, remarks, figures: drawsFigures ? figures : [], scale))
      }
    }
    for finding in findings { laboratory.say("  \(finding.holds ? "holds" : "DOES NOT HOLD"): \(finding.statement)") }
    return findings
  }

  private static func summary(
    _ experiment: any Experiment, _ findings: [Finding], _ remarks: [String], figures: [Figure], _ scale: String
  ) -> String {
    var text =
      "# \(experiment.title)\n\n**Claim.** \(experiment.claim)\n\n**Measurement** (\(scale)). \(experiment.setup)\n\n"
    text += "| finding | verdict |\n| --- | --- |\n"
    for finding in findings { text += "| \(finding.statement) | \(finding.holds ? "holds" : "does not hold") |\n" }
    if !remarks.isEmpty { text += "\n" + remarks.map { "- \($0)\n" }.joined() }
    text += "\nAll observations: `data.csv`.\n"
    for figure in figures { text += "\n![\(experiment.title)](\(figure.name).svg)\n" }
    return text
  }
}
