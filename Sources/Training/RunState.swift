import Datasets
import LinearAlgebra

/// What a checkpoint holds beyond the model: how far the run is, and the optimizer's memory.
///
/// Nothing in it depends on the number of ranks.
package struct RunState {
  package struct Progress: Codable, Equatable, Sendable {
    /// Steps done.
    package var step: Int
    /// λ of the next step.
    package var damping: Double
    /// Examples in the training set.
    package var examples: Int
  }

  package let progress: Progress
  package let contents: TensorFile

  /// Δ₋, if the run has momentum.
  static let lastStepName = "optimizer.last_step"
  private static let progressKey = "fgn.progress"

  /// Adds the state of a run to the file of its model.
  static func add<Scalar: BLASScalar>(_ progress: Progress, lastStep: Vector<Scalar>?, to file: inout TensorFile) {
    file.encode(progress, forKey: progressKey)
    if let lastStep { file.add(lastStepName, Tensor(lastStep)) }
  }

  /// How far the run of a checkpoint is. Throws for a file that is none.
  static func progress(of file: TensorFile) throws(StorageError) -> Progress {
    try file.decode(Progress.self, forKey: progressKey)
  }

  /// Reads the state from a checkpoint, and makes sure that going on with it under `configuration` is the same run.
  package init(_ contents: TensorFile, for configuration: Configuration) throws {
    self.contents = contents
    progress = try Self.progress(of: contents)
    let saved = try ModelFile(contents).configuration
    func text(_ shape: [Int]?) -> String { shape.map { "\($0)" } ?? "null" }
    let pairs: [(key: String, old: String, new: String)] = [
      ("optimizer.batch_size", "\(saved.optimizer.batchSize)", "\(configuration.optimizer.batchSize)"),
      ("training.seed", "\(saved.training.seed)", "\(configuration.training.seed)"),
      ("training.precision", "\(saved.training.precision)", "\(configuration.training.precision)"),
      ("training.drop_last", "\(saved.training.dropLast)", "\(configuration.training.dropLast)"),
      ("data.normalize", "\(saved.data.normalize)", "\(configuration.data.normalize)"),
      ("model.layers", "\(saved.model.layers)", "\(configuration.model.layers)"),
      ("model.input_shape", text(saved.model.inputShape), text(configuration.model.inputShape)),
      ("model.channels", saved.model.channels.rawValue, configuration.model.channels.rawValue),
    ]
    for (key, old, new) in pairs where old != new {
      throw ConfigurationError(
        key: key,
        "\(new) does not go on with \(contents.path), which was saved with \(old); restore it, or start a new run")
    }
    guard progress.step >= 0, progress.damping > 0, progress.damping.isFinite else {
      throw StorageError(
        .contents, path: contents.path, section: "metadata \"\(Self.progressKey)\"",
        problem: "step \(progress.step) with damping \(progress.damping) is impossible",
        remedy: "resume from another checkpoint")
    }
  }

  /// Throws if the run was on other data than `data`.
  package func check(_ data: TrainingData) throws {
    let saved = try ModelFile(contents)
    let old = (progress.examples, saved.network.inputCount, saved.network.outputCount)
    let new = (data.train.count, data.train.featureCount, data.classCount)
    guard old == new else {
      throw ConfigurationError(
        key: "data.train",
        "has \(new.0) examples, \(new.1) features and \(new.2) classes, but \(contents.path) was saved on \(old.0), "
          + "\(old.1) and \(old.2); name the data of that run")
    }
  }
}
