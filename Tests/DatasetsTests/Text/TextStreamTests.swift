import Foundation
import LinearAlgebra
import TestSupport
import CBzip2
import TestSupport
import Testing

@testable import Datasets

/// The blocks of a text give the rows of the whole text.
@Suite struct TextStreamTests {
  let directory = try! TemporaryDirectory()

  static let blockSizes = [16, 17, 23, 64, 1 << 20]

  func file(_ text: [UInt8], compressed: Bool) -> String {
    directory.write(compressed ? Fixtures.storedMember(text) : text, compressed ? "packed" : "plain")
  }

  func blocks(_ stream: TextStream) throws -> [[UInt8]] {
    var blocks: [[UInt8]] = []
    while let block = try stream.next() { blocks.append(Array(block)) }
    return blocks
  }

  @Test(arguments: [
    "a\nb\n", "a\nb", "\n\n\n", "a", "one line that is longer than some blocks, and another one\nshort\n\nlast",
    "\u{feff}a\nb", String(repeating: "0123456789\n", count: 50),
  ])
  func `Blocks are whole lines`(_ text: String) throws {
    let expected = Array(text.replacing("\u{feff}", with: "").utf8)
    for compressed in [false, true] {
      for blockSize in Self.blockSizes {
        let stream = try TextStream(file(Array(text.utf8), compressed: compressed), blockSize: blockSize)
        for _ in 0..<2 {
          let blocks = try blocks(stream)
          #expect(blocks.allSatisfy { $0.last == TextFile.newline })
          #expect(blocks.flatMap { $0 } == expected + (expected.last == TextFile.newline ? [] : [TextFile.newline]))
          #expect(stream.fractionDone == 1)
          stream.rewind()
        }
      }
    }
  }

  @Test func `Files that cannot be read are errors`() {
    #expect(dataError { _ = try TextStream(directory.path + "/missing") }?.exitCode == 66)
    #expect(dataError { _ = try TextStream(directory.write([])) }?.message.hasPrefix("is empty") == true)
    let packed = dataError { _ = try TextStream(directory.write([0xfd] + Array("7zXZ".utf8))) }
    #expect(packed?.exitCode == 65 && packed?.message.hasSuffix("unxz -k \(directory.path)/file") == true)
    let damaged = Array(Fixtures.storedMember(Array("a 1:1\n".utf8)).dropLast(9)) + [UInt8](repeating: 0, count: 9)
    #expect(dataError { _ = try TextStream(directory.write(damaged)).next() }?.exitCode == 65)
  }

  @Test func `A file that is written to is an error`() throws {
    let path = directory.write(Array(String(repeating: "1 1:2\n", count: 20).utf8))
    let stream = try TextStream(path, blockSize: 16)
    _ = try stream.next()
    truncate(path, 60)
    #expect(dataError { _ = try blocks(stream) }?.message.contains("shorter") == true)
    let other = directory.write(Array(String(repeating: "1 1:2\n", count: 20).utf8), "other")
    let grown = try TextStream(other, blockSize: 16)
    _ = try grown.next()
    _ = directory.write(Array(String(repeating: "1 1:3\n", count: 20).utf8) + [0x0a], "other")
    #expect(dataError { _ = try blocks(grown) }?.message.contains("changed") == true)
  }

  // MARK: Examples

  typealias Options = (format: ExampleFormat, label: CSV.LabelPosition, columns: Int?, base: SVMLight.IndexBase)

  /// The rows and labels of a file that is read in blocks, as text; or the error.
  func stream(_ path: String, _ options: Options, _ blockSize: Int) -> String {
    outcome {
      let text = TextOptions(
        table: .init(label: options.label), columns: options.columns, indexBase: options.base)
      let stream = try TextExampleStream<Double>(
        [path], format: options.format, options: text, blockSize: blockSize
      ) { _ in }
      var (numbers, labels): ([Double], [String]) = ([], [])
      while let block = try stream.next() {
        #expect(block.count > 0)
        switch block.features {
        case .dense(let features): numbers += values(of: features)
        case .sparse(let features): numbers += values(of: try features.dense())
        }
        labels += block.labels?.map { stream.labelTexts!.texts[Int($0)] } ?? []
      }
      #expect(labels.isEmpty != stream.hasLabels && numbers.count == stream.rows * stream.columns)
      return "\(stream.columns) \(numbers) \(labels) \(stream.labelTexts?.places.map(\.line) ?? [])"
    }
  }

  /// The rows and labels of the whole file, as text; or the error.
  func whole(_ path: String, _ options: Options) -> String {
    outcome {
      let features: FeatureMatrix
      let labels: LabelColumn?
      if options.format == .svmlight {
        let (sparse, column, _) = try SVMLight.read(
          path: path, indexBase: options.base, columns: options.columns, element: .float64)
        (features, labels) = (try sparse.dense(), column)
      } else {
        let table = try CSV.read(
          path: path, options: .init(label: options.label, featureCount: options.columns, element: .float64))
        (features, labels) = (table.features, table.labels)
      }
      let texts = labels?.codes.map { labels!.texts[Int($0)] } ?? []
      return "\(features.columns) \(values(of: features)) \(texts) \(labels?.places.map(\.line) ?? [])"
    }
  }

