import Datasets
import Foundation
import LinearAlgebra
import Networks

/// A trained classifier as a safetensors file: the parameters by name, and as metadata what it takes to use them.
package struct ModelFile {
  package let configuration: Configuration
  package let normalization: Normalization
  package let network: Network
  package let contents: TensorFile

  private enum Key {
    static let configuration = "fgn.configuration"
    static let normalization = "fgn.normalization"
    static let shape = "fgn.shape"
  }

  private struct Shape: Codable {
    var features: Int
    var classes: Int
  }

  /// The network that a configuration describes, for `features` inputs and `classes` outputs.
  package static func network(_ model: Configuration.Model, features: Int, classes: Int) -> Network {
    Network([Linear(inputs: features, outputs: classes)])
  }

  /// The tensors and metadata of a model; the same bytes for the same model.
  package static func contents<Scalar: BLASScalar>(
    _ parameters: Vector<Scalar>, of network: Network, _ configuration: Configuration, _ normalization: Normalization
  ) -> TensorFile {
    var file = TensorFile()
    for entry in network.layout.entries {
      file.add(entry.name, Tensor(parameters[entry.range], shape: entry.shape))
    }
    file.encode(configuration, forKey: Key.configuration)
    file.encode(normalization, forKey: Key.normalization)
    file.encode(Shape(features: network.inputCount, classes: network.outputCount), forKey: Key.shape)
    return file
  }

  /// Reads a model or a checkpoint that this program saved.
  package init(path: String) throws {
    try self.init(Safetensors.load(path: path, requireChecksum: true))
  }

  /// The model in a file that this program saved.
  package init(_ contents: TensorFile) throws {
    self.contents = contents
    configuration = try contents.decode(Configuration.self, forKey: Key.configuration)
    normalization = try contents.decode(Normalization.self, forKey: Key.normalization)
    let shape = try contents.decode(Shape.self, forKey: Key.shape)
    guard shape.features > 0, shape.classes >= 2, normalization.fits(columns: shape.features) else {
      throw StorageError(
        .contents, path: contents.path, section: "metadata \"\(Key.shape)\"",
        problem: "\(shape.features) features and \(shape.classes) classes are no classifier",
        remedy: "use a file that fgn-dist saved")
    }
    network = Self.network(configuration.model, features: shape.features, classes: shape.classes)
  }

  /// The parameters of the model (P).
  package func parameters<Scalar: BLASScalar>(as: Scalar.Type = Scalar.self) throws -> Vector<Scalar> {
    try Self.parameters(of: network, in: contents)
  }

  /// The parameters of `network` in any safetensors file, by their names, with or without the prefix `model.`.
  package static func parameters<Scalar: BLASScalar>(
    of network: Network, in file: TensorFile, as: Scalar.Type = Scalar.self
  ) throws -> Vector<Scalar> {
    let parameters = Vector<Scalar>(zeros: network.layout.count)
    for entry in network.layout.entries {
      let bare = String(entry.name.dropFirst("model.".count))
      let name = !file.contains(entry.name) && file.contains(bare) ? bare : entry.name
      let tensor: Vector<Scalar> = try file.vector(named: name, shape: entry.shape)
      guard tensor.norm.isFinite else {
        throw StorageError(
          .contents, path: file.path, section: "tensor \(StorageError.quoted(name))",
          problem: "has a number that is not finite", remedy: "use another file")
      }
      parameters[entry.range].assign(tensor)
    }
    return parameters
  }
}
