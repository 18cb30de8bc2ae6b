import Networks

extension ModelFile {
  /// The names of the parameters of `network` in a file from any program, one per entry of the layout: their own, with or
  /// without the prefix `model.`. For a network of one linear layer any names will do: its parameters are the only matrix
  /// and the only vector of their shapes. Throws exit code 65, also for a file that has biases of a head without them, and
  /// the other way round.
  static func initialNames(of network: Network, in file: TensorFile) throws(StorageError) -> [String] {
    let entries = network.layout.entries
    var names = file.names(of: network)
    var lacksBias = network.hasHeadBias && names.dropLast().allSatisfy(file.contains)
    if network.hasSingleLayer, !names.contains(where: file.contains) {
      func candidates(of shape: [Int]) -> [String] {
        file.tensors.filter { $0.tensor.dtype.isFloatingPoint && $0.shape == shape }.map(\.name)
      }
      let found = entries.map { candidates(of: $0.shape) }
      if found.allSatisfy({ $0.count == 1 }) { names = found.map { $0[0] } }
      lacksBias = network.hasHeadBias && found[0].count == 1 && found[1].isEmpty
      if !network.hasHeadBias, let bias = candidates(of: [network.outputCount]).first {
        throw foreignBias(bias, in: file)
      }
    }
    if let missing = zip(entries, names).first(where: { !file.contains($1) }) {
      let wanted = entries.map { "\($0.name) \($0.shape)" }
      throw StorageError(
        .contents, path: file.path, section: "tensor \(StorageError.quoted(missing.1))",
        problem:
          "is missing; the file has \(shortened(file.tensors.map { "\(StorageError.quoted($0.name)) \($0.shape)" }))",
        remedy: (lacksBias ? "set model.bias to false for a head without bias, or " : "")
          + "save the parameters of this model as \(shortened(wanted))")
    }
    return names
  }

  /// Throws for a file that has biases of a head without them, whose weights have the name `weight` in it.
  static func checkBias(of network: Network, in file: TensorFile, weight: String) throws(StorageError) {
    guard !network.hasHeadBias, weight.hasSuffix("weight") else { return }
    let bias = weight.dropLast("weight".count) + "bias"
    if file.contains(String(bias)) { throw foreignBias(String(bias), in: file) }
  }

  private static func foreignBias(_ name: String, in file: TensorFile) -> StorageError {
    StorageError(
      .contents, path: file.path, section: "tensor \(StorageError.quoted(name))",
      problem: "is the bias of the last layer, and model.bias is false",
      remedy: "set model.bias to true, or save the model without it")
  }

  private static func shortened(_ items: [String]) -> String {
    if items.isEmpty { return "no tensor" }
    return items.prefix(8).joined(separator: ", ") + (items.count > 8 ? " and \(items.count - 8) more" : "")
  }
}
