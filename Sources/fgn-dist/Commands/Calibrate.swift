import ArgumentParser
import Datasets
import Foundation
import GaussNewton
import MPI
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

  @OptionGroup
  var head: HeadOption

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
      let file = try communicator.collectively { try ModelFile(headerOf: model) }
      try communicator.onRoot { try checkTarget(file) }
      let set = try examples.load(for: file, or: .validation, job)
      switch file.configuration.training.precision {
      case .float32: try calibrate(file, set, Float.self, job)
      case .float64: try calibrate(file, set, Double.self, job)
      }
      return .success
    }
  }

  private func calibrate<Scalar: DistributedScalar>(
    _ file: ModelFile, _ set: EvaluationSet, _: Scalar.Type, _ job: Job
  ) throws {
    let communicator = job.communicator
    let classifier: Classifier<Scalar> = try head.classifier(file, for: set.features, job)
    let fit = try Evaluator<Scalar>(classifier.network, communicator: communicator, classes: classifier.classes)
      .temperature(classifier.parameters, on: set, normalization: file.normalization, over: communicator)
    let path = out ?? model
    try file.saveCalibrated(classifier, by: fit, to: path, over: communicator)
    try communicator.onRoot {
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
