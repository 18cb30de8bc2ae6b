import GaussNewton
import LinearAlgebra
import MPI
import Networks

/// What a model was calibrated by.
package struct Calibration: Codable, Equatable, Sendable {
  /// T, by which the logits of the trained model are divided; of all fits together.
  package var temperature: Double
  /// The number of examples of the last fit.
  package var examples: Int
}

extension Calibration: CustomStringConvertible {
  package var description: String { "the logits are divided by \(temperature.short), fitted to \(examples) examples" }
}

extension ModelFile {
  /// Whether the file holds the state of a run beside its model.
  package var isCheckpoint: Bool { contents.metadata[RunState.progressKey] != nil }

  /// What a file says that its model was calibrated by; nil for a model as it was trained.
  package static func calibration(in file: TensorFile) throws(StorageError) -> Calibration? {
    file.metadata[calibrationKey] == nil ? nil : try file.decode(Calibration.self, forKey: calibrationKey)
  }

  /// Writes the model with logits z/T: the parameters of its last layer, which is linear, are divided by T. It is a model
  /// alone, also where this one is a checkpoint. Rank 0 writes. Collective.
  package func saveCalibrated<Scalar: DistributedScalar>(
    _ model: Classifier<Scalar>, by fit: TemperatureFit<Scalar>.Result, to path: String, over communicator: Communicator
  ) throws {
    let (share, parameters) = (model.share, model.parameters.copy())
    parameters[share.own.body.parameterRanges.last!].scale(Scalar(1 / fit.temperature))
    var description = TensorFile()
    Self.describe(network, configuration, normalization, data, in: &description)
    if let best = try Self.best(in: contents) { Self.describe(best, in: &description) }
    if let average = try Self.average(in: contents) { Self.describe(average, in: &description) }
    let before = try Self.calibration(in: contents)?.temperature ?? 1
    description.encode(
      Calibration(temperature: before * fit.temperature, examples: fit.examples), forKey: Self.calibrationKey)
    let numbers = [SavedNumbers.parameters(parameters)]
    if share.classes != nil {
      try Safetensors.save(share.file(numbers, describedBy: description), to: path, over: communicator)
    } else {
      try communicator.onRoot { try Safetensors.save(share.wholeFile(numbers, describedBy: description), to: path) }
    }
  }

  private static let calibrationKey = "fgn.calibration"
}
