import Datasets
import LinearAlgebra
import Networks

/// The parameters of a model for other programs, under the names that `torch.nn.Sequential` gives them. They pass from file to
/// file some rows at a time.
package struct ModelExport {
  package struct Parameter {
    package let name: String
    package let shape: [Int]
    /// The name in the model.
    fileprivate let source: String
  }

  package let parameters: [Parameter]
  package let precision: Configuration.TrainingOptions.Precision
  /// What remains to be done to the inputs before the first layer; nothing if it is folded in.
  package let normalization: Normalization
  private let stored: StoredTensors
  private let model: ModelFile
  private let folding: NormalizationFolding?
  var configuration: Configuration { model.configuration }

  /// - Parameters:
  ///   - path: a model or a checkpoint.
  ///   - precision: the precision of the numbers; nil keeps that of the training.
  ///   - prefix: the beginning of all names, such as `model.`.
  ///   - foldsNormalization: whether the first layer takes inputs as they are in the data files.
  /// - Throws: exit code 64 where the normalization cannot be folded in, 65 for a damaged file, 66 and 74.
  package init(
    path: String, precision: Configuration.TrainingOptions.Precision? = nil, prefix: String = "",
    foldsNormalization: Bool = false
  ) throws {
    stored = try StoredTensors(path: path, requireChecksum: true)
    let model = try ModelFile(stored.header)
    self.model = model
    self.precision = precision ?? model.configuration.training.precision
    folding = foldsNormalization ? try model.folding(in: self.precision) : nil
    normalization = foldsNormalization ? .none : model.normalization
    let names = stored.header.names(of: model.network)
    for (entry, name) in zip(model.network.layout.entries, names) { try stored.header.check(name, isOf: entry.shape) }
    try ModelFile.checkBias(of: model.network, in: stored.header, weight: names.last!)
    parameters = zip(model.network.layout.entries, names).map {
      Parameter(name: prefix + $0.name.dropFirst("model.".count), shape: $0.shape, source: $1)
    }
  }

  /// Calls `body` for all rows of all parameters in their order, with some at a time. Throws exit code 64 where rounding would
  /// hide what is folded, 65 for numbers that are not finite or exceed float32, and what `body` throws.
  func forEachBlock(_ body: (_ parameter: Parameter, _ elements: Vector<Double>) throws -> Void) throws {
    let largest = precision == .float32 ? Double(Float.greatestFiniteMagnitude) : .greatestFiniteMagnitude
    var folding = folding
    for (index, parameter) in parameters.enumerated() {
      try stored.forEachBlock(of: parameter.source, parameter.shape) { rows, elements in
        func refuse(_ problem: String, _ remedy: String) -> StorageError {
          StorageError(
            .contents, path: stored.header.path, section: "tensor \(StorageError.quoted(parameter.source))",
            problem: problem, remedy: remedy)
        }
        guard elements.isFinite else { throw refuse("has a number that is not finite", "use another file") }
        if index == 0, let error = folding?.fold(weights: elements) {
          throw model.refusal(ofFolding: error, folding!)
        }
        if index == 1 { folding?.fold(biases: elements, from: rows.lowerBound) }
        guard elements.withElements({ $0.allSatisfy { abs($0) <= largest } }) else {
          throw refuse("has a number too large for \(precision.rawValue)", "export it as it was trained")
        }
        try body(parameter, elements)
      }
    }
  }

  /// The preparation that inputs need, as a sentence.
  package var inputs: String {
    let text =
      switch normalization.kind {
      case .none where folding != nil:
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
  /// is `model.`. Throws as `forEachBlock`, and exit code 74.
  package func writeSafetensors(to path: String) throws {
    var description = TensorFile()
    ModelFile.describe(model.network, model.configuration, normalization, model.data, in: &description)
    description.metadata["fgn.inputs"] = inputs
    // Libraries built on PyTorch look for this entry.
    description.metadata["format"] = "pt"
    let dtype: Tensor.DataType = precision == .float32 ? .float32 : .float64
    let output = try SafetensorsWriter(
      path, Safetensors.headerBytes(description.metadata, parameters.map { ($0.name, dtype, $0.shape) }))
    try forEachBlock { _, elements in
      output.write(
        precision == .float32
          ? elements.withElements { $0.map { Float($0) } }.withUnsafeBytes { Array($0) }
          : elements.withElements { Array(UnsafeRawBufferPointer($0)) })
    }
    try output.finish()
  }
}
