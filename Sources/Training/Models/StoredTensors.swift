import LinearAlgebra

/// A safetensors file whose numbers stay in it, and are read some rows at a time.
package final class StoredTensors {
  /// All but the numbers: the strings, and tensors without elements.
  package let header: TensorFile
  private let input: InputFile
  /// Where tensors begin in the file, and their types.
  private let places: [String: (start: Int, dtype: Tensor.DataType)]

  /// Reads the whole file once, so that damage is found before anything is made of it; with `requireChecksum` a file without a
  /// checksum is refused as well. Throws exit code 65, 66 or 74.
  package init(path: String, requireChecksum: Bool = false) throws(StorageError) {
    input = try InputFile(path)
    let (file, entries) = try Safetensors.load(input, requireChecksum: requireChecksum) { _, _ in .nothing }
    header = file
    let start = input.size - (entries.last?.range.upperBound ?? 0)
    places = Dictionary(uniqueKeysWithValues: entries.map { ($0.name, (start + $0.range.lowerBound, $0.dtype)) })
  }

  /// Rows of a tensor of floating-point numbers that the file has, rows × the rest of its shape, in row-major order. Throws
  /// exit code 65 for a tensor of integers, and 74 where reading fails.
  private func rows(_ range: Range<Int>, of name: String, _ shape: [Int]) throws(StorageError) -> Vector<Double> {
    let (start, dtype) = places[name]!
    let width = shape.dropFirst().reduce(dtype.width, *)
    var part = TensorFile()
    part.path = header.path
    let bytes = try input.read(range.count * width, at: start + range.lowerBound * width)
    part.add(name, Tensor(dtype: dtype, shape: [range.count] + shape.dropFirst(), bytes: bytes))
    return try part.vector(named: name)
  }

  /// Calls `body` for all rows of a tensor, in order, with some at a time. Throws as `rows` does, or what `body` throws.
  package func forEachBlock(
    of name: String, _ shape: [Int], _ body: (_ rows: Range<Int>, _ elements: Vector<Double>) throws -> Void
  ) throws {
    let count = shape.first ?? 1
    let height = max(1, Safetensors.block / max(1, shape.dropFirst().reduce(8, *)))
    for first in stride(from: 0, to: count, by: height) {
      let range = first..<min(first + height, count)
      try body(range, try rows(range, of: name, shape))
    }
  }
}
