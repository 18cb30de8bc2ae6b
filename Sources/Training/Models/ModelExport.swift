import Datasets
import LinearAlgebra
import Networks

/// The parameters of a model for other programs, under the names that `torch.nn.Sequential` gives them.
package struct ModelExport {
  package struct Parameter {
    package let name: String
    package let shape: [Int]
    package let values: Vector<Double>
  }

  package let parameters: [Parameter]
  package let precision: Configuration.TrainingOptions.Precision
  /// What remains to be done to the inputs before the first layer; nothing if it is folded in.
  package let normalization: Normalization
  private let model: ModelFile
  var configuration: Configuration { model.configuration }
  private let isFolded: Bool

  /// - Parameters:
  ///   - precision: the precision of the numbers; nil keeps that of the training.
  ///   - prefix: the beginning of all names, such as `model.`.
  ///   - foldsNormalization: whether the first layer takes inputs as they are in the data files.
  /// - Throws: exit code 64 where the normalization cannot be folded in, 65 for damaged parameters and for numbers that
  ///   exceed float32.
  package init(
    _ model: ModelFile, precision: Configuration.TrainingOptions.Precision? = nil, prefix: String = "",
    foldsNormalization: Bool = false
  ) throws {
    self.model = model
    let precision = precision ?? model.configuration.training.precision
    self.precision = precision
    isFolded = foldsNormalization && model.normalization.kind != .none
    normalization = foldsNormalization ? .none : model.normalization
    let all: Vector<Double> = try model.parameters()
    if foldsNormalization { try model.foldingNormalization(into: all, precision: precision) }
    let largest = precision == .float32 ? Double(Float.greatestFiniteMagnitude) : .greatestFiniteMagnitude
    parameters = try model.network.layout.entries.map { entry in
      let name = prefix + entry.name.dropFirst("model.".count)
      let values = all[entry.range]
      guard values.array.allSatisfy({ abs($0) <= largest }) else {
        throw StorageError(
          .contents, path: model.contents.path, section: "tensor \(StorageError.quoted(name))",
          problem: "has a number too large for \(precision.rawValue)", remedy: "export it as it was trained")
      }
      return Parameter(name: name, shape: entry.shape, values: values)
    }
  }

  /// The preparation that inputs need, as a sentence.
  package var inputs: String {
    let text =
      switch normalization.kind {
      case .none where isFolded:
        "as in the data files (their normalization, \(model.normalization.kind.rawValue), is folded into the first layer)"
      case .none: "as in the data files"
      case .scale: "those of the data files times \(normalization.scales[0]) (in the metadata)"
      case .unitVariance: "x * scale for each feature x of the data files (scales in the metadata)"
      case .standardize:
        "(x - offset) * scale for each feature x of the data files (offsets and scales in the metadata)"
      }
    let example = model.network.example
    let isReordered =
      example.count == 3 && example[2] > 1 && model.configuration.model.channels == .last
      && model.network.layers[0] is ChannelsFirst
    return text + (isReordered ? ", then from height x width x channels to channels x height x width" : "")
  }

  /// A summary for the user: what was exported, and which inputs it takes.
  package var summary: String {
    "\(parameters.count) tensors, \(model.network.layout.count) parameters, \(precision.rawValue); inputs: \(inputs)"
  }

  /// Writes one safetensors file, atomically. `fgn-dist` also reads it as a model if there is no prefix or the prefix
  /// is `model.`. Throws exit code 74.
  package func writeSafetensors(to path: String) throws {
    var file = TensorFile()
    for parameter in parameters {
      let tensor =
        switch precision {
        case .float32: Tensor(parameter.values.array.map { Float($0) }, shape: parameter.shape)
        case .float64: Tensor(parameter.values.array, shape: parameter.shape)
        }
      file.add(parameter.name, tensor)
    }
    ModelFile.describe(model.network, model.configuration, normalization, model.data, in: &file)
    file.metadata["fgn.inputs"] = inputs
    // Libraries built on PyTorch look for this entry.
    file.metadata["format"] = "pt"
    try Safetensors.save(file, to: path)
  }
}
