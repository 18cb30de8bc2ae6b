/// The labels of examples in arrays.
package enum ArrayLabels {
  /// Class numbers.
  case numbers([Int32])
  /// The column of the 1 in rows of `count` columns, one for each class in their order.
  case columns([Int32], count: Int)
  /// Probabilities of the classes in their order, and the column of each row's largest one, the first of equals.
  case probabilities(ClassProbabilities, largest: [Int32])
  /// Texts that name the classes.
  case names(LabelColumn)
  /// The texts of numbers that name the classes.
  case values(LabelColumn)

  /// What the labels of a file are.
  private enum Kind: Equatable {
    case text, numbers
    case oneHot(columns: Int)

    init(_ array: StoredArray) {
      self = array.type.isText ? .text : array.shape.count == 2 ? .oneHot(columns: array.shape[1]) : .numbers
    }
  }

  /// The labels of files, and the number of rows of each file. Numbers are names where the classes `known` have names.
  ///
  /// Throws exit code 65, also for files of different kinds and for numbers where classes are words, or 66.
  static func read(
    _ paths: [String], format: DataFormat, known: ClassMap? = nil
  ) throws(DataError) -> (labels: ArrayLabels, counts: [(path: String, rows: Int)]) {
    var counts: [(path: String, rows: Int)] = []
    var kind: Kind?
    var numbers: [Int32] = []
    var table = LabelTable()
    var (matrices, areOneHot): ([FeatureMatrix], Bool) = ([], true)
    for path in paths {
      let array = try format.read(path).asLabels()
      let own = Kind(array)
      guard kind == nil || kind == own else {
        let what =
          if case .oneHot(let columns) = own { "\(Self.kindOfColumns(array)) of \(columns) columns" } else {
            "\(array.type) for labels"
          }
        throw .badContents(path, "has \(what), and \(paths[0]) has others; the files of a set have labels of one kind")
      }
      kind = own
      switch own {
      case .numbers where known?.isNumeric == false:
        throw .badContents(
          path,
          "has numbers for labels, and the classes of the training set have names; save the names of these classes")
      case .text: numbers += array.texts(into: &table)
      case .numbers where known != nil: numbers += array.texts(into: &table)
      case .oneHot where array.hasFractions:
        let checked = try array.probabilities()
        numbers += checked.largest
        areOneHot = areOneHot && checked.areOneHot
        matrices.append(try array.features())
      case .oneHot:
        numbers += try array.labels(firstRow: 0)
        matrices.append(try array.features())
      case .numbers: numbers += try array.labels(firstRow: 0)
      }
      counts.append((path, array.shape[0]))
    }
    if case .oneHot(let columns) = kind {
      if areOneHot { return (.columns(numbers, count: columns), counts) }
      try FeatureMatrix.checkKinds(matrices.map(\.kind), paths)
      return (.probabilities(ClassProbabilities(checked: FeatureMatrix(joining: matrices)), largest: numbers), counts)
    }
    if kind == .numbers, known == nil { return (.numbers(numbers), counts) }
    let column = try table.column(codes: numbers, ofArrays: true)
    return (kind == .text ? .names(column) : .values(column), counts)
  }

  private static func kindOfColumns(_ array: StoredArray) -> String {
    array.hasFractions ? "probabilities" : "one-hot labels"
  }

  /// The probabilities of the classes; nil for labels that are classes.
  package var probabilities: ClassProbabilities? {
    if case .probabilities(let probabilities, _) = self { probabilities } else { nil }
  }

  /// The number of columns, one for each class; nil for labels of one column.
  var columnCount: Int? {
    switch self {
    case .columns(_, let count): count
    case .probabilities(let probabilities, _): probabilities.classCount
    case .numbers, .names, .values: nil
    }
  }

  /// The class of each row, or the mark of an ignored row. Class numbers stay what they are. Probabilities give the class
  /// of the largest one.
  ///
  /// - Parameters:
  ///   - classes: the classes with names; nil where classes have numbers only.
  ///   - count: the number of classes, if it is known.
  ///   - path: the first file, for errors.
  ///
  /// Throws exit code 65 for a name that no class has, for any name where classes have none, and for rows of another
  /// number of columns than `count`.
  package func classes(
    _ classes: ClassMap?, count: Int?, ignoring ignored: IgnoredLabel?, _ path: String
  ) throws(DataError) -> [Int32] {
    switch self {
    case .numbers(let numbers): return numbers.marking(ignored)
    case .columns(let numbers, _), .probabilities(_, let numbers):
      guard columnCount == count ?? columnCount else {
        throw .badContents(
          path,
          "has \(probabilities == nil ? "one-hot labels" : "probabilities") of \(columnCount!) columns, and there are \(count!) classes"
            + "\(classes.map { ", \($0.summary)" } ?? ""): save a column for each class, in this order")
      }
      // Named classes are without the ignored label.
      return classes == nil ? numbers.marking(ignored) : numbers
    case .names(let column), .values(let column):
      guard let classes else {
        throw .badContents(
          path, "has names for labels, and the training set has numbers; save the numbers of these classes")
      }
      return try classes.classes(of: column, ignoring: ignored)
    }
  }

  /// How labels of arrays are matched with classes whose names are not their numbers, and what probabilities count for,
  /// for the user; nil elsewhere.
  package func note(_ classes: ClassMap?, _ path: String) -> String? {
    if case .probabilities = self {
      let order = classes.flatMap { $0.names.arePositions ? nil : " of \($0.summary) in this order" }
      return
        "\(path): labels are probabilities\(order ?? ""): the loss is the cross-entropy with them, and all else counts "
        + "the class of the largest one"
    }
    guard let classes, !classes.names.arePositions else { return nil }
    return switch self {
    case .columns: "\(path): one-hot columns are the classes in this order: \(classes.summary)"
    case .values: "\(path): labels are the names of classes, \(classes.summary), not their positions"
    case .names, .numbers, .probabilities: nil
    }
  }
}

