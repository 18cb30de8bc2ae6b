import Testing

@testable import Datasets

/// For any contents of a file, reading ends with an error or with an array that lies within the file.
@Suite struct DamagedFileTests {
  let directory = try! TemporaryDirectory()

  static let files = [
    Fixtures.plainIDX, Fixtures.gzipIDX, Fixtures.twoMemberIDX, Fixtures.bzip2IDX, Fixtures.memberBzip2IDX,
    Fixtures.idx(0x0d, [1, 1, 2], [0, 1, 2, 3, 4, 5, 6, 7]),
    Fixtures.uint8Features, Fixtures.float64Features, Fixtures.versionTwo, Fixtures.labelsI8, Fixtures.columnLabels,
    Fixtures.records, Fixtures.fortranOrder, Fixtures.bigEndian, Fixtures.float16Features, Fixtures.oneHotLabels,
  ]

  func isPlain(_ bytes: [UInt8]) -> Bool { ![0x1f, UInt8(ascii: "B")].contains(bytes[0]) }

  /// Reads the file in all ways and touches all values.
  func use(_ path: String, size: Int, isPlain: Bool) -> (isRead: Bool, isSound: Bool) {
    var isRead = false
    var isSound = true
    for format in DataFormat.allCases {
      do {
        let array = try format.read(path)
        let byteCount = array.shape.reduce(array.type.size, *)
        isSound = isSound && (!isPlain || byteCount < size)
        _ = UnsafeRawBufferPointer(start: array.base, count: byteCount).reduce(0) { $0 ^ $1 }
        isRead = true
        if let features = try? array.features() {
          isSound = isSound && values(of: features).count == features.rows * features.columns
        }
        if let labels = try? array.labels() { isSound = isSound && labels.count == array.shape[0] }
      } catch {
        isSound = isSound && error.exitCode == 65 && error.path == path && !error.description.contains("\n")
      }
    }
    return (isRead, isSound)
  }

  @Test(arguments: files) func `A file that ends early is an error`(_ bytes: [UInt8]) {
    for count in 0..<bytes.count {
      let path = directory.write(Array(bytes.prefix(count)))
      let result = use(path, size: count, isPlain: true)
      // The first member alone is a complete stream, but too short for its header.
      #expect(!result.isRead && result.isSound, "\(count) bytes")
    }
    let isWhole = use(directory.write(bytes), size: bytes.count, isPlain: isPlain(bytes)).isRead
    #expect(isWhole == (bytes != Fixtures.records))
  }

  @Test(arguments: files) func `Extra bytes are an error`(_ bytes: [UInt8]) {
    for extra: [UInt8] in [[0], [0x1f], [1, 2, 3, 4, 5, 6, 7, 8]] {
      #expect(!use(directory.write(bytes + extra), size: bytes.count + extra.count, isPlain: true).isRead)
    }
  }

  @Test(arguments: files) func `Any changed byte is an error or a sound array`(_ bytes: [UInt8]) {
    for index in bytes.indices {
      for value: UInt8 in [0, 1, 3, 0x0a, 0x20, 0x27, 0x2c, 0x39, 0x7d, 0x80, 0xff] {
        var changed = bytes
        changed[index] = value
        let result = use(directory.write(changed), size: bytes.count, isPlain: isPlain(changed))
        #expect(result.isSound, "byte \(index) is \(value)")
      }
    }
  }

  @Test func `Files that cannot be read are named`() throws {
    let missing = directory.path + "/missing"
    let error = dataError { _ = try FeatureMatrix(path: missing) }
    #expect(error?.exitCode == 66 && error?.path == missing)
    #expect(dataError { _ = try FeatureMatrix(path: directory.path) }?.message.contains("directory") == true)
    #expect(dataError { _ = try FeatureMatrix(path: directory.path) }?.exitCode == 66)
    #expect(dataError { _ = try FeatureMatrix(path: "/dev/null") }?.exitCode == 66)
    #expect(dataError { _ = try FeatureMatrix(path: directory.write([])) }?.exitCode == 65)
  }
}