  func outcome(_ body: () throws -> String) -> String {
    var text = ""
    if let error = dataError({ text = try body() }) { return "\(error.exitCode) \(error.message)" }
    return text
  }

  func expectSame(_ text: [UInt8], _ options: Options) {
    for compressed in [false, true] {
      let path = file(text, compressed: compressed)
      let expected = whole(path, options)
      for (threads, blockSize) in Self.blockSizes.enumerated() {
        let found = withThreads(1 + threads % 3) { stream(path, options, blockSize) }
        #expect(found == expected, "\(String(decoding: text, as: UTF8.self)) in blocks of \(blockSize)")
      }
    }
  }

  @Test func `Sparse rows are those of the whole file`() {
    var generator = SplitMix64(seed: 31)
    for _ in 0..<150 {
      let text = Array(generator.svmLightText().utf8)
      for base in SVMLight.IndexBase.allCases {
        expectSame(text, (.svmlight, .last, generator.next(below: 3) == 0 ? 60 : nil, base))
      }
    }
    for text in ["", "# none\n\n", "1\n2\n", "1 1:1\n2 9:1\n1 0:1\n"] {
      expectSame(Array(text.utf8), (.svmlight, .last, nil, .auto))
      expectSame(Array(text.utf8), (.svmlight, .last, 9, .auto))
    }
    expectSame(Array("1 1:1\n".utf8) + [0xff, 0x0a], (.svmlight, .last, nil, .auto))
  }

  @Test func `Tables are those of the whole file`() {
    let tables = [
      "x,y,kind\n1,2,a\n3,4,\"b, c\"\n\n5,6,a", "\n \n\n\n            \n\n1;2;3\n4;5;6\n", "1,2,3\n4,5\n6,7,8",
      "1,2\n3,x\n",
      "a b,c\n1,2\n", "1\n2\n", "1,2,a\n3,nan,b\n4,5,c\n", "\n\n", "1,2,3\n4,5,6\n7,8,\"9\n", "x,y\n",
      (0..<40).map { "\($0),\($0 * $0),\"class \($0 % 7)\"" }.joined(separator: "\n"),
    ]
    for table in tables {
      for label in [CSV.LabelPosition.last, .first, .number(2), .name("kind"), .absent] {
        for columns in [nil, 2, 3] { expectSame(Array(table.utf8), (.csv, label, columns, .auto)) }
      }
    }
  }

  @Test func `A file that changes between the readings is an error`() throws {
    let texts = ["1 1:2\n2 2:1\n", "1 1:2\n1 2:1\n2 1:1\n", "1 1:2\n3 2:1\n", "1 1:2\n\n2 1:1", "1 1:2\n2 3:1\n"]
    for text in texts.dropFirst() {
      let path = directory.write(Array(texts[0].utf8))
      let stream = try TextExampleStream<Float>([path], format: .svmlight) { _ in }
      _ = directory.write(Array(text.utf8))
      let error = dataError { while try stream.next() != nil {} }
      #expect(error?.exitCode == 65, "\(text)")
    }
  }

  /// The bytes as compressed by libbz2, in blocks of 100 kB.
  func bzip2(_ bytes: [UInt8]) -> [UInt8] {
    var source = bytes.map { CChar(bitPattern: $0) }
    var packed = [CChar](repeating: 0, count: bytes.count + bytes.count / 100 + 600)
    var count = UInt32(packed.count)
    let code = BZ2_bzBuffToBuffCompress(&packed, &count, &source, UInt32(bytes.count), 1, 0, 0)
    precondition(code == BZ_OK)
    return packed.prefix(Int(count)).map(UInt8.init(bitPattern:))
  }

  @Test func `Many blocks and members are one text`() throws {
    var samples = Samples(seed: 5)
    let lines = (0..<60_000).map { _ in
      "\(samples.integer(below: 9)) \(samples.integer(below: 1000)):\(samples.integer(below: 1 << 30))\n"
    }
    let text = Array(lines.joined().utf8)
    let packed = bzip2(Array(text[..<700_000])) + bzip2([]) + bzip2(Array(text[700_000...]))
    // Several times the window through which a file is read.
    #expect(packed.count > 1 << 18)
    let stream = try TextStream(directory.write(packed, "packed"), blockSize: 100_000)
    #expect(try blocks(stream).flatMap { $0 } == text)
    #expect(stream.fractionDone == 1)
    stream.rewind()
    #expect(try blocks(stream).flatMap { $0 } == text)
  }
}
