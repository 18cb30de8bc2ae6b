/// What the header of a file says about its array.
struct ArrayLayout: Equatable {
  let path: String
  var shape: [Int]
  let type: ValueType
  let isBigEndian: Bool
  /// Whether the first index of the array runs fastest in the file, and not the last one.
  var isFortranOrder = false
  /// Where the values begin, in bytes from the start of the file.
  var headerCount: Int

  /// Throws exit code 65 unless this is an array of examples with values.
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

  /// The same array as the labels of examples, of shape [n], or [n, C] for one-hot ones. Throws exit code 65 unless it can be
  /// that.
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

  /// Bytes of a row. Of a shape that was checked: any other may have no such number.
  var rowSize: Int { shape.dropFirst().reduce(type.size, *) }

  /// The product of `shape` times the size of a value. Throws exit code 65 when it is no 63-bit number.
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