extension StoredArray {
  /// The text of each row, or the shortest one of its number, as a code of the table. The array must have one value for
  /// each row.
  func texts(into table: inout LabelTable) -> [Int32] {
    var own = LabelTable()
    // A number becomes a text once.
    var known: [UInt64: Int32] = [:]
    let codes = (0..<shape[0]).map { row in
      let bits = type.isText ? nil : bits(ofRow: row)
      if let bits, let code = known[bits] { return code }
      let bytes = type.isText ? text(ofRow: row) : Array(text(at: row).utf8)
      let code = bytes.withUnsafeBufferPointer { own.code(for: $0, line: row) }
      if let bits { known[bits] = code }
      return code
    }
    let numbers = table.merge(own, path, firstLine: 0)
    return codes.map { numbers[Int($0)] }
  }

  /// The bytes of a number.
  private func bits(ofRow row: Int) -> UInt64 {
    defer { extendLifetime(owner) }
    var bits: UInt64 = 0
    withUnsafeMutableBytes(of: &bits) {
      $0.copyMemory(from: UnsafeRawBufferPointer(start: base + row * type.size, count: type.size))
    }
    return bits
  }

  /// The UTF-8 of a text, without the padding zeros; a text that is not valid Unicode gives bytes that are not UTF-8.
  private func text(ofRow row: Int) -> [UInt8] {
    let start = base + row * type.size
    defer { extendLifetime(owner) }
    guard case .unicode(let count) = type else {
      let bytes = UnsafeRawBufferPointer(start: start, count: type.size)
      return Array(bytes[..<((bytes.lastIndex { $0 != 0 } ?? -1) + 1)])
    }
    var scalars = (0..<count).map { start.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self) }
    if layout.isBigEndian { scalars = scalars.map(\.byteSwapped) }
    let text = scalars[..<((scalars.lastIndex { $0 != 0 } ?? -1) + 1)]
    return text.flatMap { Unicode.Scalar($0).map { Array(String($0).utf8) } ?? [0xff] }
  }
}
