import Testing

@testable import Datasets

/// Labels that are texts in arrays.
@Suite struct ArrayLabelsTests {
  let directory = try! TemporaryDirectory()

  /// An array in NumPy's format: `<U5`, `>U5` or `|S5`.
  static func array(_ texts: [String], _ order: String, shape: String? = nil) -> [UInt8] {
    let isBytes = order == "|"
    let width = 1 + texts.map { isBytes ? $0.utf8.count : $0.unicodeScalars.count }.max()!
    let data = texts.flatMap { text -> [UInt8] in
      if isBytes { return Array(text.utf8) + [UInt8](repeating: 0, count: width - text.utf8.count) }
      let scalars = text.unicodeScalars.map(\.value) + [UInt32](repeating: 0, count: width - text.unicodeScalars.count)
      return scalars.flatMap { scalar in
        withUnsafeBytes(of: order == "<" ? scalar.littleEndian : scalar.bigEndian) { Array($0) }
      }
    }
    let shape = shape ?? "(\(texts.count),)"
    return Fixtures.numpy(
      1, "{'descr': '\(order)\(isBytes ? "S" : "U")\(width)', 'fortran_order': False, 'shape': \(shape), }", "") + data
  }

  let texts = ["größe", "b", "größe", "a c"]

  @Test(arguments: ["<", ">", "|"]) func `Texts name the classes`(_ order: String) throws {
    let features = directory.write(
      Fixtures.numpy(1, "{'descr': '|u1', 'fortran_order': False, 'shape': (4, 1), }", "00010203"), "x.npy")
    for shape in ["(4,)", "(4, 1)", "(1, 4)"] {
      let labels = directory.write(Self.array(texts, order, shape: shape), "y.npy")
      let set = try Dataset(features: FileList(features), labels: FileList(labels))
      #expect(set.classes?.names == ["a c", "b", "größe"] && set.classCount == 3 && set.labels == [2, 1, 2, 0])
      // The classes of another set apply.
      let other = directory.write(Self.array(["b", "b", "a c", "b"], order), "other.npy")
      let test = try Dataset(features: FileList(features), labels: FileList(other), like: set)
      #expect(test.labels == [1, 1, 0, 1] && test.classes == set.classes)
      let unknown = directory.write(Self.array(["b", "new", "b", "b"], order), "unknown.npy")
      let error = dataError {
        _ = try Dataset(features: FileList(features), labels: FileList(unknown), like: set)
      }
      #expect(error?.message.contains("example 1: the label 'new' is none of the 3 classes") == true)
      let numbers = directory.write(
        Fixtures.numpy(1, "{'descr': '|u1', 'fortran_order': False, 'shape': (4,), }", "00010203"), "n.npy")
      let numbered = try Dataset(features: FileList(features), labels: FileList(numbers))
      #expect(
        dataError { _ = try Dataset(features: FileList(features), labels: FileList(numbers), like: set) }?.exitCode
          == 65)
      #expect(
        dataError { _ = try Dataset(features: FileList(features), labels: FileList(labels), like: numbered) }?.exitCode
          == 65)
    }
  }

  @Test func `Texts that are numbers are ordered by them`() throws {
    let path = directory.write(Self.array(["10", "9", "2.0", "2"], "<"))
    let labels = try ArrayLabels.read([path], format: .auto).labels
    guard case .names(let column) = labels else {
      Issue.record("no names")
      return
    }
    #expect(ClassMap(column).names == ["2", "9", "10"] && column.codes.count == 4)
  }

  @Test func `Files of a set have names or numbers`() throws {
    let names = directory.write(Self.array(["b", "a"], "<"), "a.npy")
    let more = directory.write(Self.array(["c", "a"], "|"), "b.npy")
    let numbers = directory.write(Fixtures.labelsI4, "c.npy")
    let (labels, counts) = try ArrayLabels.read([names, more], format: .auto)
    guard case .names(let column) = labels else {
      Issue.record("no names")
      return
    }
    #expect(column.texts == ["b", "a", "c"] && column.codes == [0, 1, 2, 1] && counts.map(\.rows) == [2, 2])
    for paths in [[names, numbers], [numbers, names]] {
      #expect(dataError { _ = try ArrayLabels.read(paths, format: .auto) }?.exitCode == 65)
    }
  }

  @Test func `What is no text is an error`() throws {
    var bytes = Self.array(["ab", "c"], "<")
    // A lone surrogate.
    bytes.replaceSubrange(bytes.count - 12..<bytes.count - 8, with: [0, 0xd8, 0, 0])
    let error = dataError { _ = try ArrayLabels.read([directory.write(bytes)], format: .auto) }
    #expect(error?.message.contains("example 1") == true)
  }

  @Test func `Convert writes their names`() throws {
    let features = directory.write(
      Fixtures.numpy(1, "{'descr': '|u1', 'fortran_order': False, 'shape': (4, 1), }", "00010203"), "x.npy")
    let labels = directory.write(Self.array(["b", "a", "b", "c"], "<"), "y.npy")
    let target = directory.path + "/out.csv"
    _ = try Conversion(
      .init(FileList(features), labels: FileList(labels)), to: .init(target, classes: directory.path + "/classes.txt")
    ).run()
    #expect(String(decoding: try directory.read("out.csv"), as: UTF8.self) == "0,b\n1,a\n2,b\n3,c\n")
    #expect(String(decoding: try directory.read("classes.txt"), as: UTF8.self) == "a\nb\nc\n")
  }

  /// A set of n features with labels from these bytes of a file.
  private func set(
    _ count: Int, _ labels: [UInt8], classCount: Int? = nil, like other: Dataset? = nil,
    ignoring ignored: IgnoredLabel? = nil
  ) throws -> Dataset {
    let features = directory.write(
      Fixtures.numpy(1, "{'descr': '|u1', 'fortran_order': False, 'shape': (\(count), 1), }", "")
        + (0..<count).map { UInt8($0) }, "x.npy")
    return try Dataset(
      features: FileList(features), labels: FileList(directory.write(labels, "y.npy")), classCount: classCount,
      like: other, ignoring: ignored)
  }

  /// An array of numbers in NumPy's format, from their bytes.
  private func array(_ type: String, _ shape: String, _ bytes: [UInt8]) -> [UInt8] {
    Fixtures.numpy(1, "{'descr': '\(type)', 'fortran_order': False, 'shape': \(shape), }", "") + bytes
  }

  private func bytes<Number: BitwiseCopyable>(_ numbers: [Number]) -> [UInt8] {
    numbers.flatMap { number in withUnsafeBytes(of: number) { Array($0) } }
  }

  /// A training set whose classes have these names.
  private func named(_ names: [String]) throws -> Dataset {
    let set = try set(names.count, array("|u1", "(\(names.count),)", names.indices.map { UInt8($0) }))
    return Dataset(features: set.features, labels: set.labels, classes: ClassMap(texts: names))
  }

  @Test func `Numbers are matched by value with classes whose names are numbers`() throws {
    let other = try named(["-1", "2.0", "2.5", "0.1", "9007199254740992", "9007199254740993"])
    #expect(
      try set(3, array("<i8", "(3,)", bytes([Int64(2), -1, 9_007_199_254_740_993])), like: other).labels == [2, 0, 5])
    #expect(try set(3, array("<f4", "(1, 3)", bytes([Float(0.1), 2, 2.5])), like: other).labels == [1, 2, 3])
    #expect(try set(3, array("<f8", "(3, 1)", bytes([0.1, -1, 2.5])), like: other).labels == [1, 0, 3])
    #expect(try set(2, array("<f2", "(2,)", [0, 0x41, 0, 0xbc]), like: other).labels == [3, 0])
    let note = try #require(try set(1, array("|i1", "(1,)", [2]), like: other).labelNote)
    #expect(note.hasSuffix("y.npy: labels are the names of classes, -1, 0.1, 2.0, …, not their positions"))
    let counted = try named(["0", "1", "2"])
    #expect(try set(1, array("|i1", "(1,)", [2]), like: counted).labelNote == nil)
    let ignoring = try set(3, array("<f8", "(3,)", bytes([2, -100, 2.5])), like: other, ignoring: .number(-100))
    #expect(ignoring.labels == [2, IgnoredLabel.mark, 3])
    for (label, text) in [(0.5, "0.5"), (1e300, "1e+300"), (3e9, "3000000000")] {
      let error = dataError { _ = try set(2, array("<f8", "(2,)", bytes([2, label])), like: other) }
      #expect(
        error?.message.hasPrefix("example 1: the label '\(text)' is none of the 6 classes of the training set, -1, ")
          == true, "\(error?.message ?? "")")
    }
    #expect(
      dataError { _ = try set(2, array("<f8", "(2,)", bytes([2, Double.nan])), like: other) }?.message
        .contains("example 1: the label 'nan' stands for a missing one") == true)
    // Whatever the numbers are, they are no words.
    let words = try named(["a", "b"])
    for label in [0, 0.5, 1e300] {
      let error = dataError { _ = try set(1, array("<f8", "(1,)", bytes([label])), like: words) }
      #expect(error?.message.contains("has numbers for labels") == true && error?.message.contains("names") == true)
    }
  }

  @Test func `One-hot columns are the classes in their order, whatever these are called`() throws {
    let hot: [UInt8] = [0, 1, 0, /**/ 0, 0, 1, /**/ 1, 0, 0]
    for names in [["3", "7", "9"], ["a", "b", "c"], ["1", "2", "0"]] {
      let test = try set(3, array("|b1", "(3, 3)", hot), like: try named(names))
      #expect(test.labels == [1, 2, 0] && test.classCount == 3)
      let order = names[0] == "1" ? nil : "\(names.joined(separator: ", "))"
      #expect(
        test.labelNote == order.map { "\(directory.path)/y.npy: one-hot columns are the classes in this order: \($0)" })
    }
    // Column 0 has no example.
    let train = try set(2, array("|u1", "(2, 4)", [0, 0, 1, 0, 0, 1, 0, 0]))
    #expect(train.labels == [2, 1] && train.classCount == 4)
    #expect(try train.leavingOutIgnored("").classCount == 4)
    #expect(try set(3, array("|u1", "(3, 3)", hot), ignoring: .number(2)).leavingOutIgnored("").classCount == 3)
    for (classCount, other) in [
      (nil, try named(["1", "2"])), (nil, try named(["1", "2", "3", "4"])), (4, nil), (4, train),
    ] as [(Int?, Dataset?)] {
      let error = dataError { _ = try set(3, array("|u1", "(3, 3)", hot), classCount: classCount, like: other) }
      #expect(error?.exitCode == 65)
      #expect(error?.message.contains("has one-hot labels of 3 columns, and there are ") == true, "\(error!)")
    }
  }

  @Test func `Files of a set are one-hot in as many columns, or none of them`() throws {
    let two = directory.write(
      Fixtures.numpy(1, "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 2), }", "01000001"), "two.npy")
    let three = directory.write(
      Fixtures.numpy(1, "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }", "010000000100"), "three.npy")
    let numbers = directory.write(
      Fixtures.numpy(1, "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }", "0100"), "numbers.npy")
    for paths in [[two, three], [two, numbers], [numbers, two]] {
      #expect(
        dataError { _ = try ArrayLabels.read(paths, format: .auto) }?.message.contains("labels of one kind") == true)
    }
    guard case .columns(let labels, let count) = try ArrayLabels.read([two, two], format: .auto).labels else {
      Issue.record("no columns")
      return
    }
    #expect(labels == [0, 1, 0, 1] && count == 2)
  }

  @Test func `Convert names a class for each one-hot column`() throws {
    let features = directory.write(
      Fixtures.numpy(1, "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 1), }", "0001"), "x.npy")
    let labels = directory.write(
      Fixtures.numpy(1, "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 2), }", "00010100"), "y.npy")
    func convert(_ names: String) throws {
      let names = try ClassNames(path: directory.write(Array(names.utf8), "names.txt"))
      _ = try Conversion(
        .init(FileList(features), labels: FileList(labels), classNames: names), to: .init(directory.path + "/out.csv")
      ).run()
    }
    try convert("b\na\n")
    #expect(String(decoding: try directory.read("out.csv"), as: UTF8.self) == "0,a\n1,b\n")
    let error = dataError { try convert("a\nb\nc\n") }
    #expect(error?.message.contains("has one-hot labels of 2 columns, and") == true)
  }

  /// What `convert` makes of int64 labels and these names, and what it says about them.
  private func converted(
    _ labels: [Int64], names: String
  ) throws -> (text: String, note: String?) {
    let features = directory.write(
      Fixtures.numpy(
        1, "{'descr': '|u1', 'fortran_order': False, 'shape': (\(labels.count), 1), }",
        String(repeating: "07", count: labels.count)), "x.npy")
    try NPY.write(labels, to: directory.path + "/y.npy")
    let names = try ClassNames(path: directory.write(Array(names.utf8), "names.txt"))
    let summary = try Conversion(
      .init(FileList(features), labels: FileList(directory.path + "/y.npy"), classNames: names),
      to: .init(directory.path + "/out.csv")
    ).run()
    return (String(decoding: try directory.read("out.csv"), as: UTF8.self), summary.labelNote)
  }

  @Test func `Convert takes numbers for the names of classes where these are other numbers than positions`() throws {
    for (labels, names, text, words) in [
      ([1, 3, 2], "1\n2\n3\n", "7,1\n7,3\n7,2\n", "not their positions"),
      ([2, 1], "1\n2\n3\n", "7,2\n7,1\n", "not their positions"),
      ([1, 0], "1\n0\n", "7,1\n7,0\n", "not their positions"),
      ([-1, 1], "+1\n-1\n", "7,-1\n7,+1\n", "not their positions"),
      ([2, 1], "0.5\n1.0\n2\n", "7,2\n7,1.0\n", "not their positions"),
      // What convert writes beside these names.
      ([1, 0, 2], "1\n2\n3\n", "7,2\n7,1\n7,3\n", "positions in"),
      ([1, 0], "-1\n+1\n", "7,+1\n7,-1\n", "positions in"),
      // Names that are positions, or words.
      ([2, 1], "0\n1\n2\n", "7,2\n7,1\n", nil), ([1, 0], "a\n1\n", "7,1\n7,a\n", nil),
    ] as [([Int64], String, String, String?)] {
      let result = try converted(labels, names: names)
      #expect(result.text == text && (result.note == nil) == (words == nil), "\(result)")
      #expect(result.note?.contains(words ?? "") ?? true, "\(result)")
    }
    for labels in [[0, 1], [1, 2, 4], [0, 1, 2, 3]] as [[Int64]] {
      let error = dataError { _ = try converted(labels, names: "1\n2\n3\n") }
      #expect(error?.message.contains("is none of the 3 classes of") == true)
      #expect(error?.message.contains("names.txt, '1', '2', '3'; add it there") == true, "\(error?.message ?? "")")
    }
  }

  @Test func `Convert writes the names that texts in arrays give classes`() throws {
    let features = directory.write(
      Fixtures.numpy(1, "{'descr': '|u1', 'fortran_order': False, 'shape': (3, 1), }", "070809"), "x.npy")
    let labels = directory.write(
      Fixtures.numpy(1, "{'descr': '|S1', 'fortran_order': False, 'shape': (3,), }", "626162"), "y.npy")
    let numbers = directory.write(
      Fixtures.numpy(1, "{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }", "010001"), "z.npy")
    func convert(_ labels: String) throws {
      _ = try Conversion(
        .init(FileList(features), labels: FileList(labels)),
        to: .init(directory.path + "/o.csv", classes: directory.path + "/c.txt")
      ).run()
    }
    try convert(labels)
    #expect(String(decoding: try directory.read("c.txt"), as: UTF8.self) == "a\nb\n")
    #expect(dataError { try convert(numbers) }?.message.contains("no names; name them with --class-names") == true)
  }
}
