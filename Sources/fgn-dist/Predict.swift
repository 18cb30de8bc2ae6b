import ArgumentParser
import Datasets
import GaussNewton
import LinearAlgebra
import MPI
import Training

struct Predict: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write the class and the class probabilities of every example.",
    discussion: "The ending of a file's name decides its format: .npy or .csv.")

  @Argument(help: "Model or checkpoint (safetensors).")
  var model: String

  @Option(help: "File of features (IDX or NPY).")
  var features: String

  @Option(help: "Where to write the probabilities, examples × classes.")
  var probabilities: String?

  @Option(help: "Where to write the most probable class of each example.")
  var classes: String?

  func validate() throws {
    if probabilities == nil && classes == nil {
      throw ValidationError("name at least one of --probabilities and --classes")
    }
    for path in [probabilities, classes].compactMap({ $0 }) where PredictionFile.Format(path) == nil {
      throw ValidationError("\(path) must end in .npy or .csv")
    }
  }

  func run() throws {
    try Job.run { job in
      let file = try job.communicator.collectively { try ModelFile(path: model) }
      let matrix = try job.communicator.collectively {
        let matrix = try FeatureMatrix(path: features)
        try file.check(featureCount: matrix.columns, of: features)
        return matrix
      }
      switch file.configuration.training.precision {
      case .float32: try predict(file, matrix, Float.self, job.communicator)
      case .float64: try predict(file, matrix, Double.self, job.communicator)
      }
      return .success
    }
  }

  private func predict<Scalar: DistributedScalar>(
    _ file: ModelFile, _ matrix: FeatureMatrix, _: Scalar.Type, _ communicator: Communicator
  ) throws {
    let predictor = Predictor<Scalar>(
      file.network, try communicator.collectively { try file.parameters() }, file.normalization,
      communicator: communicator)
    let outputs = try communicator.onRoot {
      (
        try probabilities.map {
          try PredictionFile($0, rows: matrix.rows, columns: file.network.outputCount, Scalar.self)
        },
        try classes.map { try PredictionFile($0, rows: matrix.rows, columns: nil, Scalar.self) }
      )
    }
    try predictor.run(matrix, named: features) { probabilities, classes in
      try outputs?.0?.append(probabilities)
      try outputs?.1?.append(classes)
    }
    try communicator.onRoot {
      try outputs?.0?.finish()
      try outputs?.1?.finish()
    }
  }
}
