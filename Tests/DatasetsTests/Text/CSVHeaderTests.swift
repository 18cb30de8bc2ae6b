import LinearAlgebra
import Testing

@testable import Datasets

/// Whether the first line of a table has names.
@Suite struct CSVHeaderTests {
  /// The names that are read, empty for a table without names; nil for an error.
  func names(
    _ text: String, _ label: CSV.LabelPosition = .last, _ header: CSV.Header = .auto, known: [String] = []
  ) -> [String]? {
    var options = CSV.Options(header: header, label: label, element: .float64)
    if !known.isEmpty { options.known = TableColumns(features: known, label: "label") }
    let found = [1, 7, 1 << 20].map { size in
      (try? TextInMemory(text).csv(options, chunkSize: size)).map { table in
        table.columns.features + (table.columns.label.map { [$0] } ?? [])
      }
    }
    #expect(found.allSatisfy { $0 == found[0] })
    return found[0]
  }

  func message(_ text: String, _ header: CSV.Header = .auto) -> String {
    dataError { _ = try TextInMemory(text).csv(CSV.Options(header: header)) }?.message ?? "no error"
  }

  /// Rows of d numbers with fractions, and labels 0, 1, 2.
  func rows(_ d: Int, labels: [String] = ["0", "1", "2"], separator: String = ",") -> String {
    (0..<6).map { row in
      ((0..<d).map { "\(Double(row * d + $0 + 1) / 7 - 1)" } + [labels[row % labels.count]]).joined(
        separator: separator)
        + "\n"
    }.joined()
  }

  @Test(arguments: [1, 2, 3, 4, 10, 64])
  func `Names that count the features are names`(_ d: Int) {
    for first in [0, 1] {
      let count = (first..<first + d).map { "\($0)" }
      for separator in [",", ";", "\t"] {
        let line = (count + ["label"]).joined(separator: separator) + "\n"
        #expect(names(line + rows(d, separator: separator)) == count + ["label"])
      }
      // The labels come first, or have names themselves.
      let turned = rows(d).split(separator: "\n").map { line in
        let fields = line.split(separator: ",")
        return (fields.suffix(1) + fields.dropLast()).joined(separator: ",") + "\n"
      }
      #expect(names("label," + count.joined(separator: ",") + "\n" + turned.joined(), .first) == count + ["label"])
    }
    let count = (0..<d).map { "\($0)" }
    let line = (count + ["species"]).joined(separator: ",") + "\n"
    #expect(names(line + rows(d, labels: ["setosa", "virginica"])) == count + ["species"])
    // An array whose last column has the labels.
    let all = (0...d).map { "\($0)" }
    let found = names(all.joined(separator: ",") + "\n" + rows(d))
    #expect(d < 2 || d == 2 ? found != all : found == all, "\(d)")
    #expect(names(all.joined(separator: ",") + "\n" + rows(d), .absent) == (d < 2 ? nil : all), "\(d)")
  }

  @Test func `Other signs of names are seen`() {
    // Wavelengths, which increase.
    #expect(names("400.5,410,420,label\n3,1,2,0\n1,5,2,1\n") == ["400.5", "410", "420", "label"])
    // Quotes around names alone, as R writes them.
    #expect(names("\"1950\",\"7\",\"kind\"\n3,1,\"a\"\n1,5,\"b\"\n") == ["1950", "7", "kind"])
    #expect(names("id,2019,2020,label\n1,2,3,0\n4,5,6,1\n") == ["id", "2019", "2020", "label"])
    #expect(names("7,3,5,label\n1,2,3,a\n4,5,6,b\n", .name("label")) == ["7", "3", "5", "label"])
    #expect(names("7,3,5,x\n1,2,3,a\n4,5,6,b\n", .last, .yes) == ["7", "3", "5", "x"])
    // Known names.
    #expect(names("2,0,1,label\n1,2,3,a\n", known: ["0", "1", "2"]) == ["0", "1", "2", "label"])
    #expect(names("2,x,1,label\n1,2,3,a\n4,5,6,b\n", known: ["x", "1", "2"]) == ["x", "1", "2", "label"])
  }

