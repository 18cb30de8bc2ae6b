import Datasets
import GaussNewton
import LinearAlgebra

/// The contents of a checkpoint beyond the model: the progress of the run, and the optimizer's memory.
///
/// It does not depend on the number of ranks.
package struct RunState {
  package struct Progress: Codable, Equatable, Sendable {
    /// The number of steps done.
    package var step: Int
    /// The optimizer's counters.
    package var optimizer: OptimizerCounters
    /// The number of examples in the training set.
    package var examples: Int
    /// The way sums travelled, and the number of ranks: with both unchanged, a run goes on with the same bits.
    package var exchange = Exchange.single
    package var ranks = 1
    /// The kernels of OpenBLAS on rank 0; nil in checkpoints that do not record them.
    package var kernel: String? = Kernels.name
    /// Whether the optimizer's memory is for sparse features; nil in checkpoints that do not record it.
    package var sparse: Bool?
    /// The checksum of the examples' weights; nil where all weigh alike.
    package var weights: UInt32?
    /// The checksum of values and labels, in hexadecimal; nil in checkpoints that do not record it.
    package var data: String?
    /// The checksum of a validation set of its own, in hexadecimal.
    package var validation: String?
    /// What evaluations on the validation set have said; nil where there is none.
    package var selection: ModelSelection?
    /// What the model is to be an average of; nil where it is none.
    package var average: AverageSpan?
    /// How far steps on all rows have come; nil before them.
    package var optimum: OptimumProgress?
    /// How often the run has backed off; nil where it has not, and is not to.
    package var backOff: BackOff?
  }

  package let progress: Progress
  /// The configuration to go on with: as requested, but with the saved normalization, order of rows and
  /// `optimizer.damping.initial` where none is requested.
  package let configuration: Configuration
  /// The model in the checkpoint.
  let model: ModelFile

  package var contents: TensorFile { model.contents }
  /// The configuration that the checkpoint was saved with.
  package var saved: Configuration { model.configuration }
  package var normalization: Normalization { model.normalization }

  /// The beginning of the names of the optimizer's memory.
  static let memoryPrefix = "optimizer."
  static let progressKey = "fgn.progress"

  /// Says in the file of a model how far its run is, which goes on from there.
  static func describe(_ progress: Progress, in file: inout TensorFile) { file.encode(progress, forKey: progressKey) }

  /// The progress of a checkpoint's run. Throws for a file that is not a checkpoint.
  static func progress(of file: TensorFile) throws(StorageError) -> Progress {
    try file.decode(Progress.self, forKey: progressKey)
  }

  /// The step up to which the run of a checkpoint goes back if it diverges; nil where it does not.
  static func soundStep(of file: TensorFile) -> Int? { (try? progress(of: file))?.backOff?.soundStep }

  /// Reads the state from a checkpoint, and verifies that going on under `configuration` continues the same run.
  package init(_ contents: TensorFile, for configuration: Configuration) throws {
    progress = try Self.progress(of: contents)
    model = try ModelFile(contents)
    let saved = model.configuration
    let configuration = configuration.goingOn(from: saved)
    self.configuration = configuration
    func text(_ shape: [Int]?) -> String { shape.map { "\($0)" } ?? "null" }
    func text(_ fraction: Double?) -> String { fraction.map { "\($0)" } ?? "null" }
    func text(_ fold: Fold?) -> String { fold.map { "\($0)" } ?? "null" }
    var pairs: [(key: String, old: String, new: String)] = [
      ("model.layers", "\(saved.model.layers)", "\(configuration.model.layers)"),
      ("model.bias", "\(saved.model.bias)", "\(configuration.model.bias)"),
      ("optimizer.method", saved.optimizer.method.rawValue, configuration.optimizer.method.rawValue),
      ("optimizer.batch_size", "\(saved.optimizer.batchSize)", "\(configuration.optimizer.batchSize)"),
      ("training.seed", "\(saved.training.seed)", "\(configuration.training.seed)"),
      ("training.precision", "\(saved.training.precision)", "\(configuration.training.precision)"),
      ("training.drop_last", "\(saved.training.dropLast)", "\(configuration.training.dropLast)"),
      ("training.shuffle_block", "\(saved.training.shuffleBlock)", "\(configuration.training.shuffleBlock)"),
      ("training.stratify", "\(saved.training.stratify)", "\(configuration.training.stratify)"),
      ("training.label_smoothing", "\(saved.training.labelSmoothing)", "\(configuration.training.labelSmoothing)"),
      (
        "data.validation.fraction", text(saved.data.validation.fraction), text(configuration.data.validation.fraction)
      ),
      ("data.validation.fold", text(saved.data.validation.fold), text(configuration.data.validation.fold)),
      ("data.normalize", "\(saved.data.normalize)", "\(configuration.data.normalize)"),
      ("model.input_shape", text(saved.model.inputShape), text(configuration.model.inputShape)),
      ("model.channels", saved.model.channels.rawValue, configuration.model.channels.rawValue),
    ]
    if saved.data.indexBase != .auto, configuration.data.indexBase != .auto {
      pairs.append(("data.index_base", saved.data.indexBase.rawValue, configuration.data.indexBase.rawValue))
    }
    func text(_ weights: ClassWeights?) -> String { weights.map { "\($0)" } ?? "null" }
    pairs.append(("data.class_weights", text(saved.data.classWeights), text(configuration.data.classWeights)))
    func text(_ label: IgnoredLabel?) -> String { label.map { "\($0)" } ?? "null" }
    pairs.append(("data.ignore_label", text(saved.data.ignoreLabel), text(configuration.data.ignoreLabel)))
    pairs.append(
      ("training.reproducible", "\(saved.training.reproducible)", "\(configuration.training.reproducible)"))
    if configuration.training.reproducible {
      pairs.append(
        ("training.virtual_shards", "\(saved.training.virtualShards)", "\(configuration.training.virtualShards)"))
    }
    if configuration.training.shuffleBlock > 1 {
      pairs.append(
        ("training.shuffle_window", "\(saved.training.shuffleWindow)", "\(configuration.training.shuffleWindow)"))
    }
    if configuration.optimizer.reads("optimizer.metric.kind") {
      pairs.append(
        ("optimizer.metric.kind", saved.optimizer.metric.kind.rawValue, configuration.optimizer.metric.kind.rawValue))
    }
    // Without momentum a run keeps no memory of its last step.
    if configuration.optimizer.reads("optimizer.momentum"),
      (saved.optimizer.momentum == 0) != (configuration.optimizer.momentum == 0)
    {
      pairs.append(
        ("optimizer.momentum", "\(saved.optimizer.momentum)", "\(configuration.optimizer.momentum)"))
    }
    // What parameters decay to is kept where it is not zero.
    if saved.optimizer.decaysToInitial != configuration.optimizer.decaysToInitial {
      let key = saved.optimizer.decayTo != configuration.optimizer.decayTo ? "decay_to" : "weight_decay"
      func text(_ options: Configuration.OptimizerOptions) -> String {
        key == "decay_to" ? options.decayTo.rawValue : "\(options.weightDecay)"
      }
      pairs.append(("optimizer.\(key)", text(saved.optimizer), text(configuration.optimizer)))
    }
    for (key, old, new) in pairs where old != new {
      throw ConfigurationError(
        key: key,
        "\(new) does not go on with \(contents.path), which was saved with \(old); restore it, or start a new run")
    }
    let (damping, moments) = (progress.optimizer.damping, progress.optimizer.moments)
    guard progress.step >= 0, damping.map({ $0 > 0 && $0.isFinite }) ?? true, moments.map({ $0 >= 0 }) ?? true,
      (progress.backOff?.count ?? 0) >= 0
    else {
      throw impossible("step \(progress.step) with \(progress.optimizer) is impossible")
    }
    if let average = progress.average, !average.isPossible(after: progress.step) {
      throw impossible(
        "step \(progress.step) with an average from step \(average.first) to \(average.last) is impossible")
    }
  }

  /// Restores the memory of an optimizer of the same method.
  func restore<Scalar: DistributedScalar>(_ optimizer: any Optimizer<Scalar>) throws {
    let (saved, fresh) = (progress.optimizer, optimizer.counters)
    guard (saved.damping == nil) == (fresh.damping == nil), (saved.moments == nil) == (fresh.moments == nil) else {
      throw impossible("\(saved) does not fit the method")
    }
    optimizer.counters = counters
    for (name, vector) in optimizer.memory {
      vector.assign(try contents.vector(named: Self.memoryPrefix + name, shape: [vector.count]))
    }
  }

  static func text(checksum: UInt64) -> String { String(checksum, radix: 16) }

  private func impossible(_ problem: String) -> StorageError {
    StorageError(
      .contents, path: contents.path, section: "metadata \"\(Self.progressKey)\"", problem: problem,
      remedy: "resume from another checkpoint")
  }
}
