import Foundation
import LinearAlgebra
import TestSupport
import Testing

@testable import Datasets

@Suite struct CSVTests {
  let directory = try! TemporaryDirectory()

  func read(_ text: String, _ options: CSV.Options = CSV.Options(element: .float64), chunkSize: Int = 1 << 20) throws
    -> CSV.Table
  {
    try TextInMemory(text).csv(options, chunkSize: chunkSize)
  }

  func error(_ text: String, _ options: CSV.Options = CSV.Options(element: .float64)) -> String? {
    let messages = [1, 5, 1 << 20].map { chunkSize in
      dataError { _ = try read(text, options, chunkSize: chunkSize) }?.message
    }
    #expect(messages.allSatisfy { $0 == messages[0] })
    return messages[0]
  }

  func labels(_ table: CSV.Table) -> [String] { table.labels?.codes.map { table.labels!.texts[Int($0)] } ?? [] }

  @Test func `A table is read as it is meant`() throws {
    let text =
      "sepal, \"the \"\"petal\"\"\",species\r\n5.1,\"3.5\",setosa\r\n\r\n -4.9 ,3e0, \"a, \"\"b\"\"\" \n7,.5, c d "
    for chunkSize in 1...text.utf8.count {
      let table = try read(text, chunkSize: chunkSize)
      #expect(table.columns.features == ["sepal", "the \"petal\""])
      #expect(values(of: table.features) == [5.1, 3.5, -4.9, 3, 7, 0.5] && table.features.shape == [2])
      #expect(labels(table) == ["setosa", "a, \"b\"", "c d"] && table.labels?.places.map(\.line) == [2, 4, 5])
    }
  }

  @Test func `The label may be in any column`() throws {
    func read(_ label: CSV.LabelPosition, header: CSV.Header = .auto) throws -> ([Double], [String], [String]) {
      let table = try self.read("x,y,z\n1,2,3\n4,5,6", .init(header: header, label: label, element: .float64))
      return (values(of: table.features), labels(table), table.columns.features)
    }
    #expect(try read(.last) == ([1, 2, 4, 5], ["3", "6"], ["x", "y"]))
    #expect(try read(.first) == ([2, 3, 5, 6], ["1", "4"], ["y", "z"]))
    #expect(try read(.number(2)) == ([1, 3, 4, 6], ["2", "5"], ["x", "z"]))
    #expect(try read(.name("y")) == ([1, 3, 4, 6], ["2", "5"], ["x", "z"]))
    #expect(try read(.absent) == ([1, 2, 3, 4, 5, 6], [], ["x", "y", "z"]))
    #expect(try self.read("1,2", .init(label: .absent)).labels == nil)
  }

