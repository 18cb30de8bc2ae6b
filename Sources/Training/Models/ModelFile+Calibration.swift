import LinearAlgebra
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

  /// The file of the model with logits z/T: the parameters of its last layer, which is linear, are divided by T. It
  /// is a model alone, also where this one is a checkpoint.
  package func calibrated<Scalar: BLASScalar>(
    by temperature: Double, examples: Int, _: Scalar.Type
  ) throws(StorageError) -> TensorFile {
    let parameters: Vector<Scalar> = try Self.parameters(of: network, in: contents)
    parameters[network.body.parameterRanges.last!].scale(Scalar(1 / temperature))
    var file = Self.contents(parameters, of: network, configuration, normalization, data)
    if let best = try Self.best(in: contents) { Self.describe(best, in: &file) }
    if let average = try Self.average(in: contents) { Self.describe(average, in: &file) }
    let before = try Self.calibration(in: contents)?.temperature ?? 1
    file.encode(Calibration(temperature: before * temperature, examples: examples), forKey: Self.calibrationKey)
    return file
  }

  private static let calibrationKey = "fgn.calibration"
}
