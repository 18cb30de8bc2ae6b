import Foundation
import LinearAlgebra
import TestSupport
import Testing

@testable import Datasets

@Suite struct SVMLightTests {
  let directory = try! TemporaryDirectory()

  func read(
    _ text: String, indexBase: SVMLight.IndexBase = .auto, columns: Int? = nil, chunkSize: Int = 1 << 20
  ) throws -> SVMLight.Examples {
    try TextInMemory(text).svmLight(indexBase: indexBase, columns: columns, chunkSize: chunkSize)
  }

  func error(_ text: String, indexBase: SVMLight.IndexBase = .auto, columns: Int? = nil) -> String? {
    let messages = [1, 5, 1 << 20].map { chunkSize in
      dataError { _ = try read(text, indexBase: indexBase, columns: columns, chunkSize: chunkSize) }?.message
    }
    #expect(messages.allSatisfy { $0 == messages[0] })
    return messages[0]
  }

  @Test func `A file is read as it is meant`() throws {
    let text = "# made by hand\n+1 1:0.5 3:-2 # first\n\n-1 qid:7 2:1e3\t4:0 \r\n+1\n  3 1:.25"
    let data = try read(text)
    #expect(
      rows(data) == [
        SparseRow(label: "+1", columns: [0, 2], values: [0.5, -2]),
        SparseRow(label: "-1", columns: [1], values: [1000]),
        SparseRow(label: "+1"), SparseRow(label: "3", columns: [0], values: [0.25]),
      ])
    #expect(data.features.columns == 4 && data.features.valueCount == 4 && data.features.element == .float64)
    #expect(data.labels?.texts == ["+1", "-1", "3"] && data.labels?.places.map(\.line) == [2, 4, 6])
    #expect(values(of: try data.features.dense()) == [0.5, 0, -2, 0, 0, 1000, 0, 0, 0, 0, 0, 0, 0.25, 0, 0, 0])
  }

  @Test func `Indices count from zero if one is zero or as told`() throws {
    func columns(_ text: String, _ base: SVMLight.IndexBase, _ columns: Int? = nil) throws -> [[Int]] {
      try [1, 1 << 20].map { chunkSize in
        let data = try read(text, indexBase: base, columns: columns, chunkSize: chunkSize)
        return [data.features.columns] + rows(data).flatMap(\.columns)
      }.reduce([]) { $0 == [] || $0 == [$1] ? [$1] : $0 + [$1] }
    }
    #expect(try columns("1 1:1 3:1\n1 2:1\n", .auto) == [[3, 0, 2, 1]])
    #expect(try columns("1 1:1 3:1\n1 0:1 2:1\n", .auto) == [[4, 1, 3, 0, 2]])
    #expect(try columns("1 1:1 3:1\n1 2:1\n", .zero) == [[4, 1, 3, 2]])
    #expect(try columns("1 1:1 3:1\n1 2:1\n", .one, 9) == [[9, 0, 2, 1]])
    #expect(try columns("1 1:1 3:1\n1 0:0\n", .auto, 4) == [[4, 1, 3]])
    #expect(try columns("1\n2\n", .auto, 4) == [[4]])
    #expect(error("1 1:1\n1 0:1\n", indexBase: .one)?.contains("line 2: the index of '0:1' is 0") == true)
  }

  @Test func `Indices beyond the training set are errors`() {
    for base in SVMLight.IndexBase.allCases {
      let message = error("1 1:1\n\n1 2:1 5:1\n", indexBase: base, columns: 4)
      #expect(message == "line 3: the index of '5:1' is beyond the 4 columns of the training set")
    }
    #expect(error("1 4:1\n", columns: 4) == nil)
    #expect(error("1 4:1\n1 0:1\n", columns: 4)?.hasPrefix("line 1: the index of '4:1'") == true)
    #expect(error("1 4:1\n", indexBase: .zero, columns: 4)?.hasPrefix("line 1: the index of '4:1'") == true)
  }

  @Test(arguments: [
    ("1 1:1 x:2", "line 1: the index of 'x:2' is no whole number"), ("1 -1:2", "line 1: the index of '-1:2'"),
    ("1 1:1\n2 5", "line 2: '5' is no index:value pair"), ("1 2:1 2:1", "'2:1' does not increase, it follows 2"),
    ("\n\n1 3:1 2:1", "line 3: the index of '2:1' does not increase"), ("1 1:", "the value of '1:' is no finite"),
    ("1 1:nan", "the value of '1:nan' is no finite number"), ("1 1:inf", "'1:inf' is no finite number"),
    ("1 1:1e400", "'1:1e400' is too large for float64"), ("1 1:0x1", "'1:0x1' is no finite"), ("1 1: 2", "'1:'"),
    ("1 :2", "the index of ':2' is no whole number"), ("1,2 3:4", "line 1: has several labels, '1,2'"),
    ("1 1:1\n\n3:4 5:6", "line 3: starts with '3:4', and not with a label"),
    ("1:1\n# c\n1 1:1", "line 3: starts with '1', and the lines before have no labels"),
    ("1:1\n2", "line 2: starts with '2'"),
    ("1:1\n\n2:1", "line 2: is empty"), ("\n1:1\n", "line 1: is empty"), ("1:1\n \t\r\n", "line 2: is empty"),
    ("1 99999999999:1", "is too large"),
    ("1 99999999999999999999999:1", "has more than 18 digits"), ("1 0000000000000000001:1", "has more than 18 digits"),
    ("1 2147483648:1", "is too large"), ("1 1:2 qid:3", "'qid:3'"),
    ("1 1:2:3", "'1:2:3'"), ("1 1:2\u{0}", "'1:2\\0'"), ("", "is empty"), ("\n# nothing\n", "holds no examples"),
    ("1\n2\n", "its examples have no values"), ("PK\u{3}\u{4}", "unzip text"),
    ("1 1:" + String(repeating: "x", count: 1000), "xxx…'"),
  ])
  func `What is wrong is named with its line`(_ text: String, _ message: String) {
    #expect(error(text)?.contains(message) == true, "\(error(text) ?? "no error")")
  }

  @Test func `Lines without labels are examples to be classified`() throws {
    for chunkSize in [1, 9, 1 << 20] {
      let data = try read("# to be classified\n1:0.5 3:2\nqid:7 2:1e3 # c\n  1:0\n4:1", chunkSize: chunkSize)
      #expect(data.labels == nil && data.indices.base == .one && data.features.columns == 4)
      #expect(
        rows(data) == [
          SparseRow(columns: [0, 2], values: [0.5, 2]), SparseRow(columns: [1], values: [1000]), SparseRow(),
          SparseRow(columns: [3], values: [1]),
        ])
    }
  }

  @Test func `The base and the largest index are told`() throws {
    for chunkSize in [1, 1 << 20] {
      let one = try read("1 1:1\n\n2 3:1 9:0\n1 9:1\n", chunkSize: chunkSize).indices
      #expect(one == SVMLight.Indices(base: .one, largest: 9, path: "text", line: 3))
      let zero = try read("1 0:1\n2 3:1\n", chunkSize: chunkSize).indices
      #expect(zero == SVMLight.Indices(base: .zero, largest: 3, path: "text", line: 2))
    }
    // These indices count from 1, and include the last column.
    #expect(error("1 1:1\n2 4:1\n", indexBase: .zero, columns: 4)?.contains("if these count from 1") == true)
    #expect(error("1 1:1\n2 4:1\n", indexBase: .one, columns: 3)?.contains("if these") == false)
  }

  @Test func `Labels that are no text are refused`() {
    let message = dataError { _ = try TextInMemory([0x31, 0x20, 0x31, 0x3a, 0x31, 0x0a, 0xff, 0x0a]).svmLight() }?
      .message
    #expect(message?.hasPrefix("line 2: the label is no UTF-8") == true)
  }

  @Test func `Single precision is rounded once and may be too small`() throws {
    let text = TextInMemory("1 1:0.1 2:1.00000005960464477539063 3:1e-50")
    let data = try text.svmLight(element: .float32)
    #expect(rows(data)[0].values == [Double(Float(0.1)), Double(Float(1).nextUp)] && data.features.columns == 3)
    let large = dataError { _ = try TextInMemory("1 1:1e39").svmLight(element: .float32) }
    #expect(large?.message == "line 1: the value of '1:1e39' is too large for float32; read the file as float64")
  }

  @Test func `Every chunk size gives what the naive reader gives`() throws {
    var generator = SplitMix64(seed: 5)
    var refused = 0
    for _ in 0..<400 {
      let text = generator.svmLightText()
      let expected = naiveSVMLight(text)
      refused += expected == nil ? 1 : 0
      let chunkSizes = text.utf8.count < 200 ? Array(1...text.utf8.count) : [1, 7, 64, 100, 1000]
      for chunkSize in chunkSizes {
        let found = withThreads(1 + chunkSize % 3) { try? rows(read(text, chunkSize: chunkSize)) }
        #expect(found == expected, "\(text)")
      }
    }
    #expect(refused > 20 && refused < 300)
  }

  @Test func `Line ends of windows and byte order marks are read`() throws {
    let text = "+1 1:0.5\n\n# c\n-1 2:1\n"
    let expected = rows(try read(text))
    #expect(rows(try read("\u{feff}" + text.replacingOccurrences(of: "\n", with: "\r\n"))) == expected)
  }

  @Test func `A long line is one row`() throws {
    let text = "a " + (1...50_000).map { "\($0):\($0)" }.joined(separator: " ")
    let data = try read(text + "\nb 1:1\n" + text, chunkSize: 1000)
    #expect(data.features.rows == 3 && data.features.columns == 50_000 && data.features.valueCount == 100_001)
    #expect(rows(data)[2].values == (1...50_000).map(Double.init))
  }

  @Test func `Compressed files are unpacked`() throws {
    for bytes in [Fixtures.gzipText, Fixtures.bzip2Text] {
      let data = try SVMLight.read(path: directory.write(bytes, "file"))
      #expect(
        rows(data) == [
          SparseRow(label: "a", columns: [0], values: [0.5]), SparseRow(label: "b", columns: [2], values: [3]),
        ])
      let damaged = directory.write(Array(bytes.dropLast(3)), "damaged")
      #expect(dataError { _ = try SVMLight.read(path: damaged) }?.message.contains("end early") == true)
    }
    #expect(dataError { _ = try SVMLight.read(path: directory.path + "/missing") }?.exitCode == 66)
  }

  @Test func `Sparse features are made of arrays`() throws {
    func check<Scalar: BLASScalar>(_ numbers: [Scalar], _ element: FeatureMatrix.Element) throws {
      let features = try SparseFeatures(
        name: "arrays", columns: 4, starts: [0, 2, 2, 3], indices: [0, 3, 1], values: numbers)
      #expect(features.rows == 3 && features.columns == 4 && features.valueCount == 3 && features.element == element)
      features.withStorage(as: Scalar.self) { rows, columns, values in
        #expect((0..<rows.count).map { rows[$0] } == [0..<2, 2..<2, 2..<3])
        #expect(Array(columns) == [0, 3, 1] && Array(values) == numbers)
      }
      let dense = try features.dense()
      #expect(dense.element == element && dense.shape == [4])
      #expect(values(of: dense) == [1, 0, 0, -2, 0, 0, 0, 0, 0, 0.5, 0, 0])
    }
    try check([1, -2, 0.5] as [Float], .float32)
    try check([1, -2, 0.5] as [Double], .float64)
  }

  @Test func `A matrix that is too large is an error`() throws {
    let indices = [0, Int32.max - 1]
    let features = try SparseFeatures(
      name: "huge", columns: Int(Int32.max), starts: [0, 2] + [Int](repeating: 2, count: 1 << 20), indices: indices,
      values: [1, 2] as [Float])
    #expect(dataError { _ = try features.dense() }?.message.contains("more memory") == true)
  }
}