  @Test func `The first line is a header if no feature is a number`() throws {
    #expect(try read("1,2,a\n3,4,b").features.rows == 2)
    #expect(try read("x,y,a\n3,4,b").features.rows == 1)
    #expect(try read("\n \n\nx,y,a\n3,4,b").features.rows == 1)
    #expect(try read("1,2,a\n3,4,b", .init(header: .yes)).columns.features == ["1", "2"])
    #expect(try read("1,2,3\n3,4,5", .init(label: .name("2"))).columns.features == ["1", "3"])
    #expect(
      error("x,2,a\n3,4,b", .init(header: .no))?.hasPrefix("line 1: column 1 has 'x', which is no number") == true)
    // A missing number does not make a line a header.
    for text in ["1,nan,a\n3,4,b", "1,,a\n3,4,b", "NA,2,a\n3,4,b"] {
      #expect(error(text)?.hasPrefix("line 1: column") == true)
    }
  }

  @Test(arguments: [
    // A label with another separator, in quotes or without them, with names and without.
    ("1,2,Action;Comedy\n3,4,Drama;War\n", [1, 2, 3, 4], ["Action;Comedy", "Drama;War"]),
    ("1,2,Action;5\n3,4,Drama;7\n", [1, 2, 3, 4], ["Action;5", "Drama;7"]),
    ("a,b,c;d\n1,2,e;f\n3,4,g;h\n", [1, 2, 3, 4], ["e;f", "g;h"]), ("1,2,e;f\n", [1, 2], ["e;f"]),
    ("1,2,\"e;f\"\n3,4,\"e;f\"\n", [1, 2, 3, 4], ["e;f"]), ("1,\"e;f\"\n3,\"g;f\"\n", [1, 3], ["e;f", "g;f"]),
    ("1,2,\"e\"\";f\"\n", [1, 2], ["e\";f"]), ("\"a;b\",\"c;d\",l\n1,2,3\n", [1, 2], ["3"]),
    ("1;2;\"a,b\"\n3;4;\"c,d\"\n", [1, 2, 3, 4], ["a,b", "c,d"]),
    ("1;2;a,b\n3;4;c,d\n", [1, 2, 3, 4], ["a,b", "c,d"]),
    ("1,2,x\ty\n3,4,z\tw\n", [1, 2, 3, 4], ["x\ty", "z\tw"]), ("1;6\" x\n2;5\" y\n", [1, 2], ["6\" x", "5\" y"]),
  ]) func `Separators within a label are told from those of the table`(
    _ text: String, _ numbers: [Double], _ labels: [String]
  ) throws {
    let table = try TextInMemory(text).csv(CSV.Options(element: .float64))
    #expect(values(of: table.features) == numbers && table.labels?.texts == labels)
  }

  @Test func `Decimal commas are refused`() {
    for text in ["1,5;2,5;a\n2,5;3,5;b\n", "1,5;a\n2,5;b\n"] {
      #expect(
        dataError { _ = try TextInMemory(text).csv() }?.message.contains("has '2,5', which is no number") == true,
        "\(text)")
    }
  }

  @Test func `The separator is told by the first line`() throws {
    for separator in [",", ";", "\t"] {
      let text = "\"a,;\"\(separator)b\(separator)c\n1\(separator)2\(separator)x,y;z\n".replacingOccurrences(
        of: "x,y;z", with: separator == "\t" ? "x,y;z" : "w")
      #expect(values(of: try read(text).features) == [1, 2])
    }
    let options = CSV.Options(separator: .comma, header: .no)
    #expect(labels(try read("1,a;b\n", options)) == ["a;b"])
    #expect(error("1,5;2,5;x\n1,5;2,5;x\n3")?.contains("has '1,5', which is no number") == true)
  }

  @Test(arguments: [
    ("1,2,a\n3,,b", "line 2: column 2 is empty"),
    ("x,y z,l\n3,nan,b", "line 2: column 2 'y z' has no number but 'nan'"),
    ("1,2,a\n3,inf,b", "line 2: column 2 has no number but 'inf'"),
    ("1,2,a\n3,1e999,b", "which is too large for float64"),
    ("1,2,a\n\n3,b", "line 3: has 2 fields, and the first line has 3"), ("1,2,a\n3,4,5,b", "line 2: has 4 fields"),
    ("1,2,a\n3,4,", "line 2: the label is empty"), ("1,2,a\n3,4,\"\"", "line 2: the label is empty"),
    ("1,2,a\n3,4,\"b\n\"", "line 2: a field in quotes does not end on its line"),
    ("1,2,a\n3,\"4\"5,b", "line 2: something follows the closing quote of '4'"),
    ("1,2,a\n3,0x4,b", "'0x4', which is no"),
    ("1,2,a\n3,4 5,b", "'4 5', which is no number"), ("", "is empty"), ("\n \r\n", "holds no examples"),
    ("x,y,z\n", "holds no examples: line 1 is taken for the names of columns"),
    ("a\nb", "has one column, that of the labels; check the separator, which is ','"),
    ("\"x,1\n", "line 1: a field in quotes"), ("1,2,a\n3,\"4\",\"b", "line 2: a field in quotes"),
  ])
  func `What is wrong is named with its line and column`(_ text: String, _ message: String) {
    #expect(error(text)?.contains(message) == true, "\(error(text) ?? "no error")")
  }

  @Test func `A label column that is not there is an error`() {
    #expect(error("x,y\n1,2", .init(label: .number(3)))?.contains("has 2 columns and no column 3") == true)
    #expect(error("x,y\n1,2", .init(label: .number(0)))?.contains("no column 0") == true)
    #expect(error("x,y\n1,2", .init(label: .name("z"))) == "line 1 names no column 'z' for the labels, but 'x', 'y'")
    #expect(error("x,x\n1,2", .init(label: .name("x")))?.contains("2 columns 'x'") == true)
    #expect(error("x,y\n1,2", .init(header: .no, label: .name("x"))) != nil)
  }

  @Test func `Single precision may be too small`() throws {
    #expect(values(of: try read("0.1,a", .init()).features) == [Double(Float(0.1))])
    #expect(error("1e39,a", .init())?.contains("too large for float32; read the file as float64") == true)
  }

  @Test func `Random tables are what the naive reader reads`() throws {
    var generator = SplitMix64(seed: 6)
    var refused = 0
    for _ in 0..<400 {
      let separator = generator.pick([",", ";", "\t"])
      let columns = 2 + Int(generator.next(below: 5))
      let label = Int(generator.next(below: UInt64(columns)))
      var lines: [String] = []
      var expected: ([Double], [String])? = ([], [])
      for row in 0..<1 + generator.next(below: 8) {
        if generator.next(below: 8) == 0 { lines.append(generator.pick(["", "  "])) }
        let fields = (0..<columns).map { column in
          if column == label {
            let text = generator.pick(["a", "b c", "7", "a\(separator)\"b\"", "é"])
            expected?.1.append(text)
            return text.contains("\"") ? "\"a\(separator)\"\"b\"\"\"" : text
          }
          // The first row decides whether there is a header.
          var text = row == 0 ? "1" : generator.numberText()
          if text == ".", generator.next(below: 2) == 0 { text = "2" }
          if let number = naiveNumber(text) { expected?.0.append(number) } else { expected = nil }
          return generator.pick(["\(text)", "\(text)", " \(text) ", "\"\(text)\""])
        }
        lines.append(fields.joined(separator: separator))
      }
      refused += expected == nil ? 1 : 0
      let text = lines.joined(separator: generator.pick(["\n", "\r\n"]))
      let options = CSV.Options(
        separator: CSV.Separator(rawValue: separator), header: .no, label: .number(label + 1), element: .float64)
      for chunkSize in [1, 3, 10, 50, 1 << 20] {
        let table = withThreads(1 + chunkSize % 3) { try? read(text, options, chunkSize: chunkSize) }
        #expect(table.map { values(of: $0.features) } == expected?.0, "\(text)")
        #expect(table.map(labels) == expected?.1, "\(text)")
      }
    }
    #expect(refused > 20 && refused < 300)
  }

  @Test func `Files are read plain or compressed`() throws {
    let plain = directory.write(Array("a 1:0.5\nb 3:3".utf8), "plain")
    let options = CSV.Options(label: .absent)
    let message = dataError { _ = try CSV.read(path: plain, options: options) }?.message
    #expect(message?.isEmpty == false)
    #expect(
      message == dataError { _ = try CSV.read(path: directory.write(Fixtures.gzipText), options: options) }?.message)
    #expect(dataError { _ = try CSV.read(path: directory.path + "/missing") }?.exitCode == 66)
  }
}
