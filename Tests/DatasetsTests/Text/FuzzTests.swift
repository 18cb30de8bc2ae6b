import Foundation
import LinearAlgebra
import TestSupport
import Testing

@testable import Datasets

/// Mutated files end each reader with an error or with sound data, and never end the process. `FGN_TEST_FUZZ` is the
/// number of files per reader.
@Suite struct FuzzTests {
  static let count = ProcessInfo.processInfo.environment["FGN_TEST_FUZZ"].flatMap { Int($0) } ?? 20_000

  /// Calls `body` with mutants of `seeds`; `body` returns whether the result is sound, and throws for an error.
  func fuzz(_ seed: UInt64, _ seeds: [[UInt8]], _ words: [String], _ body: ([UInt8], Int) throws -> Bool) {
    var mutator = Mutator(seeds: seeds, words: words.map { Array($0.utf8) }, generator: SplitMix64(seed: seed))
    var readCount = 0
    for iteration in 0..<Self.count {
      let bytes = mutator.next()
      do {
        let isSound = try body(bytes, iteration)
        readCount += 1
        if !isSound { Issue.record("unsound: \(bytes)") }
      } catch let error as DataError where error.exitCode == 65 && !error.message.contains("\n") {
      } catch is NPYHeader.Malformed {
      } catch {
        Issue.record("\(error): \(bytes)")
      }
    }
    #expect(readCount > 0)
  }

  @Test func `Mutated files of LIBSVM's format`() {
    let seeds = [
      "+1 1:0.5 3:-2e3 # c\n-1 qid:4 2:7\r\n\n", "3 0:1\n2 5:.25 9:1e-3", "a 1:17.123456789012345678\nb 2:1\n",
      "1:2 7:1\n2:0.5\n",
    ]
    let words = [
      "1:", ":", " ", "\n", "#", "qid:", "-", "e", "1e400", "0:", "99999999999", "nan", ",", "\r", "2147483647:",
      "\u{0}",
    ]
    fuzz(1, seeds.map { Array($0.utf8) }, words) { bytes, iteration in
      let text = TextInMemory(bytes)
      func outcome(_ chunkSize: Int) -> Result<SVMLight.Examples, any Error> {
        Result {
          try text.svmLight(
            indexBase: SVMLight.IndexBase.allCases[iteration % 5 % 3], columns: iteration % 3 == 0 ? 9 : nil,
            element: iteration % 2 == 0 ? .float32 : .float64, chunkSize: chunkSize)
        }
      }
      let whole = outcome(1 << 20)
      if iteration % 4 == 0 { try checkSame(whole.map { rows($0) }, outcome(1 + iteration % 61).map { rows($0) }) }
      let data = try whole.get()
      return isSound(data.features) && data.labels.map { isSound($0, rows: data.features.rows) } ?? true
    }
  }

  @Test func `Mutated tables`() {
    let seeds = [
      "x,\"y,\"\"z\",l\n1,2.5,a\n-3,\"4e1\",\"b\"\"c\"\r\n", "1;2;3\n4;5;6", "1\t2\ta\n\n3\t4\tb\n", "1.25,7\n1e-3,8\n",
    ]
    let words = [",", ";", "\t", "\"", "\"\"", "\n", "\r\n", "1e400", "nan", "-", "e", ".", " ", "\"\n", "\u{0}", "x"]
    let labels: [CSV.LabelPosition] = [.last, .first, .number(2), .name("l"), .absent]
    fuzz(2, seeds.map { Array($0.utf8) }, words) { bytes, iteration in
      let text = TextInMemory(bytes)
      func outcome(_ chunkSize: Int) -> Result<CSV.Table, any Error> {
        Result {
          try text.csv(
            CSV.Options(
              separator: iteration % 3 == 0 ? .comma : nil, header: [.auto, .auto, .yes, .no][iteration % 4],
              label: labels[iteration % 7 % 5], element: iteration % 2 == 0 ? .float32 : .float64), chunkSize: chunkSize
          )
        }
      }
      let whole = outcome(1 << 20)
      if iteration % 4 == 0 {
        try checkSame(
          whole.map { values(of: $0.features) }, outcome(1 + iteration % 61).map { values(of: $0.features) })
      }
      let table = try whole.get()
      let hasNames = table.columns.features.isEmpty || table.columns.features.count == table.features.columns
      return hasNames && values(of: table.features).allSatisfy(\.isFinite) && table.features.rows > 0
        && table.labels.map { isSound($0, rows: table.features.rows) } ?? true
    }
  }

