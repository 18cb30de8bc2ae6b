import TestSupport
import Testing

@testable import Datasets

/// Files that contain several arrays.
@Suite struct ContainerTests {
  let directory = try! TemporaryDirectory()

  static func npz(isDeflated: Bool = false, isWide: Bool = false) -> [UInt8] {
    ZipFile.bytes([
      .init(name: "X.npy", contents: Fixtures.float32Features, isDeflated: isDeflated, isWide: isWide),
      .init(name: "deep/y.npy", contents: Fixtures.labelsI8, isDeflated: isDeflated, isWide: isWide),
      .init(name: "notes.txt", contents: Array("no array".utf8)),
    ])
  }

  static func safetensors(_ header: String, _ data: [UInt8]) -> [UInt8] {
    let bytes = Array(header.utf8)
    return (0..<8).map { UInt8(truncatingIfNeeded: bytes.count >> (8 * $0)) } + bytes + data
  }

  static let tensors = safetensors(
    "{\"y\":{\"dtype\":\"I64\",\"shape\":[3],\"data_offsets\":[0,24]},"
      + "\"a:b\":{\"dtype\":\"BF16\",\"shape\":[3,2],\"data_offsets\":[24,36]}}",
    TypedBytes.bytes([2, 0, 1], .int64) + TypedBytes.bytes([0, 1.5, -2, 3, 4, 255], .bfloat16))

  static let expected = [0, 1.5, -2, 3, 4, 255]

  func streamed(_ path: String) throws -> [Double] {
    let stream = try FeatureStream(path: path)
    var result: [Double] = []
    for row in 0..<stream.rows { result += values(of: try #require(stream.read(row..<row + 1).matrix)) }
    try stream.skip(to: stream.rows)
    return result
  }

  @Test func `Arrays of archives are read by name`() throws {
    for (isDeflated, isWide) in [(false, false), (true, false), (false, true), (true, true)] {
      let path = directory.write(Self.npz(isDeflated: isDeflated, isWide: isWide), "all.npz")
      let features = try FeatureMatrix(path: path + ":X")
      #expect(values(of: features) == Self.expected && features.isMapped == !isDeflated)
      #expect(try streamed(path + ":X") == Self.expected)
      #expect(try DataFormat.auto.read(path + ":deep/y").labels() == [2, 0, 1])
      #expect(try ExampleWeights.read(FileList(path + ":deep/y"), for: 3, of: "x") == [2, 0, 1])
      #expect(try FeatureMatrix(path: path + ":X", format: .npz).rows == 3)
      let set = try Dataset(features: FileList(path + ":X"), labels: FileList(path + ":deep/y"))
      #expect(set.labels == [2, 0, 1] && set.featureFiles?.paths == [path + ":X"])
    }
    let single = directory.write(
      ZipFile.bytes([.init(name: "arr_0.npy", contents: Fixtures.fortranOrder, isDeflated: true)]), "one.npz")
    #expect(values(of: try FeatureMatrix(path: single)) == Self.expected)
    #expect(try streamed(single) == Self.expected)
  }

  @Test func `Tensors are read by name`() throws {
    let path = directory.write(Self.tensors, "all.safetensors")
    let features = try FeatureMatrix(path: path + ":a:b")
    #expect(values(of: features) == Self.expected && features.element == .bfloat16 && features.isMapped)
    #expect(try streamed(path + ":a:b") == Self.expected)
    #expect(try DataFormat.auto.read(path + ":y").labels() == [2, 0, 1])
    let single = directory.write(
      Self.safetensors("{\"x\":{\"dtype\":\"BOOL\",\"shape\":[2,2],\"data_offsets\":[0,4]}}", [0, 1, 1, 0]), "one")
    #expect(values(of: try FeatureMatrix(path: single)) == [0, 1, 1, 0])
  }

  @Test func `Patterns name the array of each file`() throws {
    for name in ["part-2.npz", "part-1.npz"] { _ = directory.write(Self.npz(), name) }
    let paths = try FileList(directory.path + "/part-*.npz:X").paths()
    #expect(paths == ["part-1.npz:X", "part-2.npz:X"].map { directory.path + "/" + $0 })
    #expect(try FeatureMatrix(paths: paths).rows == 6)
    // A file with exactly this name takes precedence.
    let odd = directory.write(Fixtures.uint8Features, "part-1.npz:X")
    #expect(try FeatureMatrix(path: odd).element == .uint8)
  }

  @Test func `What is meant must be told`() throws {
    let npz = directory.write(Self.npz(), "all.npz"), tensors = directory.write(Self.tensors, "all.safetensors")
    let text = directory.write(ZipFile.bytes([.init(name: "a.csv", contents: Array("1,2".utf8))]), "text.zip")
    let npy = directory.write(Fixtures.uint8Features, "x.npy")
    let unknown = directory.write(
      Self.safetensors("{\"x\":{\"dtype\":\"F8_E4M3\",\"shape\":[2,2],\"data_offsets\":[0,4]}}", [0, 1, 1, 0]), "f8")
    for (path, words) in [
      (npz, "name one of them as \(npz):X: X, deep/y"), (npz + ":z", "has no array 'z'; it has X, deep/y"),
      (tensors, "y, a:b"), (tensors + ":Y", "has no array 'Y'"), (text, "unzip"), (npy + ":X", "leave ':X' out"),
      (unknown, "tensor.float()"),
    ] {
      for read in [{ _ = try FeatureMatrix(path: path) }, { _ = try FeatureStream(path: path) }] {
        let error = dataError(read)
        #expect(error?.exitCode == 65 && error?.message.contains(words) == true, "\(error.map { "\($0)" } ?? words)")
      }
    }
    let missing = dataError { _ = try FeatureMatrix(path: directory.path + "/none.npz:X") }
    #expect(missing?.exitCode == 66)
  }

  @Test func `Damaged archives are errors`() throws {
    for isDeflated in [false, true] {
      let bytes = Self.npz(isDeflated: isDeflated, isWide: isDeflated)
      for index in bytes.indices {
        for damaged in [
          Array(bytes[..<index]), bytes.prefix(index) + [bytes[index] ^ 0x81] + bytes.suffix(from: index + 1),
        ] {
          let path = directory.write(damaged, "x.npz") + ":X"
          var (whole, parts): ([Double]?, [Double]?)
          let error = dataError { whole = values(of: try FeatureMatrix(path: path)) }
          let streamError = dataError { parts = try streamed(path) }
          #expect(
            (whole != nil) == (parts != nil) && (whole == nil) == (error != nil)
              && (parts == nil) == (streamError != nil))
          #expect(error.map { $0.exitCode == 65 } ?? true)
          // Deflated contents have a checksum.
          if isDeflated, let whole { #expect(whole == Self.expected) }
        }
      }
    }
  }
}
