import LinearAlgebra
import Networks

extension ModelFile {
  /// The parameters of `network` (P) in a file from any program, found by their names, with or without the prefix
  /// `model.`. For a network of one linear layer any names will do: its parameters are the only matrix and the only
  /// vector of their shapes. Throws exit code 65.
  package static func initialParameters<Scalar: BLASScalar>(
    of network: Network, in file: TensorFile, as: Scalar.Type = Scalar.self
  ) throws(StorageError) -> Vector<Scalar> {
    let entries = network.layout.entries
    var names = entries.map { file.name(of: $0) }
    if network.hasSingleLayer, !names.contains(where: file.contains) {
      let found = entries.map { entry in
        file.tensors.filter { $0.tensor.dtype.isFloatingPoint && $0.tensor.shape == entry.shape }.map(\.name)
      }
      if found.allSatisfy({ $0.count == 1 }) { names = found.map { $0[0] } }
    }
    if let missing = zip(entries, names).first(where: { !file.contains($1) }) {
      let wanted = entries.map { "\($0.name) \($0.shape)" }
      throw StorageError(
        .contents, path: file.path, section: "tensor \(StorageError.quoted(missing.1))",
        problem:
          "is missing; the file has \(shortened(file.tensors.map { "\(StorageError.quoted($0.name)) \($0.tensor.shape)" }))",
        remedy: "save the parameters of this model as \(shortened(wanted))")
    }
    return try parameters(of: network, in: file, names: names)
  }

  private static func shortened(_ items: [String]) -> String {
    if items.isEmpty { return "no tensor" }
    return items.prefix(8).joined(separator: ", ") + (items.count > 8 ? " and \(items.count - 8) more" : "")
  }
}