extension SplitMix64 {
  /// Lines as they may occur, some of them wrong.
  mutating func svmLightText() -> String {
    let hasLabels = next(below: 3) > 0
    func end() -> String { hasLabels ? "1 1:1" : "1:1" }
    var text = ""
    for _ in 0..<next(below: 12) {
      switch next(below: 12) {
      case 0:
        text += pick(
          hasLabels || next(below: 20) == 0 ? ["", "  ", "# comment 1:2", "\t#"] : ["# comment 1:2", "\t#"])
      default:
        if hasLabels || next(below: 40) == 0 {
          text += pick(["1", "-1", "+1", "3", "2.0", "cat", "né", " 1", next(below: 40) == 0 ? "1,2" : "0"])
        }
        if next(below: 8) == 0 { text += " qid:\(next(below: 9))" }
        var index = next(below: 20) == 0 ? 0 : 1
        for _ in 0..<next(below: 8) {
          index += Int(next(below: 50))
          text += pick([" ", "  ", "\t"]) + "\(index):" + numberText()
          index += next(below: 100) == 0 ? 0 : 1
        }
        text += pick(["", "", " ", " # 3:x", "#"])
      }
      text += "\n"
    }
    return next(below: 2) == 0 ? text + end() : text + end() + "\n"
  }
}
