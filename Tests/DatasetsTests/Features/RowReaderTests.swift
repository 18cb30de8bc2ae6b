import Foundation
import LinearAlgebra
import TestSupport
import Testing

@testable import Datasets

@Suite struct RowReaderTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  /// Rows in a file, with numbers that begin at `start`.
  private func file(_ name: String, rows: Int, columns: Int, from start: Int = 0) throws -> FeatureMatrix {
    let values = (0..<rows * columns).map { Float(start + $0) }
    try NPY.write(Matrix(Vector(values), rows, columns), to: path(name))
    return try FeatureMatrix(path: path(name))
  }

  private func path(_ name: String) -> String { directory.path + "/" + name }

  private func values(_ features: FeatureMatrix) -> [Float] {
    let target = Matrix<Float>(zeros: features.rows, features.columns)
    features.gather(rows: 0..<features.rows, into: target, normalization: .none)
    return target.elements.array
  }

  @Test(arguments: [1, 3, 700, 1024])
  func `Rows are read in their order, from files and memory`(columns: Int) throws {
    let parts = [
      try file("a.npy", rows: 100, columns: columns),
      FeatureMatrix((0..<10 * columns).map { Float(100 * columns + $0) }, shape: [columns]),
      try file("b.npy", rows: 90, columns: columns, from: 110 * columns),
    ]
    let reader = RowReader(FeatureMatrix(joining: parts))
    for rows in [[7], [], [199, 0], Array(0..<200), Array(90..<120) + [5, 6, 7, 7, 8] + [108, 109, 110, 111]] {
      reader.begin(rows)
      let result = try reader.finish()
      #expect(result.rows == rows.count && result.columns == columns && !result.pieces.isEmpty)
      #expect(values(result) == rows.flatMap { row in (row * columns..<(row + 1) * columns).map { Float($0) } })
    }
  }

  private func error(_ reader: RowReader) -> DataError? {
    reader.begin([1, 2, 300])
    return #expect(throws: DataError.self) { _ = try reader.finish() }
  }

  @Test func `A file that was written to, or is another one or gone, is not read on`() throws {
    let reader = RowReader(try file("a.npy", rows: 400, columns: 100))
    let text = try Data(contentsOf: URL(fileURLWithPath: path("a.npy")))
    try text.dropLast(80_000).write(to: URL(fileURLWithPath: path("a.npy")))
    #expect(error(reader)?.exitCode == 65)
    try FileManager.default.removeItem(atPath: path("a.npy"))
    let gone = try #require(error(reader))
    #expect(gone.exitCode == 66 && gone.description.contains(path("a.npy")))
    // The path gets another file with equal contents.
    try text.write(to: URL(fileURLWithPath: path("a.npy")))
    #expect(error(reader)?.exitCode == 65)
    // A failure is not remembered.
    reader.begin([])
    #expect(try reader.finish().rows == 0)
  }

  @Test func `A file that is open is read on while it has the rows`() throws {
    let reader = RowReader(try file("a.npy", rows: 400, columns: 100))
    reader.begin([399])
    #expect(try values(reader.finish())[0] == 39_900)
    let handle = try #require(FileHandle(forWritingAtPath: path("a.npy")))
    try FileManager.default.removeItem(atPath: path("a.npy"))
    reader.begin([1])
    #expect(try values(reader.finish())[0] == 100)
    try handle.truncate(atOffset: 80_000)
    #expect(error(reader)?.exitCode == 66)
  }

  @Test func `Sets of more files than may be open are read`() throws {
    let parts = try (0..<70).map { try file("\($0).npy", rows: 3, columns: 5, from: 15 * $0) }
    let reader = RowReader(FeatureMatrix(joining: parts))
    for _ in 0..<3 {
      reader.begin(Array(0..<210))
      #expect(try values(reader.finish()) == (0..<1050).map { Float($0) })
    }
  }
}
