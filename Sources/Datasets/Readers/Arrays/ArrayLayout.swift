/// The facts about an array in the header of its file.
struct ArrayLayout: Equatable {
  let path: String
  var shape: [Int]
  let type: ValueType
  let isBigEndian: Bool
  /// Whether the first index runs fastest in the file, instead of the last.
  var isFortranOrder = false
  /// The offset of the values in the file, in bytes.
  var headerCount: Int

  /// Throws exit code 65 unless the array can hold the values of examples.
  func checkFeatures() throws(DataError) {
    guard type.element != nil else {
      throw .badContents(
        path,
        "features are numbers, and these are \(type); save numbers that stand for them, such as "
          + "numpy.unique(column, return_inverse=True)[1] for each column")
    }
    guard shape.count >= 2 else {
      throw .badContents(
        path, "features need an axis of examples and one of values, the shape is \(shape); reshape to (n, d)")
    }
    guard shape[0] > 0 else { throw .badContents(path, "holds no examples; its shape is \(shape)") }
    guard !shape.contains(0) else { throw .badContents(path, "its rows hold no values; its shape is \(shape)") }
  }

  /// This layout as labels of examples: shape [n], or [n, C] for one-hot labels. Throws exit code 65 for any other
  /// shape.
  func labels() throws(DataError) -> ArrayLayout {
    var labels = self
    if shape.count == 2, shape.contains(1) {
      labels.shape = [shape[0] * shape[1]]
      labels.isFortranOrder = false
    }
    let isOneHot = labels.shape.count == 2 && type.element != nil
    guard labels.shape.count == 1 || isOneHot else {
      throw .badContents(
        path,
        "labels have the shape (n), (n, 1), (1, n) or, one-hot in numbers, (n, C), this one is \(shape); save one label for "
          + "each example")
    }
    guard labels.shape[0] > 0 else { throw .badContents(path, "holds no labels; its shape is \(shape)") }
    guard labels.shape.last! > 0 else { throw .badContents(path, "holds no classes; its shape is \(shape)") }
    return labels
  }

  /// Bytes of a row. The shape must have been checked: for others the product may overflow.
  var rowSize: Int { shape.dropFirst().reduce(type.size, *) }

  /// The product of `shape` and the size of a value, in bytes. Throws exit code 65 if it exceeds 63 bits.
  static func byteCount(_ shape: [Int], _ type: ValueType, _ path: String) throws(DataError) -> Int {
    var product = type.size
    for extent in shape {
      let (next, overflow) = product.multipliedReportingOverflow(by: extent)
      guard !overflow else { throw .badContents(path, "the header announces an impossible shape, \(shape)") }
      product = next
    }
    return product
  }
}
