import LinearAlgebra
import Testing

@testable import Datasets

@Suite struct TextWriterTests {
  let directory = try! TemporaryDirectory()

  var path: String { directory.path + "/text" }

  static let doubles = [
    0.1, -1 / 3, .leastNonzeroMagnitude, .greatestFiniteMagnitude, .leastNormalMagnitude, 1e22, 123_456_789, 1e16, -0.5,
    1e-7,
  ]
  static let floats: [Float] = [
    0.1, -1 / 3, .leastNonzeroMagnitude, .greatestFiniteMagnitude, .leastNormalMagnitude, 16_777_216, 8_388_609, 1e10,
    3e-5, 7,
  ]

  func checkSVMLight<Scalar: BLASScalar>(_ numbers: [Scalar], _ element: FeatureMatrix.Element) throws {
    var writer = try SVMLightWriter(path)
    let columns = numbers.indices.map { Int32(3 * $0) }
    try writer.append(label: "a", columns: columns, values: numbers)
    try writer.append(label: "+1", columns: [], values: [] as [Scalar])
    try writer.append(label: "a", values: [0, 1, 0, -2] as [Scalar])
    #expect(directory.names.contains("text.partial"))
    try writer.finish()
    #expect(directory.names == ["text"])
    let data = try SVMLight.read(path: path, element: element)
    data.features.withStorage(as: Scalar.self) { rows, indices, values in
      let ends = [numbers.count, numbers.count, numbers.count + 2]
      #expect((0..<rows.count).map { rows[$0].upperBound } == ends)
      #expect(Array(indices) == columns + [1, 3] && Array(values) == numbers + [1, -2])
    }
    #expect(data.labels?.texts == ["a", "+1"] && data.labels?.codes == [0, 1, 0])
  }

  @Test func `Sparse rows are read back as they were`() throws {
    try checkSVMLight(Self.doubles, .float64)
    try checkSVMLight(Self.floats, .float32)
    #expect(String(decoding: try directory.read("text"), as: UTF8.self).hasSuffix("\n+1\na 2:1 4:-2\n"))
  }

  @Test func `Tables are read back as they were`() throws {
    let labels = ["a", "b c", "\"d\", e;f", "g\th", " i "]
    for separator in CSV.Separator.allCases {
      for names in [nil, ["x", "y z", "a\"b"]] {
        var writer = try CSVWriter(path, names: names, separator: separator)
        for (row, label) in labels.enumerated() {
          try writer.append(values: Self.doubles[2 * row..<2 * row + 2], label: label)
        }
        try writer.finish()
        let table = try CSV.read(path: path, options: .init(element: .float64))
        #expect(values(of: table.features) == Self.doubles)
        #expect(table.labels?.codes.map { table.labels!.texts[Int($0)] } == labels)
        #expect(table.columns.features == (names ?? []).dropLast())
      }
    }
    var writer = try CSVWriter(path)
    for pair in 0..<5 { try writer.append(values: Self.floats[2 * pair..<2 * pair + 2], label: nil) }
    try writer.finish()
    let features = try CSV.read(path: path, options: .init(label: .absent)).features
    #expect(values(of: features) == Self.floats.map(Double.init))
  }

  @Test func `Labels that a format cannot express are errors`() throws {
    for label in ["", "a b", "1,2", "1:2", "#", "a\n"] {
      let error = dataError {
        var writer = try SVMLightWriter(path)
        try writer.append(label: label, values: [1] as [Float])
      }
      #expect(error?.exitCode == 74 && error?.path == path)
    }
    let error = dataError {
      var writer = try CSVWriter(path)
      try writer.append(values: [1] as [Float], label: "a\nb")
    }
    #expect(error?.exitCode == 74)
    #expect(directory.names.isEmpty)
    #expect(dataError { _ = try CSVWriter(directory.path + "/missing/file") }?.exitCode == 74)
  }

  @Test func `Many rows are all written`() throws {
    var writer = try SVMLightWriter(path)
    for row in 0..<20_000 { try writer.append(label: "\(row % 7)", values: [1, Float(row)]) }
    try writer.finish()
    let data = try SVMLight.read(path: path)
    #expect(data.features.rows == 20_000 && data.features.valueCount == 39_999)
    #expect(data.labels!.codes.enumerated().allSatisfy { Int($1) == $0 % 7 })
  }
}
