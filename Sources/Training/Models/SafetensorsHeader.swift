import Datasets

/// The parsed and checked header of a safetensors file, with tensors of the supported types.
struct SafetensorsHeader {
  struct Entry {
    let name: String
    let dtype: Tensor.DataType
    let shape: [Int]
    /// The range of the data, counted from the end of the header.
    let range: Range<Int>
  }

  /// The tensors, in the order of their data.
  let entries: [Entry]
  let metadata: [String: String]

  /// Parses `bytes` and verifies that the tensors fill `dataCount` bytes of data without overlap or gap.
  init(_ bytes: [UInt8], dataCount: Int, path: String) throws(StorageError) {
    let layout: SafetensorsLayout
    do {
      layout = try SafetensorsLayout(bytes, dataCount: dataCount)
    } catch {
      throw Safetensors.damaged(path, section: error.section, error.problem)
    }
    metadata = layout.metadata
    entries = try layout.entries.map { entry throws(StorageError) in
      guard let dtype = Tensor.DataType(rawValue: entry.type) else {
        throw StorageError(
          .contents, path: path, section: "tensor \(StorageError.quoted(entry.name))",
          problem: "has the type \(StorageError.quoted(entry.type)), which fgn-dist does not read",
          remedy: "save it as one of \(Tensor.DataType.allCases.map(\.rawValue).joined(separator: ", "))")
      }
      return Entry(name: entry.name, dtype: dtype, shape: entry.shape, range: entry.range)
    }
  }
}
