import Testing

@testable import Datasets

@Suite struct IDXTests {
  let directory = try! TemporaryDirectory()

  @Test func `Plain and compressed files hold the same rows`() throws {
    for bytes in [
      Fixtures.plainIDX, Fixtures.gzipIDX, Fixtures.twoMemberIDX, Fixtures.bzip2IDX, Fixtures.memberBzip2IDX,
    ] {
      for format in [DataFormat.auto, .idx] {
        // Names do not matter: compression is told by the contents.
        let features = try FeatureMatrix(path: directory.write(bytes, "images"), format: format)
        #expect(features.rows == 3 && features.shape == [4] && features.element == .uint8)
        #expect(values(of: features) == (0..<12).map(Double.init))
      }
    }
  }

  @Test func `Every number type is read`() throws {
    let numbers = [0, 1, -2, 100, -128, 127]
    func check(_ code: UInt8, _ element: FeatureMatrix.Element, _ bytes: [UInt8], _ expected: [Double]) throws {
      let features = try FeatureMatrix(path: directory.write(Fixtures.idx(code, [3, 2, 1], bytes)))
      #expect(features.element == element && features.shape == [2, 1])
      #expect(values(of: features) == expected)
    }
    let expected = numbers.map(Double.init)
    try check(0x08, .uint8, [0, 1, 2, 3, 254, 255], [0, 1, 2, 3, 254, 255])
    try check(0x09, .int8, numbers.map { UInt8(bitPattern: Int8($0)) }, expected)
    try check(0x0b, .int16, numbers.flatMap { Fixtures.bigEndian(Int16($0 * 256)) }, expected.map { $0 * 256 })
    try check(
      0x0c, .int32, numbers.flatMap { Fixtures.bigEndian(Int32($0 << 24 | 1)) }, numbers.map { Double($0 << 24 | 1) })
    try check(
      0x0d, .float32, numbers.flatMap { Fixtures.bigEndian((Float($0) / 8).bitPattern) }, expected.map { $0 / 8 })
    try check(
      0x0e, .float64, numbers.flatMap { Fixtures.bigEndian((Double($0) / 3).bitPattern) }, expected.map { $0 / 3 })
  }

  @Test func `Labels of every integer type are read`() throws {
    let labels: [Int32] = [3, -1, 7]
    func read(_ code: UInt8, _ bytes: [UInt8]) throws -> [Int32] {
      try DataFormat.auto.read(directory.write(Fixtures.idx(code, [3], bytes))).labels()
    }
    #expect(try read(0x08, [3, 200, 7]) == [3, 200, 7])
    #expect(try read(0x09, [3, 0xff, 7]) == labels)
    #expect(try read(0x0b, labels.flatMap { Fixtures.bigEndian(Int16($0)) }) == labels)
    #expect(try read(0x0c, labels.flatMap { Fixtures.bigEndian($0) }) == labels)
    #expect(try read(0x0d, labels.flatMap { Fixtures.bigEndian(Float($0).bitPattern) }) == labels)
  }

  @Test func `Headers that announce more than the file holds are errors`() throws {
    let giant: [[UInt32]] = [
      [1 << 30, 1 << 30], [UInt32.max, UInt32.max, UInt32.max], [1 << 31, 1 << 31, 2], [3, 5],
      [0, UInt32.max, UInt32.max, 2],
    ]
    for extents in giant {
      for code: UInt8 in [0x08, 0x0e] {
        let path = directory.write(Fixtures.idx(code, extents, [UInt8](repeating: 1, count: 12)))
        #expect(dataError { _ = try FeatureMatrix(path: path) }?.exitCode == 65)
      }
    }
    for bytes in [Fixtures.gzipHugeIDX, Fixtures.bzip2HugeIDX] {
      let error = dataError { _ = try FeatureMatrix(path: directory.write(bytes)) }
      #expect(error?.message.contains("more than a file of") == true)
    }
  }

  @Test func `Compressed files of another length are errors`() throws {
    for bytes in [
      Fixtures.gzipShortIDX, Fixtures.gzipLongIDX, Fixtures.gzipIDX + [0], Fixtures.gzipIDX + [0x1f, 0x8b],
      Fixtures.bzip2ShortIDX, Fixtures.bzip2LongIDX, Fixtures.bzip2IDX + [0], Fixtures.bzip2IDX + Fixtures.gzipIDX,
      Fixtures.bzip2IDX + Array("BZh91AY&SY".utf8),
    ] {
      #expect(dataError { _ = try FeatureMatrix(path: directory.write(bytes)) }?.exitCode == 65)
    }
    for (bytes, command) in [(Fixtures.gzipNPY, "gunzip"), (Fixtures.bzip2NPY, "bunzip2")] {
      let path = directory.write(bytes)
      #expect(dataError { _ = try FeatureMatrix(path: path) }?.message.hasSuffix(": \(command) -k \(path)") == true)
    }
  }

  @Test func `A flipped bit of compressed contents is noticed`() throws {
    // From the deflate data on: the ten bytes before hold a time stamp and the like, which no checksum covers. Only the
    // bits that fill the last byte of the deflate data may change.
    try checkFlippedBits(Fixtures.gzipIDX, from: 10, harmless: 8)
    // bzip2 also ignores codes that no symbol has.
    try checkFlippedBits(Fixtures.bzip2IDX, from: 0, harmless: 21)
  }

  func checkFlippedBits(_ file: [UInt8], from start: Int, harmless limit: Int) throws {
    var harmless = 0
    for index in start..<file.count {
      for bit in 0..<8 {
        var bytes = file
        bytes[index] ^= 1 << bit
        let path = directory.write(bytes)
        do {
          #expect(values(of: try FeatureMatrix(path: path)) == (0..<12).map(Double.init), "bit \(bit) of byte \(index)")
          harmless += 1
        } catch {
          #expect(error.exitCode == 65)
        }
      }
    }
    #expect(harmless < limit)
  }

  @Test func `Missing examples and axes are errors`() throws {
    for (extents, elements): ([UInt32], [UInt8]) in [([0, 4], []), ([4, 0], []), ([3], [1, 2, 3]), ([], [1])] {
      let path = directory.write(Fixtures.idx(0x08, extents, elements))
      #expect(dataError { _ = try FeatureMatrix(path: path) }?.exitCode == 65)
    }
  }
}
