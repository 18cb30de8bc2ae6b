import Datasets
import Foundation
import LinearAlgebra
import Networks

/// The facts that a model records about its training data.
package struct DataDescription {
  /// The names of the classes; nil where they have numbers only.
  package var classes: ClassMap?
  /// The names of the columns; nil where they have none.
  package var tableColumns: TableColumns?

  package init(classes: ClassMap? = nil, tableColumns: TableColumns? = nil) {
    self.classes = classes
    self.tableColumns = tableColumns
  }

  package init(of set: Dataset) {
    self.init(classes: set.classes, tableColumns: set.tableColumns)
  }
}

/// A trained classifier as a safetensors file: the parameters by name, and as metadata all that its use requires.
package struct ModelFile {
  package let configuration: Configuration
  package let normalization: Normalization
  package let network: Network
  package let data: DataDescription
  package let contents: TensorFile

  /// The names of the classes; nil where they have numbers only.
  package var classes: ClassMap? { data.classes }
  /// The names of the columns that the model was trained on; nil where they have none.
  package var tableColumns: TableColumns? { data.tableColumns }

  private enum Key {
    static let configuration = "fgn.configuration"
    static let normalization = "fgn.normalization"
    static let shape = "fgn.shape"
    static let classes = "fgn.classes"
    static let featureNames = "fgn.feature_names"
    static let labelName = "fgn.label_name"
    static let best = "fgn.best"
    static let average = "fgn.average"
  }

  private struct Shape: Codable {
    /// The axes of one example, such as [28, 28].
    var input: [Int]
    var classes: Int
  }

  /// The tensors and metadata of a model; equal models give equal bytes.
  package static func contents<Scalar: BLASScalar>(
    _ parameters: Vector<Scalar>, of network: Network, _ configuration: Configuration, _ normalization: Normalization,
    _ data: DataDescription = DataDescription()
  ) -> TensorFile {
    var file = TensorFile()
    file.add(parameters, of: network)
    describe(network, configuration, normalization, data, in: &file)
    return file
  }

  /// Says in the file of a model that it is the best of its run.
  static func describe(_ best: BestModel, in file: inout TensorFile) { file.encode(best, forKey: Key.best) }

  /// What a file says of the run that its model is the best of; nil for the last model of a run, and for checkpoints.
  package static func best(in file: TensorFile) throws(StorageError) -> BestModel? {
    file.metadata[Key.best] == nil ? nil : try file.decode(BestModel.self, forKey: Key.best)
  }

  /// Says in the file of a model what it is the average of.
  static func describe(_ average: AverageSpan, in file: inout TensorFile) { file.encode(average, forKey: Key.average) }

  /// What a file says that its model is the average of; nil for the parameters of one step.
  package static func average(in file: TensorFile) throws(StorageError) -> AverageSpan? {
    file.metadata[Key.average] == nil ? nil : try file.decode(AverageSpan.self, forKey: Key.average)
  }

  /// Adds the metadata that the use of a model requires.
  static func describe(
    _ network: Network, _ configuration: Configuration, _ normalization: Normalization, _ data: DataDescription,
    in file: inout TensorFile
  ) {
    file.encode(configuration, forKey: Key.configuration)
    file.encode(normalization, forKey: Key.normalization)
    file.encode(Shape(input: network.example, classes: network.outputCount), forKey: Key.shape)
    if let classes = data.classes { file.encode(classes, forKey: Key.classes) }
    if let tableColumns = data.tableColumns, tableColumns.hasNames {
      file.encode(tableColumns.features, forKey: Key.featureNames)
      if let label = tableColumns.label { file.encode(label, forKey: Key.labelName) }
    }
  }

  /// Reads a model or a checkpoint that this program saved.
  package init(path: String) throws {
    try self.init(Safetensors.load(path: path, requireChecksum: true))
  }

  /// Reads the header of a model or a checkpoint that this program saved: all but the parameters, which `classifier` reads.
  package init(headerOf path: String) throws {
    let header = try Safetensors.header(path: path, requireChecksum: true)
    do {
      try self.init(header)
    } catch {
      // Damage explains it better.
      _ = try Safetensors.load(path: path, requireChecksum: true) { _, _ in .nothing }
      throw error
    }
  }

  /// The model in a file that this program saved.
  package init(_ contents: TensorFile) throws {
    self.contents = contents
    configuration = try contents.decode(forKey: Key.configuration) { try Configuration.saved($0) }
    normalization = try contents.decode(Normalization.self, forKey: Key.normalization)
    let shape = try contents.decode(Shape.self, forKey: Key.shape)
    func misfit(_ problem: String) -> StorageError {
      StorageError(
        .contents, path: contents.path, section: "metadata \"\(Key.shape)\"", problem: problem,
        remedy: "use a file that fgn-dist saved")
    }
    guard let features = shape.input.elementCount, shape.classes >= 2, normalization.fits(columns: features) else {
      throw misfit("examples of \(shape.input) and \(shape.classes) classes are no classifier")
    }
    let classes = try contents.metadata[Key.classes].map { _ in
      try contents.decode(ClassMap.self, forKey: Key.classes)
    }
    if let classes, classes.count != shape.classes {
      throw misfit("\(classes.count) names are not those of \(shape.classes) classes")
    }
    let tableColumns = try contents.metadata[Key.featureNames].map { _ in
      TableColumns(
        features: try contents.decode([String].self, forKey: Key.featureNames),
        label: try contents.metadata[Key.labelName].map { _ in try contents.decode(String.self, forKey: Key.labelName) }
      )
    }
    if let tableColumns, tableColumns.features.count != features {
      throw misfit("\(tableColumns.features.count) names are not those of \(features) features")
    }
    data = DataDescription(classes: classes, tableColumns: tableColumns)
    do {
      network = try configuration.model.network(featureShape: shape.input, classes: shape.classes)
    } catch {
      throw misfit("\(error.key): \(error.problem)")
    }
  }

  /// The network for dense or sparse features, and its parameters (P).
  package func classifier<Scalar: BLASScalar>(sparseInputs: Bool) throws -> (Network, Vector<Scalar>) {
    let network = try network(sparseInputs: sparseInputs)
    return (network, try Self.parameters(of: network, in: contents))
  }

  /// The network for dense or sparse features.
  func network(sparseInputs: Bool) throws -> Network {
    sparseInputs
      ? try configuration.model.network(
        featureShape: network.example, classes: network.outputCount, sparseInputs: true) : network
  }

  /// The parameters of the model (P).
  package func parameters<Scalar: BLASScalar>(as: Scalar.Type = Scalar.self) throws -> Vector<Scalar> {
    try Self.parameters(of: network, in: contents)
  }

  /// The parameters of `network` (P) in a file, by their names, with or without the prefix `model.`.
  package static func parameters<Scalar: BLASScalar>(
    of network: Network, in file: TensorFile, as: Scalar.Type = Scalar.self
  ) throws(StorageError) -> Vector<Scalar> {
    try parameters(of: network, in: file, names: file.names(of: network))
  }

  /// The parameters of `network` (P) in a file, under these names, one per entry of the layout.
  static func parameters<Scalar: BLASScalar>(
    of network: Network, in file: TensorFile, names: [String], as: Scalar.Type = Scalar.self
  ) throws(StorageError) -> Vector<Scalar> {
    let entries = network.layout.entries
    // This check precedes the allocation, since a hostile file may describe any network.
    for (entry, name) in zip(entries, names) { _ = try file.tensor(named: name, shape: entry.shape) }
    try checkBias(of: network, in: file, weight: names.last!)
    let parameters = Vector<Scalar>(zeros: network.layout.count)
    for (entry, name) in zip(entries, names) {
      let tensor: Vector<Scalar> = try file.vector(named: name, shape: entry.shape)
      guard tensor.isFinite else {
        throw StorageError(
          .contents, path: file.path, section: "tensor \(StorageError.quoted(name))",
          problem: "has a number that is not finite", remedy: "use another file")
      }
      let values = parameters[entry.range]
      if entry.isTransposed {
        values.assign(Matrix(tensor, entry.shape[0], entry.shape[1]).transposed().elements)
      } else {
        values.assign(tensor)
      }
    }
    return parameters
  }
}

extension TensorFile {
  /// Appends the parameters of `network` (P) by their names behind `prefix`.
  mutating func add<Scalar: BLASScalar>(_ parameters: Vector<Scalar>, of network: Network, prefix: String = "") {
    for entry in network.layout.entries {
      let values = parameters[entry.range]
      let (rows, columns) = (entry.shape[0], entry.shape.dropFirst().reduce(1, *))
      add(
        prefix + entry.name,
        Tensor(entry.isTransposed ? Matrix(values, columns, rows).transposed().elements : values, shape: entry.shape))
    }
  }

  /// The file's names for the parameters of `network`, one per entry of the layout.
  func names(of network: Network) -> [String] { network.layout.entries.map { name(of: $0) } }

  /// The file's name for a parameter: its full name, or the name without the prefix `model.`.
  func name(of entry: ParameterLayout.Entry) -> String {
    let bare = String(entry.name.dropFirst("model.".count))
    return !contains(entry.name) && contains(bare) ? bare : entry.name
  }
}
