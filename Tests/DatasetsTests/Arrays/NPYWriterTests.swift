import LinearAlgebra
import Testing

@testable import Datasets

@Suite struct NPYWriterTests {
  let directory = try! TemporaryDirectory()

  @Test func `Files are byte for byte those of num py`() throws {
    let numbers = [0, 1.5, -2, 3, 4, 255]
    try NPY.write(Matrix(Vector(numbers.map { Float($0) }), 3, 2), to: directory.path + "/single")
    #expect(try directory.read("single") == Fixtures.float32Features)
    try NPY.write(Matrix(Vector(numbers), 3, 2), to: directory.path + "/double")
    #expect(try directory.read("double") == Fixtures.float64Features)
    try NPY.write([2, 0, 1], to: directory.path + "/integers")
    #expect(try directory.read("integers") == Fixtures.labelsI8)
  }

  @Test func `Headers end at multiples of 64 bytes`() {
    for rows in [0, 1, 1_000_000_000_000, Int.max] {
      for shape in [[rows], [rows, 0], [rows, 123_456_789], [1, rows, rows]] {
        let header = NPYWriter.header(shape: shape, element: .float32)
        #expect(header.count % 64 == 0 && header.last == 0x0a)
        #expect(Int(header[8]) + 256 * Int(header[9]) + 10 == header.count)
      }
    }
  }

  @Test func `Pieces make one array`() throws {
    let path = directory.path + "/pieces"
    let writer = try NPYWriter(path, shape: [5, 3], element: .init(Double.self))
    for rows in [0..<2, 2..<2, 2..<5] {
      try writer.append(Vector(rows.flatMap { row in (0..<3).map { Double(10 * row + $0) } }))
    }
    #expect(directory.names == ["pieces.partial"])
    try writer.finish()
    #expect(directory.names == ["pieces"])
    let features = try FeatureMatrix(path: path)
    #expect(features.rows == 5 && features.columns == 3)
    #expect(values(of: features) == (0..<5).flatMap { row in (0..<3).map { Double(10 * row + $0) } })
  }

  @Test func `An unfinished file leaves nothing`() throws {
    do {
      let writer = try NPYWriter(directory.path + "/unfinished", shape: [5], element: .int64)
      try writer.append([1, 2])
    }
    #expect(directory.names.isEmpty)
  }

  @Test func `A directory that does not exist is an output error`() {
    #expect(dataError { try NPY.write([1], to: directory.path + "/missing/file") }?.exitCode == 74)
  }
}