  @Test func `NPY header`() {
    let seeds = [
      "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }",
      "{'shape': (3,), 'descr': \"|u1\", 'fortran_order': True}\n",
      "{'descr': [('a', '<f4'), ('b', '<i8', (2,))], 'fortran_order': False, 'shape': (), }",
    ]
    let words = ["'", "(", ")", "[", "]", ",", ":", "{", "}", "True", "99999999999999999999", "'descr'", "\u{0}", "\\"]
    fuzz(3, seeds.map { Array($0.utf8) }, words) { bytes, _ in
      let header = try withExactBytes(bytes) { try NPYHeader(parsing: $0) }
      return header.shape.allSatisfy { $0 >= 0 }
    }
  }

  @Test func `Mutated NPY files`() throws {
    let file = try RewrittenFile()
    let seeds = [
      Fixtures.uint8Features, Fixtures.float32Features, Fixtures.float64Features, Fixtures.threeAxes,
      Fixtures.versionTwo, Fixtures.labelsI8, Fixtures.labelsU2, Fixtures.records, Fixtures.fortranOrder,
      Fixtures.bigEndian, Fixtures.float16Features, Fixtures.oneHotLabels,
    ]
    fuzz(
      4, seeds,
      ["(", ")", ",", "'<f8'", "'|u1'", "'>f2'", "'<U2'", "'S3'", "True", "0", "9999999999", "\u{1}", "\u{0}"]
    ) { bytes, _ in
      _ = try withExactBytes(bytes) { try NPY.layout(start: $0, size: $0.count, "bytes") }
      return isSound(try DataFormat.npy.read(file.write(bytes)), limit: bytes.count)
    }
  }

  @Test func `Mutated archives`() throws {
    let file = try RewrittenFile()
    let seeds = [
      ContainerTests.npz(), ContainerTests.npz(isDeflated: true), ContainerTests.npz(isDeflated: true, isWide: true),
      ZipFile.bytes([.init(name: "a.npy", contents: Fixtures.fortranOrder, isDeflated: true)]),
    ]
    fuzz(20, seeds, ["PK", "\u{1}\u{2}", "\u{3}\u{4}", "\u{5}\u{6}", "\u{0}", "\u{7f}", "X.npy"]) { bytes, iteration in
      let path = file.write(bytes) + (iteration % 4 == 0 ? "" : ":X")
      return isSound(try DataFormat.auto.read(path), limit: 1032 * bytes.count + 1032)
    }
  }

  @Test func `Mutated safetensors`() throws {
    let file = try RewrittenFile()
    fuzz(21, [ContainerTests.tensors], ["{", "}", "\"", ":", "[", "]", ",", "0", "9999999999", "\"F64\"", "\u{0}"]) {
      bytes, iteration in
      let path = file.write(bytes) + (iteration % 4 == 0 ? ":y" : ":a:b")
      return isSound(try DataFormat.safetensors.read(path), limit: bytes.count)
    }
  }

  @Test func `Mutated IDX files`() throws {
    let file = try RewrittenFile()
    let seeds = [
      Fixtures.plainIDX, Fixtures.idx(0x0d, [1, 1, 2], [0, 1, 2, 3, 4, 5, 6, 7]),
      Fixtures.idx(0x0b, [3], [0, 1, 0, 2, 0, 3]),
      Fixtures.idx(0x0e, [1, 1], [0, 1, 2, 3, 4, 5, 6, 7]),
    ]
    fuzz(5, seeds, ["\u{0}", "\u{0}\u{0}\u{0}\u{1}", "\u{8}", "\u{c}", "\u{7f}"]) { bytes, _ in
      _ = try withExactBytes(bytes) { try IDX.layout(start: $0, size: $0.count, "bytes") }
      return isSound(try DataFormat.idx.read(file.write(bytes)), limit: bytes.count)
    }
  }