  /// Lines of the numbers 0 … d − 1 in random orders, behind the first line, with labels.
  private func rankings(_ d: Int, _ count: Int, labels: [String]) -> String {
    var generator = SplitMix64(seed: 3)
    return (0..<count).map { row in
      var order = Array(0..<d)
      for index in order.indices { order.swapAt(index, Int(generator.next(below: UInt64(d)))) }
      if row == 0 { order.sort(by: >) }
      return (order.map { "\($0)" } + [labels[row % labels.count]]).joined(separator: ",") + "\n"
    }.joined()
  }

  @Test(arguments: [3, 5, 6, 20]) func `Numbers of columns in any order are names, and rankings are examples`(_ d: Int)
  {
    let order = (0..<d).map { (7 * $0 + 2) % d }.reversed().map { "\($0)" }
    let shuffled = d % 7 == 0 ? [] : order
    for (label, labels) in [("label", ["0", "1", "2"]), ("kind", ["a", "b"]), ("\(d)", ["0", "1", "2"])] {
      let line = (shuffled + [label]).joined(separator: ",") + "\n"
      #expect(names(line + rows(d, labels: labels)) == shuffled + [label], "\(line)")
    }
    let alone = rows(d).split(separator: "\n").map { $0.split(separator: ",").dropLast().joined(separator: ",") + "\n" }
    #expect(names(shuffled.joined(separator: ",") + "\n" + alone.joined(), .absent) == shuffled)
    for labels in [["0", "1", "2"], ["a", "b"], ["\(d)", "0"]] {
      #expect(names(rankings(d, 12, labels: labels)) == [], "\(labels)")
    }
    // Numbers in order above rankings, where the label may be a class or the number of its column.
    let counted = (0...d).map { "\($0)" }.joined(separator: ",") + "\n"
    #expect(names(counted + rankings(d, 12, labels: ["0", "1"])) == nil)
    // Rankings in which some are equal.
    let ties = "0.5,0.5,2" + (3..<max(d, 3)).map { ",\($0)" }.joined()
    #expect(names(shuffled.joined(separator: ",") + ",a\n" + "\(ties),b\n\(ties),c\n") == [])
    // A model that knows the columns by these names.
    let known = (0..<d).map { "\($0)" }
    #expect(names(shuffled.joined(separator: ",") + ",label\n" + rows(d), known: known) == known + ["label"])
    #expect(names(rankings(d, 12, labels: ["0", "1"]), known: known) == nil)
  }

  @Test func `Few small integers may be either`() {
    func lines(_ d: Int, _ count: Int) -> String {
      (0..<count).map { row in (0..<d).map { "\((row + $0 * row) % 4 + 3)," }.joined() + "\(row % 2)\n" }.joined()
    }
    #expect(names("2,0,1,5\n" + lines(3, 10)) == [])
    #expect(message("2,0,1,5\n" + lines(3, 30)).contains("column 1 has '2', which numbers the columns in some order"))
    #expect(names("2,0,1,4,5,3,9\n" + lines(6, 10)) == ["2", "0", "1", "4", "5", "3", "9"])
    #expect(message("2,0,1,4,5,3,9\n0,1,2,3,4,5,1\n" + lines(6, 10)).contains("numbers the columns in some order"))
  }

