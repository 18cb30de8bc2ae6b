import ArgumentParser
import Datasets
import Foundation
import GaussNewton
import LinearAlgebra
import MPI
import Networks
import Training

struct Calibrate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Fit the temperature of a model, so that its probabilities are as right as they say.",
    discussion: """
      The logits are divided by the temperature at which their cross-entropy is least, within the weights of the last layer, \
      so that predict, evaluate and export need not know of it; the classes that are predicted stay as they are. Without \
      --features, on the validation set of the model's own configuration. Examples must not be ones that the model was trained \
      on.
      """)

  @Argument(help: "Model or checkpoint (safetensors).")
  var model: String

  @OptionGroup
  var examples: LabeledExamples

  @Option(help: "File to write. (default: the model itself)")
  var out: String?

  @Flag(help: "Replace the file of --out.")
  var force = false

  func validate() throws {
    if force, out == nil { throw ValidationError("--force goes with --out; leave it out") }
    if let out { try checkOutputs([out], inputs: [model] + examples.paths) }
  }

  func run() throws {
    try Job.run { job in
      let communicator = job.communicator
      let file = try communicator.collectively { try ModelFile(path: model) }
      try communicator.onRoot { try checkTarget(file) }
      let set = try examples.load(for: file, or: .validation, job)
      switch file.configuration.training.precision {
      case .float32: try calibrate(file, set, Float.self, communicator)
      case .float64: try calibrate(file, set, Double.self, communicator)
      }
      return .success
    }
  }

  private func calibrate<Scalar: DistributedScalar>(
    _ file: ModelFile, _ set: EvaluationSet, _: Scalar.Type, _ communicator: Communicator
  ) throws {
    let (network, parameters): (Network, Vector<Scalar>) = try communicator.collectively {
      try file.classifier(sparseInputs: set.features.isSparse)
    }
    try communicator.agree(on: Double(parameters.norm), of: set.features)
    let fit = try Evaluator<Scalar>(network, communicator: communicator)
      .temperature(parameters, on: set, normalization: file.normalization, over: communicator)
    try communicator.onRoot {
      let path = out ?? model
      try Safetensors.save(file.calibrated(by: fit.temperature, examples: fit.examples, Scalar.self), to: path)
      try StandardOutput.print(
        "temperature \(fit.temperature.short): loss \(fit.before.short) to \(fit.after.short) "
          + "(\(fit.examples) examples); saved to \(path)")
    }
  }

  /// Refuses to replace a file that is not to be replaced.
  private func checkTarget(_ file: ModelFile) throws {
    guard let out else {
      // A checkpoint holds more than the model, with which a run goes on.
      guard !file.isCheckpoint else {
        throw ConfigurationError(
          source: model, "is a checkpoint, and is not replaced by its model; name another file with --out")
      }
      return
    }
    guard force || !FileManager.default.fileExists(atPath: out) else {
      throw ConfigurationError(source: out, "exists; add --force to replace it, or choose another --out")
    }
  }
}
