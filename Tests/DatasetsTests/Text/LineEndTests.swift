import Foundation
import Testing

@testable import Datasets

/// Line ends of other systems.
@Suite struct LineEndTests {
  let directory = try! TemporaryDirectory()

  static let ends = ["\r", "\r\n", "\r\r\n", "\n"]

  /// The values from memory, and from a stream in blocks.
  func values(_ text: String, blockSize: Int, compressed: Bool = false) throws -> [[Double]] {
    let bytes = Array(text.utf8)
    let path = directory.write(compressed ? Fixtures.storedMember(bytes) : bytes, "t.csv" + (compressed ? ".gz" : ""))
    let stream = try TextExampleStream<Double>([path], format: .csv, blockSize: blockSize) { _ in }
    var streamed: [Double] = []
    while let block = try stream.next() { streamed += DatasetsTests.values(of: block.features.matrix!) }
    let table = try CSV.read(path: path, options: CSV.Options(element: .float64))
    #expect(stream.labelTexts?.texts == table.labels?.texts)
    return [streamed, DatasetsTests.values(of: table.features)]
  }

  @Test func `Carriage returns end lines where they end the first`() throws {
    let lines = ["x,y,kind", "1,2,a", "", "3,4,b c", "5,6,\"d\""]
    for end in Self.ends {
      for last in ["", end] {
        for (mark, compressed) in [("", false), ("\u{feff}", true)] {
          let text = mark + lines.joined(separator: end) + last
          for blockSize in [16, 17, 18, 19, 20, 1 << 16] {
            #expect(
              try values(text, blockSize: blockSize, compressed: compressed)
                == Array(
                  repeating: [1, 2, 3, 4, 5, 6], count: 2), "\(text.debugDescription)")
          }
        }
      }
    }
    // After a lone carriage return, the other kinds end lines, too.
    #expect(try values("x,y,l\r1,2,a\n3,4,b\r\n5,6,c\r", blockSize: 16)[0] == [1, 2, 3, 4, 5, 6])
    let sparse = TextInMemory("1 1:1\r-1 2:3 # c\r1 1:4\r")
    #expect(try rows(sparse.svmLight()).map(\.values) == [[1], [3], [4]])
  }

  @Test func `A line is counted once`() throws {
    for end in Self.ends where end != "\r\r\n" {
      let error = dataError { _ = try TextInMemory(["x,y,l", "1,2,a", "", "3,?,b"].joined(separator: end)).csv() }
      #expect(error?.message.hasPrefix("line 4: column 2 'y' has no number but '?'") == true, "\(error?.message ?? "")")
    }
  }

  @Test func `One within a line is named`() throws {
    for (text, line) in [
      ("x,y,l\n1,2,a\r3,4,b\n", 2), ("x,y,l\n1,2,a\n3,4\r5,b\n", 3), ("x,y,l\r\n1,2,a\r\n3,4,\"b\rc\"\r\n", 3),
      ("x,y,l\n1,2,a\rb\n", 2),
    ] {
      let message = dataError { _ = try TextInMemory(text).csv() }?.message
      #expect(message?.hasPrefix("line \(line): ") == true, "\(message ?? "no error")")
      #expect(message?.contains("carriage return") == true, "\(message ?? "")")
    }
  }

  @Test func `Newlines in quotes are named`() throws {
    for (text, line) in [
      ("\"x\ny\",z,l\n1,2,a\n", 1), ("x,z,l\n1,2,a\n3,4,\"b\nc\"\n", 3), ("x,z,l\r1,2,\"a\rb\"\r", 2),
    ] {
      let message = dataError { _ = try TextInMemory(text).csv() }?.message
      #expect(
        message?.hasPrefix("line \(line): a field in quotes does not end on its line") == true, "\(message ?? "")")
    }
  }

  @Test func `Text in two bytes a character is named`() throws {
    for (mark, encoding) in [
      ([0xff, 0xfe] as [UInt8], String.Encoding.utf16LittleEndian), ([0xfe, 0xff], .utf16BigEndian),
    ] {
      let path = directory.write(mark + Array("x,y,l\n1,2,a\n".data(using: encoding)!), "u.csv")
      for error in [
        dataError { _ = try CSV.read(path: path) },
        dataError { _ = try Conversion(.init(FileList(path)), to: .init(directory.path + "/o.npy")).run() },
      ] {
        #expect(error?.exitCode == 65 && error?.message.contains("iconv -f UTF-16") == true)
      }
    }
  }
}
