import Datasets
import LinearAlgebra
import Networks

/// The averaged model of a run that goes on.
///
/// Where there is an average, the model of a checkpoint is that; the parameters that the steps go on from are beside it.
extension RunState {
  /// The beginning of the names of the parameters of the step itself, where the model is an average.
  static let ownPrefix = "run."
  /// The name of the average in float64, as one vector (P).
  static let averageName = "average"

  /// The average to go on with, and a remark for the user where it is not that of the checkpoint. A run without a step
  /// to take keeps what it has.
  package func average(_ data: TrainingData) -> (span: AverageSpan?, note: String?) {
    let old = progress.average
    if isDone(data) { return (old, nil) }
    let options = configuration.training.average
    let steps = configuration.training.steps(of: configuration.sampler(of: data.train))
    let changes = options.differences(from: saved.training.average)
    if let old, changes.isEmpty { return (old, nil) }
    guard let new = AverageSpan(options, steps: steps, after: progress.step) else {
      let isLost = old?.isEmpty == false
      return (nil, isLost ? "note: goes on without the \(old!), for training.average.kind is none" : nil)
    }
    let reasons = changes.map { "\($0.key) is \($0.new) and was \($0.old)" }.joined(separator: ", ")
    return (new, "note: the average begins anew with step \(new.first), for \(reasons)")
  }

  /// The parameters that the steps go on from (P).
  func parameters<Scalar: BLASScalar>(of network: Network) throws -> Vector<Scalar> {
    guard progress.average?.isEmpty == false else { return try ModelFile.parameters(of: network, in: contents) }
    return try ModelFile.parameters(
      of: network, in: contents, names: network.layout.entries.map { Self.ownPrefix + $0.name })
  }

  /// The average of this checkpoint where `span`, with which the run goes on, is its own; otherwise an empty one.
  func average<Scalar: BLASScalar>(_ span: AverageSpan, of network: Network) throws -> WeightAverage<Scalar> {
    let average = WeightAverage<Scalar>(span, count: network.layout.count)
    if !span.isEmpty, span == progress.average {
      average.values.assign(try contents.vector(named: Self.averageName, shape: [average.values.count]))
    }
    return average
  }
}
