extension StoredArray {
  /// This array, viewed in the shape of labels. Throws exit code 65 for a shape that labels do not have.
  func asLabels() throws(DataError) -> StoredArray {
    StoredArray(layout: try layout.labels(), base: base, owner: owner)
  }

  /// The class number of each example. Throws exit code 65 for an array that holds no class numbers.
  func labels() throws(DataError) -> [Int32] {
    guard !type.isText else { throw .badContents(path, "has texts for labels, and numbers are needed") }
    return try asLabels().labels(firstRow: 0)
  }

  /// The class number of each example; errors count rows from `firstRow`. The array must hold numbers, in the shape of
  /// labels.
  func labels(firstRow: Int) throws(DataError) -> [Int32] {
    if shape.count == 2 { return try oneHotLabels(firstRow) }
    var labels: [Int32] = []
    labels.reserveCapacity(shape[0])
    for start in stride(from: 0, to: shape[0], by: Self.valuesAtATime) {
      for value in doubles(start..<min(start + Self.valuesAtATime, shape[0])) {
        guard let label = Int32(exactly: value) else { throw noClass(labels.count, firstRow) }
        labels.append(label)
      }
    }
    return labels
  }

  /// The column of the 1 in each one-hot row.
  private func oneHotLabels(_ firstRow: Int) throws(DataError) -> [Int32] {
    let classes = shape[1]
    var labels: [Int32] = []
    labels.reserveCapacity(shape[0])
    for row in 0..<shape[0] {
      let values = doubles(row * classes..<(row + 1) * classes)
      guard let label = values.firstIndex(of: 1), values.allSatisfy({ $0 == 0 || $0 == 1 }),
        values.lastIndex(of: 1) == label, let number = Int32(exactly: label)
      else {
        throw .badContents(
          path,
          "row \(firstRow + row) of labels of the shape (n, \(classes)) is not one-hot: one 1 and \(classes - 1) zeros; save "
            + "one label for each example, such as array.argmax(axis=1) of probabilities")
      }
      labels.append(number)
    }
    return labels
  }

  private func noClass(_ row: Int, _ firstRow: Int) -> DataError {
    let value = "the label of row \(firstRow + row), \(text(at: row)),"
    return switch type {
    case .float16, .bfloat16, .float32, .float64:
      .badContents(
        path,
        "\(value) is no class number; save whole numbers, counted from 0, or for each class a column of probabilities")
    default: .badContents(path, "\(value) is no class number; labels count from 0")
    }
  }

  /// The shortest text of a number; integers have all their digits, and no point.
  func text(at index: Int) -> String {
    func load<Number: FixedWidthInteger & BitwiseCopyable>(_: Number.Type) -> Number {
      let number = base.loadUnaligned(fromByteOffset: index * type.size, as: Number.self)
      return isSwapped ? number.byteSwapped : number
    }
    return switch type {
    case .int64: "\(load(Int64.self))"
    case .uint64: "\(load(UInt64.self))"
    case .uint32: "\(load(UInt32.self))"
    default:
      if let integer = Int64(exactly: doubles(index..<index + 1)[0]) {
        "\(integer)"
      } else if type == .float64 {
        "\(doubles(index..<index + 1)[0])"
      } else {
        "\(Float(doubles(index..<index + 1)[0]))"
      }
    }
  }

  private static var valuesAtATime: Int { 1 << 14 }
}
