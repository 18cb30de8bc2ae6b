import Foundation
import LinearAlgebra
import Testing

@testable import Datasets

/// A stream gives the values of the whole file, in pieces of any size.
@Suite struct FeatureStreamTests {
  let directory = try! TemporaryDirectory()

  static let files = [
    Fixtures.plainIDX, Fixtures.gzipIDX, Fixtures.twoMemberIDX, Fixtures.bzip2IDX, Fixtures.memberBzip2IDX,
    Fixtures.uint8Features, Fixtures.float32Features, Fixtures.float64Features, Fixtures.threeAxes, Fixtures.versionTwo,
    Fixtures.labelsI8, Fixtures.columnLabels,
    Fixtures.records, Fixtures.noExamples, Fixtures.fortranOrder, Fixtures.bigEndian, Fixtures.float16Features,
    Fixtures.idx(0x09, [3, 2], [1, 255, 3, 4, 5, 128]),
    Fixtures.idx(0x0d, [3, 2], (0..<6).flatMap { Fixtures.bigEndian((Float($0) / 8).bitPattern) }),
    Fixtures.idx(0x0e, [3, 1, 2], (0..<6).flatMap { Fixtures.bigEndian((Double($0) / 3).bitPattern) }),
  ]

  /// The values of a file that is read in pieces of `count` rows; every `step`th piece is read, and the others are
  /// skipped.
  func stream(_ path: String, by count: Int, every step: Int = 1) throws -> [Double] {
    let stream = try FeatureStream(path: path)
    var result: [Double] = []
    for (number, start) in Swift.stride(from: 0, to: stream.rows, by: count).enumerated() where number % step == 0 {
      let piece = try #require(stream.read(start..<min(start + count, stream.rows)).matrix)
      #expect(piece.columns == stream.columns)
      result += values(of: piece)
    }
    try stream.skip(to: stream.rows)
    return result
  }

  /// The outcome of reading as text: the values, or the error.
  func outcome(_ body: () throws -> [Double]) -> String {
    var result: [Double] = []
    if let error = dataError({ result = try body() }) { return "\(error.exitCode) \(error.message)" }
    return "\(result)"
  }

  @Test(arguments: files) func `Pieces are the rows of the file`(_ bytes: [UInt8]) {
    let path = directory.write(bytes)
    let whole = outcome { values(of: try FeatureMatrix(path: path)) }
    for count in 1...4 { #expect(outcome { try stream(path, by: count) } == whole) }
  }

  @Test(arguments: files) func `A damaged file is refused as a whole`(_ bytes: [UInt8]) {
    for index in bytes.indices {
      for damaged in [
        Array(bytes[..<index]), bytes.prefix(index) + [bytes[index] ^ 0x81] + bytes.suffix(from: index + 1),
      ] {
        let path = directory.write(damaged)
        let whole = outcome { values(of: try FeatureMatrix(path: path)) }
        let piecewise = outcome { try stream(path, by: 1) }
        // Faults of compressed files may be found at another place, with other words.
        let isCompressed = [0x1f, UInt8(ascii: "B")].contains(bytes[0])
        #expect(isCompressed ? piecewise.hasPrefix("65") == whole.hasPrefix("65") : piecewise == whole)
      }
    }
    #expect(outcome { try stream(directory.write(bytes + [7]), by: 2) }.hasPrefix("65"))
  }

  @Test func `Files that cannot be read are named`() {
    for path in [directory.path + "/missing", directory.path, "/dev/null"] {
      #expect(dataError { _ = try FeatureStream(path: path) }?.exitCode == 66)
    }
    #expect(dataError { _ = try FeatureStream(path: directory.write([])) }?.exitCode == 65)
  }

  @Test func `Impossible shapes are errors and take no memory`() {
    for shape in ["(0, 99999999999999)", "(0, 999999999999, 999999999999)", "(9999999999, 0, 9999999999, 9999999999)"] {
      let file = Fixtures.numpy(1, "{'descr': '<f8', 'fortran_order': False, 'shape': \(shape), }", "")
      #expect(dataError { _ = try FeatureStream(path: directory.write(file)) }?.exitCode == 65)
      #expect(dataError { _ = try FeatureMatrix(path: directory.write(file)) }?.exitCode == 65)
    }
  }

  @Test func `A header without an end is an error`() {
    let length = Fixtures.bigEndian(UInt32(3 << 20)).reversed()
    let file = [0x93] + Array("NUMPY".utf8) + [2, 0] + length + [UInt8](repeating: 0x20, count: 4 << 20)
    #expect(dataError { _ = try FeatureStream(path: directory.write(file)) }?.message.contains("announces") == true)
  }

  @Test func `A file that becomes shorter is an error`() throws {
    let path = directory.write(Fixtures.float64Features)
    let stream = try FeatureStream(path: path)
    _ = try stream.read(0..<1)
    truncate(path, Fixtures.float64Features.count - 1)
    #expect(dataError { _ = try stream.read(1..<3) }?.message.contains("shorter") == true)
  }

  /// Large enough for many windows of compressed bytes, and for members to end anywhere in them.
  @Test func `Compressed members of any length are one file`() throws {
    var generator = SplitMix64(seed: 4)
    let (rows, columns) = (5000, 300)
    let pixels = (0..<rows * columns).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
    var rest = Fixtures.idx(8, [UInt32(rows), UInt32(columns)], pixels)[...]
    var file: [UInt8] = []
    while !rest.isEmpty {
      let part = rest.prefix(1 + Int(generator.next(below: 60000)))
      file += Fixtures.storedMember(Array(part))
      rest = rest.dropFirst(part.count)
    }
    let path = directory.write(file)
    let expected = pixels.map(Double.init)
    #expect(try stream(path, by: 777) == expected)
    let third = stride(from: 0, to: rows, by: 300).flatMap { expected[$0 * columns..<min($0 + 100, rows) * columns] }
    #expect(try stream(path, by: 100, every: 3) == third)
    #expect(values(of: try FeatureMatrix(path: path)) == expected)
    for count in [1, 9, 70_000, file.count / 2] {
      let short = directory.write(Array(file.dropLast(count)))
      #expect(dataError { _ = try stream(short, by: 777) }?.exitCode == 65)
    }
  }
}