  @Test func `Numbers of columns are asked about where the label's is a class`() {
    func lines(_ d: Int, _ count: Int) -> String {
      (0..<count).map { row in "\(row % 3)" + (0..<d).map { ",\((5 * row + 3 * $0 * row) % 11)" }.joined() + "\n" }
        .joined()
    }
    for (line, label) in [("0,4,1,2,3", CSV.LabelPosition.first), ("0,1,2,3,4", .first), ("4,1,2,3,0", .number(5))] {
      let text = line + "\n" + lines(4, 30)
      let message = dataError { _ = try TextInMemory(text).csv(CSV.Options(label: label)) }?.message
      #expect(message?.contains("--header") == true, "\(line)")
      #expect(names(text, label, .yes) != nil && names(text, label, .no) == [])
    }
    #expect(message("400,410,420,430,440,1\n" + lines(5, 30)).contains("column 1 has '400', which increases with"))
    // Lines that are like the first one make it an example.
    #expect(names("0,4,1,2,3\n" + lines(4, 30) + "1,0,4,3,2\n", .first) == nil)
    #expect(names("0,4,1,2,3\n" + String(repeating: "1,0,4,3,2\n", count: 10) + lines(4, 30), .first) == [])
    #expect(
      names("400,410,420,430,440,1\n" + (0..<9).map { "\($0),2\($0),4\($0),6\($0),8\($0),\($0 % 2)\n" }.joined()) == [])
  }

  @Test func `Wavelengths are names without labels, too`() {
    func lines(_ d: Int, _ label: String = "") -> String {
      (0..<20).map { row in
        (0..<d).map { "\(Double((row * 7 + $0 * 13) % 17) / 8 + 0.0625)" }.joined(separator: ",") + label + "\n"
      }.joined()
    }
    for line in ["400,410,420,430,440,450", "400,410,425,430,460,470,480", "399.5,400,400.5,401,401.5,402"] {
      let columns = line.split(separator: ",").map(String.init)
      #expect(names(line + "\n" + lines(columns.count), .absent) == columns)
      #expect(names(line + ",7\n" + lines(columns.count, ",0")) == columns + ["7"])
      #expect(names(line + ",0\n" + lines(columns.count, ",0")) == nil)
    }
    #expect(names("400,410,420\n" + lines(3), .absent) == nil)
    for line in ["400.5,410,421,430,440,450.25", "400,410,405,430,440,450"] {
      #expect(names(line + "\n" + lines(6), .absent) == [], "\(line)")
    }
    // Sums that increase in all lines.
    let sums = (0..<20).map { row in
      (1...6).map { "\(Double($0 * row) + 0.5 * Double($0))" }.joined(separator: ",") + "\n"
    }
    #expect(names("1,2,3,4,5,7\n" + sums.joined(), .absent) == [])
  }

  @Test func `Numbers for names are those of features that have no names`() throws {
    var options = CSV.Options(featureCount: 3, element: .float64)
    options.numbersAreFeatures = true
    func read(_ text: String) throws -> CSV.Table { try TextInMemory(text).csv(options) }
    let rows = "1.5,2,3\n4.5,5,6\n"
    for (line, expected, isNoted) in [
      ("2,0,1", [2, 3, 1.5, 5, 6, 4.5], true), ("3,1,2", [2, 3, 1.5, 5, 6, 4.5], true),
      ("0,1,2", [1.5, 2, 3, 4.5, 5, 6], false), ("x,y,z", [1.5, 2, 3, 4.5, 5, 6], false),
    ] as [(String, [Double], Bool)] {
      let table = try read(line + "\n" + rows)
      #expect(values(of: table.features) == expected, "\(line)")
      #expect(table.columns.note?.contains("the numbers of the features for names") ?? false == isNoted)
    }
    options.label = .first
    #expect(values(of: try read("label,2,0,1\n9,1.5,2,3\n7,4.5,5,6\n").features) == [2, 3, 1.5, 5, 6, 4.5])
    (options.label, options.header) = (.last, .yes)
    #expect(dataError { _ = try read("3,0,1\n" + rows) }?.message.contains("numbers the columns out of order") == true)
    #expect(values(of: try read("2020,2019,2018\n" + rows).features) == [1.5, 2, 3, 4.5, 5, 6])
    options.numbersAreFeatures = false
    #expect(values(of: try read("2,0,1\n" + rows).features) == [1.5, 2, 3, 4.5, 5, 6])
  }

  @Test(arguments: [
    "1,2,a\n3,4,b", "5.1,3.5,setosa\n4.9,3,virginica\n", "0,1,0\n1,0,1\n1,1,0\n",
    "1,2,3,7\n3,4,5,8\n", "9,8,B\n3,4,A\n1,2,3", "0,0,0,0\n0,0,0,1\n", "3,1,2,1\n",
    "\"1\",\"2\",\"a\"\n\"3\",\"4\",\"b\"\n",
  ])
  func `Examples are no names`(_ text: String) {
    #expect(names(text) == [])
  }

  @Test func `A typo in the first line is named`() {
    for (text, cell) in [
      ("5.1,3.S,1.4,a\n4.9,3,1.4,b\n", "column 2 has '3.S', which is no number, and other cells are"),
      ("5.1,3.5,1.4,O\n4.9,3,1.4,0\n4,3,2,1\n", "column 4 has 'O', which is no number, and the other labels are"),
      ("l.5,a\n2.5,b\n3.5,a\n", "column 1 has 'l.5', which is no number, and label 'a' is that of other lines, too"),
      ("0,1,a\n0,0,b\n1,1,b\n", "column 1 has '0', which counts the columns with those behind it"),
      ("0,1\n5,0\n0,1\n", "column 1 has '0', which counts the columns with those behind it"),
      ("1,2,u\n5,4,b\n5,3,b\n6,6,b\n", "column 1 has '1', which counts the columns with those behind it"),
      ("5,2,label\n5,4,b\n5,3,b\n", "column 3 has 'label', which is what columns of labels are called"),
      ("0,1,2,3\n5,4,3,1\n5,4,3,0\n", "column 1 has '0', which counts the columns with those behind it"),
    ] {
      let message = message(text)
      #expect(message.hasPrefix("line 1: \(cell)"), "\(message)")
      #expect(message.hasSuffix("(data.header or --header: yes or no)"))
      #expect(names(text, .last, .yes) != nil, "\(text)")
    }
    #expect(message("5.1,3.S,1.4,a\n4.9,3,1.4,b\n", .no).hasPrefix("line 1: column 2 has '3.S', which is no number"))
    #expect(names("0,1,a\n0,0,b\n1,1,b\n", .last, .no) == [])
    // A column of text is reported as such.
    #expect(message("1,red,a\n2,blue,b\n").hasPrefix("line 1: column 2 has 'red', which is no number; encode it"))
  }

  @Test func `An index beside the data is refused`() throws {
    let indexed = rows(4).split(separator: "\n").enumerated().map { "\($0),\($1)\n" }.joined()
    for line in [",0,1,2,3,label\n", ",a,b,c,d,label\n", "\"\",\"a\",\"b\",\"c\",\"d\",\"label\"\n", ",0,1,2,3,4\n"] {
      #expect(message(line + indexed).hasPrefix("line 1: column 1 has no name, as the row numbers"), "\(line)")
    }
    #expect(message("Unnamed: 0,a,b,c,d,label\n" + indexed).hasPrefix("line 1: column 1 is 'Unnamed: 0', as pandas"))
    #expect(message("a,,label\n1,2,0\n").hasPrefix("line 1: column 2 has no name"))
    // Where no column has a name, the user gets a note.
    let bare = (0..<12).map { "\($0),\($0 % 5 * 2),\($0 % 3)\n" }.joined()
    #expect(try TextInMemory(bare).csv().columns.note?.contains("column 1 counts the rows") == true)
    #expect(try TextInMemory("id,x,y\n" + bare).csv().columns.note?.contains("column 1 'id' counts the rows") == true)
    #expect(try TextInMemory("id,x,y\n" + bare + "7,1,1\n").csv().columns.note == nil)
  }

  @Test func `Comments are named for what they are`() {
    for (text, line) in [
      ("# made by a program\n1,2,a\n", 1), ("# x,y,label\n1,2,0\n3,4,1\n", 1), ("1,2,a\n#3,4,b\n", 2),
      ("x,y,l\n1,2,a\n # 1 of 2, 3\n", 3), ("# 1,2\n1,2\n", 1),
    ] {
      for header in [CSV.Header.auto, .no] {
        #expect(
          message(text, header).hasPrefix("line \(line): begins with # as a comment does") || header == .no && line > 2)
      }
    }
    // Labels may begin with the mark of a comment, and so may names in quotes.
    #expect(names("#a,1,2\n#b,3,4\n", .first) == [])
    #expect(names("\"#a\",b,l\n1,2,x\n") == ["#a", "b", "l"])
  }

  @Test func `A further file is told from its own lines`() throws {
    func read(_ texts: [String]) throws -> CSV.Table {
      let files = texts.map { text in TextInMemory(text) }
      defer { extendLifetime(files) }
      return try CSV.read(try files.enumerated().map { try $1.file("file \($0)") })
    }
    let line = "0,1,2,label\n"
    #expect(try read([line + rows(3), line + rows(3), rows(3)]).features.rows == 18)
    #expect(
      dataError { _ = try read([rows(3), line + rows(3)]) }?.message.contains("has names, and file 0 has none") == true)
    let other = dataError { _ = try read([line + rows(3), "0,2,1,label\n" + rows(3)]) }?.message
    #expect(other?.contains("has '2' for the name of column 2, and file 0 has '1'") == true, "\(other ?? "")")
  }
}
