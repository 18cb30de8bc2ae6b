import ArgumentParser
import Datasets
import GaussNewton
import LinearAlgebra
import MPI
import Training

struct Evaluate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Score a model on a data set.",
    discussion: "Without --features, on the test set of the model's own configuration.")

  @Argument(help: "Model or checkpoint (safetensors).")
  var model: String

  @Option(help: "File of features (IDX or NPY).")
  var features: String?

  @Option(help: "File of labels (IDX or NPY).")
  var labels: String?

  func validate() throws {
    if (features == nil) != (labels == nil) {
      throw ValidationError("--features and --labels go together; give both or neither")
    }
  }

  func run() throws {
    try Job.run { job in
      let communicator = job.communicator
      let file = try communicator.collectively { try ModelFile(path: model) }
      var source = file.configuration.data.test
      if features != nil {
        source = Configuration.Data.Source(features: features, labels: labels)
      }
      let set = try communicator.collectively { try EvaluationSet(source, for: file) }
      let evaluation =
        switch file.configuration.training.precision {
        case .float32: try evaluate(file, set, Float.self, communicator)
        case .float64: try evaluate(file, set, Double.self, communicator)
        }
      if communicator.rank == 0 { print(evaluation) }
      return .success
    }
  }

  private func evaluate<Scalar: DistributedScalar>(
    _ file: ModelFile, _ set: EvaluationSet, _: Scalar.Type, _ communicator: Communicator
  ) throws -> Evaluation {
    let parameters: Vector<Scalar> = try communicator.collectively { try file.parameters() }
    try communicator.agree(on: Double(parameters.norm), of: set.features)
    return try Evaluator<Scalar>(file.network, communicator: communicator)
      .evaluate(parameters, on: set, normalization: file.normalization)
  }
}
