import Foundation
import Training

/// The folder of a search: `tune.json` with what is known, `tune.csv` for people and programs, `trials/` with a run directory
/// for each trial, and beside them the files of the run that trains the chosen setting.
package struct SearchDirectory: Sendable {
  package let run: RunDirectory

  package init(_ run: RunDirectory) { self.run = run }

  package var record: String { run.search }
  package var table: String { "\(run.path)/tune.csv" }
  package var figure: String { run.searchFigure }

  /// The run directory of a trial, such as `trials/07-2` for the seventh setting in the second rung, and `trials/07-2-3` for
  /// its third fold.
  package func trial(_ trial: Trial) -> RunDirectory {
    let number = trial.setting < 10 ? "0\(trial.setting)" : "\(trial.setting)"
    let fold = trial.fold.map { "-\($0)" } ?? ""
    return RunDirectory(path: "\(run.trials)/\(number)-\(trial.rung)\(fold)")
  }
}

/// What a search has been asked for, and what its trials have come to: all that it needs to go on. The same on all ranks.
package struct SearchRecord: Codable, Equatable, Sendable {
  /// What must not change from one process of a search to the next.
  package struct Request: Codable, Equatable, Sendable {
    /// The configuration that settings change, as YAML.
    package var configuration: String
    package var grids: [[SearchAxis]]
    package var isPath: Bool
    package var rungs: Int
    /// How many rungs of more steps may follow.
    package var extensions = 0
    /// The checksums of the training examples and of a validation set of its own.
    package var data: String

    /// Whether the chosen setting is trained on all rows.
    package var refits = true
    /// The number of folds; nil for one validation set.
    package var folds: Int?

    package init(configuration: String, grids: [[SearchAxis]], isPath: Bool, rungs: Int, data: String) {
      (self.configuration, self.grids, self.isPath, self.rungs) = (configuration, grids, isPath, rungs)
      self.data = data
    }
  }

  package let request: Request
  package private(set) var results: [TrialResult] = []
  /// The results of the folds of trials.
  package private(set) var parts: [TrialResult] = []
  /// The trial whose setting the run beside the trials trains on all rows; nil where there is none.
  package var refit: Trial?

  package init(_ request: Request) { self.request = request }

  package func result(of trial: Trial) -> TrialResult? {
    (trial.fold == nil ? results : parts).first { $0.trial == trial }
  }

  package mutating func add(_ result: TrialResult) {
    if result.trial.fold == nil { results.append(result) } else { parts.append(result) }
  }

  /// The results of the folds of a trial, in their order.
  package func parts(of trial: Trial) -> [TrialResult] { parts.filter { $0.trial.holdingOut(nil) == trial } }

  /// The best of all results, of equal ones that of the smallest loss, then the first; nil if all have diverged.
  package func best(
    by criterion: Configuration.TrainingOptions.Criterion, where isCandidate: (TrialResult) -> Bool = { _ in true }
  ) -> TrialResult? {
    results.filter { !$0.hasDiverged && isCandidate($0) }
      .min { ($0.cost(by: criterion), $0.loss) < ($1.cost(by: criterion), $1.loss) }
  }

  /// The record of a folder; nil if there is none. Throws `StorageError`.
  package static func load(_ path: String) throws -> SearchRecord? {
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    do {
      return try decoder.decode(SearchRecord.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
    } catch {
      throw StorageError(
        .contents, path: path, section: "document", problem: "is not the record of a search",
        remedy: "restore it, or search anew in another --run-directory")
    }
  }

  package func save(to path: String) throws {
    let bytes = try Self.encoder.encode(self)
    try AtomicFile.write(path) { try $0.write(Array(bytes)) }
  }

  /// Numbers come back with the same bits, also those that JSON does not know.
  static var encoder: JSONEncoder {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
    encoder.nonConformingFloatEncodingStrategy = infinities.encoding
    return encoder
  }

  static var decoder: JSONDecoder {
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = infinities.decoding
    return decoder
  }

  private static var infinities:
    (encoding: JSONEncoder.NonConformingFloatEncodingStrategy, decoding: JSONDecoder.NonConformingFloatDecodingStrategy)
  {
    (
      .convertToString(positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan"),
      .convertFromString(positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    )
  }

  /// Throws exit code 64 if this record is of another search than `request`.
  package func check(_ request: Request, in directory: SearchDirectory) throws(ConfigurationError) {
    let parts = [
      // Which decides on folds, too.
      ("--no-refit", self.request.refits == request.refits),
      ("--folds", self.request.folds == request.folds),
      ("the configuration", self.request.configuration == request.configuration),
      ("--over", self.request.grids == request.grids), ("--path", self.request.isPath == request.isPath),
      ("--rungs", self.request.rungs == request.rungs), ("--longer", self.request.extensions == request.extensions),
      ("the data", self.request.data == request.data),
    ]
    guard let changed = parts.first(where: { !$0.1 })?.0 else { return }
    throw ConfigurationError(
      source: directory.run.path,
      "holds a search with another value of \(changed); restore it, or search anew in another --run-directory")
  }
}
