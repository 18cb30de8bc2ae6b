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
}