  @Test func `Mutated GZIP files`() throws {
    try compressed(6, [Fixtures.gzipIDX, Fixtures.twoMemberIDX, Fixtures.gzipText], ["\u{1f}", "\u{0}", "\u{8}"])
  }

  @Test func `Bzip 2`() throws {
    try compressed(
      18, [Fixtures.bzip2IDX, Fixtures.memberBzip2IDX, Fixtures.bzip2Text], ["BZh", "1AY&SY", "\u{17}rE", "\u{0}"])
  }

  func compressed(_ seed: UInt64, _ seeds: [[UInt8]], _ words: [String]) throws {
    let file = try RewrittenFile()
    fuzz(seed, seeds, words) { bytes, iteration in
      let path = file.write(bytes)
      switch iteration % 3 {
      case 0: return isSound(try SVMLight.read(path: path).features)
      case 1: return isSound(try DataFormat.idx.read(path), limit: 46_620_000 + 1_456_875 * bytes.count)
      default:
        let stream = try FeatureStream(path: path)
        var count = 0
        while count < stream.rows {
          count += try stream.read(count..<count + 1).rows
        }
        try stream.skip(to: count)
        return true
      }
    }
  }

  /// Expects equal values, or equal errors.
  func checkSame<Value: Equatable>(_ first: Result<Value, any Error>, _ second: Result<Value, any Error>) throws {
    switch (first, second) {
    case (.success(let first), .success(let second)) where first == second: break
    case (.failure(let first), .failure(let second)) where "\(first)" == "\(second)": break
    default: throw Difference(description: "\(first) is not \(second)")
    }
  }

  struct Difference: Error, CustomStringConvertible {
    let description: String
  }

  func isSound(_ features: SparseFeatures) -> Bool {
    func isSound<Scalar: BLASScalar>(_: Scalar.Type) -> Bool {
      features.withStorage(as: Scalar.self) { rows, columns, values in
        (0..<features.rows).allSatisfy { row in
          let range = rows[row]
          return range.allSatisfy { columns[$0] >= 0 && Int(columns[$0]) < features.columns && values[$0].isFinite }
            && range.dropFirst().allSatisfy { columns[$0 - 1] < columns[$0] }
        } && (features.rows == 0 || rows[0].lowerBound == 0) && rows.valueCount == features.valueCount
      }
    }
    return features.element == .float32 ? isSound(Float.self) : isSound(Double.self)
  }

  func isSound(_ labels: LabelColumn, rows: Int) -> Bool {
    labels.codes.count == rows && labels.codes.allSatisfy { labels.texts.indices.contains(Int($0)) }
      && Set(labels.codes).count == labels.texts.count
  }

  func isSound(_ array: StoredArray, limit: Int) -> Bool {
    let byteCount = array.shape.reduce(array.type.size, *)
    var isSound = byteCount <= limit
    _ = UnsafeRawBufferPointer(start: array.base, count: byteCount).reduce(0) { $0 ^ $1 }
    if let features = try? array.features() {
      isSound = isSound && values(of: features).count == features.rows * features.columns
    }
    if let labels = try? array.labels() { isSound = isSound && labels.count == array.shape[0] }
    return isSound
  }
}

/// Calls `body` with the bytes in a buffer that ends where they end, so that the address sanitizer notices reads
/// beyond.
func withExactBytes<Result>(_ bytes: [UInt8], _ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
  let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
  defer { buffer.deallocate() }
  buffer.copyBytes(from: bytes)
  return try body(UnsafeRawBufferPointer(buffer))
}
